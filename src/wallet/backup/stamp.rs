//! [`Stamp`]: the moment in the name of a backup, UTC to the second: `20240229T120000Z`.

use std::fmt;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Month, OffsetDateTime, Time, UtcDateTime};

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A moment between the years 0 and 9999, as 16 characters that order as the moments do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp([u8; Stamp::BYTES]);

impl Stamp {
    /// Length of the text.
    pub const BYTES: usize = 16;

    /// The second that this moment lies in, in seconds since 1970; `None` outside of the years.
    pub fn at(seconds: i64) -> Option<Stamp> {
        let moment = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let text = moment.format(FORMAT).ok()?;
        Some(Stamp(text.as_bytes().try_into().ok()?))
    }

    /// The moment of this text, or `None` if it is not one.
    pub fn parse(text: &[u8]) -> Option<Stamp> {
        let stamp = Stamp(text.try_into().ok()?);
        // Only the one text of a moment is it.
        (Stamp::at(stamp.read()?)? == stamp).then_some(stamp)
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.read().expect("it was made of a moment")
    }

    /// The text as bytes.
    pub fn bytes(self) -> [u8; Stamp::BYTES] {
        self.0
    }

    /// The moment as people write it.
    pub fn shown(self) -> String {
        let text = self.to_string();
        let part = |at: std::ops::Range<usize>| &text[at];
        format!(
            "{}-{}-{} {}:{}:{} UTC",
            part(0..4),
            part(4..6),
            part(6..8),
            part(9..11),
            part(11..13),
            part(13..15)
        )
    }

    fn read(self) -> Option<i64> {
        let number = |at: std::ops::Range<usize>| {
            let digits = self.0[at].iter();
            digits.copied().try_fold(0u16, |sum, digit| {
                let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
                Some(sum * 10 + u16::from(digit))
            })
        };
        let small = |at| number(at).and_then(|n| u8::try_from(n).ok());
        let month = Month::try_from(small(4..6)?).ok()?;
        let date = Date::from_calendar_date(number(0..4)?.into(), month, small(6..8)?).ok()?;
        let time = Time::from_hms(small(9..11)?, small(11..13)?, small(13..15)?).ok()?;
        Some(UtcDateTime::new(date, time).unix_timestamp())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("it is ASCII"))
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_moment_are_inverse() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (1_709_208_000, "20240229T120000Z"),
            (253_402_300_799, "99991231T235959Z"),
        ] {
            let stamp = Stamp::at(seconds).unwrap();
            assert_eq!(stamp.to_string(), text);
            assert_eq!(Stamp::parse(text.as_bytes()), Some(stamp));
            assert_eq!(stamp.seconds(), seconds);
        }
        let shown = Stamp::at(1_709_208_061).unwrap().shown();
        assert_eq!(shown, "2024-02-29 12:01:01 UTC");
        assert_eq!(Stamp::at(253_402_300_800), None);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "20240229T120000",
            "20240230T120000Z",
            "20241301T120000Z",
            "20240229T240000Z",
            "20240229T126000Z",
            "20240229t120000Z",
            "20240229T120000z",
            "2024022 T120000Z",
            "+0240229T120000Z",
            "20240229T120000ZZ",
        ] {
            assert_eq!(Stamp::parse(text.as_bytes()), None, "{text}");
        }
    }
}
