//! Times as people give them to a command.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time, as 2026-11-21 or 2026-11-21T08:00:00Z")]
pub struct MomentError(String);

/// The first Unix millisecond of an RFC 3339 time, or of a date's day in `zone`.
///
/// # Errors
/// [`MomentError`].
pub fn begin_ms(text: &str, zone: &TimeZone) -> Result<i64, MomentError> {
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(at.as_millisecond()),
        Err(_) => midnight_ms(text.parse().ok(), zone).ok_or_else(|| MomentError(text.to_owned())),
    }
}

/// The last Unix millisecond of an RFC 3339 time, or of a date's day in `zone`.
///
/// # Errors
/// [`MomentError`].
pub fn end_ms(text: &str, zone: &TimeZone) -> Result<i64, MomentError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let next = text.parse::<Date>().and_then(Date::tomorrow).ok();
    let end_ms = midnight_ms(next, zone).map(|next_ms| next_ms - 1);
    end_ms.ok_or_else(|| MomentError(text.to_owned()))
}

fn midnight_ms(date: Option<Date>, zone: &TimeZone) -> Option<i64> {
    let zoned = date?.to_zoned(zone.clone()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOON_MS: i64 = 1_795_262_400_000;
    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_date_is_its_whole_day_in_its_zone_and_a_time_is_itself() {
        let utc = TimeZone::UTC;
        for text in ["2026-11-21T12:00:00Z", "2026-11-21T20:00:00+08:00"] {
            assert_eq!(begin_ms(text, &utc), Ok(NOON_MS));
            assert_eq!(end_ms(text, &utc), Ok(NOON_MS));
        }
        assert_eq!(begin_ms("2026-11-21", &utc), Ok(NOON_MS - 12 * HOUR_MS));
        assert_eq!(end_ms("2026-11-21", &utc), Ok(NOON_MS + 12 * HOUR_MS - 1));
        let east = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(begin_ms("2026-11-21", &east), Ok(NOON_MS - 20 * HOUR_MS));
        assert_eq!(end_ms("2026-11-21", &east), Ok(NOON_MS + 4 * HOUR_MS - 1));
    }

    #[test]
    fn what_is_no_time_is_refused_with_its_forms() {
        for text in [
            "",
            "yesterday",
            "21.11.2026",
            "2026-11",
            "2026-13-01",
            "08:00",
        ] {
            let refused = begin_ms(text, &TimeZone::UTC).unwrap_err();
            assert!(
                refused.to_string().contains("as 2026-11-21 or"),
                "{refused}"
            );
            assert_eq!(end_ms(text, &TimeZone::UTC), Err(refused));
        }
    }
}
