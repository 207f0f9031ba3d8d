//! When a certificate is renewed, when somebody is told that it is not, and how long browsers may remember that the shop has one.

use serde::{Deserialize, Serialize};

/// When a certificate is good, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// From here.
    pub not_before_ms: i64,
    /// To here.
    pub not_after_ms: i64,
}

/// A moment between two, drawn once: an authority's window of renewal, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its start.
    pub start_ms: i64,
    /// Its end, later.
    pub end_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Waits after the first, second … failure in a row; the last one for all further ones. Four attempts in the worst hour, each with
/// one look at each name: Let's Encrypt allows five failed looks per name, account and hour ("Authorization Failures per Identifier
/// per Account", letsencrypt.org/docs/rate-limits).
const WAITS_MS: [i64; 5] = [
    MINUTE_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    6 * HOUR_MS,
];
/// What is left of a certificate when the alarm is raised (reliability.md, R23).
const ALARM_MS: i64 = 48 * HOUR_MS;
/// Certificates that live shorter than this raise it in their last third.
const SHORT_LIFE_MS: i64 = 6 * DAY_MS;
/// Between a certificate and the next order, whatever is said of it, as far as its life allows.
pub const PAUSE_MS: i64 = HOUR_MS;
/// What two clocks may differ by.
const SKEW_MS: i64 = 5 * MINUTE_MS;
/// Longest wait of [`wait_ms`]: the longest word of an authority that is kept, a week, and what is added to it.
const WAIT_MAX_MS: i64 = 7 * DAY_MS * 11 / 10;
/// How long a shop may try for its first certificate before the alarm.
const FIRST_ALARM_MS: i64 = HOUR_MS;
/// `Strict-Transport-Security`, first step: a broken certificate on the first day is not the end of the shop.
const HSTS_FIRST_S: u32 = 300;
/// After one good renewal.
const HSTS_SECOND_S: u32 = 86_400;
/// After two: ASVS 3.4.1's year.
const HSTS_LAST_S: u32 = 31_536_000;

impl Lifetime {
    /// Its length.
    pub fn length_ms(self) -> i64 {
        self.not_after_ms.saturating_sub(self.not_before_ms).max(0)
    }

    /// Half of it: when it is renewed without an authority's word.
    pub fn half_ms(self) -> i64 {
        self.not_before_ms.saturating_add(self.length_ms() / 2)
    }

    /// When it is to be renewed: at a moment of the authority's window (RFC 9773, section 4.2), which `draw` decides, else at half
    /// of its life. A moment that has passed means at once. A window that begins when the certificate is no good any more is none.
    /// `early_at_ms` is when a certificate was last renewed before half of its life: an authority whose windows lie in the past
    /// again and again is followed once a day.
    /// No window puts it off into the last quarter of its life, or close to the alarm.
    pub fn renew_at_ms(self, window: Option<Window>, draw: u32, early_at_ms: Option<i64>) -> i64 {
        let half_ms = self.half_ms();
        let usable = window.filter(|window| {
            window.start_ms < window.end_ms && window.start_ms < self.not_after_ms
        });
        let due_ms = usable.map_or(half_ms, |window| {
            window.moment_ms(draw).min(self.latest_ms())
        });
        match early_at_ms {
            Some(early_ms) if due_ms < half_ms => {
                due_ms.max(early_ms.saturating_add(DAY_MS).min(half_ms))
            }
            _ => due_ms,
        }
    }

    /// When it is renewed at the latest, whatever an authority says: with a quarter of its life left, and so long before the alarm
    /// that attempts which fail at first are none. Later than half of its life.
    fn latest_ms(self) -> i64 {
        let length_ms = self.length_ms();
        let quarter_ms = self.not_after_ms.saturating_sub(length_ms / 4);
        quarter_ms.min(self.alarm_at_ms().saturating_sub(length_ms / 10))
    }

    /// How long no other is ordered after it.
    pub fn pause_ms(self) -> i64 {
        PAUSE_MS.min(self.length_ms() / 4)
    }

    /// Whether it can have been signed at `now_ms`: it is good by then, and not half of its life is over. One that is not would be
    /// due at once, for ever.
    pub fn is_fresh(self, now_ms: i64) -> bool {
        let from_ms = self.not_before_ms.saturating_sub(SKEW_MS);
        (from_ms..self.half_ms()).contains(&now_ms)
    }

    /// From when on it is an alarm that it was not renewed: with less than 48 hours left, or a third of a life under six days.
    pub fn alarm_at_ms(self) -> i64 {
        let left_ms = match self.length_ms() {
            length_ms if length_ms < SHORT_LIFE_MS => length_ms / 3,
            _ => ALARM_MS,
        };
        self.not_after_ms.saturating_sub(left_ms)
    }

    /// Whether `next`, which takes its place at `now_ms`, shows that renewals work: it ends later, and came when this one had lived
    /// a third of its life and was still good. A certificate fetched by hand on the first day proves nothing.
    pub fn is_well_followed_by(self, next: Self, now_ms: i64) -> bool {
        let third_ms = self.not_before_ms.saturating_add(self.length_ms() / 3);
        next.not_after_ms > self.not_after_ms && (third_ms..self.not_after_ms).contains(&now_ms)
    }
}

impl Window {
    fn moment_ms(self, draw: u32) -> i64 {
        let length_ms = i128::from(self.end_ms) - i128::from(self.start_ms);
        let into_ms = length_ms * i128::from(draw) / (i128::from(u32::MAX) + 1);
        // Invariant: between start and end, which are both within.
        self.start_ms.saturating_add(into_ms as i64)
    }
}

/// How long to wait after the last of `failures` attempts in a row, of which there is at least one. `retry_after_ms` is the
/// authority's own word, and never undercut; `jitter` of 0 … 255 adds up to a tenth.
pub fn wait_ms(failures: u32, retry_after_ms: Option<i64>, jitter: u8) -> i64 {
    let at = (failures.max(1) as usize - 1).min(WAITS_MS.len() - 1);
    let wait_ms = WAITS_MS[at].max(retry_after_ms.unwrap_or(0));
    wait_ms + wait_ms / 10 * i64::from(jitter) / 256
}

/// When a wait until `until_ms`, begun at `since_ms`, is over. By a clock that was ahead and is so no longer it would last until that
/// date: its length is counted from `now_ms`, and no wait is longer than the longest of [`wait_ms`].
pub fn believed_wait_ms(since_ms: i64, until_ms: i64, now_ms: i64) -> i64 {
    let until_ms = match since_ms > now_ms {
        true => now_ms.saturating_add(until_ms.saturating_sub(since_ms).max(0)),
        false => until_ms,
    };
    until_ms.min(now_ms.saturating_add(WAIT_MAX_MS))
}

/// Whether the merchant is to be told: the certificate was not renewed in time, or there is none after an hour of attempts.
pub fn is_overdue(current: Option<Lifetime>, failing_since_ms: Option<i64>, now_ms: i64) -> bool {
    match (current, failing_since_ms) {
        (Some(current), _) => now_ms >= current.alarm_at_ms(),
        (None, Some(since_ms)) => now_ms >= since_ms.saturating_add(FIRST_ALARM_MS),
        (None, None) => false,
    }
}

/// For how long browsers are told to come over TLS alone (`Strict-Transport-Security`), in seconds. It rises in steps, a day after
/// the first good renewal and a year after the second, and falls back to the first step while a renewal is overdue: browsers that
/// remember a year offer no way past a certificate that has run out. A shop without an authority's certificate stays at the first.
pub fn hsts_max_age_s(has_authority: bool, good_renewals: u32, is_overdue: bool) -> u32 {
    match good_renewals {
        _ if is_overdue || !has_authority => HSTS_FIRST_S,
        0 => HSTS_FIRST_S,
        1 => HSTS_SECOND_S,
        _ => HSTS_LAST_S,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn life(from_ms: i64, length_ms: i64) -> Lifetime {
        Lifetime {
            not_before_ms: from_ms,
            not_after_ms: from_ms + length_ms,
        }
    }

    #[test]
    fn r23_a_certificate_is_renewed_at_half_of_its_life() {
        assert_eq!(
            life(1_000, 90 * DAY_MS).renew_at_ms(None, 7, None),
            1_000 + 45 * DAY_MS
        );
        assert_eq!(
            life(0, 160 * HOUR_MS).renew_at_ms(None, 7, None),
            80 * HOUR_MS
        );
    }

    #[test]
    fn the_authoritys_window_is_met_at_one_drawn_moment_within_it() {
        let life = life(0, 90 * DAY_MS);
        let window = Some(Window {
            start_ms: 60 * DAY_MS,
            end_ms: 62 * DAY_MS,
        });
        assert_eq!(life.renew_at_ms(window, 0, None), 60 * DAY_MS);
        assert_eq!(life.renew_at_ms(window, 1 << 31, None), 61 * DAY_MS);
        let last = life.renew_at_ms(window, u32::MAX, None);
        assert!((62 * DAY_MS - MINUTE_MS..62 * DAY_MS).contains(&last));
        // Revoked: the window lies in the past, and so does the moment.
        let past = Some(Window {
            start_ms: -2 * DAY_MS,
            end_ms: -DAY_MS,
        });
        assert!(life.renew_at_ms(past, u32::MAX, None) < 0);
        // Again in the past, for the certificate that came early: not before a day has passed, and never after half of its life.
        assert_eq!(life.renew_at_ms(past, 0, Some(HOUR_MS)), DAY_MS + HOUR_MS);
        assert_eq!(
            life.renew_at_ms(past, 0, Some(45 * DAY_MS - 1)),
            45 * DAY_MS
        );
        assert_eq!(life.renew_at_ms(window, 0, Some(60 * DAY_MS)), 60 * DAY_MS);
        // No windows: one that ends before it begins, one that begins too late.
        for (start_ms, end_ms) in [(10, 10), (90 * DAY_MS, 91 * DAY_MS)] {
            let none = Some(Window { start_ms, end_ms });
            assert_eq!(life.renew_at_ms(none, 5, None), 45 * DAY_MS);
        }
    }

    #[test]
    fn no_window_puts_a_renewal_off_until_the_alarm_or_beyond_the_end() {
        for length_ms in [90 * DAY_MS, 160 * HOUR_MS, 6 * DAY_MS, 72 * HOUR_MS] {
            let life = life(1_000, length_ms);
            let late = Some(Window {
                start_ms: 1_000,
                end_ms: 3_650 * DAY_MS,
            });
            let due_ms = life.renew_at_ms(late, u32::MAX, None);
            assert!(due_ms < life.alarm_at_ms() - length_ms / 20, "{length_ms}");
            assert!(due_ms >= life.half_ms());
        }
        let life = life(0, 90 * DAY_MS);
        let last = Some(Window {
            start_ms: 89 * DAY_MS,
            end_ms: 90 * DAY_MS - 1,
        });
        assert_eq!(life.renew_at_ms(last, 0, None), 67 * DAY_MS + 12 * HOUR_MS);
    }

    #[test]
    fn failures_wait_longer_each_time_and_never_reach_five_attempts_in_an_hour() {
        let waits: Vec<i64> = (1..=7).map(|n| wait_ms(n, None, 0) / MINUTE_MS).collect();
        assert_eq!(waits, [1, 5, 30, 120, 360, 360, 360]);
        let mut at_ms = 0;
        let mut attempts = vec![at_ms];
        for failures in 1..20 {
            at_ms += wait_ms(failures, None, 0);
            attempts.push(at_ms);
        }
        for (n, start_ms) in attempts.iter().enumerate() {
            let within = attempts[n..].iter().filter(|at| **at - start_ms < HOUR_MS);
            assert!(within.count() < 5);
        }
    }

    #[test]
    fn the_authoritys_word_of_when_to_come_again_is_kept() {
        assert_eq!(wait_ms(1, Some(3 * DAY_MS), 0), 3 * DAY_MS);
        assert_eq!(wait_ms(5, Some(1_000), 0), 6 * HOUR_MS);
        let most = wait_ms(1, None, 255);
        assert!(most > MINUTE_MS && most < MINUTE_MS * 11 / 10);
    }

    #[test]
    fn a_wait_of_a_clock_that_was_ahead_keeps_its_length_and_not_its_date() {
        assert_eq!(believed_wait_ms(5, 100, 50), 100);
        assert_eq!(believed_wait_ms(1_000, 1_100, 50), 150);
        assert_eq!(believed_wait_ms(1_000, 0, 50), 50);
        assert_eq!(believed_wait_ms(0, i64::MAX, 0), WAIT_MAX_MS);
        assert!(wait_ms(1, Some(7 * DAY_MS), 255) <= WAIT_MAX_MS);
    }

    #[test]
    fn r23_the_alarm_is_raised_48_hours_ahead_and_in_the_last_third_of_short_lives() {
        let hours = |life: Lifetime| (life.not_after_ms - life.alarm_at_ms()) / HOUR_MS;
        assert_eq!(hours(life(0, 90 * DAY_MS)), 48);
        assert_eq!(
            hours(life(0, 160 * HOUR_MS)),
            48,
            "an address's certificate"
        );
        assert_eq!(hours(life(0, 72 * HOUR_MS)), 24);
        let year = life(0, 90 * DAY_MS);
        assert!(!is_overdue(Some(year), Some(0), 88 * DAY_MS - 1));
        assert!(is_overdue(Some(year), None, 88 * DAY_MS));
        assert!(!is_overdue(None, None, i64::MAX));
        assert!(!is_overdue(None, Some(5), 5 + HOUR_MS - 1));
        assert!(is_overdue(None, Some(5), 5 + HOUR_MS));
    }

    #[test]
    fn browsers_remember_longer_only_after_good_renewals_and_not_while_one_is_overdue() {
        let steps: Vec<u32> = (0..4).map(|n| hsts_max_age_s(true, n, false)).collect();
        assert_eq!(steps, [300, 86_400, 31_536_000, 31_536_000]);
        assert_eq!(hsts_max_age_s(true, 9, true), 300);
        assert_eq!(hsts_max_age_s(false, 9, false), 300);
    }

    #[test]
    fn a_renewal_is_good_when_it_comes_in_time_and_not_when_somebody_tries_it_out() {
        let (old, new) = (life(0, 90 * DAY_MS), life(45 * DAY_MS, 90 * DAY_MS));
        assert!(old.is_well_followed_by(new, 45 * DAY_MS));
        assert!(!old.is_well_followed_by(new, DAY_MS));
        assert!(!old.is_well_followed_by(new, 90 * DAY_MS), "it had run out");
        assert!(!old.is_well_followed_by(old, 45 * DAY_MS));
    }
}
