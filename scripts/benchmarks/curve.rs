//! A cost at several numbers of secrets, the law that it follows, and its picture.

use crate::outcome::Unit;
use crate::print;
use serde::Serialize;
use std::fmt::Write;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Curve {
    pub(crate) cost: String,
    pub(crate) unit: Unit,
    pub(crate) points: Vec<(usize, f64)>,
}

impl Curve {
    pub(crate) fn new(cost: &str, unit: Unit) -> Curve {
        Curve {
            cost: cost.into(),
            unit,
            points: Vec::new(),
        }
    }

    /// The exponent of the power law that is nearest to all points (least squares of the
    /// logarithms).
    pub(crate) fn exponent(&self) -> f64 {
        slope(&self.logarithms())
    }

    /// The exponent between the two largest wallets, where what every wallet costs weighs least.
    pub(crate) fn last_exponent(&self) -> f64 {
        let points = self.logarithms();
        slope(&points[points.len().saturating_sub(2)..])
    }

    /// In words, by the exponent at the end.
    pub(crate) fn law(&self) -> String {
        match self.last_exponent() {
            x if x.is_nan() => "not to be told".into(),
            x if x < 0.15 => "constant".into(),
            x if x < 0.85 => format!("a constant part, then less than linear (n^{x:.2})"),
            x if x <= 1.15 => "linear".into(),
            x => format!("more than linear (n^{x:.2})"),
        }
    }

    fn logarithms(&self) -> Vec<(f64, f64)> {
        let points = self.points.iter().filter(|(_, cost)| *cost > 0.0);
        points
            .map(|(count, cost)| ((*count as f64).log10(), cost.log10()))
            .collect()
    }
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let both: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let square: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    both / square
}

/// Colours that people with any sight tell apart (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999",
];

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 300.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// The curves of one unit as an SVG picture, both scales logarithmic.
pub(crate) fn svg(title: &str, unit: Unit, curves: &[Curve]) -> String {
    let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.unit == unit).collect();
    let points = curves.iter().flat_map(|curve| curve.logarithms());
    let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
    for (x, y) in points {
        low = (low.0.min(x), low.1.min(y.floor()));
        high = (high.0.max(x), high.1.max(y.ceil()));
    }
    let (low, high) = ((low.0.floor(), low.1), (high.0.ceil(), high.1));
    let x = |log: f64| LEFT + (log - low.0) / (high.0 - low.0) * (WIDTH - LEFT - RIGHT);
    let y = |log: f64| HEIGHT - BOTTOM - (log - low.1) / (high.1 - low.1) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    let mut line = |text: String| {
        // A string is written to without fail.
        let _ = writeln!(svg, "{text}");
    };
    let grid = |x1: f64, y1: f64, x2: f64, y2: f64| {
        format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
        )
    };
    for log in low.0 as i32..=high.0 as i32 {
        let at = x(f64::from(log));
        line(grid(at, TOP, at, HEIGHT - BOTTOM));
        let label = thousands(10_f64.powi(log));
        let below = HEIGHT - BOTTOM + 18.0;
        line(format!(
            "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{label}</text>"
        ));
    }
    for log in low.1 as i32..=high.1 as i32 {
        let at = y(f64::from(log));
        line(grid(LEFT, at, WIDTH - RIGHT, at));
        let label = round(unit, log);
        let (left, base) = (LEFT - 8.0, at + 4.0);
        line(format!(
            "<text x=\"{left:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{label}</text>"
        ));
    }
    let (middle, below) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0);
    line(format!(
        "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">secrets</text>"
    ));
    // Names stand where their curves end, from the highest down.
    let mut ends: Vec<(usize, f64)> = Vec::new();
    for (at, curve) in curves.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let dashes = if at < COLOURS.len() {
            ""
        } else {
            " stroke-dasharray=\"6 3\""
        };
        let points = curve.logarithms();
        let path: Vec<String> = points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        line(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
            path.join(" ")
        ));
        for point in &points {
            let (x, y) = (x(point.0), y(point.1));
            line(format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            ));
        }
        ends.push((at, points.last().map_or(TOP, |point| y(point.1))));
    }
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = TOP;
    for (at, end) in ends {
        let base = end.max(free);
        free = base + 16.0;
        let (colour, left) = (COLOURS[at % COLOURS.len()], WIDTH - RIGHT + 12.0);
        let name = &curves[at].cost;
        line(format!(
            "<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            base + 4.0
        ));
    }
    svg += "</svg>\n";
    svg
}

/// A power of ten in a unit.
fn round(unit: Unit, log: i32) -> String {
    let (value, names): (i32, &[(i32, &str)]) = match unit {
        Unit::Bytes => (log, &[(9, "GB"), (6, "MB"), (3, "kB"), (0, "B")]),
        _ => (log, &[(0, "s"), (-3, "ms"), (-6, "µs"), (-9, "ns")]),
    };
    let (at, name) = names
        .iter()
        .find(|(at, _)| *at <= value)
        .unwrap_or(&names[0]);
    format!("{} {name}", 10_i32.pow((value - at).unsigned_abs()))
}

/// A whole number, its digits in groups of three.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The rows of a table of curves: the cost, its value at each size, the exponents, the law.
pub(crate) fn rows(curves: &[Curve]) -> (Vec<String>, Vec<Vec<String>>) {
    let sizes = curves.first().map_or(&[][..], |curve| &curve.points);
    let mut head = vec!["cost".to_owned()];
    head.extend(sizes.iter().map(|(count, _)| thousands(*count as f64)));
    head.extend(["exponent", "at the end", "law"].map(str::to_owned));
    let row = |curve: &Curve| {
        let mut row = vec![curve.cost.clone()];
        row.extend(curve.points.iter().map(|p| print::value(curve.unit, p.1)));
        row.push(format!("{:.2}", curve.exponent()));
        row.push(format!("{:.2}", curve.last_exponent()));
        row.push(curve.law());
        row
    };
    (head, curves.iter().map(row).collect())
}
