#!/usr/bin/env python3
"""Draws a terminal session as SVG, line after line as it was typed:

    scripts/session-svg.py < TRANSCRIPT > PICTURE

Lines that begin with `$ ` are typed, `# ` is a remark, all else is what was shown. The same
transcript gives the same bytes. It moves once and then stands still; a reader that wants no motion,
or a program that knows none, shows the whole at once.
"""

import sys
from xml.sax.saxutils import escape

WIDTH, LINE, LEFT, TOP = 640, 18, 16, 44
STYLE = """
  text { font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #d4d7dd; white-space: pre; }
  .typed { fill: #ffffff; font-weight: bold; }
  .prompt { fill: #8fbf7f; }
  .remark { fill: #8a919e; }
  @keyframes come { from { opacity: 0; } to { opacity: 1; } }
  @media (prefers-reduced-motion: no-preference) { g > text { animation: come 0.01s linear both; } }
"""


def main():
    lines = [line.rstrip("\n") for line in sys.stdin]
    height = TOP + LINE * len(lines) + 8
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
          f'width="{WIDTH}" height="{height}" role="img" aria-label="A terminal session">')
    print(f"<style>{STYLE}</style>")
    print(f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#1f2430"/>')
    for at, colour in enumerate(("#e06c75", "#e5c07b", "#98c379")):
        print(f'<circle cx="{20 + 18 * at}" cy="18" r="5.5" fill="{colour}"/>')
    print("<g>")
    # Somebody types; what is shown follows at once.
    moment = 0.3
    for at, line in enumerate(lines):
        if line.startswith("$ "):
            moment += 0.9
        place = (f'x="{LEFT}" y="{TOP + LINE * at}" xml:space="preserve" '
                 f'style="animation-delay:{moment:.1f}s"')
        if line.startswith("$ "):
            print(f'<text {place}><tspan class="prompt">$ </tspan>'
                  f'<tspan class="typed">{escape(line[2:])}</tspan></text>')
        elif line.startswith("#"):
            print(f'<text {place}><tspan class="remark">{escape(line)}</tspan></text>')
        elif line:
            print(f"<text {place}>{escape(line)}</text>")
        moment += 0.1
    print("</g>\n</svg>")


main()
