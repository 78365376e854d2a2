//! The pages, and what is found in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown page of the repository.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    text: String,
}

impl Page {
    pub(crate) fn readme() -> Page {
        Page::read(root().join("README.md"))
    }

    /// The README, the changelog and every page of the manual.
    pub(crate) fn all() -> Vec<Page> {
        let manual = fs::read_dir(root().join("man")).expect("there is a manual");
        let manual = manual.map(|entry| entry.expect("it can be listed").path());
        let own = ["README.md", "CHANGELOG.md"].map(|name| root().join(name));
        let pages = own.into_iter().chain(manual);
        pages
            .filter(|path| path.extension().is_some_and(|e| e == "md"))
            .map(Page::read)
            .collect()
    }

    fn read(path: PathBuf) -> Page {
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page { path, text }
    }

    /// The lines of the fenced blocks of this language, each block by itself.
    pub(crate) fn blocks(&self, language: &str) -> Vec<Vec<&str>> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(found) = line.trim_start().strip_prefix("```") else {
                continue;
            };
            let block = lines
                .by_ref()
                .take_while(|line| line.trim_start() != "```")
                .collect();
            if found == language {
                blocks.push(block);
            }
        }
        blocks
    }

    /// The lines outside of fenced blocks.
    pub(crate) fn prose(&self) -> impl Iterator<Item = &str> {
        let mut fenced = false;
        self.text.lines().filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
    }

    /// The inline code.
    pub(crate) fn code(&self) -> Vec<&str> {
        self.prose()
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .collect()
    }

    /// The rows of tables whose first column is headed so, each cell by itself.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<&str>> {
        let mut rows = Vec::new();
        let mut within = false;
        for line in self.prose() {
            let inner = line
                .strip_prefix('|')
                .and_then(|line| line.strip_suffix('|'));
            let cells: Vec<_> =
                inner.map_or(Vec::new(), |row| row.split('|').map(str::trim).collect());
            match cells.first() {
                Some(cell) if *cell == heading => within = true,
                Some(cell) if cell.starts_with("---") => {}
                Some(_) if within => rows.push(cells),
                _ => within = false,
            }
        }
        rows
    }

    /// The first cells of these rows.
    pub(crate) fn column(&self, heading: &str) -> Vec<&str> {
        self.rows(heading).iter().map(|cells| cells[0]).collect()
    }

    /// The targets of links into the repository, relative to it.
    fn links(&self) -> Vec<&str> {
        let targets = self.text.split("](").skip(1);
        targets
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
            .filter(|target| !target.contains("://"))
            .collect()
    }
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for page in Page::all() {
        let dir = page.path.parent().expect("it is a file");
        for link in page.links() {
            assert!(
                dir.join(link).exists(),
                "{}: {link} is not there",
                page.path.display()
            );
            links += 1;
        }
    }
    assert!(links >= 3, "the README leads to the manual");
}
