//! [`RecoveryKey`]: 256 random bits that open a wallet whose passwords are lost, written as 24 words
//! (BIP 39, English list, 8 bits of checksum), which people can copy by hand.

use super::{CryptoError, Key, Random, SecretBytes};
use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// Words of a recovery key.
const WORDS: usize = 24;

/// Opens a wallet by itself: whoever has it needs neither password.
pub struct RecoveryKey(Key);

impl RecoveryKey {
    /// A new key.
    pub fn new(random: &dyn Random) -> RecoveryKey {
        RecoveryKey(Key::build(|key| random.fill(key)))
    }

    /// The key that these words stand for; case and the space between them do not matter.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NotARecoveryKey`], which does not quote them.
    pub fn parse(text: &SecretBytes) -> Result<RecoveryKey, CryptoError> {
        let refused = CryptoError::NotARecoveryKey;
        let text = std::str::from_utf8(text.expose()).map_err(|_| refused("it is not text"))?;
        // As long as the text, so that it is never moved and leaves no copy.
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        for word in text.split_whitespace() {
            if !plain.is_empty() {
                plain.push(' ');
            }
            plain.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        }
        let words = Mnemonic::parse_in_normalized(Language::English, &plain);
        let words = words.map_err(|e| match e {
            bip39::Error::BadWordCount(_) => refused("it has not 24 words"),
            bip39::Error::UnknownWord(_) => refused("a word is not of the list"),
            _ => refused("its checksum is wrong, so a word is"),
        })?;
        if words.word_count() != WORDS {
            return Err(refused("it has not 24 words"));
        }
        let (entropy, _) = words.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        Ok(RecoveryKey(Key::build(|key| {
            key.copy_from_slice(&entropy[..32]);
        })))
    }

    /// The words, for the person's eyes: six lines of four, numbered by where they stand.
    pub fn words(&self) -> SecretBytes {
        let words = Mnemonic::from_entropy_in(Language::English, self.0.expose());
        let words = words.expect("32 bytes are a length of BIP 39");
        // Longer than 24 words of at most 8 letters, so that it is never moved.
        let mut text = Vec::with_capacity(512);
        for (at, word) in words.words().enumerate() {
            let end = if at % 4 == 3 { b'\n' } else { b' ' };
            text.extend_from_slice(word.as_bytes());
            text.push(end);
        }
        SecretBytes::new(text)
    }

    pub(super) fn expose(&self) -> &Key {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Counting;

    fn parse(text: &str) -> Result<RecoveryKey, CryptoError> {
        RecoveryKey::parse(&SecretBytes::new(text.into()))
    }

    #[test]
    fn the_words_are_the_key() {
        let key = RecoveryKey::new(&Counting::default());
        let words = String::from_utf8(key.words().expose().to_vec()).unwrap();
        assert_eq!(words.split_whitespace().count(), WORDS);
        assert_eq!(words.lines().count(), 6);
        for text in [
            words.clone(),
            words.to_uppercase(),
            words.replace('\n', "  "),
        ] {
            let again = parse(&text).unwrap_or_else(|e| panic!("{e}"));
            assert!(again.0 == key.0);
        }
    }

    /// The first and the last of BIP 39's own vectors of 24 words: a change of this is a change of
    /// what people have written down.
    #[test]
    fn the_words_are_those_of_bip_39() {
        let zeros = format!("{} art", ["abandon"; 23].join(" "));
        assert!(parse(&zeros).unwrap_or_else(|e| panic!("{e}")).0 == Key::from_bytes([0; 32]));
        let ones = format!("{} vote", ["zoo"; 23].join(" "));
        assert!(parse(&ones).unwrap_or_else(|e| panic!("{e}")).0 == Key::from_bytes([255; 32]));
    }

    #[test]
    fn a_wrong_word_is_refused_and_not_quoted() {
        let wrong = |text: String| match parse(&text) {
            Ok(_) => panic!("{text}"),
            Err(e) => e.to_string(),
        };
        let abandon = |n: usize| ["abandon"].repeat(n).join(" ");
        assert!(wrong(abandon(24)).contains("checksum"));
        assert!(wrong(abandon(23)).contains("24 words"));
        assert!(wrong(format!("{} about", abandon(11))).contains("24 words"));
        assert!(wrong(String::new()).contains("24 words"));
        let unknown = wrong(format!("{} Walletfs", abandon(23)));
        assert!(unknown.contains("list") && !unknown.to_lowercase().contains("walletfs"));
    }
}
