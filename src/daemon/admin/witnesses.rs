//! What doctor says of the witnesses.

use super::{
    CommandError, Context,
    doctor::{Finding, Level},
};
use crate::actions::WitnessState;

/// Periods without a cosignature that are let pass.
const PERIODS_MAX: u64 = 3;

/// One finding for each witness.
pub(super) fn findings(context: &Context) -> Result<Vec<Finding>, CommandError> {
    let ledger = &context.settings.ledger;
    let now_s = u64::try_from(context.shop.now_ms() / 1_000).unwrap_or(0);
    let mut findings = Vec::new();
    for place in &ledger.witness {
        let state = context.shop.witness_state(place)?;
        let (level, message) = judged(&state, now_s, ledger.witness_every.seconds());
        let check = format!("witness {}", place.key.name());
        findings.push(Finding::new(&check, level, message));
    }
    Ok(findings)
}

fn judged(state: &WitnessState, now_s: u64, every_s: u64) -> (Level, String) {
    let age_s = state.cosigned_at_s.map(|at_s| now_s.saturating_sub(at_s));
    let mut message = match age_s {
        Some(age_s) => format!("cosigned {} entries {} ago", state.size, age(age_s)),
        None => "has not cosigned yet".to_owned(),
    };
    if let Some(failure) = &state.failure {
        message.push_str(&format!("; then: {failure}"));
    }
    let late = age_s.is_none_or(|age_s| age_s > every_s.saturating_mul(PERIODS_MAX));
    let level = match (state.contradicts, late) {
        (true, _) => Level::Fail,
        (_, true) => Level::Warn,
        _ => Level::Ok,
    };
    (level, message)
}

fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_that_is_silent_for_three_periods_is_told() {
        let state = WitnessState {
            size: 7,
            cosigned_at_s: Some(1_000),
            ..WitnessState::default()
        };
        let fine = (Level::Ok, "cosigned 7 entries 60 s ago".to_owned());
        assert_eq!(judged(&state, 1_060, 60), fine);
        assert_eq!(judged(&state, 1_181, 60).0, Level::Warn);
        assert_eq!(judged(&WitnessState::default(), 0, 60).0, Level::Warn);
        let torn = WitnessState {
            failure: Some("another history".into()),
            contradicts: true,
            ..state
        };
        let (level, message) = judged(&torn, 1_060, 60);
        assert_eq!(level, Level::Fail);
        assert!(message.ends_with("; then: another history"));
    }
}
