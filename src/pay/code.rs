//! What a phone scans to pay: a text that a provider gave, and that the shop draws and vouches for.

use http::Uri;

use super::OutboundFailure;

/// The text of a payment's QR code. Only [`PayCode::parse`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayCode(String);

/// Why a provider's text is not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayCodeError {
    /// Nothing, or more than phones read from a screen.
    #[error("the provider's code is not of 1 to {} bytes", PayCode::BYTES_MAX)]
    Length,
    /// Something else than visible ASCII characters.
    #[error("the provider's code holds characters that no address has")]
    Characters,
    /// A scheme that opens no payment, or none at all.
    #[error("the provider's code opens something else than a payment app or an encrypted page")]
    Scheme,
    /// A web address without a host, or one that shows another host than it opens.
    #[error("the provider's code is no plain web address")]
    Address,
}

/// Why a provider gives no code. None of these keeps a buyer from paying: the shop's own link is drawn instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The channel is set to links, or its protocol has no codes.
    #[error("this channel gives no codes")]
    NotOffered,
    /// The gateway has no such interface: not worth asking again soon.
    #[error("the gateway has no interface for codes: {0}")]
    Absent(String),
    /// The gateway is down: worth asking again in a while.
    #[error("the gateway is down: HTTP status {0}")]
    Down(u16),
    /// No answer at all.
    #[error(transparent)]
    Outbound(#[from] OutboundFailure),
    /// The provider refuses this order.
    #[error("the provider refused to give a code: {0}")]
    Refused(String),
    /// The provider agrees, but with nothing that another device can scan.
    #[error("the provider gave nothing to scan")]
    Nothing,
    /// What the provider gave is not drawn.
    #[error(transparent)]
    Code(#[from] PayCodeError),
    /// The payment itself cannot begin.
    #[error(transparent)]
    Begin(#[from] super::BeginError),
}

impl PayCode {
    /// Longest code. Providers' own are below 300 bytes; one of 512 has over 100 dots on each side, and phones hardly read more
    /// from a screen: the shop's link, which is short, serves the buyer better then.
    pub const BYTES_MAX: usize = 512;

    /// Takes a provider's text if a phone that scans it opens a payment app or an encrypted page. Without TLS (`plain_http`)
    /// only for a gateway that is itself spoken to so.
    ///
    /// # Errors
    /// [`PayCodeError`]. The text itself is not in it: it comes from outside.
    pub fn parse(text: &str, plain_http: bool) -> Result<Self, PayCodeError> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err(PayCodeError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PayCodeError::Characters);
        }
        let (scheme, _) = text.split_once("://").ok_or(PayCodeError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "https" => web_address(text)?,
            "http" if plain_http => web_address(text)?,
            app if APPS.contains(&app) => {}
            _ => return Err(PayCodeError::Scheme),
        }
        Ok(Self(text.to_owned()))
    }

    /// The text to draw.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `https://bank.example@evil.example/` shows one host and opens another; `\` is a slash to browsers.
fn web_address(text: &str) -> Result<(), PayCodeError> {
    let uri: Uri = text.parse().map_err(|_| PayCodeError::Address)?;
    let host = uri.host().is_some_and(|host| !host.is_empty());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if host && !authority.contains('@') && !text.contains('\\') {
        Ok(())
    } else {
        Err(PayCodeError::Address)
    }
}

/// Schemes of the payment apps whose codes gateways pass on: WeChat, Alipay, QQ.
const APPS: [&str; 6] = ["weixin", "wxp", "alipay", "alipays", "alipayqr", "mqqapi"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_payment_apps_and_encrypted_pages_are_drawn_as_they_came() {
        for text in [
            "weixin://wxpay/bizpayurl?pr=fYcJxRZ",
            "wxp://f2f0ZkM8rJ7t",
            "https://qr.alipay.com/bax03431ljhokirwl38f00a7",
            "HTTPS://QR.ALIPAY.COM/FKX0",
            "alipays://platformapi/startapp?appId=20000067",
            "mqqapi://forward/url?url_prefix=aHR0cHM6Ly9x",
            "https://pay.example:8443/pay/2026112100000001/?a=1&b=%40",
        ] {
            assert_eq!(
                PayCode::parse(text, false).map(|c| c.0),
                Ok(text.to_owned())
            );
        }
        let plain = "http://127.0.0.1:8444/pay/1";
        assert!(PayCode::parse(plain, true).is_ok());
        assert_eq!(PayCode::parse(plain, false), Err(PayCodeError::Scheme));
    }

    #[test]
    fn a_code_that_opens_anything_else_is_not_drawn() {
        use PayCodeError::*;
        let long = format!("https://a.b/{}", "a".repeat(PayCode::BYTES_MAX));
        let cases = [
            ("", Length),
            (long.as_str(), Length),
            ("https://a.b/\n", Characters),
            ("https://a.b/\u{202e}", Characters),
            ("https://a.b/ x", Characters),
            ("https://支付.example/", Characters),
            ("javascript:alert(1)", Scheme),
            ("JavaScript://a.b/%0aalert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("intent://a#Intent;end", Scheme),
            ("tel:110", Scheme),
            ("sms:110?body=x", Scheme),
            ("WIFI:S:x;;", Scheme),
            ("weixin:dl", Scheme),
            ("/pay/1", Scheme),
            ("qr.alipay.com/x", Scheme),
            ("https:///x", Address),
            ("https:a.b", Scheme),
            ("https://alipay.com@a.b/", Address),
            ("https://a.b\\@c.d/", Address),
        ];
        for (text, error) in cases {
            assert_eq!(PayCode::parse(text, true), Err(error), "{text}");
        }
    }
}
