//! The lines of a CSV table (RFC 4180), one at a time in memory that never moves and is wiped: what
//! a cell holds may be a password.

use super::{MOST_FIELDS, SourceError};
use csv_core::{ReadRecordResult, Reader};
use zeroize::Zeroizing;

/// The lines of a table that is in memory.
pub(super) struct Lines<'a> {
    reader: Reader,
    rest: &'a [u8],
    /// Ends of lines that were read.
    lines: u64,
    /// Room for the longest line there can be.
    cells: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    /// Cells of every line, once the first is known.
    width: Option<usize>,
}

/// A line: its number, and its cells.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    cells: &'a str,
    ends: &'a [usize],
}

impl Line<'_> {
    /// The cell at this position; an empty one beyond the last.
    pub(super) fn cell(&self, at: usize) -> &str {
        let begin = match at {
            0 => Some(&0),
            at => self.ends.get(at - 1),
        };
        match (begin, self.ends.get(at)) {
            (Some(begin), Some(end)) => &self.cells[*begin..*end],
            _ => "",
        }
    }

    /// The cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.cell(at))
    }
}

impl<'a> Lines<'a> {
    pub(super) fn of(table: &'a [u8]) -> Lines<'a> {
        Lines {
            reader: Reader::new(),
            // A mark of the byte order that some programs begin with.
            rest: table.strip_prefix(b"\xef\xbb\xbf").unwrap_or(table),
            lines: 0,
            cells: Zeroizing::new(vec![0; table.len() + 1]),
            ends: vec![0; MOST_FIELDS],
            width: None,
        }
    }

    fn advance(&mut self, by: usize) {
        let (read, rest) = self.rest.split_at(by);
        self.lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.rest = rest;
    }

    /// The next line that is not empty; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, SourceError> {
        // The reader leaves the second half of an end of a line, and skips empty lines.
        while let [b'\r' | b'\n', ..] = self.rest {
            self.advance(1);
        }
        let number = self.lines + 1;
        let (mut filled, mut ended) = (0, 0);
        loop {
            let (result, read, written, ends) = self.reader.read_record(
                self.rest,
                &mut self.cells[filled..],
                &mut self.ends[ended..],
            );
            self.advance(read);
            (filled, ended) = (filled + written, ended + ends);
            match result {
                // With nothing left to read, the next call ends the last line.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(wrong(number, "it has too many cells"));
                }
            }
        }
        let ends = &self.ends[..ended];
        if *self.width.get_or_insert(ended) != ended {
            return Err(wrong(
                number,
                "it has another number of cells than the first line",
            ));
        }
        let cells = std::str::from_utf8(&self.cells[..filled]);
        let whole = cells
            .ok()
            .filter(|cells| ends.iter().all(|end| cells.is_char_boundary(*end)));
        let cells = whole.ok_or_else(|| wrong(number, "it is not UTF-8"))?;
        Ok(Some(Line {
            number,
            cells,
            ends,
        }))
    }
}

/// Says what is wrong with a line.
pub(super) fn wrong(line: u64, what: &str) -> SourceError {
    SourceError::malformed(format!("line {line}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(table: &[u8]) -> Result<Vec<(u64, Vec<String>)>, String> {
        let mut lines = Lines::of(table);
        let mut all = Vec::new();
        while let Some(line) = lines.next().map_err(|error| error.to_string())? {
            all.push((line.number, line.cells().map(str::to_owned).collect()));
            assert_eq!(line.cell(99), "");
        }
        Ok(all)
    }

    #[test]
    fn cells_are_exact() {
        let table = "\u{feff}a,b\r\n\"1,2\",\"say \"\"x\"\"\"\n\"two\nlines\",\n,é".as_bytes();
        let text = |line: &[&str]| line.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            lines(table).unwrap(),
            [
                (1, text(&["a", "b"])),
                (2, text(&["1,2", "say \"x\""])),
                (3, text(&["two\nlines", ""])),
                (5, text(&["", "é"])),
            ]
        );
        assert_eq!(lines(b"").unwrap(), []);
    }

    #[test]
    fn trouble_is_told_by_its_line() {
        for (table, told) in [
            (&b"a,b\nSecret\n"[..], "line 2: it has another number"),
            (b"a\n\xffSecret\n", "line 2: it is not UTF-8"),
            (&b",".repeat(MOST_FIELDS), "line 1: it has too many cells"),
        ] {
            let error = lines(table).unwrap_err();
            assert!(
                error.starts_with(told) && !error.contains("Secret"),
                "{error}"
            );
        }
    }
}
