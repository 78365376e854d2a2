//! Moments as they stand in names of files.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

type Format = [BorrowedFormatItem<'static>];

/// Without the colons that some systems forbid in names (ISO 8601).
const SECOND: &Format = format_description!("[year]-[month]-[day]T[hour][minute][second]Z");
const EXACT: &Format =
    format_description!("[year]-[month]-[day]T[hour][minute][second].[subsecond digits:9]Z");

/// A time, nanoseconds since 1970, as `2026-11-24T150945Z`.
pub fn utc(ns: i64) -> String {
    written(ns, SECOND)
}

/// The same, as `2026-11-24T150945.123456789Z`.
pub(super) fn utc_exact(ns: i64) -> String {
    written(ns, EXACT)
}

fn written(ns: i64, format: &Format) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(ns.into())
        .ok()
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| ns.to_string())
}
