//! Settings of one epay channel, from texts to values that cannot be wrong.

use std::collections::BTreeMap;

use http::Uri;

use crate::domain::money::{Amount, Currency, parse_decimal};
use crate::domain::secret::Secret;
use crate::pay::sources::{Sources, SourcesError};

/// Settings of one channel. Only [`EpayConfig::from_settings`] makes one, so its key is never empty or well known.
#[derive(Debug, Clone)]
pub struct EpayConfig {
    pub(super) gateway: String,
    pub(super) pid: String,
    pub(super) kind: Option<String>,
    pub(super) key: Secret,
    pub(super) sources: Option<Sources>,
    pub(super) code: CodeSource,
    weak: bool,
    query_above: Option<Amount>,
}

/// What buyers scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeSource {
    /// The gateway's own code, asked for by `mapi.php`, which is told the buyer's address; the link where it gives none.
    Api,
    /// The shop's link that leads to `submit.php`: the gateway hears of a buyer only once he opens it.
    Link,
}

/// Why a channel cannot be made of these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelConfigError {
    /// A needed setting is absent or blank.
    #[error("setting {0} is missing: find it in the gateway's merchant pages")]
    Missing(&'static str),
    /// No setting of this kind of channel.
    #[error(
        "{0:?} is no setting of an epay channel: gateway, pid, type, code, weak, query_above, sources; secret: key"
    )]
    Unknown(String),
    /// Not `http(s)://host[:port][/path]`.
    #[error("gateway is an address like https://pay.example.com/ without user, query or fragment")]
    Gateway,
    /// Characters or a length that no gateway gives out.
    #[error("{0} is 1 to 64 letters, digits, dots, dashes and underscores")]
    Form(&'static str),
    /// No signing key, or a blank one.
    #[error("the signing key is empty: set the secret `key`")]
    KeyEmpty,
    /// A key from a document or an example.
    #[error(
        "the signing key is a well-known example: set the one from the gateway's merchant pages"
    )]
    KeyPlaceholder,
    /// Too short to be one.
    #[error(
        "the signing key is shorter than {} bytes: copy all of it",
        KEY_BYTES_MIN
    )]
    KeyShort,
    /// Too long, or not visible ASCII characters.
    #[error(
        "the signing key is at most {} visible characters in one line",
        KEY_BYTES_MAX
    )]
    KeyForm,
    /// Neither `api` nor `link`.
    #[error("code is api (the gateway's own QR code, the default) or link (the shop's)")]
    Code,
    /// Neither `true` nor `false`.
    #[error("weak is true or false")]
    Weak,
    /// No amount.
    #[error("query_above is an amount in yuan, like 100.00")]
    QueryAbove,
    /// No list of networks.
    #[error("sources: {0}")]
    Sources(#[from] SourcesError),
}

impl EpayConfig {
    /// Reads `gateway`, `pid`, `type`, `code`, `weak`, `query_above`, `sources` and the secret `key`. White space around the
    /// key, as a file leaves it, is dropped.
    ///
    /// # Errors
    /// [`ChannelConfigError`].
    pub fn from_settings(
        settings: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, ChannelConfigError> {
        refuse_unknown(settings.keys(), &SETTINGS)?;
        refuse_unknown(secrets.keys(), &["key"])?;
        let text = |name: &str| {
            let value = settings.get(name).map(|value| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let needed = |name| text(name).ok_or(ChannelConfigError::Missing(name));
        let kind = text("type").map(|kind| token("type", kind)).transpose()?;
        let weak = match text("weak") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ChannelConfigError::Weak),
        };
        let code = match text("code") {
            None | Some("api") => CodeSource::Api,
            Some("link") => CodeSource::Link,
            Some(_) => return Err(ChannelConfigError::Code),
        };
        let query_above = text("query_above")
            .map(|amount| parse_decimal(amount, super::CURRENCY.decimals()))
            .transpose()
            .map_err(|_| ChannelConfigError::QueryAbove)?;
        Ok(Self {
            gateway: gateway(needed("gateway")?)?,
            pid: token("pid", needed("pid")?)?,
            kind,
            key: key(secrets.get("key"))?,
            sources: text("sources").map(Sources::parse).transpose()?,
            code,
            weak,
            query_above,
        })
    }

    /// The gateway's address without a slash at its end; `…/submit.php` is below it.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Whether the gateway is reached without TLS; the caller refuses that unless the host is its own (`[net] allow_private`).
    pub fn is_plain_http(&self) -> bool {
        self.gateway.starts_with("http://")
    }

    /// What the channel takes: the protocol knows yuan alone.
    pub fn currency(&self) -> Currency {
        super::CURRENCY
    }

    /// The merchant's id at the gateway.
    pub fn pid(&self) -> &str {
        &self.pid
    }

    /// The way to pay, like `alipay`; `None` lets the gateway's cashier ask.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Whether the gateway must agree before `amount` is believed: always where it is weak, and above `query_above`.
    pub fn asks_before_settling(&self, amount: Amount) -> bool {
        self.weak || self.query_above.is_some_and(|above| amount > above)
    }
}

/// Whether `key` is blank, well known or too short to sign anything.
pub(super) fn check_key(key: &[u8]) -> Result<(), ChannelConfigError> {
    let key = key.trim_ascii();
    if key.is_empty() {
        return Err(ChannelConfigError::KeyEmpty);
    }
    let lower = key.to_ascii_lowercase();
    let bare: Vec<u8> = lower
        .iter()
        .copied()
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    let one_character = key.iter().all(|byte| *byte == key[0]);
    if one_character || PLACEHOLDERS.iter().any(|known| known.as_bytes() == bare) {
        return Err(ChannelConfigError::KeyPlaceholder);
    }
    if key.len() < KEY_BYTES_MIN {
        return Err(ChannelConfigError::KeyShort);
    }
    if key.len() > KEY_BYTES_MAX || !key.iter().all(u8::is_ascii_graphic) {
        return Err(ChannelConfigError::KeyForm);
    }
    Ok(())
}

fn key(key: Option<&Secret>) -> Result<Secret, ChannelConfigError> {
    let key = key.ok_or(ChannelConfigError::KeyEmpty)?;
    check_key(key.expose())?;
    Ok(Secret::new(key.expose().trim_ascii()))
}

fn refuse_unknown<'a>(
    names: impl Iterator<Item = &'a String>,
    known: &[&str],
) -> Result<(), ChannelConfigError> {
    match names
        .into_iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(name) => Err(ChannelConfigError::Unknown(name.clone())),
        None => Ok(()),
    }
}

/// People paste the address of a page: its file name is dropped.
fn gateway(text: &str) -> Result<String, ChannelConfigError> {
    let refused = ChannelConfigError::Gateway;
    let uri: Uri = text.parse().map_err(|_| refused.clone())?;
    let https = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let odd = authority.contains('@') || text.contains(['#', '?']);
    if !https || uri.host().is_none_or(str::is_empty) || odd || text.len() > GATEWAY_BYTES_MAX {
        return Err(refused);
    }
    let mut base = text.trim_end_matches('/');
    for page in ["/submit.php", "/mapi.php", "/api.php"] {
        base = base.strip_suffix(page).unwrap_or(base);
    }
    Ok(base.trim_end_matches('/').to_owned())
}

fn token(name: &'static str, text: &str) -> Result<String, ChannelConfigError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.len() <= 64 && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Err(ChannelConfigError::Form(name))
    }
}

const SETTINGS: [&str; 7] = [
    "gateway",
    "pid",
    "type",
    "code",
    "weak",
    "query_above",
    "sources",
];
const GATEWAY_BYTES_MAX: usize = 512;
const KEY_BYTES_MIN: usize = 8;
const KEY_BYTES_MAX: usize = 512;
/// Keys of documents, demos and forms, in lower case, letters and digits only.
const PLACEHOLDERS: [&str; 37] = [
    "key",
    "secret",
    "signkey",
    "secretkey",
    "apikey",
    "appkey",
    "md5key",
    "merchantkey",
    "epaykey",
    "paykey",
    "yourkey",
    "yoursecret",
    "yoursecretkey",
    "yourapikey",
    "yourmerchantkey",
    "yourepaykey",
    "changeme",
    "changethis",
    "replaceme",
    "example",
    "examplekey",
    "placeholder",
    "test",
    "testkey",
    "testtest",
    "test1234",
    "password",
    "admin",
    "default",
    "none",
    "null",
    "undefined",
    "123456",
    "12345678",
    "1234567890",
    "epusdtpasswordxasddawqe",
    // The merchant key printed in the protocol's widely copied document and its demos.
    "89unjub8hz54hj7x4nuj56hn4nuzuj8i",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<EpayConfig, ChannelConfigError> {
        let mut settings = BTreeMap::from([
            ("gateway".to_owned(), "https://gw.example.com".to_owned()),
            ("pid".to_owned(), "1001".to_owned()),
        ]);
        let mut secrets = BTreeMap::from([("key".to_owned(), Secret::from("kq3V8sW0zD5hT1yN"))]);
        if name == "key" {
            secrets.insert(name.to_owned(), Secret::from(value));
        } else {
            settings.insert(name.to_owned(), value.to_owned());
        }
        EpayConfig::from_settings(&settings, &secrets)
    }

    #[test]
    fn an_empty_a_blank_and_a_well_known_key_open_no_channel() {
        use ChannelConfigError::*;
        let cases = [
            ("", KeyEmpty),
            (" \r\n\t", KeyEmpty),
            ("key", KeyPlaceholder),
            ("123456", KeyPlaceholder),
            ("Your_Key", KeyPlaceholder),
            ("CHANGEME\n", KeyPlaceholder),
            ("change-me", KeyPlaceholder),
            ("test", KeyPlaceholder),
            ("xxx", KeyPlaceholder),
            ("xxxxxxxxxxxxxxxx", KeyPlaceholder),
            ("00000000", KeyPlaceholder),
            ("<your-secret-key>", KeyPlaceholder),
            ("a1b2c3d", KeyShort),
            ("a1b2 c3d4 e5f6", KeyForm),
            ("密钥密钥密钥", KeyForm),
        ];
        for (key, error) in cases {
            assert_eq!(with("key", key).unwrap_err(), error, "{key}");
        }
        let settings = BTreeMap::from([
            ("gateway".into(), "https://a.b".into()),
            ("pid".into(), "1".into()),
        ]);
        assert_eq!(
            EpayConfig::from_settings(&settings, &BTreeMap::new()).unwrap_err(),
            KeyEmpty
        );
        assert_eq!(
            with("key", " kq3V8sW0zD5hT1yN\n").unwrap().key.expose(),
            b"kq3V8sW0zD5hT1yN"
        );
    }

    #[test]
    fn the_gateway_is_taken_as_people_paste_it() {
        for text in [
            "https://gw.example.com/pay",
            "https://gw.example.com/pay/",
            "https://gw.example.com/pay/submit.php",
        ] {
            assert_eq!(
                with("gateway", text).unwrap().gateway(),
                "https://gw.example.com/pay"
            );
        }
        assert!(
            with("gateway", "http://127.0.0.1:8444")
                .unwrap()
                .is_plain_http()
        );
        for text in [
            "gw.example.com",
            "ftp://a.b/",
            "https://u:p@a.b/",
            "https://a.b/?x=1",
            "https://a.b/#x",
            "https://",
            "file:///etc",
        ] {
            assert_eq!(
                with("gateway", text).unwrap_err(),
                ChannelConfigError::Gateway,
                "{text}"
            );
        }
    }

    #[test]
    fn settings_with_a_mistake_are_named() {
        assert_eq!(
            with("geteway", "x").unwrap_err(),
            ChannelConfigError::Unknown("geteway".into())
        );
        assert_eq!(
            with("pid", " ").unwrap_err(),
            ChannelConfigError::Missing("pid")
        );
        assert_eq!(
            with("pid", "1&2").unwrap_err(),
            ChannelConfigError::Form("pid")
        );
        assert_eq!(with("weak", "yes").unwrap_err(), ChannelConfigError::Weak);
        assert_eq!(with("code", "qr").unwrap_err(), ChannelConfigError::Code);
        assert_eq!(
            with("query_above", "1e2").unwrap_err(),
            ChannelConfigError::QueryAbove
        );
        assert!(matches!(
            with("sources", "x").unwrap_err(),
            ChannelConfigError::Sources(_)
        ));
    }

    #[test]
    fn weak_gateways_and_large_amounts_are_asked_about() {
        assert!(
            !with("weak", "false")
                .unwrap()
                .asks_before_settling(1_000_000)
        );
        assert!(with("weak", "true").unwrap().asks_before_settling(1));
        let above = with("query_above", "100").unwrap();
        assert!(!above.asks_before_settling(10_000));
        assert!(above.asks_before_settling(10_001));
    }
}
