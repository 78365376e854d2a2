//! What the operating system refused, in a person's words: what it is, and what to do about it. The
//! numbers of its errors are left out, since nobody can do anything with them.

use std::io::{Error, ErrorKind};

/// The error in words, to stand after what it happened to.
pub fn system(error: &Error) -> String {
    let words = match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory: see that its path is right",
        ErrorKind::PermissionDenied => {
            "you are not permitted to use it: see whose it is, and its mode (`ls -ld`)"
        }
        ErrorKind::StorageFull => "no space is left on its disk: make room there",
        ErrorKind::QuotaExceeded => "your share of its disk is used up: make room there",
        ErrorKind::ReadOnlyFilesystem => "its filesystem is read-only: name another place",
        ErrorKind::NotADirectory => "a part of its path is not a directory: see that it is right",
        ErrorKind::IsADirectory => "it is a directory: name a file",
        ErrorKind::AlreadyExists => "it is there already: name another, or move it away",
        ErrorKind::InvalidFilename => "its name is too long: name another",
        ErrorKind::OutOfMemory => "there is too little memory: close other programs",
        ErrorKind::StaleNetworkFileHandle => "its network share has changed: mount that anew",
        ErrorKind::TimedOut => "it did not answer in time: try again",
        ErrorKind::UnexpectedEof => "it ended too early: try again",
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => {
                "too many files are open: close programs, or raise the limit (`ulimit -n`)"
            }
            Some(libc::EBADF) => "it is not open: see that the number is right",
            Some(libc::EIO) => "its disk failed to read or write: see what the system's log says",
            Some(libc::EAGAIN) => "the system has no more of it at the moment: close programs",
            Some(libc::ELOOP) => "its path has links that lead in a circle: mend them",
            _ => return without_number(&error.to_string()),
        },
    };
    words.into()
}

/// A message without the number of the system's error that it ends with.
pub fn without_number(text: &str) -> String {
    let words = match text.find(" (os error ") {
        Some(at) => &text[..at],
        None => text.trim_end(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_is_a_number() {
        // Linux has some 130.
        for number in 1..=140 {
            let told = system(&Error::from_raw_os_error(number));
            assert!(!told.contains("os error"), "{number}: {told}");
            assert!(told.len() > 5, "{number}: {told}");
        }
        let own = Error::other("the helper says no\n");
        assert_eq!(system(&own), "the helper says no");
        let open = Error::from_raw_os_error(libc::EMFILE);
        assert!(system(&open).contains("ulimit -n"));
    }
}
