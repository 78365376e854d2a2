//! [`Totp`]: one-time codes by time (RFC 6238), as an `otpauth` URI describes them.
//!
//! The URI is a secret, since it has the key in it: it is read where it stands, and of its parts
//! only the key is copied, into memory that is wiped. (A parser of URLs keeps copies of its own.)

use super::SecretBytes;
use data_encoding::{Encoding, Specification};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize, Zeroizing};

/// Longest life of a code, in seconds.
const LONGEST_PERIOD: u64 = 86_400;

/// Why a text describes no codes. It quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    /// Another scheme, or no URI.
    #[error("it does not begin with `otpauth://totp/`")]
    NotOtpauth,
    /// Codes by a counter, which every use would have to raise.
    #[error("it is of codes by a counter (`otpauth://hotp/`), and only those by time can be shown")]
    Counter,
    /// No key.
    #[error("it has no `secret`")]
    NoSecret,
    /// A key that is none.
    #[error("its `secret` is not Base32")]
    NotBase32,
    /// A parameter is there twice: which one counts?
    #[error("a parameter is in it twice")]
    Repeated,
    /// Another hash.
    #[error("its `algorithm` is none of SHA1, SHA256 and SHA512")]
    Algorithm,
    /// Another number of digits.
    #[error("its `digits` are none of 6, 7 and 8")]
    Digits,
    /// Another length of time.
    #[error("its `period` is not a number of seconds from 1 to {LONGEST_PERIOD}")]
    Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// How codes are made.
pub struct Totp {
    key: SecretBytes,
    algorithm: Algorithm,
    digits: u32,
    period: u64,
}

/// A code.
pub struct Code {
    /// Its digits.
    pub text: Zeroizing<String>,
    /// How long it is good for, in seconds.
    pub seconds_left: u64,
}

impl Totp {
    /// Reads `otpauth://totp/LABEL?secret=BASE32[&algorithm=A][&digits=N][&period=SECONDS]`, in which
    /// other parameters may be. White space around it does not count, nor blanks, dashes, case and
    /// padding in the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(uri: &[u8]) -> Result<Totp, TotpError> {
        let rest = strip_prefix(uri.trim_ascii(), b"otpauth://").ok_or(TotpError::NotOtpauth)?;
        if strip_prefix(rest, b"hotp/").is_some() {
            return Err(TotpError::Counter);
        }
        let rest = strip_prefix(rest, b"totp/").ok_or(TotpError::NotOtpauth)?;
        let whole = rest.split(|byte| *byte == b'#').next().unwrap_or_default();
        let query = whole.iter().position(|byte| *byte == b'?');
        let query = query.map_or(&b""[..], |at| &whole[at + 1..]);
        let (mut secret, mut algorithm, mut digits, mut period) = (None, None, None, None);
        for pair in query.split(|byte| *byte == b'&') {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = pair.split_at(at.unwrap_or(pair.len()));
            let place = match name.to_ascii_lowercase().as_slice() {
                b"secret" => &mut secret,
                b"algorithm" => &mut algorithm,
                b"digits" => &mut digits,
                b"period" => &mut period,
                _ => continue,
            };
            if place.is_some() {
                return Err(TotpError::Repeated);
            }
            *place = Some(decoded(value.get(1..).unwrap_or_default()));
        }
        let number = |text: &Zeroizing<Vec<u8>>| -> Option<u64> {
            let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
            std::str::from_utf8(text)
                .ok()?
                .parse()
                .ok()
                .filter(|_| digits)
        };
        Ok(Totp {
            key: key(&secret.ok_or(TotpError::NoSecret)?)?,
            algorithm: match algorithm {
                None => Algorithm::Sha1,
                Some(name) => Algorithm::named(&name)?,
            },
            digits: match digits.as_ref().map(number) {
                None => 6,
                Some(Some(digits @ 6..=8)) => digits as u32,
                Some(_) => return Err(TotpError::Digits),
            },
            period: match period.as_ref().map(number) {
                None => 30,
                Some(Some(period @ 1..=LONGEST_PERIOD)) => period,
                Some(_) => return Err(TotpError::Period),
            },
        })
    }

    /// How long each code is good for, in seconds.
    pub fn period(&self) -> u64 {
        self.period
    }

    /// The code at this moment, seconds since 1970.
    pub fn code(&self, seconds: u64) -> Code {
        let counter = (seconds / self.period).to_be_bytes();
        let key = self.key.expose();
        let number = match self.algorithm {
            Algorithm::Sha1 => truncated::<Hmac<Sha1>>(key, &counter),
            Algorithm::Sha256 => truncated::<Hmac<Sha256>>(key, &counter),
            Algorithm::Sha512 => truncated::<Hmac<Sha512>>(key, &counter),
        };
        let (number, width) = (number % 10_u32.pow(self.digits), self.digits as usize);
        Code {
            text: format!("{number:0width$}").into(),
            seconds_left: self.period - seconds % self.period,
        }
    }
}

impl Algorithm {
    fn named(name: &[u8]) -> Result<Algorithm, TotpError> {
        match name.to_ascii_uppercase().as_slice() {
            b"SHA1" => Ok(Algorithm::Sha1),
            b"SHA256" => Ok(Algorithm::Sha256),
            b"SHA512" => Ok(Algorithm::Sha512),
            _ => Err(TotpError::Algorithm),
        }
    }
}

/// The 31 bits that stand for the counter (RFC 4226, section 5.3).
fn truncated<M: Mac + KeyInit>(key: &[u8], counter: &[u8; 8]) -> u32 {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(counter);
    let mut hash = mac.finalize().into_bytes();
    let at = usize::from(hash.last().expect("no hash is empty") & 0xf);
    let four = hash[at..at + 4].try_into().expect("four bytes were taken");
    hash.as_mut_slice().zeroize();
    u32::from_be_bytes(four) & 0x7fff_ffff
}

/// Strips a prefix whose case does not count.
fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The value of a parameter, which is no longer than as it is written.
fn decoded(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    bytes.extend(percent_decode(value));
    bytes
}

/// The key that Base32 stands for (RFC 4648, section 6), as people and services write it.
fn key(text: &[u8]) -> Result<SecretBytes, TotpError> {
    // The bits that a last letter has too many are not looked at: services differ in them.
    let bare = text.iter().filter(|byte| !b" -+=".contains(byte));
    let mut letters = Zeroizing::new(Vec::with_capacity(text.len()));
    letters.extend(bare.map(u8::to_ascii_uppercase));
    if letters.is_empty() {
        return Err(TotpError::NoSecret);
    }
    let base32 = base32();
    let len = base32.decode_len(letters.len());
    let mut bytes = Zeroizing::new(vec![0; len.map_err(|_| TotpError::NotBase32)?]);
    let written = base32.decode_mut(&letters, &mut bytes);
    written.map_err(|_| TotpError::NotBase32)?;
    Ok(SecretBytes::copy_of(&bytes))
}

fn base32() -> Encoding {
    let mut base32 = Specification::new();
    base32.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    base32.check_trailing_bits = false;
    base32.encoding().expect("32 letters, each once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// "12345678901234567890", the key of RFC 6238's vectors.
    const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at_59(uri: &str) -> Result<String, TotpError> {
        let code = Totp::parse(uri.as_bytes())?.code(59);
        Ok(format!("{} {}", *code.text, code.seconds_left))
    }

    #[test]
    fn uris_as_services_write_them() {
        for uri in [
            format!("otpauth://totp/x?secret={KEY}"),
            format!(
                " OTPAuth://TOTP/Issuer:joe%40mail?issuer=Issuer&Secret={KEY}&image=http://x#f\n"
            ),
            "otpauth://totp/?secret=gezd+gnbv-GY3T%20QOJQ GEZDGNBVGY3TQOJQ%3D%3D".into(),
            format!("otpauth://totp/a?secret={KEY}&algorithm=sha1&digits=6&period=30"),
        ] {
            assert_eq!(at_59(&uri).unwrap(), "287082 1", "{uri}");
        }
        let longer = format!("otpauth://totp/a?secret={KEY}&period=60&digits=7");
        assert_eq!(at_59(&longer).unwrap(), "4755224 1");
        // Two bytes, and four bits too many that are not zero.
        assert!(at_59("otpauth://totp/a?secret=AAAB").is_ok());
    }

    /// RFC 6238, appendix B; its keys for SHA-256 and SHA-512 are as long as their hashes (errata
    /// 2866).
    #[test]
    fn the_vectors_of_rfc_6238() {
        let digits = b"1234567890".iter().copied().cycle();
        for (algorithm, key_len, codes) in [
            (
                "SHA1",
                20,
                [94287082, 7081804, 14050471, 89005924, 69279037, 65353130],
            ),
            (
                "SHA256",
                32,
                [46119246, 68084774, 67062674, 91819424, 90698825, 77737706],
            ),
            (
                "SHA512",
                64,
                [90693936, 25091201, 99943326, 93441116, 38618901, 47863826],
            ),
        ] {
            let key: Vec<u8> = digits.clone().take(key_len).collect();
            let secret = base32().encode(&key);
            let times = [
                59,
                1111111109,
                1111111111,
                1234567890,
                2000000000,
                20000000000,
            ];
            for (seconds, code) in times.into_iter().zip(codes) {
                for (count, shown) in [
                    (8, format!("{code:08}")),
                    (6, format!("{:06}", code % 1_000_000)),
                ] {
                    let uri = format!(
                        "otpauth://totp/x?secret={secret}&algorithm={algorithm}&digits={count}"
                    );
                    let totp = Totp::parse(uri.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
                    assert_eq!(*totp.code(seconds).text, shown, "{algorithm} at {seconds}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let with = |more: &str| format!("otpauth://totp/a?secret={KEY}{more}");
        for (uri, wrong) in [
            ("", TotpError::NotOtpauth),
            ("otpauth://", TotpError::NotOtpauth),
            ("https://totp/a?secret=AA", TotpError::NotOtpauth),
            (KEY, TotpError::NotOtpauth),
            ("otpauth://steam/a?secret=AA", TotpError::NotOtpauth),
            ("otpauth://hotp/a?secret=AA&counter=1", TotpError::Counter),
            ("otpauth://totp/a", TotpError::NoSecret),
            ("otpauth://totp/a?secret", TotpError::NoSecret),
            ("otpauth://totp/a?secret=&x", TotpError::NoSecret),
            ("otpauth://totp/a?secret=%3D", TotpError::NoSecret),
            ("otpauth://totp/a#?secret=AA", TotpError::NoSecret),
            ("otpauth://totp/a?secret=A1", TotpError::NotBase32),
            ("otpauth://totp/a?secret=A", TotpError::NotBase32),
            ("otpauth://totp/a?secret=%FF%FF", TotpError::NotBase32),
            (&with("&secret=AA"), TotpError::Repeated),
            (&with("&algorithm=MD5"), TotpError::Algorithm),
            (&with("&algorithm"), TotpError::Algorithm),
            (&with("&digits=5"), TotpError::Digits),
            (&with("&digits=9"), TotpError::Digits),
            (&with("&digits=+6"), TotpError::Digits),
            (&with("&period=0"), TotpError::Period),
            (&with("&period=86401"), TotpError::Period),
            (&with("&period=99999999999999999999"), TotpError::Period),
        ] {
            assert_eq!(at_59(uri), Err(wrong), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            uri in prop::collection::vec(any::<u8>(), 0..100), seconds: u64,
            query in "[a-zA-Z0-9=&%#?+]{0,60}",
        ) {
            for uri in [uri, format!("otpauth://totp/a?secret={query}").into_bytes()] {
                if let Ok(totp) = Totp::parse(&uri) {
                    let code = totp.code(seconds);
                    prop_assert!(code.text.len() >= 6 && code.seconds_left >= 1);
                }
            }
        }
    }
}
