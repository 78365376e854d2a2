//! What an import found, for the person who asked: on standard output, with names, never a value.

use crate::cli::exit::{Exit, Failure};
use crate::wallet::Field;
use crate::wallet::import::Standing;
use crate::wallet::import::naming::{Bearer, Judged, Named};
use std::fmt::Write;

/// What was found.
pub(super) struct Report<'a> {
    pub(super) judged: &'a Judged,
    /// Of each secret.
    pub(super) standings: &'a [Standing],
    pub(super) left_out: &'a [String],
    pub(super) lost: &'a [String],
    pub(super) overwrite: bool,
}

/// A number of things.
pub(super) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

impl Report<'_> {
    fn secrets(&self) -> impl Iterator<Item = (&Named, &Standing)> {
        self.judged.secrets.iter().zip(self.standings)
    }

    fn number(&self, which: impl Fn(&Standing) -> bool) -> usize {
        self.standings.iter().filter(|s| which(s)).count()
    }

    /// Secrets that are not in the wallet, and that only a proposed name lets in.
    fn renamed(&self) -> usize {
        let renamed = self.secrets().filter(|(named, standing)| {
            let wanted = match standing {
                Standing::New => true,
                Standing::Differs(_) => self.overwrite,
                Standing::Same | Standing::TooLarge => false,
            };
            wanted && !named.renamed.is_empty()
        });
        renamed.count()
    }

    /// Whether there are names that the person is to agree to.
    pub(super) fn asks_for_names(&self) -> bool {
        self.renamed() > 0
    }

    /// The report; `whole` has a line for each secret.
    pub(super) fn text(&self, whole: bool) -> String {
        let mut text = String::new();
        let differs = self.number(|s| matches!(s, Standing::Differs(_)));
        let mut parts = vec![format!("{} new", self.number(|s| *s == Standing::New))];
        let same = self.number(|s| *s == Standing::Same);
        if same > 0 {
            parts.push(format!("{same} there already, the same"));
        }
        if differs > 0 {
            let fate = match self.overwrite {
                true => "to be overwritten",
                false => "kept as they are, unless --overwrite is given",
            };
            parts.push(format!("{differs} there already, but different ({fate})"));
        }
        let large = self.number(|s| *s == Standing::TooLarge);
        if large > 0 {
            parts.push(format!("{large} too large"));
        }
        let all = count(self.judged.secrets.len(), "secret");
        line(&mut text, &format!("Found {all}: {}.", parts.join(", ")));
        if self.judged.repeated > 0 {
            let repeated = count(self.judged.repeated, "secret");
            let told = format!("{repeated} more stand there a second time, all the same.");
            line(&mut text, &told);
        }
        for (named, standing) in self.secrets() {
            self.secret(&mut text, named, standing, whole);
        }
        for (what, sentences) in [("left out", self.left_out), ("LOST", self.lost)] {
            for sentence in sentences {
                line(&mut text, &format!("{what}: {sentence}"));
            }
        }
        text
    }

    fn secret(&self, text: &mut String, named: &Named, standing: &Standing, whole: bool) {
        let name = format!("{:?} / {:?}", &*named.domain, &*named.access);
        let fields = |fields: Vec<&Field>| {
            let names: Vec<_> = fields.into_iter().map(field).collect();
            names.join(", ")
        };
        match standing {
            Standing::New if whole => {
                let fields = fields(named.fields.keys().collect());
                line(text, &format!("new: {name}: {fields}"));
            }
            Standing::Same if whole => line(text, &format!("same: {name}")),
            Standing::New | Standing::Same => {}
            Standing::Differs(which) => {
                let fields = fields(which.iter().collect());
                line(text, &format!("different: {name}: {fields}"));
            }
            Standing::TooLarge => {
                let told = format!(
                    "too large: {name} ({}): split it, and keep its largest fields elsewhere",
                    named.origin
                );
                line(text, &told);
            }
        }
        for renaming in &named.renamed {
            let bearer = match renaming.what {
                Bearer::Domain => "the domain",
                Bearer::Secret => "the secret",
                Bearer::Key => "the info key",
            };
            let told = format!(
                "cannot be: {bearer} {:?} ({}): {}; proposed: {:?}",
                shortened(&renaming.was),
                named.origin,
                renaming.why,
                renaming.proposal
            );
            line(text, &told);
        }
    }

    /// The end of a run that wrote all it should: a failure if something of the source is not in
    /// the wallet.
    pub(super) fn outcome(&self, renamed: bool) -> Result<(), Failure> {
        let mut missing = Vec::new();
        let names = self.renamed();
        if names > 0 && !renamed {
            missing.push(format!(
                "{} under names that cannot be: run it again with --rename to import them under \
                 the proposed ones",
                count(names, "secret")
            ));
        }
        let large = self.number(|s| *s == Standing::TooLarge);
        if large > 0 {
            missing.push(format!("{}, too large", count(large, "secret")));
        }
        if !self.lost.is_empty() {
            missing.push("what the report says is lost".into());
        }
        match missing.is_empty() {
            true => Ok(()),
            false => {
                let message = format!("not imported: {}", missing.join("; "));
                Err(Failure::new(Exit::Failed, message))
            }
        }
    }
}

fn line(text: &mut String, what: &str) {
    writeln!(text, "{what}").expect("a string takes everything");
}

fn field(field: &Field) -> String {
    match field {
        Field::Uid => "uid".into(),
        Field::Pwd => "pwd".into(),
        Field::Info(key) => format!("{:?}", shortened(key)),
    }
}

/// The beginning of a name that may be of any length.
fn shortened(name: &str) -> String {
    const SHOWN: usize = 60;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::import::naming::judge;
    use crate::wallet::import::{Found, FoundField, Source};
    use std::sync::Arc;

    #[test]
    fn names_are_told_and_nothing_plays_with_the_terminal() {
        let value = Arc::new(crate::crypto::SecretBytes::new(b"Value".to_vec()));
        let found = |access: &str| Found {
            origin: "entry 1".into(),
            domain: "d\x1b[2J".into(),
            access: access.into(),
            fields: [(
                Field::Info("k\n".into()),
                FoundField {
                    value: value.clone(),
                    mtime_ns: None,
                    mode: None,
                },
            )]
            .into(),
        };
        let mut source = Source::default();
        source.secrets = vec![found("a"), found(&"x".repeat(9_000))];
        let judged = judge(source, "nowhere");
        let report = Report {
            judged: &judged,
            standings: &[Standing::New, Standing::Differs(vec![Field::Pwd])],
            left_out: &["3 old versions".into()],
            lost: &[],
            overwrite: true,
        };
        let text = report.text(true);
        assert!(
            text.starts_with(
                "Found 2 secrets: 1 new, 1 there already, but different (to be overwritten).\n"
            ),
            "{text}"
        );
        for told in [
            r#"new: "d\u{1b}[2J" / "a": "k\n""#,
            "different: ",
            "cannot be: the secret \"xxx",
            "left out: 3 old versions",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!text.contains('\x1b') && !text.contains("Value"));
        assert!(text.len() < 2_000);
        assert!(report.outcome(true).is_ok());
        let message = report.outcome(false).unwrap_err().to_string();
        assert!(message.contains("--rename"), "{message}");
    }
}
