//! Moments as other managers write them: RFC 3339, and the Python tool's ISO 8601 without a zone,
//! which is taken as UTC since it does not say which it means.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Nanoseconds since 1970; `None` for what is no moment, or none of our time.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let zoned = OffsetDateTime::parse(text, &Rfc3339).ok();
    let moment = zoned.or_else(|| {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]"
        );
        let plain = PrimitiveDateTime::parse(text, format).ok()?;
        Some(plain.assume_utc())
    })?;
    i64::try_from(moment.unix_timestamp_nanos()).ok()
}

/// As RFC 3339 has it in UTC, as short as it is exact: `2020-02-01T08:27:03.6Z`.
pub(crate) fn write(ns: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(ns.into());
    let written = moment.ok().and_then(|moment| moment.format(&Rfc3339).ok());
    written.expect("64 bits of nanoseconds are the years 1677 to 2262")
}

/// As the Python tool has it, microseconds and no zone: `2020-02-01T08:27:03.600000`.
pub(crate) fn plain(ns: i64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
    let moment = OffsetDateTime::from_unix_timestamp_nanos(ns.into());
    let written = moment.ok().and_then(|moment| moment.format(format).ok());
    written.expect("64 bits of nanoseconds are the years 1677 to 2262")
}

/// Nanoseconds from seconds since 1970.
pub(super) fn from_seconds(seconds: i64) -> Option<i64> {
    seconds.checked_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_forms() {
        let ns = 1_580_545_623_600_000_000;
        for text in [
            "2020-02-01T08:27:03.600000",
            "2020-02-01T08:27:03.6Z",
            "2020-02-01T09:27:03.6+01:00",
        ] {
            assert_eq!(parse(text), Some(ns), "{text}");
        }
        assert_eq!(parse("2020-02-01T08:27:03"), Some(ns - 600_000_000));
        for text in ["", "today", "2020-02-01", "9999-01-01T00:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn moments_return_as_they_were() {
        for ns in [i64::MIN, -1, 0, 1_580_545_623_600_000_000, i64::MAX] {
            assert_eq!(parse(&write(ns)), Some(ns), "{ns}");
        }
        let ns = 1_580_545_623_600_000_000;
        assert_eq!(write(ns), "2020-02-01T08:27:03.6Z");
        assert_eq!(plain(ns), "2020-02-01T08:27:03.600000");
        assert_eq!(parse(&plain(ns)), Some(ns));
    }
}
