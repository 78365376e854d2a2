//! The steps. Operands are any numbers, taken modulo what there is, so that each step is valid and
//! cases shrink.

use proptest::prelude::*;
use std::fmt;

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// O_RDONLY
    Read,
    /// O_RDWR
    Write,
    /// O_WRONLY | O_CREAT | O_TRUNC
    Truncate,
    /// O_RDWR | O_CREAT
    Create,
    /// O_RDWR | O_CREAT | O_APPEND
    Append,
    /// O_RDWR | O_CREAT | O_EXCL
    Exclusive,
}

/// As it is written in a test that is kept.
impl fmt::Debug for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Read => "How::Read",
            How::Write => "How::Write",
            How::Truncate => "How::Truncate",
            How::Create => "How::Create",
            How::Append => "How::Append",
            How::Exclusive => "How::Exclusive",
        })
    }
}

impl How {
    pub(crate) fn writes(self) -> bool {
        self != How::Read
    }

    pub(crate) fn creates(self) -> bool {
        !matches!(self, How::Read | How::Write)
    }
}

/// One step. `u8` operands are: a domain, a secret, a file or a handle that is there; a new name;
/// an amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    MakeDomain(u8),
    MakeSecret(u8, u8),
    RemoveDomain(u8),
    RemoveSecret(u8),
    /// By a new name in a secret.
    Open(u8, u8, How),
    /// A file that is there.
    OpenFile(u8, How),
    /// Through a handle: at an offset, so many bytes.
    Write(u8, u8, u8),
    Truncate(u8, u8),
    Read(u8, u8, u8),
    Fsync(u8),
    Close(u8),
    /// By its path.
    TruncateFile(u8, u8),
    Unlink(u8),
    RenameFile(u8, u8, u8, bool),
    RenameFileOnto(u8, u8, bool),
    RenameSecret(u8, u8, u8, bool),
    RenameSecretOnto(u8, u8, bool),
    RenameDomain(u8, u8, bool),
    RenameDomainOnto(u8, u8, bool),
    /// A directory, in pages of so many entries.
    List(u8, u8),
    /// Opened, and one entry read, by the one; then a file removed, and the rest read.
    ListWhileRemoving(u8, u8),
    Remount,
    /// Another device: each is stored at once.
    OtherPut(u8, u8, u8),
    OtherPutFile(u8, u8),
    OtherUnlink(u8),
    OtherMakeSecret(u8, u8),
    OtherRemoveSecret(u8),
    OtherRenameFile(u8, u8, u8),
    OtherRenameSecret(u8, u8, u8),
}

/// The letters of names.
const LETTERS: [&str; 9] = ["a", "é", "%", "/", ".", " ", "%2F", "2E", "~"];

/// A name of one or two letters, or a credential's.
pub(crate) fn name(number: u8) -> String {
    let number = usize::from(number);
    match number % 12 {
        0 => ["uid", "pwd"][number / 12 % 2].to_owned(),
        first @ 1..=9 => {
            let second = LETTERS.get(number / 12 % 20).unwrap_or(&"");
            format!("{}{second}", LETTERS[first - 1])
        }
        // Many ordinary ones, so that they collide.
        _ => "a".repeat(1 + number / 12 % 2),
    }
}

/// A case: what is played, and printed as a test to keep if it fails.
#[derive(Clone)]
pub(crate) struct Case(pub(crate) Vec<Step>);

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n\n#[test]\nfn kept_as() {{\n    keep(&[")?;
        for step in &self.0 {
            writeln!(f, "        {step:?},")?;
        }
        writeln!(f, "    ]);\n}}\n")
    }
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Read),
        Just(How::Write),
        Just(How::Truncate),
        Just(How::Create),
        Just(How::Append),
        Just(How::Exclusive),
    ]
}

/// Cases of up to `steps` steps.
pub(crate) fn cases(steps: usize) -> impl Strategy<Value = Case> {
    let n = any::<u8>;
    let flag = prop::bool::weighted(0.2);
    let step = prop_oneof![
        2 => n().prop_map(Step::MakeDomain),
        4 => (n(), n()).prop_map(|(a, b)| Step::MakeSecret(a, b)),
        1 => n().prop_map(Step::RemoveDomain),
        1 => n().prop_map(Step::RemoveSecret),
        6 => (n(), n(), how()).prop_map(|(a, b, how)| Step::Open(a, b, how)),
        5 => (n(), how()).prop_map(|(a, how)| Step::OpenFile(a, how)),
        9 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Write(a, b, c)),
        3 => (n(), n()).prop_map(|(a, b)| Step::Truncate(a, b)),
        3 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Read(a, b, c)),
        2 => n().prop_map(Step::Fsync),
        5 => n().prop_map(Step::Close),
        2 => (n(), n()).prop_map(|(a, b)| Step::TruncateFile(a, b)),
        3 => n().prop_map(Step::Unlink),
        3 => (n(), n(), n(), flag).prop_map(|(a, b, c, f)| Step::RenameFile(a, b, c, f)),
        3 => (n(), n(), flag).prop_map(|(a, b, f)| Step::RenameFileOnto(a, b, f)),
        2 => (n(), n(), n(), flag).prop_map(|(a, b, c, f)| Step::RenameSecret(a, b, c, f)),
        1 => (n(), n(), flag).prop_map(|(a, b, f)| Step::RenameSecretOnto(a, b, f)),
        1 => (n(), n(), flag).prop_map(|(a, b, f)| Step::RenameDomain(a, b, f)),
        1 => (n(), n(), flag).prop_map(|(a, b, f)| Step::RenameDomainOnto(a, b, f)),
        2 => (n(), n()).prop_map(|(a, b)| Step::List(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Step::ListWhileRemoving(a, b)),
        1 => Just(Step::Remount),
        3 => (n(), n(), n()).prop_map(|(a, b, c)| Step::OtherPut(a, b, c)),
        4 => (n(), n()).prop_map(|(a, b)| Step::OtherPutFile(a, b)),
        2 => n().prop_map(Step::OtherUnlink),
        1 => (n(), n()).prop_map(|(a, b)| Step::OtherMakeSecret(a, b)),
        1 => n().prop_map(Step::OtherRemoveSecret),
        1 => (n(), n(), n()).prop_map(|(a, b, c)| Step::OtherRenameFile(a, b, c)),
        1 => (n(), n(), n()).prop_map(|(a, b, c)| Step::OtherRenameSecret(a, b, c)),
    ];
    prop::collection::vec(step, 1..=steps).prop_map(Case)
}
