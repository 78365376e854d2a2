#!/usr/bin/env python3
"""Types at a shell what a file of scripts/first-use says, and shows the terminal as it then looks:

    scripts/typist.py FILE LIMIT SHELL...

Fails if what the file expects does not come, if a command fails, or if LIMIT commands or more are
typed before the line `stored`. SHELL is a command that runs bash without line editing.
"""

import os
import pty
import select
import sys
import time

PROMPT = "$ "
PATIENCE = 120


class Terminal:
    def __init__(self, command):
        self.seen, self.new, self.shown = "", 0, 0
        self.child, self.screen = pty.fork()
        if self.child == 0:
            os.execvp(command[0], command)

    def expect(self, text):
        """Waits until this stands on the screen, after what was waited for before."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen[self.new :]:
            if not select.select([self.screen], [], [], max(0, end - time.monotonic()))[0]:
                self.fail(f"{text!r} did not come")
            try:
                more = os.read(self.screen, 4096)
            except OSError:  # Linux's end of a terminal
                more = b""
            if not more:
                self.fail(f"the shell ended before {text!r} came")
            more = more.decode(errors="replace").replace("\r\n", "\n")
            self.seen += more
        self.new = self.seen.index(text, self.new) + len(text)

    def show(self):
        """Prints what has come, without the exit codes in the prompts."""
        print(self.seen[self.shown :].replace("[0]" + PROMPT, PROMPT), end="", flush=True)
        self.shown = len(self.seen)

    def fail(self, why):
        self.show()
        sys.exit(f"\nscripts/typist.py: {why}")

    def type(self, text):
        os.write(self.screen, (text + "\n").encode())


def main():
    path, limit, shell = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    terminal = Terminal(shell)
    # A prompt that no program says, and the exit code of each command with it.
    terminal.type("PS1='[$?]$ '; stty -echoctl")
    terminal.expect("[0]" + PROMPT)
    # What stands before the first prompt is nothing that a person types.
    terminal.shown = terminal.new - len("[0]" + PROMPT)
    typed, stored = 0, None
    with open(path, encoding="utf-8") as lines:
        steps = [line.rstrip("\n") for line in lines if not line.startswith("#")]
    waiting = False
    for step in steps:
        sign, rest = step[:1], step[2:]
        if step == "stored":
            terminal.expect("[0]" + PROMPT)
            waiting, stored = False, typed
        elif sign == "$":
            if waiting:
                terminal.expect("[0]" + PROMPT)
            terminal.type(rest)
            typed, waiting = typed + 1, True
        elif sign == "?":
            question, answer = rest.split(" =>")
            terminal.expect(question)
            terminal.type(answer.removeprefix(" "))
        elif sign == ">":
            terminal.expect(rest)
        else:
            sys.exit(f"scripts/typist.py: {path} has a line that is not understood: {step}")
    terminal.expect("[0]" + PROMPT)
    terminal.show()
    print()
    if stored is None or stored >= limit:
        sys.exit(f"scripts/typist.py: {stored} commands, and should be fewer than {limit}")
    print(f"# A secret is stored after {stored} commands.")


main()
