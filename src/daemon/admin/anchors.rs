//! Anchors: made now, and how old they are.

use serde_json::{Value, json};

use super::{
    CommandError, Context,
    doctor::{Finding, Level},
};
use crate::{
    actions::AnchorAge,
    anchor::{AnchorConfig, Anchored},
    daemon::anchors::{anchorer, config},
    domain::AnchorKind,
};

const HOUR_MS: i64 = 3_600_000;

/// Anchors the newest checkpoint in every way that is set up.
pub(super) fn now(context: &Context) -> Result<Value, CommandError> {
    let anchorer = anchorer(&context.shop, &context.dir, &context.settings)
        .map_err(|error| CommandError::new("anchor", error))?;
    let outcomes = context.runtime.block_on(anchorer.now())?;
    let anchors: Vec<Value> = outcomes.iter().map(outcome).collect();
    Ok(json!({"anchors": anchors}))
}

fn outcome((kind, outcome): &(AnchorKind, Anchored)) -> Value {
    let (word, message) = match outcome {
        Anchored::Done(size) => (
            "done",
            format!("the checkpoint of {size} entries is anchored"),
        ),
        Anchored::Promised(size, mails) => (
            "promised",
            format!("the checkpoint of {size} entries is on its way in {mails} mails"),
        ),
        Anchored::NothingNew => (
            "nothing_new",
            "the newest checkpoint was anchored before".to_owned(),
        ),
        Anchored::Off => ("off", "not set up".to_owned()),
        Anchored::Failed(error) => ("failed", format!("{error}: it is tried again")),
    };
    json!({"kind": kind.as_str(), "outcome": word, "message": message})
}

/// How old the newest anchor of each way is.
pub(super) fn examine(context: &Context) -> Result<Finding, CommandError> {
    let config = config(&context.dir, &context.settings);
    let mut ages = Vec::new();
    for kind in AnchorKind::ALL {
        if is_set_up(&config, kind) {
            ages.push((kind, context.shop.anchor_age(kind, config.every_ms)?));
        }
    }
    if ages.is_empty() {
        let message = "none: nobody outside notices if the whole machine is rolled back; set [ledger] tsa, auditor or anchor_git";
        return Ok(Finding::new("anchors", Level::Ok, message));
    }
    let now_ms = context.shop.now_ms();
    let level = ages.iter().filter_map(|(_, age)| age.as_ref()).map(level);
    let level = level.max().unwrap_or(Level::Ok);
    let words: Vec<String> = ages
        .iter()
        .map(|(kind, age)| format!("{}: {}", kind.as_str(), in_words(age.as_ref(), now_ms)))
        .collect();
    Ok(Finding::new("anchors", level, words.join("; ")))
}

fn is_set_up(config: &AnchorConfig, kind: AnchorKind) -> bool {
    match kind {
        AnchorKind::TimeStamp => config.tsa.is_some(),
        AnchorKind::Mail => config.mail,
        AnchorKind::Git => config.git.is_some(),
    }
}

fn level(age: &AnchorAge) -> Level {
    match (age.is_overdue, &age.last_error) {
        (true, _) => Level::Fail,
        (false, Some(_)) => Level::Warn,
        (false, None) => Level::Ok,
    }
}

fn in_words(age: Option<&AnchorAge>, now_ms: i64) -> String {
    let Some(age) = age else {
        return "set up, none yet".to_owned();
    };
    let mut text = match (age.size, age.done_at_ms) {
        (Some(size), Some(done_at_ms)) => {
            let hours = (now_ms - done_at_ms).max(0) / HOUR_MS;
            format!("{size} entries, {hours} h ago")
        }
        _ => "none yet".to_owned(),
    };
    if age.is_overdue {
        text.push_str(", none for three periods: `keystall ledger anchor` tries now");
    }
    if let Some(error) = &age.last_error {
        text.push_str(&format!(" (last attempt: {error})"));
    }
    text
}
