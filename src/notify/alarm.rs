//! Alarms about the machine below the shop. The outbox is a part of what fails then, so they go straight from memory to the
//! merchant: by webhook and by mail, again and again until each way took them, or the daemon ends. What is wrong still at its next
//! start is said again then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::mail::{Alarmed, alarm_mail};
use super::webhook::{WebhookConfig, alarm_id, timestamp};
use super::worker::{Post, WebhookSender};
use crate::actions::Shop;
use crate::domain::Via;

/// What is wrong with the machine, or is right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The disk refuses writes: no orders are taken until it does not.
    ReadOnly,
    /// It takes them again.
    Writable {
        /// Writes that failed since [`Self::ReadOnly`].
        failures: u64,
    },
    /// The disk gets full.
    DiskLow {
        /// Free space in percent.
        percent: u64,
        /// Free space in MiB.
        free_mib: u64,
    },
    /// So little is free that no orders are taken: what is left is for those that are paid.
    DiskFull {
        /// Free space in MiB.
        free_mib: u64,
    },
    /// The database holds something else than what was written: no orders are taken.
    Damaged,
    /// Parts of the database cannot be read: orders are taken as long as that goes.
    Unreadable,
}

/// Tells alarms.
pub struct Alarms {
    shop: Arc<Shop>,
    sender: Arc<dyn WebhookSender>,
    webhook: Option<WebhookConfig>,
    post: Option<Post>,
    waiting: Mutex<VecDeque<Raised>>,
    raised: Notify,
}

/// An alarm, and the ways that have not taken it yet.
#[derive(Clone, Debug)]
struct Raised {
    alarm: Alarm,
    at_ms: i64,
    ways: Vec<Via>,
}

/// Alarms that wait: beyond it the oldest is forgotten, which the log holds.
const WAITING_MAX: usize = 32;
/// Pauses between attempts.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60);

impl Alarm {
    /// Its event type in webhooks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "shop.read_only",
            Self::Writable { .. } => "shop.writable",
            Self::DiskLow { .. } => "disk.low",
            Self::DiskFull { .. } => "disk.full",
            Self::Damaged | Self::Unreadable => "shop.damaged",
        }
    }

    fn facts(self) -> Value {
        match self {
            Self::ReadOnly | Self::Damaged => json!({}),
            Self::Writable { failures } => json!({"failures": failures}),
            Self::Unreadable => json!({"reason": "unreadable"}),
            Self::DiskLow { percent, free_mib } => {
                json!({"free_percent": percent, "free_mib": free_mib})
            }
            Self::DiskFull { free_mib } => json!({"free_mib": free_mib}),
        }
    }
}

impl Alarms {
    /// Alarms that go to `webhook` and by `post`, as far as they are there.
    pub fn new(
        shop: Arc<Shop>,
        sender: Arc<dyn WebhookSender>,
        webhook: Option<WebhookConfig>,
        post: Option<Post>,
    ) -> Self {
        Self {
            shop,
            sender,
            webhook,
            post: post.filter(|post| post.policy.merchant.is_some()),
            waiting: Mutex::default(),
            raised: Notify::new(),
        }
    }

    /// Tells the merchant, as soon as it can be told. Never waits.
    pub fn raise(&self, alarm: Alarm) {
        let ways = [
            (self.webhook.is_some(), Via::Webhook),
            (self.post.is_some(), Via::MerchantMail),
        ];
        let ways = ways.into_iter().filter(|(open, _)| *open);
        let raised = Raised {
            alarm,
            at_ms: self.shop.now_ms(),
            ways: ways.map(|(_, via)| via).collect(),
        };
        let mut waiting = self.waiting();
        waiting.push_back(raised);
        tidy(&mut waiting);
        drop(waiting);
        self.raised.notify_one();
    }

    /// Works until it is dropped: nothing of an alarm is lost by that which a restart does not say again.
    pub async fn run(&self) {
        let mut pause = PAUSE_FIRST;
        loop {
            if self.pass().await {
                pause = PAUSE_FIRST;
                self.raised.notified().await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                () = self.raised.notified() => pause = PAUSE_FIRST,
            }
        }
    }

    /// Tries what waits, oldest first. Whether nothing waits any more.
    async fn pass(&self) -> bool {
        let tried: Vec<Raised> = self.waiting().drain(..).collect();
        let mut left = VecDeque::new();
        for mut raised in tried {
            let mut ways = Vec::new();
            for via in std::mem::take(&mut raised.ways) {
                if let Err(error) = self.tell(&raised, via).await {
                    tracing::warn!(
                        alarm = raised.alarm.as_str(),
                        via = via.as_str(),
                        error,
                        "an alarm could not be delivered yet"
                    );
                    ways.push(via);
                }
            }
            if !ways.is_empty() {
                left.push_back(Raised { ways, ..raised });
            }
        }
        let mut waiting = self.waiting();
        let told_all = left.is_empty() && waiting.is_empty();
        // Those that were raised meanwhile come after.
        left.append(&mut waiting);
        tidy(&mut left);
        *waiting = left;
        told_all
    }

    async fn tell(&self, raised: &Raised, via: Via) -> Result<(), String> {
        match (via, &self.webhook, &self.post) {
            (Via::Webhook, Some(webhook), _) => self.call(webhook, raised).await,
            (Via::MerchantMail, _, Some(post)) => self.mail(post, raised).await,
            // Ways were taken from what is there.
            _ => Ok(()),
        }
    }

    async fn call(&self, webhook: &WebhookConfig, raised: &Raised) -> Result<(), String> {
        let kind = raised.alarm.as_str();
        let body = json!({
            "type": kind,
            "timestamp": timestamp(raised.at_ms),
            "data": raised.alarm.facts(),
        });
        let id = alarm_id(&self.shop.chain().origin(), kind, raised.at_ms);
        let request = webhook.request(webhook.sign(&id, self.shop.now_ms(), body.to_string()));
        let request = request.map_err(|error| error.to_string())?;
        match self.sender.call(request).await? {
            status if status.is_success() => Ok(()),
            status => Err(format!("HTTP {}", status.as_u16())),
        }
    }

    async fn mail(&self, post: &Post, raised: &Raised) -> Result<(), String> {
        let alarmed = Alarmed {
            alarm: raised.alarm,
            at_ms: raised.at_ms,
        };
        let mail = alarm_mail(&post.policy, &self.shop, &alarmed);
        let mail = mail.map_err(|error| error.to_string())?;
        let sent = post.mailer.send(&mail).await;
        sent.map(|_| ()).map_err(|refusal| refusal.to_string())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Raised>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what need not be told any more: that writes failed, on a way that can say at once that they work again, and the oldest
/// beyond [`WAITING_MAX`].
fn tidy(waiting: &mut VecDeque<Raised>) {
    let mut right_again: Vec<Via> = Vec::new();
    for raised in waiting.iter_mut().rev() {
        match raised.alarm {
            Alarm::Writable { .. } => right_again.extend(&raised.ways),
            Alarm::ReadOnly => raised.ways.retain(|via| !right_again.contains(via)),
            _ => {}
        }
    }
    waiting.retain(|raised| !raised.ways.is_empty());
    while waiting.len() > WAITING_MAX {
        waiting.pop_front();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use http::{Request, StatusCode};

    use super::*;
    use crate::testing::TestShop;

    /// Refuses until it does not; keeps what it took.
    #[derive(Default)]
    struct Receiver {
        refuses: Mutex<u32>,
        taken: Mutex<Vec<(String, Value)>>,
    }

    impl WebhookSender for Receiver {
        fn call(
            &self,
            request: Request<Bytes>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<StatusCode, String>> + Send + '_>>
        {
            Box::pin(async move {
                let mut refuses = self.refuses.lock().unwrap();
                if *refuses > 0 {
                    *refuses -= 1;
                    return Err("no connection".to_owned());
                }
                let id = request.headers()["webhook-id"].to_str().unwrap().to_owned();
                let body = serde_json::from_slice(request.body()).unwrap();
                self.taken.lock().unwrap().push((id, body));
                Ok(StatusCode::OK)
            })
        }
    }

    fn alarms(receiver: &Arc<Receiver>) -> (TestShop, Alarms) {
        let shop = TestShop::new();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
        let webhook = WebhookConfig::new("https://merchant.example/", &secret).unwrap();
        let alarms = Alarms::new(shop.shop.clone(), receiver.clone(), Some(webhook), None);
        (shop, alarms)
    }

    #[tokio::test]
    async fn an_alarm_that_nobody_takes_is_told_again_until_somebody_does_in_order_and_once() {
        let receiver = Arc::new(Receiver::default());
        *receiver.refuses.lock().unwrap() = 3;
        let (_shop, alarms) = alarms(&receiver);
        alarms.raise(Alarm::ReadOnly);
        assert!(!alarms.pass().await);
        alarms.raise(Alarm::Damaged);
        assert!(!alarms.pass().await);
        assert!(alarms.pass().await && alarms.pass().await);
        let taken = receiver.taken.lock().unwrap();
        let kinds: Vec<&Value> = taken.iter().map(|(_, body)| &body["type"]).collect();
        assert_eq!(kinds, ["shop.read_only", "shop.damaged"]);
        assert!(taken[0].0.starts_with("msg_") && taken[0].0 != taken[1].0);
    }

    #[tokio::test]
    async fn a_fault_that_is_over_before_it_could_be_told_is_told_by_its_end() {
        let receiver = Arc::new(Receiver::default());
        *receiver.refuses.lock().unwrap() = 1;
        let (_shop, alarms) = alarms(&receiver);
        alarms.raise(Alarm::ReadOnly);
        assert!(!alarms.pass().await);
        alarms.raise(Alarm::Writable { failures: 1 });
        alarms.raise(Alarm::ReadOnly);
        assert!(alarms.pass().await);
        let taken = receiver.taken.lock().unwrap();
        let kinds: Vec<&Value> = taken.iter().map(|(_, body)| &body["type"]).collect();
        assert_eq!(kinds, ["shop.writable", "shop.read_only"]);
    }

    #[tokio::test]
    async fn alarms_that_nobody_takes_stay_few_however_many_come() {
        let receiver = Arc::new(Receiver::default());
        *receiver.refuses.lock().unwrap() = 10_000;
        let (_shop, alarms) = alarms(&receiver);
        for percent in 0..100 {
            let free_mib = 1;
            alarms.raise(Alarm::DiskLow { percent, free_mib });
            if percent % 30 == 29 {
                assert!(!alarms.pass().await);
            }
            assert!(alarms.waiting().len() <= WAITING_MAX);
        }
        let newest = alarms.waiting().back().map(|raised| raised.alarm);
        let percent = 99;
        assert_eq!(
            newest,
            Some(Alarm::DiskLow {
                percent,
                free_mib: 1
            })
        );
    }

    #[tokio::test]
    async fn a_flood_of_alarms_keeps_the_newest() {
        let receiver = Arc::new(Receiver::default());
        let (_shop, alarms) = alarms(&receiver);
        for percent in 0..100 {
            let free_mib = 1;
            alarms.raise(Alarm::DiskLow { percent, free_mib });
        }
        assert!(alarms.pass().await);
        let taken = receiver.taken.lock().unwrap();
        assert_eq!(taken.len(), WAITING_MAX);
        assert_eq!(taken[WAITING_MAX - 1].1["data"]["free_percent"], 99);
    }
}
