//! Stories of the codes that buyers scan.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::codes::{ABSENT_MS, AGAIN_MS, KEPT_MAX};
use super::fixture::{KEY, add_channel};
use super::*;
use crate::pay::{BoxFuture, OutboundFailure};
use crate::testing::TestShop;

type Answered = Result<(u16, String), OutboundFailure>;

/// A gateway's `mapi.php`, which answers when the test lets it.
struct Mapi {
    answer: Mutex<Answered>,
    calls: AtomicUsize,
    let_through: Semaphore,
}

struct Scene {
    inner: TestShop,
    desk: Desk,
    mapi: Arc<Mapi>,
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));
const CODE: &str = "weixin://wxpay/bizpayurl?pr=a";

impl Scene {
    fn new() -> Self {
        let scene = Self::gated();
        scene.mapi.let_through.add_permits(Semaphore::MAX_PERMITS);
        scene
    }

    /// Every call waits for a permit.
    fn gated() -> Self {
        let inner = TestShop::new();
        inner.stock("steam", "KEY", 10);
        add_channel(&inner, "second", KEY, &[]);
        add_channel(&inner, "links", KEY, &[("code", "link")]);
        let mapi = Arc::new(Mapi {
            answer: Mutex::new(Ok((200, good(CODE)))),
            calls: AtomicUsize::new(0),
            let_through: Semaphore::new(0),
        });
        let base_url = "https://shop.example".to_owned();
        let desk = Desk::new(inner.shop.clone(), mapi.clone(), base_url, Vec::new()).unwrap();
        Self { inner, desk, mapi }
    }

    async fn order(&self, channel: &str) -> Order {
        let mut request = self.inner.request("steam", 1, 1);
        request.channel = ChannelName::parse(channel).unwrap();
        self.inner.shop.checkout(request).await.unwrap()
    }

    async fn code(&self, order: &Order) -> Option<String> {
        let code = self.desk.code(order, CLIENT).await;
        code.map(|code| code.as_str().to_owned())
    }

    fn says(&self, status: u16, body: &str) {
        *self.mapi.answer.lock().unwrap() = Ok((status, body.to_owned()));
    }

    fn calls(&self) -> usize {
        self.mapi.calls.load(Ordering::SeqCst)
    }

    fn later(&self, ms: i64) {
        self.inner.clock.advance_ms(ms);
    }
}

impl Outbound for Mapi {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, OutboundFailure>> {
        assert_eq!(request.uri().path(), "/mapi.php");
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            self.let_through.acquire().await.unwrap().forget();
            let (status, body) = self.answer.lock().unwrap().clone()?;
            let answer = http::Response::builder().status(status);
            Ok(answer.body(Bytes::from(body)).unwrap())
        })
    }
}

fn good(code: &str) -> String {
    serde_json::json!({"code": 1, "trade_no": "T1", "qrcode": code}).to_string()
}

#[tokio::test]
async fn a_code_is_asked_for_once_and_kept_until_the_order_ends() {
    let scene = Scene::new();
    let order = scene.order("main").await;
    for _ in 0..3 {
        assert_eq!(scene.code(&order).await.as_deref(), Some(CODE));
        scene.later(3 * 60_000);
    }
    assert_eq!(scene.calls(), 1);
    scene.later(order.expires_at_ms - scene.inner.shop.now_ms() + 1);
    assert_eq!(scene.code(&order).await, None, "it expired");
    let other = scene.order("main").await;
    scene.says(200, &good("wxp://other"));
    assert_eq!(scene.code(&other).await.as_deref(), Some("wxp://other"));
    assert_eq!(scene.calls(), 2);
}

#[tokio::test]
async fn two_tabs_wait_for_the_same_call() {
    let scene = Scene::gated();
    let order = scene.order("main").await;
    let both = async { tokio::join!(scene.code(&order), scene.code(&order)) };
    let opened = async {
        tokio::task::yield_now().await;
        scene.mapi.let_through.add_permits(9);
    };
    let ((one, two), ()) = tokio::join!(both, opened);
    assert_eq!((one.as_deref(), two.as_deref()), (Some(CODE), Some(CODE)));
    assert_eq!(scene.calls(), 1);
}

#[tokio::test]
async fn a_buyer_who_reloads_the_page_does_not_lose_the_answer() {
    let scene = Scene::gated();
    let order = scene.order("main").await;
    tokio::select! {
        biased;
        _ = scene.code(&order) => panic!("the gateway has not answered"),
        () = async { for _ in 0..10 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(scene.calls(), 1);
    scene.mapi.let_through.add_permits(9);
    assert_eq!(scene.code(&order).await.as_deref(), Some(CODE));
    assert_eq!(scene.calls(), 1);
}

#[tokio::test]
async fn a_refused_order_is_asked_about_again_only_after_half_a_minute() {
    let scene = Scene::new();
    let order = scene.order("main").await;
    for bad in [
        r#"{"code":-1,"msg":"no"}"#.to_owned(),
        good("javascript:alert(1)"),
        r#"{"code":1,"urlscheme":"weixin://x"}"#.to_owned(),
    ] {
        scene.says(200, &bad);
        let before = scene.calls();
        for _ in 0..3 {
            assert_eq!(scene.code(&order).await, None, "{bad}");
        }
        scene.later(AGAIN_MS - 1);
        assert_eq!(scene.code(&order).await, None);
        assert_eq!(scene.calls(), before + 1, "{bad}");
        scene.later(1);
    }
    let neighbour = scene.order("main").await;
    scene.says(200, &good(CODE));
    assert!(scene.code(&neighbour).await.is_some(), "only that order");
    assert!(scene.code(&order).await.is_some());
}

#[tokio::test]
async fn a_gateway_without_codes_is_left_alone_for_ten_minutes_and_others_are_not() {
    let scene = Scene::new();
    scene.says(404, "no such page");
    let (first, next) = (scene.order("main").await, scene.order("main").await);
    assert_eq!(scene.code(&first).await, None);
    assert_eq!(scene.code(&next).await, None);
    scene.later(ABSENT_MS - 1);
    assert_eq!(scene.code(&next).await, None);
    assert_eq!(scene.calls(), 1);
    scene.says(200, &good(CODE));
    let elsewhere = scene.order("second").await;
    assert!(scene.code(&elsewhere).await.is_some());
    assert_eq!(scene.code(&next).await, None);
    scene.later(1);
    assert!(scene.code(&next).await.is_some());
    assert!(scene.code(&first).await.is_some());
}

#[tokio::test]
async fn a_gateway_that_is_down_costs_one_call_in_half_a_minute_whatever_the_orders() {
    let scene = Scene::new();
    for answer in [
        Ok((502, String::new())),
        Err(OutboundFailure::TimedOut),
        Err(OutboundFailure::Unreachable("certificate".into())),
    ] {
        *scene.mapi.answer.lock().unwrap() = answer;
        let before = scene.calls();
        for _ in 0..3 {
            let order = scene.order("main").await;
            assert_eq!(scene.code(&order).await, None);
        }
        assert_eq!(scene.calls(), before + 1);
        scene.later(AGAIN_MS);
    }
}

#[tokio::test]
async fn a_change_of_the_channels_forgets_every_code_and_every_pause() {
    let scene = Scene::gated();
    let order = scene.order("main").await;
    scene.mapi.let_through.add_permits(1);
    assert_eq!(scene.code(&order).await.as_deref(), Some(CODE));
    scene.says(200, &good("wxp://new"));
    add_channel(&scene.inner, "third", KEY, &[]);
    scene.mapi.let_through.add_permits(1);
    assert_eq!(scene.code(&order).await.as_deref(), Some("wxp://new"));
    scene.says(404, "");
    let next = scene.order("main").await;
    scene.mapi.let_through.add_permits(1);
    assert_eq!(scene.code(&next).await, None);
    add_channel(&scene.inner, "fourth", KEY, &[]);
    scene.says(200, &good(CODE));
    scene.mapi.let_through.add_permits(1);
    assert_eq!(scene.code(&next).await.as_deref(), Some(CODE));
}

#[tokio::test]
async fn links_and_orders_that_wait_for_nothing_ask_nobody() {
    let scene = Scene::new();
    let linked = scene.order("links").await;
    assert_eq!(scene.code(&linked).await, None);
    let mut order = scene.order("main").await;
    order.state = OrderState::Delivered;
    assert_eq!(scene.code(&order).await, None);
    assert_eq!(scene.calls(), 0);
}

#[tokio::test]
async fn a_flood_of_orders_neither_grows_the_memory_nor_breaks_the_bound_of_calls() {
    let scene = Scene::new();
    let mut order = scene.order("main").await;
    let first = order.id.0;
    for at in 0..KEPT_MAX as u64 {
        order.id = OrderId(first + at);
        assert!(scene.code(&order).await.is_some());
    }
    order.id = OrderId(first + KEPT_MAX as u64);
    assert_eq!(scene.code(&order).await, None, "all are fresh");
    assert_eq!(scene.calls(), KEPT_MAX);
    scene.later(AGAIN_MS);
    assert!(scene.code(&order).await.is_some(), "an old one makes room");
    assert_eq!(scene.calls(), KEPT_MAX + 1);
}
