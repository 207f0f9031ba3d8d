//! A desk over a real shop in a temporary folder, with a provider that tests speak for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, Method};
use md5::{Digest, Md5};

use super::{Desk, NoticeCounter};
use crate::actions::ChannelSettings;
use crate::domain::{ChannelName, Order, Secret, Verdict};
use crate::pay::{Acknowledgement, BoxFuture, Outbound, OutboundFailure, RawNotice};
use crate::testing::TestShop;

pub const KEY: &str = "kq3V8sW0zD5hT1yNfR7uB2mX";

/// Answers queries by order number; an order that is not listed gets `otherwise`.
pub struct Provider {
    pub answers: Mutex<BTreeMap<String, String>>,
    pub otherwise: Mutex<Result<String, OutboundFailure>>,
    pub asked: Mutex<Vec<String>>,
    /// Answers nothing at all.
    pub dead: AtomicBool,
}

/// Notices as they were counted.
#[derive(Default)]
pub struct Counted(pub Mutex<Vec<(String, Verdict)>>);

pub struct TestDesk {
    pub inner: TestShop,
    pub desk: Desk,
    pub provider: Arc<Provider>,
    pub counted: Arc<Counted>,
}

impl TestDesk {
    /// A shop with ten keys of `steam` at 19.90, the channel `main`, `second` with another key, and `weak`.
    pub fn new() -> Self {
        let inner = TestShop::new();
        inner.stock("steam", "KEY", 10);
        add_channel(&inner, "second", "wF9cL2rA7pG4jE6vQ1sH", &[]);
        add_channel(&inner, "weak", KEY, &[("weak", "true")]);
        Self::over(inner)
    }

    pub fn over(inner: TestShop) -> Self {
        let provider = Arc::new(Provider {
            answers: Mutex::default(),
            otherwise: Mutex::new(Ok(r#"{"code":-1,"msg":"no such order"}"#.into())),
            asked: Mutex::default(),
            dead: AtomicBool::new(false),
        });
        let counted = Arc::new(Counted::default());
        let base_url = "https://shop.example".to_owned();
        let desk = Desk::new(inner.shop.clone(), provider.clone(), base_url, Vec::new());
        let desk = desk.unwrap().with_counter(counted.clone());
        Self {
            inner,
            desk,
            provider,
            counted,
        }
    }

    pub async fn order(&self, channel: &str) -> Order {
        let mut request = self.inner.request("steam", 1, 1);
        request.channel = ChannelName::parse(channel).unwrap();
        self.inner.shop.checkout(request).await.unwrap()
    }

    pub fn now(&self, order: &Order) -> Order {
        self.inner.shop.order(order.id).unwrap().unwrap()
    }

    /// A query of the channel's gateway, as GET.
    pub async fn get(&self, channel: &str, query: &str) -> Acknowledgement {
        self.desk
            .notice(channel, &raw(&HeaderMap::new(), query))
            .await
    }

    pub fn last_verdict(&self) -> Verdict {
        self.counted.0.lock().unwrap().last().unwrap().1
    }

    /// What the merchant reads of the newest refused notice.
    pub fn last_refusal(&self) -> String {
        self.inner.shop.refused_notices().latest(1)[0].why.clone()
    }

    pub fn delivered_keys(&self, order: &Order) -> usize {
        let view = self.inner.shop.view_order(order.id).unwrap().unwrap();
        view.keys.len()
    }
}

impl Provider {
    /// From now on the provider knows this payment of the order.
    pub fn paid(&self, order: &Order, transaction: &str, money: &str) {
        let answer =
            format!(r#"{{"code":1,"trade_no":"{transaction}","money":"{money}","status":1}}"#);
        self.answers
            .lock()
            .unwrap()
            .insert(order.id.to_string(), answer);
    }

    pub fn unpaid(&self, order: &Order) {
        let answer = r#"{"code":1,"trade_no":"T","money":"19.90","status":0}"#.to_owned();
        self.answers
            .lock()
            .unwrap()
            .insert(order.id.to_string(), answer);
    }

    pub fn silent(&self) {
        *self.otherwise.lock().unwrap() = Err(OutboundFailure::TimedOut);
    }

    pub fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Outbound for Provider {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, OutboundFailure>> {
        let address = request.uri().to_string();
        let number = address.rsplit('=').next().unwrap().to_owned();
        let known = self.answers.lock().unwrap().get(&number).cloned();
        self.asked.lock().unwrap().push(number);
        let answer = match self.dead.load(Ordering::Relaxed) {
            true => Err(OutboundFailure::TimedOut),
            false => known.map_or_else(|| self.otherwise.lock().unwrap().clone(), Ok),
        };
        Box::pin(async move { answer.map(|body| http::Response::new(Bytes::from(body))) })
    }
}

impl NoticeCounter for Counted {
    fn count(&self, channel: &str, verdict: Verdict) {
        self.0.lock().unwrap().push((channel.to_owned(), verdict));
    }
}

/// Sets up a channel of alipay.
pub fn add_channel(shop: &TestShop, name: &str, key: &str, more: &[(&str, &str)]) {
    let common = [
        ("gateway", "https://pay.example/"),
        ("pid", "1001"),
        ("type", "alipay"),
    ];
    let settings = common.iter().chain(more);
    let channel = ChannelSettings {
        name: ChannelName::parse(name).unwrap(),
        kind: "epay".into(),
        settings: settings
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        secrets: [("key".to_owned(), Secret::from(key))].into(),
        enabled: true,
    };
    shop.shop.add_channel(&channel).unwrap();
}

/// The parameters of a genuine notice.
pub fn fields(order: &Order, transaction: &str, money: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("pid", "1001".to_owned()),
        ("trade_no", transaction.to_owned()),
        ("out_trade_no", order.id.to_string()),
        ("type", "alipay".to_owned()),
        ("name", "Steam".to_owned()),
        ("money", money.to_owned()),
        ("trade_status", "TRADE_SUCCESS".to_owned()),
    ])
}

/// Signed with `key`, as a query.
pub fn signed(fields: &BTreeMap<&'static str, String>, key: &str) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let signature = hex::encode(Md5::digest(pairs.join("&") + key));
    let mut query = Serializer::new(String::new());
    query.extend_pairs(fields).append_pair("sign", &signature);
    query.append_pair("sign_type", "MD5").finish()
}

/// A genuine notice that `order` was paid.
pub fn notice(order: &Order, transaction: &str, money: &str) -> String {
    signed(&fields(order, transaction, money), KEY)
}

pub fn raw<'a>(headers: &'a HeaderMap, query: &'a str) -> RawNotice<'a> {
    RawNotice {
        method: &Method::GET,
        headers,
        query: query.as_bytes(),
        body: b"",
        peer: [203, 0, 113, 9].into(),
    }
}
