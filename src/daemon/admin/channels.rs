//! Payment channels. A secret goes in and never comes out.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{CommandError, Context, command::ChannelAdd, error::typed};
use crate::{
    actions::ChannelSettings,
    daemon::front::{allowed, client},
    domain::{ChannelName, OrderId, Secret, seams::random},
    pay::{
        Gateway, QueryError,
        epay::{Epay, EpayConfig},
        outbound::NetOutbound,
    },
};

pub(super) fn add(context: &Context, add: ChannelAdd) -> Result<Value, CommandError> {
    let secrets = add.secrets.into_iter();
    let channel = ChannelSettings {
        name: typed("NAME", &add.name, ChannelName::parse(&add.name))?,
        kind: add.kind,
        settings: add.settings,
        secrets: secrets
            .map(|(name, hidden)| (name, Secret::from(hidden.0)))
            .collect(),
        enabled: true,
    };
    let config = checked(&channel)?;
    if config.is_plain_http() && !is_allowed(context, config.gateway()) {
        return Err(CommandError::invalid(
            "the gateway is reached without TLS: use its https:// address, or list it in [net] allow_private if it is your own",
        ));
    }
    let (takes, sells) = (config.currency(), context.shop.policy().currency);
    if takes != sells {
        return Err(CommandError::invalid(format!(
            "the channel takes {takes}, and the shop's prices are in {sells}: no order could be paid there"
        )));
    }
    context.shop.add_channel(&channel)?;
    Ok(shown(context, &channel))
}

pub(super) fn list(context: &Context) -> Result<Value, CommandError> {
    let channels = context.shop.channels()?;
    let listed: Vec<Value> = channels
        .iter()
        .map(|channel| shown(context, channel))
        .collect();
    Ok(json!({"channels": listed}))
}

pub(super) fn remove(context: &Context, name: &str) -> Result<Value, CommandError> {
    let name = typed("NAME", name, ChannelName::parse(name))?;
    context.shop.remove_channel(&name)?;
    Ok(json!({"removed": name.as_str()}))
}

/// Asks the provider for an order that does not exist. A refusal is an answer: the gateway is there and speaks the protocol.
pub(super) fn test(context: &Context, name: &str) -> Result<Value, CommandError> {
    let name = typed("NAME", name, ChannelName::parse(name))?;
    let mut channels = context.shop.channels()?.into_iter();
    let channel = channels.find(|channel| channel.name == name);
    let channel = channel.ok_or_else(|| {
        CommandError::unknown(format!(
            "there is no channel {name}: `keystall channel list` shows all"
        ))
    })?;
    let client = client(&context.settings).map_err(|error| CommandError::new("tls", error))?;
    let gateway = Epay::new(checked(&channel)?, Arc::new(NetOutbound(Arc::new(client))));
    let number = u32::from_le_bytes(random(context.shop.vault().entropy()));
    let order = OrderId::at(context.shop.now_ms(), number);
    // A gateway says the same way that it knows no such order and that the key is wrong: only its words tell them apart.
    let (knows, answer) = match context.runtime.block_on(gateway.query(order)) {
        Ok(answer) => (true, answer.state),
        Err(QueryError::Refused(why)) => (false, why),
        Err(error) => {
            return Err(CommandError::new(
                "provider",
                format!("channel {name}: {error}"),
            ));
        }
    };
    let refuses = !knows && refuses_merchant(&answer);
    Ok(json!({
        "channel": name.as_str(), "answers": true, "accepted": knows, "refuses_merchant": refuses, "said": answer,
    }))
}

/// Whether a refusal speaks of the merchant's id, key or signature. An order's number is the merchant's too, and says nothing.
fn refuses_merchant(said: &str) -> bool {
    const OF_ORDERS: [&str; 6] = [
        "商户订单",
        "商户单号",
        "商户系统",
        "merchant order",
        "merchant's order",
        "merchant_order",
    ];
    const OF_MERCHANTS: [&str; 13] = [
        "密钥",
        "密匙",
        "秘钥",
        "签名",
        "验签",
        "商户",
        "pid",
        "key",
        "sign",
        "merchant",
        "md5",
        "unauthorized",
        "forbidden",
    ];
    let mut said = said.to_lowercase();
    for words in OF_ORDERS {
        said = said.replace(words, "");
    }
    OF_MERCHANTS.iter().any(|word| said.contains(word))
}

fn checked(channel: &ChannelSettings) -> Result<EpayConfig, CommandError> {
    if channel.kind != "epay" {
        return Err(CommandError::invalid(format!(
            "{:?} is no kind of channel of this version: epay",
            channel.kind
        )));
    }
    EpayConfig::from_settings(&channel.settings, &channel.secrets).map_err(CommandError::invalid)
}

fn is_allowed(context: &Context, gateway: &str) -> bool {
    let Ok(uri) = gateway.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(80);
    allowed(&context.settings).contains(&(host, port))
}

fn shown(context: &Context, channel: &ChannelSettings) -> Value {
    let secrets: BTreeMap<&str, &str> = channel
        .secrets
        .keys()
        .map(|name| (name.as_str(), "[redacted]"))
        .collect();
    let origin = context.settings.origin();
    json!({
        "name": channel.name.as_str(),
        "kind": channel.kind,
        "enabled": channel.enabled,
        "settings": channel.settings,
        "secrets": secrets,
        "notify_url": format!("{origin}/pay/{}/notify", channel.name),
    })
}

#[cfg(test)]
mod tests {
    use super::refuses_merchant;

    #[test]
    fn a_wrong_key_is_told_from_an_order_that_nobody_knows() {
        for said in [
            "商户密钥错误",
            "商户ID不存在",
            "签名校验失败",
            "PID不存在",
            "Invalid key",
            "sign error",
        ] {
            assert!(refuses_merchant(said), "{said}");
        }
        for said in [
            "订单号不存在",
            "商户订单号不存在",
            "Merchant order not found",
            "order not found",
            "code -1",
        ] {
            assert!(!refuses_merchant(said), "{said}");
        }
    }
}
