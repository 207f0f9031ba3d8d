//! The keys that the shop's own data is sealed under: how far their replacement is, and its beginning.

use serde_json::{Value, json};

use super::{
    CommandError, Context,
    doctor::{Finding, Level},
    error::typed,
    times,
};
use crate::{
    actions::{KeyRotationError, KeyStatus, PoolProgress},
    domain::Slug,
    vault::RootKeyAt,
};

/// What a service that gives the root key as a credential is to do.
const TO_CREDENTIAL: &str = "the root key is root.key.next in the shop's folder (root.key, where there is no other). Where systemd gives the service its root key, that credential is the one before: make it of this file (systemd-creds encrypt --name=root.key root.key.next …) and restart the service, which removes the file. Without a credential the shop puts the file in its place as soon as the disk lets it";

/// What to do when nobody knows which root key is in force.
const UNKNOWN: &str = "the disk failed while the root key was replaced, and it is not known which one is in force: leave root.key and root.key.next as they are, mend the disk and restart the daemon, which finds out; until then no backup is made";

pub(super) fn status(context: &Context) -> Result<Value, CommandError> {
    let status = context.shop.key_status()?;
    Ok(shown(context, &status))
}

pub(super) fn rotate_root(context: &Context) -> Result<Value, CommandError> {
    let at = context.shop.replace_root_key()?;
    finish_if_alone(context)?;
    let mut value = status(context)?;
    value["to_do"] = match at {
        RootKeyAt::Place => Value::Null,
        RootKeyAt::Next => json!(TO_CREDENTIAL),
    };
    Ok(value)
}

pub(super) fn rotate_pool(context: &Context, product: Option<&str>) -> Result<Value, CommandError> {
    let product = product
        .map(|text| typed("--product", text, Slug::parse(text)))
        .transpose()?;
    let products = context.shop.replace_pool_keys(product.as_ref())?;
    finish_if_alone(context)?;
    let mut value = status(context)?;
    let names: Vec<&str> = products.iter().map(Slug::as_str).collect();
    value["products"] = json!(names);
    Ok(value)
}

/// Whether a replacement waits for a person, or goes on for longer than it should.
pub(super) fn examine(context: &Context) -> Result<Finding, CommandError> {
    const LATE_MS: i64 = 24 * 3_600_000;
    let status = context.shop.key_status()?;
    if status.is_unknown {
        return Ok(Finding::new("secrets", Level::Fail, UNKNOWN));
    }
    if status.is_beside {
        return Ok(Finding::new("secrets", Level::Warn, TO_CREDENTIAL));
    }
    let now_ms = context.shop.now_ms();
    let pools = status.pools.iter().map(|pool| pool.since_ms);
    let root = status
        .root_since_ms
        .filter(|_| status.older_sealing_keys > 0);
    let late = pools
        .chain(root)
        .any(|since_ms| now_ms - since_ms > LATE_MS);
    let (level, advice) = match late {
        true => (Level::Warn, ": it takes too long, look into the log"),
        false => (Level::Ok, ""),
    };
    let mut going_on: Vec<String> = status.pools.iter().map(of_pool).collect();
    if status.older_sealing_keys > 0 {
        going_on.push("rows below the root key".to_owned());
    }
    let message = match going_on.is_empty() {
        true => "no key is being replaced".to_owned(),
        false => format!(
            "sealed again under new keys: {}{advice}",
            going_on.join(", ")
        ),
    };
    Ok(Finding::new("secrets", level, message))
}

fn finish_if_alone(context: &Context) -> Result<(), CommandError> {
    // A daemon goes on by itself, between the sales.
    if !context.in_daemon {
        context.shop.finish_keys_alone()?;
    }
    Ok(())
}

fn of_pool(pool: &PoolProgress) -> String {
    format!("{} {} of {}", pool.product, pool.done, pool.slots)
}

fn shown(context: &Context, status: &KeyStatus) -> Value {
    let pool = |pool: &PoolProgress| {
        json!({
            "product": pool.product.as_str(),
            "since": times::shown(context, pool.since_ms),
            "done": pool.done,
            "slots": pool.slots,
        })
    };
    let pools: Vec<Value> = status.pools.iter().map(pool).collect();
    json!({
        "root_key_since": status.root_since_ms.map(|since_ms| times::shown(context, since_ms)),
        "rows_done": status.older_sealing_keys == 0,
        "is_beside": status.is_beside,
        "is_unknown": status.is_unknown,
        "pools": pools,
    })
}

impl From<KeyRotationError> for CommandError {
    fn from(error: KeyRotationError) -> Self {
        let code = match &error {
            KeyRotationError::Product(_) => "unknown",
            KeyRotationError::Often | KeyRotationError::Pending => "waiting",
            KeyRotationError::RootKey(_) => "root_key",
            KeyRotationError::Unknown | KeyRotationError::Fault(_) => "store",
        };
        Self::new(code, error)
    }
}
