//! One booth for each open channel: its gateway, and what its buyers are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;

use crate::actions::ChannelSettings;
use crate::domain::{ChannelName, Currency};
use crate::pay::epay::{ChannelConfigError, Epay, EpayConfig};
use crate::pay::{Gateway, Outbound};

/// An open channel.
pub(in crate::pay) struct Booth {
    /// Speaks its protocol.
    pub gateway: Arc<dyn Gateway>,
    /// The way to pay behind it, like `alipay`, where it is one.
    pub method: Option<String>,
}

/// The channels of a shop by name.
#[derive(Default)]
pub(super) struct Booths {
    pub open: BTreeMap<ChannelName, Arc<Booth>>,
    /// The others, with why they are closed.
    pub closed: BTreeMap<ChannelName, String>,
}

/// Why a channel stays closed.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it is switched off")]
    Disabled,
    #[error("kind {0:?} is not one that this version speaks")]
    Kind(String),
    #[error(transparent)]
    Config(#[from] ChannelConfigError),
    #[error(
        "its gateway is reached without TLS: use https://, or list its host:port in [net] allow_private if it is yours"
    )]
    PlainHttp,
    #[error("it takes {takes}, and the shop's prices are in {sells}: no order could be paid there")]
    Currency { takes: Currency, sells: Currency },
}

/// Opens every enabled channel that can be made of its settings and takes `currency`, that of the shop's prices.
pub(super) fn build(
    channels: Vec<ChannelSettings>,
    currency: Currency,
    outbound: &Arc<dyn Outbound>,
    plain_http_allowed: &[(String, u16)],
) -> Booths {
    let mut booths = Booths::default();
    for channel in channels {
        match booth(&channel, currency, outbound, plain_http_allowed) {
            Ok(booth) => {
                booths.open.insert(channel.name, Arc::new(booth));
            }
            Err(error) => {
                if channel.enabled {
                    tracing::error!(channel = %channel.name, %error, "channel stays closed");
                }
                booths.closed.insert(channel.name, error.to_string());
            }
        }
    }
    booths
}

/// What buyers call a way to pay; Chinese for every `zh` tag, English otherwise.
pub(super) fn title(method: Option<&str>, language_tag: &str) -> &'static str {
    let method = method.unwrap_or("");
    let (chinese, english) = TITLES
        .iter()
        .find(|(known, _, _)| *known == method)
        .map_or(ANY, |(_, chinese, english)| (*chinese, *english));
    let primary = language_tag.split(['-', '_']).next().unwrap_or("");
    if primary.eq_ignore_ascii_case("zh") {
        chinese
    } else {
        english
    }
}

fn booth(
    channel: &ChannelSettings,
    sells: Currency,
    outbound: &Arc<dyn Outbound>,
    plain_http_allowed: &[(String, u16)],
) -> Result<Booth, Unusable> {
    if !channel.enabled {
        return Err(Unusable::Disabled);
    }
    if channel.kind != "epay" {
        return Err(Unusable::Kind(channel.kind.clone()));
    }
    let config = EpayConfig::from_settings(&channel.settings, &channel.secrets)?;
    if config.is_plain_http() && !is_listed(config.gateway(), plain_http_allowed) {
        return Err(Unusable::PlainHttp);
    }
    let takes = config.currency();
    if takes != sells {
        return Err(Unusable::Currency { takes, sells });
    }
    Ok(Booth {
        method: config.kind().map(str::to_owned),
        gateway: Arc::new(Epay::new(config, outbound.clone())),
    })
}

/// Hosts are compared as the outbound client does: small letters, IPv6 without brackets, no dot at the end.
fn is_listed(gateway: &str, allowed: &[(String, u16)]) -> bool {
    let Ok(uri) = gateway.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or("").to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    let port = uri.port_u16().unwrap_or(80);
    allowed
        .iter()
        .any(|(name, number)| name == host && *number == port)
}

const ANY: (&str, &str) = ("在线支付", "Online payment");
/// `type` values that gateways share.
const TITLES: [(&str, &str, &str); 8] = [
    ("alipay", "支付宝", "Alipay"),
    ("wxpay", "微信支付", "WeChat Pay"),
    ("qqpay", "QQ 钱包", "QQ Wallet"),
    ("bank", "网银支付", "Bank card"),
    ("jdpay", "京东支付", "JD Pay"),
    ("paypal", "PayPal", "PayPal"),
    ("usdt.trc20", "USDT（TRC20）", "USDT (TRC20)"),
    ("tron.trx", "TRX", "TRX"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buyers_read_the_name_of_a_way_to_pay_in_their_language() {
        assert_eq!(title(Some("alipay"), "zh-CN"), "支付宝");
        assert_eq!(title(Some("wxpay"), "en"), "WeChat Pay");
        assert_eq!(title(Some("qqpay"), "zh"), "QQ 钱包");
        assert_eq!(title(None, "zh-Hant"), "在线支付");
        assert_eq!(title(Some("new"), "de"), "Online payment");
    }

    #[test]
    fn a_gateway_without_tls_is_open_only_when_its_host_and_port_are_listed() {
        let allowed = [("127.0.0.1".to_owned(), 8900), ("::1".to_owned(), 80)];
        assert!(is_listed("http://127.0.0.1:8900/epay", &allowed));
        assert!(is_listed("http://[::1]", &allowed));
        for gateway in [
            "http://127.0.0.1",
            "http://127.0.0.1:8901",
            "http://gw.example.com",
        ] {
            assert!(!is_listed(gateway, &allowed), "{gateway}");
        }
    }
}
