//! 易支付 (epay) V1, the MD5 protocol that most small gateways speak (payments.md, section 1).
//!
//! Its signature is MD5 over a key that the gateway's staff know too: an accepted exception to our own choice of
//! primitives. For gateways of unknown owners, `weak = true` makes the shop ask before it delivers.

mod code;
mod config;
mod json;
mod notice;
mod query;
mod sign;
mod submit;

use std::sync::Arc;

pub use config::{ChannelConfigError, EpayConfig};

use crate::domain::money::{Amount, Currency};
use crate::domain::names::OrderId;
use crate::pay::notice::{Parameters, printable};
use crate::pay::{
    Acknowledgement, Begin, BeginError, BoxFuture, CodeError, Gateway, LogFields, NextStep,
    NoticeRefusal, Outbound, PayCode, QueryAnswer, QueryError, RawNotice, Refund, RefundAnswer,
    RefundError, VerifiedNotice,
};

/// One epay V1 channel.
pub struct Epay {
    config: EpayConfig,
    outbound: Arc<dyn Outbound>,
}

impl Epay {
    /// A channel that reaches its gateway through `outbound`.
    pub fn new(config: EpayConfig, outbound: Arc<dyn Outbound>) -> Self {
        Self { config, outbound }
    }

    /// Its settings.
    pub fn config(&self) -> &EpayConfig {
        &self.config
    }
}

impl Gateway for Epay {
    fn kind(&self) -> &'static str {
        "epay"
    }

    fn begin<'a>(&'a self, begin: &'a Begin<'a>) -> BoxFuture<'a, Result<NextStep, BeginError>> {
        Box::pin(async move { submit::page_address(&self.config, begin).map(NextStep::Redirect) })
    }

    fn code<'a>(&'a self, begin: &'a Begin<'a>) -> BoxFuture<'a, Result<PayCode, CodeError>> {
        Box::pin(code::ask(&self.config, self.outbound.as_ref(), begin))
    }

    fn verify_notice(&self, notice: &RawNotice<'_>) -> Result<VerifiedNotice, NoticeRefusal> {
        notice::verify(&self.config, notice)
    }

    fn query(&self, order: OrderId) -> BoxFuture<'_, Result<QueryAnswer, QueryError>> {
        Box::pin(query::ask(&self.config, self.outbound.as_ref(), order))
    }

    fn refund<'a>(
        &'a self,
        _refund: &'a Refund<'a>,
    ) -> BoxFuture<'a, Result<RefundAnswer, RefundError>> {
        Box::pin(async { Err(RefundError::Unsupported) })
    }

    fn asks_before_settling(&self, amount: Amount) -> bool {
        self.config.asks_before_settling(amount)
    }

    /// Gateways look for `success` anywhere in the body; some also want 200.
    fn acknowledgement(&self, accepted: bool) -> Acknowledgement {
        let (status, body) = if accepted {
            (http::StatusCode::OK, "success")
        } else {
            (http::StatusCode::BAD_REQUEST, "fail")
        };
        Acknowledgement {
            status,
            content_type: "text/plain; charset=utf-8",
            body,
        }
    }

    fn loggable(&self, notice: &RawNotice<'_>) -> LogFields {
        Parameters::of_notice(notice, &notice::METHODS)
            .map(|parameters| log_fields(&parameters))
            .unwrap_or_default()
    }
}

/// Money of the protocol is yuan, and it sends no currency.
const CURRENCY: Currency = Currency::CNY;
const LOGGED: [&str; 6] = [
    "pid",
    "trade_no",
    "out_trade_no",
    "type",
    "money",
    "trade_status",
];

fn log_fields(parameters: &Parameters) -> LogFields {
    let field = |name: &'static str| Some((name, printable(parameters.text(name)?.as_bytes())));
    LOGGED.into_iter().filter_map(field).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod fixture {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::secret::Secret;

    pub const KEY: &str = "kq3V8sW0zD5hT1yNfR7uB2mX";

    pub fn config(more: &[(&str, &str)]) -> EpayConfig {
        let mut settings = BTreeMap::from([
            ("gateway".to_owned(), "https://gw.example.com/".to_owned()),
            ("pid".to_owned(), "1001".to_owned()),
        ]);
        settings.extend(
            more.iter()
                .map(|(key, value)| (key.to_string(), value.to_string())),
        );
        let secrets = BTreeMap::from([("key".to_owned(), Secret::from(KEY))]);
        EpayConfig::from_settings(&settings, &secrets).unwrap()
    }
}
