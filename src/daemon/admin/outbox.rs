//! What is promised to the outside.

use serde_json::{Value, json};

use super::{CommandError, Context, times};

const LIST_MAX: usize = 10_000;

pub(super) fn list(context: &Context) -> Result<Value, CommandError> {
    let effects = context.shop.effects(LIST_MAX)?;
    let shown: Vec<Value> = effects
        .iter()
        .map(|effect| {
            json!({
                "id": effect.id,
                "event": effect.kind.as_str(),
                "order": effect.order.map(|order| order.to_string()),
                "via": effect.via.as_str(),
                "promised_at": times::shown(context, effect.promised_at_ms),
                "attempts": effect.attempts,
                "dead": effect.due_at_ms.is_none(),
                "due_at": effect.due_at_ms.map(|at| times::shown(context, at)),
                "last_error": effect.last_error,
            })
        })
        .collect();
    Ok(json!({"effects": shown}))
}

pub(super) fn retry(context: &Context) -> Result<Value, CommandError> {
    let retried = context.shop.retry_effects()?;
    Ok(json!({"retried": retried}))
}
