//! Stories of the callback rule (security.md, section 7).

use std::sync::Arc;

use http::HeaderMap;

use super::booths::{Booth, Booths};
use super::fixture::*;
use super::*;
use crate::domain::{Currency, EffectKind, Reason};
use crate::pay::{
    Acknowledgement, Begin, BoxFuture, CodeError, Gateway, LogFields, NoticeRefusal, NoticeStatus,
    QueryAnswer, QueryError, Refund, RefundAnswer, RefundError, VerifiedNotice,
};
use crate::testing::{TestShop, Till};

const SUCCESS: &str = "success";
const FAIL: &str = "fail";

#[tokio::test]
async fn a_genuine_notice_delivers_one_key_before_it_is_answered() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let answer = test.get("main", &notice(&order, "T1", "19.90")).await;
    assert_eq!((answer.status.as_u16(), answer.body), (200, SUCCESS));
    assert_eq!(test.now(&order).state, OrderState::Delivered);
    assert_eq!(test.delivered_keys(&order), 1);
    assert_eq!(
        *test.counted.0.lock().unwrap(),
        [("main".to_owned(), Verdict::Settled)]
    );
    assert!(test.inner.shop.refused_notices().latest(1).is_empty());
}

#[tokio::test]
async fn s02_a_notice_of_one_channel_does_not_pay_an_order_of_another() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let own_key = signed(&fields(&order, "T1", "19.90"), "wF9cL2rA7pG4jE6vQ1sH");
    for (channel, query) in [
        ("second", &own_key),
        ("weak", &notice(&order, "T1", "19.90")),
    ] {
        assert_eq!(test.get(channel, query).await.body, FAIL);
        assert_eq!(test.last_verdict(), Verdict::Refused);
    }
    assert_eq!(test.now(&order).state, OrderState::Pending);
    assert_eq!(test.provider.times_asked(), 0);
}

#[tokio::test]
async fn unknown_order_bad_signature_and_unknown_channel_get_the_same_bytes() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let stranger = Order {
        id: OrderId(7),
        ..order.clone()
    };
    let forged = notice(&order, "T1", "19.90").replace("19.90", "19.91");
    let lower = signed(
        &fields(&order, "T1", "19.90")
            .into_iter()
            .map(|(name, value)| match name {
                "out_trade_no" => (name, value.to_lowercase()),
                _ => (name, value),
            })
            .collect(),
        KEY,
    );
    let refused = test.get("main", &forged).await;
    assert_eq!(refused.body, FAIL);
    assert!(refused.status.is_client_error());
    let others = [
        ("main", notice(&stranger, "T1", "19.90")),
        ("main", lower),
        ("nowhere", notice(&order, "T1", "19.90")),
        ("../etc", notice(&order, "T1", "19.90")),
        ("main", String::new()),
        ("main", "a".repeat(70_000)),
    ];
    for (channel, query) in others {
        assert_eq!(test.get(channel, &query).await, refused, "{channel}");
        assert_eq!(test.last_verdict(), Verdict::Refused);
    }
    assert_eq!(test.now(&order).state, OrderState::Pending);
    assert_eq!(test.inner.shop.refused_notices().latest(100).len(), 7);
}

#[tokio::test]
async fn s03_a_notice_for_another_merchant_is_refused_although_signed() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    for (name, value) in [("pid", "1002"), ("pid", ""), ("type", "wxpay")] {
        let mut fields = fields(&order, "T1", "19.90");
        fields.insert(name, value.to_owned());
        assert_eq!(test.get("main", &signed(&fields, KEY)).await.body, FAIL);
        assert_eq!(test.last_verdict(), Verdict::Mismatch);
    }
    assert_eq!(test.now(&order).state, OrderState::Pending);
}

#[tokio::test]
async fn s04_an_amount_of_another_form_or_below_the_price_delivers_nothing() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    for money in [
        "-1",
        "0",
        "1e2",
        "0019.90",
        "19,90",
        "１９.90",
        "9223372036854775808",
        "NaN",
    ] {
        let answer = test.get("main", &notice(&order, "T1", money)).await;
        assert_eq!(
            (answer.body, test.last_verdict()),
            (FAIL, Verdict::Mismatch),
            "{money}"
        );
    }
    let answer = test.get("main", &notice(&order, "T2", "19.89")).await;
    assert_eq!((answer.body, test.last_verdict()), (FAIL, Verdict::Short));
    assert_eq!(test.now(&order).state, OrderState::Pending);
    let kept = test.inner.shop.notices(None, 1).unwrap().remove(0).1;
    assert!(
        kept.why.contains("19.89 paid, 19.90 expected"),
        "{}",
        kept.why
    );
}

#[tokio::test]
async fn s04_a_minor_unit_too_much_delivers_and_is_listed_for_refund() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    assert_eq!(
        test.get("main", &notice(&order, "T1", "19.91")).await.body,
        SUCCESS
    );
    let order = test.now(&order);
    assert_eq!(
        (order.state, order.reason, order.owed()),
        (OrderState::Delivered, Some(Reason::Over), 1)
    );
}

#[tokio::test]
async fn s05_another_status_delivers_nothing() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    for status in ["", "TRADE_CLOSED", "trade_success", "WAIT_BUYER_PAY", "1"] {
        let mut fields = fields(&order, "T1", "19.90");
        fields.insert("trade_status", status.to_owned());
        assert_eq!(
            test.get("main", &signed(&fields, KEY)).await.body,
            FAIL,
            "{status}"
        );
        assert_eq!(test.last_verdict(), Verdict::Mismatch);
    }
    assert_eq!(test.now(&order).state, OrderState::Pending);
    // None of them was stored as seen: the payment that follows is taken.
    assert_eq!(
        test.get("main", &notice(&order, "T1", "19.90")).await.body,
        SUCCESS
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s06_the_same_notice_at_once_and_again_is_one_key_and_one_receipt() {
    let test = Arc::new(TestDesk::new());
    let order = test.order("main").await;
    let entries = test.inner.shop.chain().latest().size;
    let query = notice(&order, "T1", "19.90");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (test, query) = (test.clone(), query.clone());
        tasks.spawn(async move { test.get("main", &query).await.body });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|body| *body == SUCCESS));
    for _ in 0..100 {
        assert_eq!(test.get("main", &query).await.body, SUCCESS);
    }
    assert_eq!(test.delivered_keys(&order), 1);
    assert_eq!(test.inner.shop.stock(&order.product).unwrap().available, 9);
    assert_eq!(test.inner.shop.chain().latest().size, entries + 1);
    let counted = test.counted.0.lock().unwrap();
    let settled = counted
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Settled);
    assert_eq!((settled.count(), counted.len()), (1, 164));
}

#[tokio::test]
async fn s07_one_transaction_does_not_pay_two_orders() {
    let test = TestDesk::new();
    let (first, second) = (test.order("main").await, test.order("main").await);
    assert_eq!(
        test.get("main", &notice(&first, "T1", "19.90")).await.body,
        SUCCESS
    );
    assert_eq!(
        test.get("main", &notice(&second, "T1", "19.90")).await.body,
        FAIL
    );
    assert_eq!(test.last_verdict(), Verdict::Conflict);
    assert_eq!(test.now(&second).state, OrderState::Pending);
    let told = test.inner.shop.effects(10).unwrap();
    assert!(
        told.iter()
            .any(|effect| effect.kind == EffectKind::PaymentConflict)
    );
}

#[tokio::test]
async fn s08_an_order_paid_twice_hands_out_one_key_and_lists_one_refund() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    for transaction in ["T1", "T2", "T2"] {
        assert_eq!(
            test.get("main", &notice(&order, transaction, "19.90"))
                .await
                .body,
            SUCCESS
        );
    }
    assert_eq!(
        (test.delivered_keys(&order), test.now(&order).owed()),
        (1, 1990)
    );
    let told = test.inner.shop.effects(10).unwrap();
    let refunds = told
        .iter()
        .filter(|effect| effect.kind == EffectKind::RefundDue);
    assert_eq!(refunds.count(), 1);
}

#[tokio::test]
async fn s09_a_notice_after_expiry_delivers_while_there_is_stock() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    test.inner.clock.advance_ms(3_600_000);
    test.inner.shop.expire_due().await.unwrap();
    assert_eq!(
        test.get("main", &notice(&order, "T1", "19.90")).await.body,
        SUCCESS
    );
    let order = test.now(&order);
    assert_eq!(
        (order.state, order.reason),
        (OrderState::Delivered, Some(Reason::Late))
    );
}

#[tokio::test]
async fn s09_a_notice_after_expiry_without_stock_waits_for_keys() {
    let inner = TestShop::new();
    inner.stock("steam", "KEY", 1);
    let test = TestDesk::over(inner);
    let late = test.order("main").await;
    test.inner.clock.advance_ms(3_600_000);
    test.inner.shop.expire_due().await.unwrap();
    let faster = test.order("main").await;
    assert_eq!(
        test.get("main", &notice(&faster, "T1", "19.90")).await.body,
        SUCCESS
    );
    assert_eq!(
        test.get("main", &notice(&late, "T2", "19.90")).await.body,
        SUCCESS
    );
    assert_eq!(test.last_verdict(), Verdict::Queued);
    let late = test.now(&late);
    assert_eq!(
        (late.state, late.reason),
        (OrderState::Paid, Some(Reason::NoStock))
    );
}

#[tokio::test]
async fn s15_a_weak_channel_delivers_only_what_the_provider_confirms() {
    let test = TestDesk::new();
    let order = test.order("weak").await;
    let query = notice(&order, "T1", "19.90");
    // Other answers than this payment: unpaid, another amount, another transaction.
    test.provider.unpaid(&order);
    let disagrees = |test: &TestDesk| {
        let now = test.now(&order);
        assert_eq!(now.reason, Some(Reason::ProviderDisagrees));
        assert_eq!(
            (now.state, test.last_verdict()),
            (OrderState::Pending, Verdict::Unconfirmed)
        );
    };
    assert_eq!(test.get("weak", &query).await.body, FAIL);
    disagrees(&test);
    for (transaction, money) in [("T1", "0.01"), ("T9", "19.90")] {
        test.provider.paid(&order, transaction, money);
        assert_eq!(test.get("weak", &query).await.body, FAIL);
        disagrees(&test);
    }
    test.provider.paid(&order, "T1", "19.90");
    assert_eq!(test.get("weak", &query).await.body, SUCCESS);
    assert_eq!(test.now(&order).state, OrderState::Delivered);
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_defers_the_notice_and_keeps_it() {
    let test = TestDesk::new();
    let order = test.order("weak").await;
    let query = notice(&order, "T1", "19.90");
    test.provider.silent();
    assert_eq!(test.get("weak", &query).await.body, FAIL);
    assert_eq!(test.last_verdict(), Verdict::Deferred);
    assert!(test.last_refusal().contains("did not answer in time"));
    let now = test.now(&order);
    assert_eq!(
        (now.state, now.reason, now.payments.len()),
        (OrderState::Pending, None, 0)
    );
    test.provider.paid(&order, "T1", "19.90");
    assert_eq!(test.get("weak", &query).await.body, SUCCESS);
    // The same answer again, although the provider is silent once more, and it is not asked.
    test.provider.answers.lock().unwrap().clear();
    let asked = test.provider.times_asked();
    assert_eq!(test.get("weak", &query).await.body, SUCCESS);
    assert_eq!(
        (test.last_verdict(), test.provider.times_asked()),
        (Verdict::Repeat, asked)
    );
}

#[tokio::test]
async fn a_notice_that_means_not_yet_is_acknowledged_and_changes_nothing() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let says = |status, currency| {
        let gateway = Says(VerifiedNotice {
            transaction: "T1".into(),
            order: order.id.to_string(),
            amount: 1990,
            currency,
            status,
            fields: LogFields::new(),
        });
        let booth = Booth {
            gateway: Arc::new(gateway),
            method: None,
        };
        let open = [(order.channel.clone(), Arc::new(booth))].into();
        let booths = Arc::new(Booths {
            open,
            ..Booths::default()
        });
        let version = Some(*test.desk.changed.borrow());
        *test.desk.open.write().unwrap() = Open { version, booths };
    };
    for status in [
        NoticeStatus::NotYet,
        NoticeStatus::Closed,
        NoticeStatus::Refunded,
    ] {
        says(status, Currency::CNY);
        assert_eq!(test.get("main", "").await.body, SUCCESS);
        assert_eq!(test.last_verdict(), Verdict::Ignored);
        assert_eq!(test.now(&order), order);
    }
    test.inner.clock.advance_ms(1);
    says(NoticeStatus::Paid, Currency::parse("USD").unwrap());
    assert_eq!(test.get("main", "").await.body, FAIL);
    assert_eq!(test.last_refusal(), "19.90 USD paid, 19.90 CNY expected");
    says(NoticeStatus::Paid, Currency::CNY);
    assert_eq!(test.get("main", "").await.body, SUCCESS);
    assert_eq!(test.now(&order).state, OrderState::Delivered);
}

#[tokio::test]
async fn s01_a_channel_with_a_placeholder_key_or_without_tls_stays_closed() {
    let test = TestDesk::new();
    for (name, key, more) in [
        ("placeholder", "123456", ("weak", "false")),
        ("empty", "", ("weak", "false")),
        ("plain", KEY, ("gateway", "http://pay.example/")),
        ("odd", KEY, ("colour", "red")),
    ] {
        add_channel(&test.inner, name, key, &[more]);
        let order = Order {
            channel: ChannelName::parse(name).unwrap(),
            ..test.order("main").await
        };
        let query = signed(&fields(&order, "T1", "19.90"), key);
        assert_eq!(
            test.get(name, &query).await,
            test.get("nowhere", &query).await
        );
        let begun = test.desk.begin(&order, [203, 0, 113, 4].into()).await;
        assert!(matches!(begun, Err(DeskError::Closed)), "{name}");
        let refused = test.inner.shop.refused_notices().latest(100);
        let why = refused.iter().find(|refused| refused.channel == name);
        assert!(
            why.unwrap().why.starts_with("the channel is closed: "),
            "{name}"
        );
    }
    let open: Vec<_> = test
        .desk
        .open_channels()
        .iter()
        .map(|name| name.to_string())
        .collect();
    assert_eq!(open, ["main", "second", "weak"]);
}

#[tokio::test]
async fn an_undecided_notice_of_a_provider_is_not_flushed_by_strangers() {
    let test = TestDesk::new();
    let order = test.order("weak").await;
    let gone = Order {
        id: OrderId(7),
        ..order.clone()
    };
    test.provider.silent();
    test.get("weak", &notice(&order, "T1", "19.90")).await;
    test.get("weak", &notice(&gone, "T2", "19.90")).await;
    test.get("weak", &notice(&order, "T3", "NaN")).await;
    for _ in 0..1_100 {
        test.get("weak", "out_trade_no=7&sign=no").await;
    }
    let refused = test.inner.shop.refused_notices().latest(1_000);
    let kept: Vec<_> = refused.iter().filter(|refused| refused.authentic).collect();
    let verdicts: Vec<_> = kept.iter().map(|refused| refused.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Mismatch, Verdict::Refused, Verdict::Deferred]
    );
    assert_eq!(kept[2].order, Some(order.id));
    assert!(kept[2].fields.contains(&("trade_no", "T1".to_owned())));
}

#[tokio::test]
async fn a_channel_that_takes_other_money_than_the_shops_stays_closed() {
    let mut till = Till::default();
    till.policy.currency = Currency::parse("USD").unwrap();
    let test = TestDesk::over(TestShop::with(till));
    assert_eq!(test.desk.open_channels(), []);
    test.get("main", "").await;
    assert_eq!(
        test.last_refusal(),
        "the channel is closed: it takes CNY, and the shop's prices are in USD: no order could be paid there"
    );
}

#[tokio::test]
async fn refusals_of_strangers_are_one_line_a_minute_for_each_channel() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    for _ in 0..5 {
        test.get("main", "sign=no").await;
        test.get("made-up", "").await;
    }
    // A signed one has its own line.
    test.get("weak", &notice(&order, "T1", "19.90")).await;
    assert_eq!(
        test.desk.refusals.lock().unwrap().counts(),
        [("", 5), ("main", 5)]
    );
    test.desk.log_refusals();
    assert_eq!(test.desk.refusals.lock().unwrap().counts(), []);
}

#[tokio::test]
async fn channels_open_and_close_as_the_merchant_changes_them() {
    let test = TestDesk::new();
    add_channel(&test.inner, "new", KEY, &[]);
    assert_eq!(test.desk.open_channels().len(), 4);
    let name = ChannelName::parse("new").unwrap();
    assert_eq!(test.desk.channel_title(&name, "zh-CN"), "支付宝");
    test.inner.shop.remove_channel(&name).unwrap();
    assert_eq!(test.desk.open_channels().len(), 3);
}

#[tokio::test]
async fn strangers_channel_names_do_not_grow_metrics_or_rings() {
    let test = TestDesk::new();
    for number in 0..100 {
        test.get(&format!("made-up-{number}"), "").await;
    }
    let refused = test.inner.shop.refused_notices().latest(1_000);
    assert!(refused.iter().all(|notice| notice.channel.is_empty()));
    let counted = test.counted.0.lock().unwrap();
    assert!(counted.iter().all(|(channel, _)| channel == "unknown"));
}

#[tokio::test]
async fn a_buyer_is_sent_to_the_channels_gateway_while_the_order_waits() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let client = [203, 0, 113, 4].into();
    let address = test.desk.begin(&order, client).await.unwrap();
    assert!(address.starts_with("https://pay.example/submit.php?"));
    assert!(address.contains("notify_url=https%3A%2F%2Fshop.example%2Fpay%2Fmain%2Fnotify"));
    assert!(address.contains("return_url=https%3A%2F%2Fshop.example%2Fpay%2Fmain%2Freturn"));
    test.inner.clock.advance_ms(3_600_000);
    let late = test.desk.begin(&order, client).await;
    assert!(matches!(late, Err(DeskError::NotWaiting)));
}

#[tokio::test]
async fn a_return_with_a_signature_names_its_order_and_settles_nothing() {
    let test = TestDesk::new();
    let order = test.order("main").await;
    let query = notice(&order, "T1", "19.90");
    let headers = HeaderMap::new();
    assert_eq!(
        test.desk.returned("main", &raw(&headers, &query)),
        Some(order.id)
    );
    assert_eq!(test.desk.returned("weak", &raw(&headers, &query)), None);
    assert_eq!(
        test.desk
            .returned("main", &raw(&headers, &query.replace("T1", "T2"))),
        None
    );
    assert_eq!(test.now(&order).state, OrderState::Pending);
}

#[test]
fn providers_are_given_addresses_of_a_host_alone() {
    assert_eq!(
        checked("https://shop.example:8443/").unwrap(),
        "https://shop.example:8443"
    );
    assert!(checked("http://127.0.0.1:8080").is_some());
    for text in [
        "",
        "shop.example",
        "ftp://shop.example",
        "https://shop.example/a",
        "https://u@shop.example",
        "https://shop.example?a=1",
    ] {
        assert_eq!(checked(text), None, "{text}");
    }
}

/// A gateway that believes everything and says what it was told to.
struct Says(VerifiedNotice);

impl Gateway for Says {
    fn kind(&self) -> &'static str {
        "says"
    }

    fn begin<'a>(&'a self, _: &'a Begin<'a>) -> BoxFuture<'a, Result<NextStep, BeginError>> {
        Box::pin(async { Err(BeginError::Amount) })
    }

    fn code<'a>(&'a self, _: &'a Begin<'a>) -> BoxFuture<'a, Result<PayCode, CodeError>> {
        Box::pin(async { Err(CodeError::NotOffered) })
    }

    fn verify_notice(&self, _: &RawNotice<'_>) -> Result<VerifiedNotice, NoticeRefusal> {
        Ok(self.0.clone())
    }

    fn query(&self, _: OrderId) -> BoxFuture<'_, Result<QueryAnswer, QueryError>> {
        Box::pin(async { Err(QueryError::Unreadable) })
    }

    fn refund<'a>(&'a self, _: &'a Refund<'a>) -> BoxFuture<'a, Result<RefundAnswer, RefundError>> {
        Box::pin(async { Err(RefundError::Unsupported) })
    }

    fn asks_before_settling(&self, _: crate::domain::Amount) -> bool {
        false
    }

    fn acknowledgement(&self, accepted: bool) -> Acknowledgement {
        let (status, body) = if accepted {
            (200, SUCCESS)
        } else {
            (400, FAIL)
        };
        Acknowledgement {
            status: http::StatusCode::from_u16(status).unwrap(),
            content_type: "text/plain; charset=utf-8",
            body,
        }
    }

    fn loggable(&self, _: &RawNotice<'_>) -> LogFields {
        LogFields::new()
    }
}
