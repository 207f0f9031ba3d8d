use std::collections::VecDeque;
use std::future::pending;

use tokio::sync::{Notify, oneshot};

use super::*;
use crate::domain::{Order, Secret};
use crate::testing::TestShop;

/// Records calls; answers with the statuses of the script, then with 200.
#[derive(Default)]
struct Receiver {
    script: Mutex<VecDeque<Result<u16, String>>>,
    calls: Mutex<Vec<(String, String, String, String)>>,
    called: Notify,
}

impl WebhookSender for Receiver {
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<StatusCode, String>> + Send + '_>> {
        let field = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        self.calls.lock().unwrap().push((
            field("webhook-id"),
            field("webhook-timestamp"),
            field("webhook-signature"),
            String::from_utf8(request.body().to_vec()).unwrap(),
        ));
        self.called.notify_one();
        let next = self.script.lock().unwrap().pop_front().unwrap_or(Ok(200));
        Box::pin(async move { next.map(|status| StatusCode::from_u16(status).unwrap()) })
    }
}

impl Receiver {
    fn answers(&self, answers: impl IntoIterator<Item = Result<u16, String>>) {
        self.script.lock().unwrap().extend(answers);
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

struct Test {
    inner: TestShop,
    receiver: Arc<Receiver>,
    worker: Worker,
}

impl Test {
    fn new() -> Self {
        let inner = TestShop::new();
        inner.stock("steam", "KEY", 100);
        let receiver = Arc::new(Receiver::default());
        let worker = Worker::new(inner.shop.clone(), receiver.clone(), Some(config()));
        Self {
            inner,
            receiver,
            worker,
        }
    }

    async fn sale(&self, transaction: &str) -> Order {
        let order = self.inner.order("steam").await;
        let claim = self.inner.claim(&order, transaction);
        self.inner.shop.settle(claim).await.unwrap();
        order
    }

    async fn pass(&self) -> Next {
        self.worker
            .pass(Lane::Webhook, &pending().boxed().shared())
            .await
    }

    fn waiting(&self) -> Vec<Effect> {
        self.inner.shop.effects(1_000).unwrap()
    }
}

fn config() -> WebhookConfig {
    let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    WebhookConfig::new("https://merchant.example/hook", &secret).unwrap()
}

#[tokio::test]
async fn a_sale_is_told_once_without_its_key_or_its_contact() {
    let test = Test::new();
    let order = test.sale("T1").await;
    test.pass().await;
    test.pass().await;
    assert_eq!((test.receiver.calls(), test.waiting().len()), (1, 0));
    let body = test.receiver.calls.lock().unwrap()[0].3.clone();
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["type"], "order.delivered");
    let sale_seq = test
        .inner
        .shop
        .order(order.id)
        .unwrap()
        .unwrap()
        .sale
        .unwrap()
        .seq();
    let expected = serde_json::json!({
        "order": order.id.to_string(), "product": "steam", "quantity": 1, "amount": "19.90", "currency": "CNY",
        "channel": "main", "state": "delivered", "reason": null, "receipt": sale_seq,
    });
    assert_eq!(told["data"], expected);
    assert!(
        !body.contains("KEY") && !body.contains("buyer") && !body.contains("T1"),
        "{body}"
    );
}

#[tokio::test]
async fn r14_a_failed_call_comes_again_later_under_the_same_id() {
    let test = Test::new();
    test.sale("T1").await;
    test.receiver
        .answers([Err("cannot connect".into()), Ok(503), Ok(302)]);
    test.pass().await;
    test.pass().await;
    assert_eq!(test.receiver.calls(), 1);
    assert_eq!(
        test.waiting()[0].last_error.as_deref(),
        Some("cannot connect")
    );
    // 5 s and at most a tenth more; then 295 s; then 30 min.
    for (wait_ms, calls) in [
        (4_999, 1),
        (502, 2),
        (294_000, 2),
        (32_000, 3),
        (2_000_000, 4),
    ] {
        test.inner.clock.advance_ms(wait_ms);
        test.pass().await;
        assert_eq!(test.receiver.calls(), calls, "{wait_ms}");
    }
    assert!(test.waiting().is_empty());
    let calls = test.receiver.calls.lock().unwrap();
    assert!(
        calls
            .iter()
            .all(|call| call.0 == calls[0].0 && call.3 == calls[0].3)
    );
    let times: std::collections::BTreeSet<_> =
        calls.iter().map(|call| (&call.1, &call.2)).collect();
    assert_eq!(times.len(), 4);
}

#[tokio::test]
async fn r14_after_ten_attempts_the_message_stays_for_a_person() {
    let test = Test::new();
    test.sale("T1").await;
    test.receiver.answers((0..10).map(|_| Ok(410)));
    for _ in 0..20 {
        test.pass().await;
        test.inner.clock.advance_ms(26 * 3_600_000);
    }
    assert_eq!(test.receiver.calls(), 10);
    let dead = test.waiting().remove(0);
    assert_eq!((dead.due_at_ms, dead.attempts), (None, 10));
    assert!(dead.last_error.unwrap().contains("410"));
    test.inner.shop.retry_effects().unwrap();
    test.pass().await;
    assert_eq!((test.receiver.calls(), test.waiting().len()), (11, 0));
}

#[tokio::test]
async fn what_is_promised_survives_a_restart_with_its_id() {
    let test = Test::new();
    test.sale("T1").await;
    test.receiver.answers([Ok(500)]);
    test.pass().await;
    let Test {
        inner,
        receiver,
        worker,
    } = test;
    drop(worker);
    let inner = inner.reopen();
    inner.clock.advance_ms(6_000);
    let worker = Worker::new(inner.shop.clone(), receiver.clone(), Some(config()));
    worker
        .pass(Lane::Webhook, &pending().boxed().shared())
        .await;
    let calls = receiver.calls.lock().unwrap();
    assert_eq!((calls.len(), &calls[0].0), (2, &calls[1].0));
}

#[tokio::test]
async fn more_than_a_pass_takes_is_told_in_the_next() {
    let test = Test::new();
    for number in 0..60 {
        test.sale(&format!("T{number}")).await;
    }
    assert_eq!(test.pass().await, Next::Again);
    assert_eq!(test.receiver.calls(), 50);
    assert_eq!(test.pass().await, Next::Wait);
    assert_eq!(test.receiver.calls(), 60);
    let ids: std::collections::BTreeSet<_> = test
        .receiver
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|call| call.0.clone())
        .collect();
    assert_eq!(ids.len(), 60);
}

#[tokio::test]
async fn a_sale_wakes_the_worker_and_the_signal_ends_it() {
    let test = Test::new();
    let (stop, stopped) = oneshot::channel::<()>();
    let Test {
        inner,
        receiver,
        worker,
    } = test;
    let running = tokio::spawn(worker.run(async {
        let _ = stopped.await;
    }));
    let order = inner.order("steam").await;
    inner.shop.settle(inner.claim(&order, "T1")).await.unwrap();
    receiver.called.notified().await;
    stop.send(()).unwrap();
    running.await.unwrap();
    assert!(inner.shop.effects(10).unwrap().is_empty());
}

#[tokio::test]
async fn without_a_webhook_nobody_is_called() {
    let test = Test::new();
    test.sale("T1").await;
    let idle = Worker::new(test.inner.shop.clone(), test.receiver.clone(), None);
    idle.run(async {}).await;
    assert_eq!((test.receiver.calls(), test.waiting().len()), (0, 1));
}
