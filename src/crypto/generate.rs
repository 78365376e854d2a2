//! Passwords by chance: characters that keep the rules for passwords, or words that people can
//! remember. Every choice is uniform, and the entropy is that of the set they are chosen from.

use super::{Random, SecretBytes, check_strength};
use diceware_wordlists::EFF_LONG_WORDLIST;
use zeroize::Zeroizing;

/// What characters are chosen from: none that a shell, a URL or a configuration file reads
/// otherwise within quotes, and no space.
const SPECIAL: &str = "!#%+,-./:=?@^_~";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

/// The lengths that are made: the shortest that the rules allow, and more than anybody asks for.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 8..=128;
/// The numbers of words that are made.
pub const WORD_COUNTS: std::ops::RangeInclusive<usize> = 1..=64;

/// A password, and the bits of entropy with which it was chosen.
pub struct Generated {
    /// Without a newline at its end.
    pub password: SecretBytes,
    /// How hard it is to guess for somebody who knows how it was made.
    pub bits: f64,
}

/// A password of this many characters that [`check_strength`] accepts, every such one alike.
///
/// # Panics
/// The length is not one of [`LENGTHS`].
pub fn characters(random: &dyn Random, length: usize) -> Generated {
    assert!(LENGTHS.contains(&length), "the caller has looked");
    let alphabet = [UPPER, DIGITS, LOWER, SPECIAL].concat();
    // The first of the whole set that keeps the rules: so each that does is as likely as another.
    let password = loop {
        let mut text = Vec::with_capacity(length);
        for _ in 0..length {
            text.push(alphabet.as_bytes()[below(random, alphabet.len())]);
        }
        let drawn = SecretBytes::new(text);
        if check_strength(&drawn).is_ok() {
            break drawn;
        }
    };
    let bits = length as f64 * (alphabet.len() as f64).log2() + kept(length).log2();
    Generated { password, bits }
}

/// The part of all texts of this length that has an upper-case letter, a digit and a special
/// character, by inclusion and exclusion.
fn kept(length: usize) -> f64 {
    let sizes = [UPPER, DIGITS, SPECIAL].map(|part| part.len() as f64);
    let all = sizes.iter().sum::<f64>() + LOWER.len() as f64;
    let mut kept = 0.0;
    for left_out in 0..1 << sizes.len() {
        let gone = (0..sizes.len()).filter(|part| left_out >> part & 1 == 1);
        let (count, missing) = gone.fold((0, 0.0), |(n, sum), part| (n + 1, sum + sizes[part]));
        let sign = if count % 2 == 0 { 1.0 } else { -1.0 };
        let rest: f64 = (all - missing) / all;
        kept += sign * rest.powi(i32::try_from(length).expect("it is small"));
    }
    kept
}

/// So many words of the EFF's long list (7776 of them), with `-` between.
///
/// # Panics
/// The number is not one of [`WORD_COUNTS`].
pub fn words(random: &dyn Random, count: usize) -> Generated {
    assert!(WORD_COUNTS.contains(&count), "the caller has looked");
    let list = &EFF_LONG_WORDLIST;
    /// The longest word of the list has nine letters.
    const ROOM: usize = 10;
    // Room for everything at once, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(count * ROOM));
    for at in 0..count {
        if at > 0 {
            text.push('-');
        }
        text.push_str(list[below(random, list.len())]);
    }
    Generated {
        password: SecretBytes::new(std::mem::take(&mut *text).into_bytes()),
        bits: count as f64 * (list.len() as f64).log2(),
    }
}

/// A number below `bound`, each as likely: draws that would favour some are thrown away.
fn below(random: &dyn Random, bound: usize) -> usize {
    const DRAWS: usize = 1 << 16;
    let fair = DRAWS - DRAWS % bound;
    loop {
        let mut draw = Zeroizing::new([0; 2]);
        random.fill(&mut *draw);
        let draw = usize::from(u16::from_be_bytes(*draw));
        if draw < fair {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Every draw of two bytes, in order.
    struct Every(AtomicUsize);

    impl Random for Every {
        fn fill(&self, out: &mut [u8]) {
            let next = self.0.fetch_add(1, Ordering::Relaxed) % (1 << 16);
            out.copy_from_slice(&u16::try_from(next).unwrap().to_be_bytes());
        }
    }

    #[test]
    fn every_choice_is_as_likely_as_another() {
        for bound in [77, 7776, 3, 256] {
            let every = Every(AtomicUsize::new(0));
            let mut drawn = vec![0; bound];
            // As many as one round over all draws gives.
            for _ in 0..(1 << 16) / bound * bound {
                drawn[below(&every, bound)] += 1;
            }
            assert!(
                drawn.iter().all(|times| *times == (1 << 16) / bound),
                "{bound}"
            );
        }
    }

    #[test]
    fn a_generated_password_keeps_the_rules_and_has_its_length() {
        for length in LENGTHS {
            let mut seen = HashSet::new();
            for _ in 0..20 {
                let made = characters(&OsRandom, length);
                assert_eq!(made.password.len(), length);
                assert_eq!(check_strength(&made.password), Ok(()));
                seen.insert(made.password.expose().to_vec());
            }
            assert_eq!(seen.len(), 20, "one was made twice");
        }
    }

    #[test]
    fn entropy_counts_what_the_rules_leave() {
        // Of one character none keeps the rules, of three one in each order of the three kinds.
        assert!(kept(1).abs() < 1e-12 && kept(2).abs() < 1e-12);
        let three = 6.0 * 26.0 * 10.0 * 15.0 / 77_f64.powi(3);
        assert!((kept(3) - three).abs() < 1e-12);
        let bits = |length| characters(&OsRandom, length).bits;
        assert!(
            (bits(20) - 20.0 * 77_f64.log2()).abs() < 0.2,
            "{}",
            bits(20)
        );
        assert!(bits(8) < 8.0 * 77_f64.log2() - 0.5, "{}", bits(8));
        assert!((words(&OsRandom, 6).bits - 77.549).abs() < 0.001);
    }

    #[test]
    fn words_are_the_lists_and_can_be_told_apart() {
        let list: HashSet<&str> = EFF_LONG_WORDLIST.into_iter().collect();
        assert_eq!(list.len(), 7776);
        assert!(list.iter().all(|word| word.len() <= 9));
        // No word is two others with `-` between, or two drafts could be one password.
        for word in &list {
            if let Some((one, other)) = word.split_once('-') {
                assert!(!(list.contains(one) && list.contains(other)), "{word}");
            }
        }
        let made = words(&OsRandom, 12);
        let text = std::str::from_utf8(made.password.expose()).unwrap();
        let mut rest = text;
        let mut count = 0;
        while !rest.is_empty() {
            let word = (1..=rest.len()).rev().map(|end| &rest[..end]).find(|word| {
                list.contains(word) && !rest[word.len()..].starts_with(char::is_alphabetic)
            });
            rest = rest[word.expect("a word of the list").len()..].trim_start_matches('-');
            count += 1;
        }
        assert_eq!(count, 12);
    }
}
