//! Times as people type and read them.

use jiff::{Timestamp, tz::TimeZone};

use super::{CommandError, Context};
use crate::domain::moment;

/// Unix milliseconds of an RFC 3339 time, or of midnight of a date in the shop's zone.
pub(super) fn parse(context: &Context, text: &str) -> Result<i64, CommandError> {
    moment::begin_ms(text, &zone(context)).map_err(|error| CommandError::invalid(error.to_string()))
}

/// The last Unix millisecond of an RFC 3339 time, or of a date in the shop's zone.
pub(super) fn parse_end(context: &Context, text: &str) -> Result<i64, CommandError> {
    moment::end_ms(text, &zone(context)).map_err(|error| CommandError::invalid(error.to_string()))
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
