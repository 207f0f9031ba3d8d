//! A new log key: prepared, and put in force with the origin key's signature.

use serde_json::{Value, json};

use super::{CommandError, Context};
use crate::actions::RotateError;

pub(super) fn prepare(context: &Context, ahead: u64, anew: bool) -> Result<Value, CommandError> {
    let prepared = context.shop.prepare_rotation(ahead, anew)?;
    Ok(json!({
        "seq": prepared.seq,
        "size": prepared.size,
        "vkey": prepared.vkey,
        "message": prepared.message,
    }))
}

pub(super) fn rotate(context: &Context, signature: &str) -> Result<Value, CommandError> {
    let mut bytes = [0; 64];
    hex::decode_to_slice(signature.trim(), &mut bytes).map_err(|_| {
        CommandError::invalid("the signature is 128 hex digits, as `keystall-verify sign` prints")
    })?;
    let rotated = context.shop.rotate(bytes)?;
    Ok(json!({"seq": rotated.seq, "vkey": rotated.vkey, "filled": rotated.filled}))
}

impl From<RotateError> for CommandError {
    fn from(error: RotateError) -> Self {
        let code = match &error {
            RotateError::Ahead => "invalid",
            RotateError::None => "unknown",
            RotateError::Late { .. } => "late",
            RotateError::Signature => "signature",
            RotateError::Store(_) => "store",
        };
        Self::new(code, error)
    }
}
