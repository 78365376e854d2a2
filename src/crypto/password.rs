//! The least that a new password must have. A lower bound, not a measure of strength: Argon2id and
//! the second password carry the rest.

use super::SecretBytes;

/// The rule that a new password breaks, first of the list first.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Weakness {
    /// Not text.
    #[error("the password is not UTF-8 text")]
    NotText,
    /// Fewer than 8 characters.
    #[error("the password has fewer than 8 characters")]
    TooShort,
    /// No upper-case letter of any script.
    #[error("the password has no upper-case letter")]
    NoUpperCase,
    /// None of 0 to 9.
    #[error("the password has no digit")]
    NoDigit,
    /// Nothing that is neither a letter nor a digit; a space counts as special.
    #[error("the password has no special character, such as - or ! or a space")]
    NoSpecial,
}

/// Tells the first rule that a new password breaks.
pub fn check_strength(password: &SecretBytes) -> Result<(), Weakness> {
    let text = std::str::from_utf8(password.expose()).map_err(|_| Weakness::NotText)?;
    let special = |c: char| !c.is_alphanumeric() && !c.is_control();
    if text.chars().count() < 8 {
        Err(Weakness::TooShort)
    } else if !text.chars().any(char::is_uppercase) {
        Err(Weakness::NoUpperCase)
    } else if !text.contains(|c: char| c.is_ascii_digit()) {
        Err(Weakness::NoDigit)
    } else if !text.contains(special) {
        Err(Weakness::NoSpecial)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broken_rule_is_told() {
        let check = |text: &[u8]| check_strength(&SecretBytes::new(text.to_vec()));
        assert_eq!(check(b"Abcdef1!"), Ok(()));
        assert_eq!(check("Übung 42".as_bytes()), Ok(()));
        assert_eq!(check(b"\xffAbcdef1!"), Err(Weakness::NotText));
        assert_eq!(check(b""), Err(Weakness::TooShort));
        assert_eq!(check(b"Abcde1!"), Err(Weakness::TooShort));
        // Seven characters in more than eight bytes.
        assert_eq!(check("Äöüßé1!".as_bytes()), Err(Weakness::TooShort));
        assert_eq!(check(b"abcdef1!"), Err(Weakness::NoUpperCase));
        assert_eq!(check(b"Abcdefg!"), Err(Weakness::NoDigit));
        assert_eq!(check(b"Abcdefg1"), Err(Weakness::NoSpecial));
        assert_eq!(check("Abcdefé1".as_bytes()), Err(Weakness::NoSpecial));
        assert_eq!(check(b"Abcdef1\x07"), Err(Weakness::NoSpecial));
    }
}
