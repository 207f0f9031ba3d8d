//! Times as people type and read them.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{CommandError, Context};

/// Unix milliseconds of an RFC 3339 time, or of midnight of a date in the shop's zone.
pub(super) fn parse(context: &Context, text: &str) -> Result<i64, CommandError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let date = text.parse::<Date>().ok();
    let zoned = date.and_then(|date| date.to_zoned(zone(context)).ok());
    zoned
        .map(|zoned| zoned.timestamp().as_millisecond())
        .ok_or_else(|| {
            CommandError::invalid(format!(
                "{text:?} is not a time, as 2026-11-21 or 2026-11-21T08:00:00Z"
            ))
        })
}

/// The last Unix millisecond of an RFC 3339 time, or of a date in the shop's zone.
pub(super) fn parse_end(context: &Context, text: &str) -> Result<i64, CommandError> {
    let after = text.parse::<Date>().ok().and_then(|date| {
        let next = date.tomorrow().ok()?.to_zoned(zone(context)).ok()?;
        Some(next.timestamp().as_millisecond() - 1)
    });
    match after {
        Some(end_ms) if text.parse::<Timestamp>().is_err() => Ok(end_ms),
        _ => parse(context, text),
    }
}

/// RFC 3339 in the shop's zone, to the second.
pub(super) fn shown(context: &Context, at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let zoned = at.to_zoned(zone(context));
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn zone(context: &Context) -> TimeZone {
    // The settings were checked when they were read.
    TimeZone::get(&context.settings.shop.time_zone).unwrap_or(TimeZone::UTC)
}
