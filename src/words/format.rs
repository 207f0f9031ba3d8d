//! Money, times and plain texts as people read them.

use jiff::{Timestamp, tz::TimeZone};

use super::language::{Language, id};
use crate::domain::money::Money;

/// An instant, for `<time datetime="{machine}">{shown}</time>`.
pub struct Time {
    /// RFC 3339 in UTC, to the second.
    pub machine: String,
    /// In the shop's time zone: `2026-11-21 20:31`.
    pub shown: String,
}

/// An amount as the language writes it: `¥19.90` or `CNY 19.90`.
pub fn money(money: Money, language: Language) -> String {
    language
        .with(id("money"))
        .str("currency", money.currency)
        .str("amount", money.decimal())
        .to_string()
}

/// An instant given in milliseconds since 1970. One out of jiff's range is shown as the nearest in it.
pub fn time(at_ms: i64, zone: &TimeZone) -> Time {
    let fallback = if at_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    let at = Timestamp::from_millisecond(at_ms.div_euclid(1000).saturating_mul(1000))
        .unwrap_or(fallback);
    Time {
        machine: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        shown: at
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
    }
}

/// What remains until `until_ms`, as `28:05` or `1:02:03`; nothing once it has passed.
pub fn remaining(until_ms: i64, now_ms: i64) -> Option<String> {
    let seconds = until_ms
        .saturating_sub(now_ms)
        .checked_div(1000)
        .filter(|left| *left > 0)?;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    })
}

/// A text of one line without control characters and without the marks that turn the direction of
/// what follows (UAX #9): a title must not rearrange the page around it.
pub fn plain(text: &str) -> String {
    let turning = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    text.chars()
        .filter(|c| !turning(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    #[test]
    fn yuan_have_a_sign_in_chinese_and_a_code_in_english() {
        let price = Money::new(1990, Currency::CNY);
        assert_eq!(money(price, Language::parse("zh-CN").unwrap()), "¥19.90");
        assert_eq!(money(price, Language::english()), "CNY 19.90");
        let yen = Money::new(500, Currency::parse("JPY").unwrap());
        assert_eq!(money(yen, Language::parse("zh-CN").unwrap()), "JPY 500");
    }

    #[test]
    fn times_are_shown_in_the_zone_of_the_shop() {
        let shown = time(1_795_264_260_123, &TimeZone::get("Asia/Shanghai").unwrap());
        assert_eq!(shown.machine, "2026-11-21T12:31:00Z");
        assert_eq!(shown.shown, "2026-11-21 20:31");
        for at_ms in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!time(at_ms, &TimeZone::UTC).shown.is_empty());
        }
    }

    #[test]
    fn what_remains_is_counted_down_to_nothing() {
        assert_eq!(remaining(1_800_000, 0).unwrap(), "30:00");
        assert_eq!(remaining(3_725_999, 0).unwrap(), "1:02:05");
        assert_eq!(remaining(1_999, 1_000), None);
        assert_eq!(remaining(i64::MIN, i64::MAX), None);
    }

    #[test]
    fn a_title_cannot_turn_the_page_around() {
        assert_eq!(plain("a\u{202e}b\u{2066}c\nd"), "abc d");
    }
}
