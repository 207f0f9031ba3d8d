use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;

use super::*;
use crate::domain::{Contact, EffectKind, Order, Tell};
use crate::notify::mail::Built;
use crate::testing::{TestShop, Till};
use crate::words::Language;

/// Records mails; answers by the script, then takes everything.
#[derive(Default)]
struct Office {
    script: Mutex<VecDeque<Result<String, Refusal>>>,
    mails: Mutex<Vec<(String, String)>>,
}

impl Mailer for Office {
    fn send<'a>(
        &'a self,
        mail: &'a Built,
    ) -> Pin<Box<dyn Future<Output = Result<String, Refusal>> + Send + 'a>> {
        let to = mail.envelope.to()[0].to_string();
        let text = String::from_utf8(mail.bytes.clone()).unwrap();
        self.mails.lock().unwrap().push((to, text));
        let next = self.script.lock().unwrap().pop_front();
        Box::pin(async move { next.unwrap_or(Ok("250 taken".into())) })
    }
}

impl Office {
    fn answers(&self, answers: impl IntoIterator<Item = Refusal>) {
        let answers = answers.into_iter().map(Err);
        self.script.lock().unwrap().extend(answers);
    }

    /// Recipients with the message ids, in the order of their coming.
    fn taken(&self) -> Vec<(String, String)> {
        let mails = self.mails.lock().unwrap();
        let id = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("Message-ID: "));
            line.unwrap()["Message-ID: ".len()..].to_owned()
        };
        mails
            .iter()
            .map(|(to, text)| (to.clone(), id(text)))
            .collect()
    }
}

/// Never answers: a webhook's receiver is not what is tested here.
struct Nobody;

impl WebhookSender for Nobody {
    fn call(
        &self,
        _: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<StatusCode, String>> + Send + '_>> {
        Box::pin(async { Ok(StatusCode::OK) })
    }
}

struct Test {
    inner: TestShop,
    office: Arc<Office>,
    worker: Worker,
}

fn policy() -> MailPolicy {
    MailPolicy {
        origin: "https://shop.example".into(),
        title: "钥铺".into(),
        from: "shop@shop.example".into(),
        from_name: "钥铺".into(),
        merchant: Some("owner@shop.example".into()),
        auditor: None,
        support: Some("help@shop.example".into()),
        language: Language::parse("zh-CN").unwrap(),
        zone: jiff::tz::TimeZone::UTC,
        keys: false,
        accents: Default::default(),
    }
}

fn worker(shop: &Arc<Shop>, office: &Arc<Office>, policy: MailPolicy) -> Worker {
    let post = Post {
        mailer: office.clone(),
        policy,
    };
    Worker::new(shop.clone(), Arc::new(Nobody), None).with_mail(Some(post))
}

impl Test {
    fn new(merchant_mail: bool) -> Self {
        let mut till = Till::default();
        till.policy.tell = Tell {
            webhook: false,
            merchant_mail,
            buyer_mail: true,
            auditor_mail: false,
        };
        let inner = TestShop::with(till);
        inner.stock("steam", "KEY", 100);
        let office = Arc::new(Office::default());
        let worker = worker(&inner.shop, &office, policy());
        Self {
            inner,
            office,
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
            .pass(Lane::Mail, &pending().boxed().shared())
            .await
    }

    fn waiting(&self) -> Vec<Effect> {
        self.inner.shop.effects(1_000).unwrap()
    }
}

fn down() -> Refusal {
    Refusal::Unreachable("no connection".into())
}

fn body(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    // Texts with Chinese are in Base64, whatever is not stays as it is.
    text.split("\r\n\r\n")
        .map(|part| {
            let lines: String = part.split("\r\n--").next().unwrap().lines().collect();
            match STANDARD.decode(&lines) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(_) => part.to_owned(),
            }
        })
        .collect()
}

#[tokio::test]
async fn a_sale_is_told_to_its_buyer_with_link_and_receipt_and_to_the_merchant_without_either() {
    let test = Test::new(true);
    let order = test.sale("T1").await;
    assert_eq!(test.pass().await, Next::Wait);
    assert!(test.waiting().is_empty());
    let mails = test.office.mails.lock().unwrap();
    let of = |name: &str| {
        let found = mails.iter().find(|(to, _)| to.starts_with(name)).unwrap();
        found.1.clone()
    };
    assert_eq!(mails.len(), 2);
    let (buyer, owner) = (of("buyer"), of("owner"));
    assert!(buyer.contains(&format!("keystall-receipt-{}.txt", order.id)));
    assert!(buyer.contains("Reply-To: help@shop.example\r\n"));
    let (buyer, owner) = (body(&buyer), body(&owner));
    assert!(buyer.contains("https://shop.example/o/"), "{buyer}");
    assert!(owner.contains(&order.id.to_string()), "{owner}");
    for private in ["KEY", "/o/", "buyer"] {
        assert!(!owner.contains(private), "{private}");
    }
    assert!(
        !buyer.contains("KEY"),
        "keys are only sent where the merchant says so"
    );
}

#[tokio::test]
async fn keys_are_in_the_buyers_mail_only_if_the_merchant_says_so() {
    let mut test = Test::new(false);
    let with_keys = MailPolicy {
        keys: true,
        ..policy()
    };
    test.worker = worker(&test.inner.shop, &test.office, with_keys);
    test.sale("T1").await;
    test.pass().await;
    let mails = test.office.mails.lock().unwrap();
    assert!(body(&mails[0].1).contains("KEY"));
}

#[tokio::test]
async fn r14_a_mail_that_failed_comes_again_under_the_same_id_also_after_a_restart() {
    let test = Test::new(false);
    test.sale("T1").await;
    test.office.answers([down()]);
    assert_eq!(test.pass().await, Next::Rest);
    assert_eq!(
        test.waiting()[0].last_error.as_deref(),
        Some("no connection")
    );
    let Test {
        inner,
        office,
        worker: first,
    } = test;
    drop(first);
    let inner = inner.reopen();
    inner.clock.advance_ms(6_000);
    let again = worker(&inner.shop, &office, policy());
    again.pass(Lane::Mail, &pending().boxed().shared()).await;
    assert!(inner.shop.effects(10).unwrap().is_empty());
    let taken = office.taken();
    assert_eq!((taken.len(), &taken[0]), (2, &taken[1]));
    assert!(taken[0].1.starts_with("<e") && taken[0].1.ends_with("@shop.example>"));
}

#[tokio::test]
async fn a_server_that_is_down_costs_only_the_mail_that_met_it_an_attempt() {
    let test = Test::new(false);
    for number in 0..10 {
        test.sale(&format!("T{number}")).await;
    }
    test.office.answers([down(), down()]);
    assert_eq!(test.pass().await, Next::Rest);
    let tried = test.waiting().iter().filter(|one| one.attempts > 0).count();
    assert!((1..=2).contains(&tried), "{tried}");
    assert_eq!(test.waiting().len(), 10);
    test.pass().await;
    test.inner.clock.advance_ms(6_000);
    test.pass().await;
    assert!(test.waiting().is_empty());
}

#[tokio::test]
async fn a_bounced_address_is_given_up_at_once_and_a_greylisted_one_is_not() {
    let test = Test::new(false);
    test.sale("T1").await;
    test.office
        .answers([Refusal::Later("450 greylisted".into())]);
    test.pass().await;
    assert!(test.waiting()[0].due_at_ms.is_some());
    test.office
        .answers([Refusal::Never("550 no such user".into())]);
    test.inner.clock.advance_ms(6_000);
    test.pass().await;
    let dead = test.waiting().remove(0);
    assert_eq!(
        (dead.due_at_ms, dead.last_error.as_deref()),
        (None, Some("550 no such user"))
    );
    test.inner.shop.retry_effects().unwrap();
    test.pass().await;
    let taken = test.office.taken();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|one| *one == taken[0]));
}

#[tokio::test]
async fn ten_orders_in_a_row_that_could_not_be_told_are_one_alarm_until_one_is_told() {
    let test = Test::new(true);
    let alarms = || {
        let waiting = test.waiting().into_iter();
        waiting
            .filter(|one| one.kind == EffectKind::BuyersNotTold)
            .count()
    };
    let never = || Refusal::Never("550 no".into());
    for round in 1..=11 {
        test.sale(&format!("T{round}")).await;
        // The buyer's mail, the merchant's, and the alarm in the passes after the tenth.
        test.office.answers([never(), never(), never()]);
        test.pass().await;
        assert_eq!(alarms(), usize::from(round >= 10), "round {round}");
    }
    test.inner.shop.retry_effects().unwrap();
    test.office.script.lock().unwrap().clear();
    test.sale("good").await;
    test.pass().await;
    assert!(test.worker.row().orders.is_empty());
    let mails = test.office.mails.lock().unwrap();
    let alarm = mails
        .iter()
        .map(|(_, text)| body(text))
        .find(|text| text.contains("notify test"));
    assert!(alarm.unwrap().contains("10"));
}

#[tokio::test]
async fn a_mail_lane_that_waits_does_not_keep_webhooks() {
    let mut till = Till::default();
    till.policy.tell = Tell {
        webhook: true,
        merchant_mail: true,
        buyer_mail: true,
        auditor_mail: false,
    };
    let inner = TestShop::with(till);
    inner.stock("steam", "KEY", 100);
    for number in 0..60 {
        let order = inner.order("steam").await;
        let claim = inner.claim(&order, &format!("T{number}"));
        inner.shop.settle(claim).await.unwrap();
    }
    let ways = |via: Via| inner.shop.effects_due(&[via], 1_000).unwrap().len();
    assert_eq!((ways(Via::Webhook), ways(Via::BuyerMail)), (60, 60));
    // The oldest fifty are of all ways; those of one are found nevertheless.
    let first = inner.shop.effects_due(&[Via::Webhook], 50).unwrap();
    assert!(first.len() == 50 && first.iter().all(|one| one.effect.via == Via::Webhook));
}

#[tokio::test]
async fn a_text_of_the_merchants_own_is_used_and_one_that_went_bad_is_not() {
    let test = Test::new(false);
    let own = |body: &str| crate::store::Template {
        subject: "own {order}".into(),
        body: body.into(),
    };
    let set = |body: &str| {
        for language in Language::all() {
            let shop = &test.inner.shop;
            shop.set_template("delivered", language.tag(), Some(own(body)))
                .unwrap();
        }
    };
    set("hello {shop}");
    test.sale("T1").await;
    test.pass().await;
    assert!(
        test.office.mails.lock().unwrap()[0]
            .1
            .contains("Subject: own ")
    );
    set("{no-such-name}");
    test.sale("T2").await;
    test.pass().await;
    assert!(
        !test.office.mails.lock().unwrap()[1]
            .1
            .contains("Subject: own ")
    );
}

#[tokio::test]
async fn a_policy_that_one_recipient_has_stops_nobody_and_one_that_two_meet_rests_the_lane() {
    let test = Test::new(false);
    let policy = || Refusal::Policy("550 5.7.1 blocked".into());
    test.sale("T1").await;
    test.office.answers([policy()]);
    assert_eq!(test.pass().await, Next::Wait);
    test.inner.clock.advance_ms(10_000);
    test.office.answers([policy()]);
    assert_eq!(test.pass().await, Next::Wait, "the same recipient again");
    assert!(test.waiting()[0].due_at_ms.is_some());
    let other = lettre::address::Envelope::new(None, vec!["other@x.example".parse().unwrap()]);
    *test.worker.refused() = Some(other.unwrap());
    test.inner.clock.advance_ms(400_000);
    test.office.answers([policy()]);
    assert_eq!(test.pass().await, Next::Rest);
    test.inner.clock.advance_ms(4_000_000);
    test.pass().await;
    assert!(test.waiting().is_empty() && test.worker.refused().is_none());
}

#[tokio::test]
async fn greylisting_raises_no_alarm_and_what_fails_twice_does_once_an_hour() {
    let test = Test::new(true);
    let alarms = || {
        let waiting = test.waiting().into_iter();
        waiting
            .filter(|one| one.kind == EffectKind::BuyersNotTold)
            .count()
    };
    let later = || Refusal::Later("450 4.2.0 greylisted".into());
    for number in 0..12 {
        test.sale(&format!("T{number}")).await;
    }
    test.office.answers((0..24).map(|_| later()));
    test.pass().await;
    assert_eq!((alarms(), test.worker.row().orders.len()), (0, 0));
    test.inner.clock.advance_ms(10_000);
    test.office.answers((0..24).map(|_| later()));
    test.pass().await;
    assert_eq!(alarms(), 1);
    // One is told, then it goes wrong again: no second alarm within the hour.
    test.worker.row().orders.clear();
    test.worker.row().is_raised = false;
    test.inner.clock.advance_ms(600_000);
    test.office.answers((0..40).map(|_| later()));
    test.pass().await;
    assert_eq!(alarms(), 1);
}

#[tokio::test]
async fn a_link_that_ended_before_it_could_be_sent_is_not_sent() {
    let test = Test::new(false);
    test.sale("T1").await;
    test.pass().await;
    let before = test.office.taken().len();
    let buyer = Contact::parse(test.office.taken()[0].0.as_str()).unwrap();
    test.inner.shop.ask_for_inbox(&buyer);
    assert_eq!(test.inner.shop.send_inbox_links().await.unwrap(), 1);
    test.inner
        .clock
        .advance_ms(crate::actions::INBOX_LINK_MS + 1);
    test.pass().await;
    assert_eq!(test.office.taken().len(), before);
    assert!(test.waiting().is_empty());
}
