//! The whole router over a real shop, without sockets.
#![allow(clippy::unwrap_used)]

mod cache;
mod challenge;
mod goods;
mod kept;
mod link_code;
mod orders;
mod pages;
mod pay_code;
mod people;
mod reading;
mod refusals;
mod shares;
mod tiles;
mod verify;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{PaymentDesk, PaymentUnavailable, WebSettings, WebState, router, view};
use crate::{
    domain::{ChannelName, Order, OrderId, address::Cidr},
    limits,
    net::Peer,
    pay::{Acknowledgement, BoxFuture, PayCode, RawNotice},
    testing::{TestShop, Till},
};

/// A desk that answers as it is told.
#[derive(Default)]
struct FakeDesk {
    down: AtomicBool,
    closed: AtomicBool,
    notice_bytes: AtomicUsize,
    clients: Mutex<Vec<IpAddr>>,
    code: Mutex<Option<PayCode>>,
}

impl PaymentDesk for FakeDesk {
    fn begin<'a>(
        &'a self,
        order: &'a Order,
        client: IpAddr,
    ) -> BoxFuture<'a, Result<String, PaymentUnavailable>> {
        self.clients.lock().unwrap().push(client);
        let down = self.down.load(Ordering::SeqCst);
        let url = format!("https://pay.example/submit.php?out_trade_no={}", order.id);
        Box::pin(async move {
            if down {
                Err(PaymentUnavailable("no answer".into()))
            } else {
                Ok(url)
            }
        })
    }

    fn code<'a>(&'a self, _: &'a Order, client: IpAddr) -> BoxFuture<'a, Option<PayCode>> {
        self.clients.lock().unwrap().push(client);
        let code = self.code.lock().unwrap().clone();
        Box::pin(async move { code })
    }

    fn notice<'a>(
        &'a self,
        channel: &'a str,
        raw: &'a RawNotice<'a>,
    ) -> BoxFuture<'a, Acknowledgement> {
        assert_ne!(
            channel, "panic",
            "a defect, for the test of what it is told as"
        );
        self.notice_bytes.store(raw.body.len(), Ordering::SeqCst);
        let good = channel == "main" && raw.body.len() <= limits::NOTICE_BYTES_MAX;
        let (status, body) = if good {
            (StatusCode::OK, "success")
        } else {
            (StatusCode::BAD_REQUEST, "fail")
        };
        Box::pin(async move {
            Acknowledgement {
                status,
                content_type: "text/plain",
                body,
            }
        })
    }

    fn returned(&self, _: &str, raw: &RawNotice<'_>) -> Option<OrderId> {
        let signed = std::str::from_utf8(raw.query)
            .ok()?
            .strip_prefix("signed=")?;
        OrderId::parse(signed).ok()
    }

    fn open_channels(&self) -> Vec<ChannelName> {
        let closed = self.closed.load(Ordering::SeqCst);
        let main = (!closed).then(|| ChannelName::parse("main").unwrap());
        main.into_iter().collect()
    }

    fn channel_title(&self, _: &ChannelName, language_tag: &str) -> String {
        if language_tag == "en" {
            "Alipay".into()
        } else {
            "支付宝".into()
        }
    }
}

/// An answer, read whole.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A shop behind its router.
struct Web {
    till: TestShop,
    desk: Arc<FakeDesk>,
    router: Router,
    closing: watch::Sender<bool>,
    seen: Arc<Mutex<Vec<(String, u16)>>>,
}

const FORM: &str = "quantity=1&contact=li%40example.com&password=&channel=main";

impl Web {
    /// A shop with twenty keys of `steam`, given to a story. It is made outside of the runtime, since setting up blocks.
    fn story<F: Future<Output = ()>>(story: impl FnOnce(Self) -> F) {
        Self::story_with(Till::default(), |settings| settings, story);
    }

    fn story_with<F: Future<Output = ()>>(
        till: Till,
        change: impl FnOnce(WebSettings) -> WebSettings,
        story: impl FnOnce(Self) -> F,
    ) {
        let till = TestShop::with(till);
        till.stock("steam", "STEAM", 20);
        let desk = Arc::new(FakeDesk::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let (closing, receiver) = watch::channel(false);
        let state = WebState::new(
            till.shop.clone(),
            desk.clone(),
            change(settings()),
            Arc::new(move |route: &str, status, _| {
                told.lock().unwrap().push((route.to_owned(), status))
            }),
            receiver,
        );
        let web = Self {
            till,
            desk,
            router: router(state),
            closing,
            seen,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(story(web));
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answered {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answered {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "shop.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(Peer::Remote {
            address: "203.0.113.9:4711".parse().unwrap(),
            tls: true,
        });
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], Body::empty()).await
    }

    async fn post(&self, path: &str, form: &str) -> Answered {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.ask("POST", path, &kind, form.to_owned()).await
    }

    /// The path of a new order's page.
    async fn order(&self) -> String {
        let placed = self.post("/p/steam", FORM).await;
        assert_eq!(placed.status, 303, "{}", placed.text());
        placed.header("location").to_owned()
    }

    /// Pays the order of a page in full.
    async fn pay(&self, path: &str) -> Order {
        let id = self.till.shop.vault().order_of_link(&path[3..]).unwrap();
        let order = self.till.shop.order(OrderId(id)).unwrap().unwrap();
        let settled = self
            .till
            .shop
            .settle(self.till.claim(&order, &format!("T{id}")))
            .await
            .unwrap();
        assert!(settled.accepted);
        self.till.shop.order(OrderId(id)).unwrap().unwrap()
    }
}

fn settings() -> WebSettings {
    WebSettings {
        base_url: "https://shop.example:8443".into(),
        title: "测试店".into(),
        support: None,
        terms: None,
        brand: super::brand::Brand::default(),
        zone: jiff::tz::TimeZone::UTC,
        mode: view::Mode::Live,
        language: view::Language::parse("zh-CN").unwrap(),
        trusted_proxies: vec![Cidr::parse("10.0.0.0/8").unwrap()],
        https_listens: false,
        public_checkpoint: true,
        provider_origins: vec!["https://pay.example".into()],
        board: Arc::default(),
        hsts: Arc::default(),
    }
}
