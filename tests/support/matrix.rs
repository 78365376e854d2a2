//! A matrix of what was tried: rows and columns are declared first, each cell is then recorded with
//! its outcome, and the end prints the table and fails for any cell that failed or was not run.
//!
//! Cells are recorded from any thread. `scripts/matrix` prints every matrix of the tests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

/// The outcomes of what is tried on one kind of store, say.
pub(crate) struct Matrix {
    title: String,
    /// What the rows are, and what the columns are: "fault", "operation".
    corner: String,
    rows: Vec<String>,
    columns: Vec<String>,
    cells: Mutex<BTreeMap<(usize, usize), Cell>>,
    figures: Mutex<Vec<(String, String)>>,
}

struct Cell {
    outcome: String,
    right: bool,
}

/// What stands in a cell that nobody recorded.
const NOT_RUN: &str = "NOT RUN";

impl Matrix {
    /// A matrix of which every cell is still to be run.
    pub(crate) fn new<'a>(
        title: &str,
        corner: &str,
        rows: impl IntoIterator<Item = &'a str>,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Matrix {
        let owned = |names: &mut dyn Iterator<Item = &'a str>| {
            let names: Vec<String> = names.map(str::to_owned).collect();
            for (at, name) in names.iter().enumerate() {
                assert!(!names[..at].contains(name), "{name} is declared twice");
            }
            names
        };
        Matrix {
            title: title.into(),
            corner: corner.into(),
            rows: owned(&mut rows.into_iter()),
            columns: owned(&mut columns.into_iter()),
            cells: Mutex::default(),
            figures: Mutex::default(),
        }
    }

    /// Records that a cell came out right, and how.
    #[track_caller]
    pub(crate) fn right(&self, row: &str, column: &str, outcome: impl Into<String>) {
        self.record(row, column, outcome.into(), true);
    }

    /// Records that a cell came out wrong, and how.
    #[track_caller]
    pub(crate) fn wrong(&self, row: &str, column: &str, outcome: impl Into<String>) {
        self.record(row, column, outcome.into(), false);
    }

    /// Records a cell by what became of it: how it came out, or what was wrong.
    #[track_caller]
    pub(crate) fn cell(&self, row: &str, column: &str, outcome: Result<String, String>) {
        match outcome {
            Ok(outcome) => self.right(row, column, outcome),
            Err(outcome) => self.wrong(row, column, outcome),
        }
    }

    #[track_caller]
    fn record(&self, row: &str, column: &str, outcome: String, right: bool) {
        let at = |names: &[String], name: &str| names.iter().position(|known| known == name);
        let row_at = at(&self.rows, row).unwrap_or_else(|| panic!("no row is called {row}"));
        let column_at = at(&self.columns, column).unwrap_or_else(|| panic!("no column {column}"));
        let cell = Cell { outcome, right };
        let before = self.cells.lock().unwrap().insert((row_at, column_at), cell);
        assert!(before.is_none(), "{row} x {column} is recorded twice");
    }

    /// Adds a figure, which stands below the table.
    pub(crate) fn figure(&self, name: &str, value: impl ToString) {
        let figure = (name.to_owned(), value.to_string());
        self.figures.lock().unwrap().push(figure);
    }

    /// Prints everything.
    ///
    /// # Panics
    /// If a cell came out wrong or was not run.
    #[track_caller]
    pub(crate) fn finish(self) {
        // One call: lines of other tests do not come in between.
        print!("{}", self.text());
        let faults = self.faults();
        assert!(
            faults.is_empty(),
            "{}: {} cells are not right:\n{}",
            self.title,
            faults.len(),
            faults.join("\n")
        );
    }

    /// The cells that came out wrong or were not run, each as a line.
    fn faults(&self) -> Vec<String> {
        let cells = self.cells.lock().unwrap();
        let mut faults = Vec::new();
        for (row_at, row) in self.rows.iter().enumerate() {
            for (column_at, column) in self.columns.iter().enumerate() {
                match cells.get(&(row_at, column_at)) {
                    None => faults.push(format!("{row} x {column}: {NOT_RUN}")),
                    Some(cell) if !cell.right => {
                        faults.push(format!("{row} x {column}: {}", cell.outcome));
                    }
                    Some(_) => {}
                }
            }
        }
        faults
    }

    /// Title, table and figures, as Markdown.
    fn text(&self) -> String {
        let mut lines = vec![vec![self.corner.clone()]];
        lines[0].extend(self.columns.iter().cloned());
        let cells = self.cells.lock().unwrap();
        for (row_at, row) in self.rows.iter().enumerate() {
            let mut line = vec![row.clone()];
            line.extend((0..self.columns.len()).map(|column_at| {
                match cells.get(&(row_at, column_at)) {
                    None => NOT_RUN.into(),
                    Some(cell) if cell.right => one_line(&cell.outcome),
                    Some(cell) => format!("WRONG: {}", one_line(&cell.outcome)),
                }
            }));
            lines.push(line);
        }
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max();
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|at| width(at).expect("the header is a line"))
            .collect();
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect();
        lines.insert(1, rule);

        let mut text = format!("\n## {}\n\n", self.title);
        for line in lines {
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text += "|\n";
        }
        text += "\n";
        let of = self.rows.len() * self.columns.len();
        let right = of - self.faults_in(&cells);
        let _ = writeln!(text, "{right} of {of} cells are right.");
        for (name, value) in &*self.figures.lock().unwrap() {
            let _ = writeln!(text, "{name}: {value}");
        }
        text + "\n"
    }

    fn faults_in(&self, cells: &BTreeMap<(usize, usize), Cell>) -> usize {
        let right = cells.values().filter(|cell| cell.right).count();
        self.rows.len() * self.columns.len() - right
    }
}

/// What a table can hold: one short line without the sign that separates cells.
fn one_line(outcome: &str) -> String {
    const MOST: usize = 100;
    let line = outcome.lines().next().unwrap_or_default();
    line.replace('|', "/").chars().take(MOST).collect()
}

#[test]
fn a_cell_that_is_wrong_or_was_not_run_fails_the_matrix() {
    let matrix = |cells: &[(&str, &str, Result<&str, &str>)]| {
        let matrix = Matrix::new("Test", "row \\ column", ["a", "b"], ["x", "y"]);
        for (row, column, outcome) in cells {
            let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
            matrix.cell(row, column, outcome);
        }
        matrix
    };
    let most = [
        ("a", "x", Ok("fine")),
        ("a", "y", Ok("a|b")),
        ("b", "x", Ok("ok")),
    ];
    let whole = |last| matrix(&[most[0], most[1], most[2], ("b", "y", last)]);
    assert_eq!(whole(Ok("ok")).faults(), [""; 0]);
    assert_eq!(whole(Err("lost")).faults(), ["b x y: lost"]);
    assert_eq!(matrix(&most).faults(), ["b x y: NOT RUN"]);
    let expected = "
## Test

| row \\ column | x    | y       |
| ------------ | ---- | ------- |
| a            | fine | a/b     |
| b            | ok   | NOT RUN |

3 of 4 cells are right.
lost: 0

";
    let matrix = matrix(&most);
    matrix.figure("lost", 0);
    assert_eq!(matrix.text(), expected);
}
