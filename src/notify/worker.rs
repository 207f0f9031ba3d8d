//! The worker that empties the outbox: one lane for the webhook and one for mail, neither of which waits for the other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FutureExt, Shared, join};
use futures_util::{StreamExt, stream};
use http::{Request, StatusCode};
use lettre::address::Envelope;

use super::mail::{ComposeError, MailPolicy, Mailer, NOT_TOLD_AT, Refusal, compose};
use super::webhook::{Event, WebhookConfig, call_id};
use crate::actions::{PendingEffect, Shop};
use crate::domain::{Effect, EffectKind, OrderId, Via};
use crate::net::Client;
use crate::store::Fault;

/// Makes one call. Implementations bound its time and follow no redirect.
pub trait WebhookSender: Send + Sync {
    /// The answer's status, or why there is none; the text holds no address and no secret.
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<StatusCode, String>> + Send + '_>>;
}

/// How mail goes out.
#[derive(Clone)]
pub struct Post {
    /// Takes mails.
    pub mailer: Arc<dyn Mailer>,
    /// What the merchant decided about them.
    pub policy: MailPolicy,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Told.
    Kept,
    /// It is tried again later.
    Failed,
    /// It stays for a person.
    GivenUp,
}

impl Outcome {
    /// Its word in numbers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// Told of every attempt.
pub type Observe = Arc<dyn Fn(Via, Outcome) + Send + Sync>;

/// Delivers what the shop promised.
pub struct Worker {
    shop: Arc<Shop>,
    sender: Arc<dyn WebhookSender>,
    webhook: Option<WebhookConfig>,
    post: Option<Post>,
    observe: Observe,
    /// Delivered, and not yet marked so because the store could not be written: never sent again by this process.
    unmarked: Mutex<BTreeSet<u64>>,
    row: Mutex<Row>,
    /// To whom the last mail went that the server refused by its policy, until it takes one.
    refused: Mutex<Option<Envelope>>,
}

/// Orders in a row whose buyers could not be told.
#[derive(Debug, Default)]
struct Row {
    orders: BTreeSet<OrderId>,
    is_raised: bool,
    /// When the last alarm was raised, Unix milliseconds.
    raised_at_ms: Option<i64>,
}

/// Who waits for whom: what goes to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Webhook,
    Mail,
}

/// What a lane does after a look into the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// More may be due at once.
    Again,
    /// Until something is due or promised.
    Wait,
    /// The receiver is not there or not in order: other messages would fail as well.
    Rest,
}

/// What came of telling one effect.
enum Told {
    Kept,
    Needless,
    Failed(String),
    /// As `Failed`, and the lane rests.
    Down(String),
    GivenUp(String),
}

/// Effects taken in one pass.
const EFFECTS_MAX: usize = 50;
/// Longest time between two looks into the outbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two alarms that buyers could not be told, in milliseconds.
const ALARM_EVERY_MS: i64 = 3_600_000;
/// Promises among which an alarm is looked for.
const LOOKED_AT_MAX: usize = 10_000;
/// How long a lane rests.
const REST: Duration = Duration::from_secs(5);

impl Lane {
    fn ways(self) -> &'static [Via] {
        match self {
            Self::Webhook => &[Via::Webhook],
            Self::Mail => &[Via::MerchantMail, Via::BuyerMail, Via::AuditorMail],
        }
    }

    /// Messages on their way at a time. Mail servers count a sender's connections, and slow one down that has many.
    fn at_a_time(self) -> usize {
        match self {
            Self::Webhook => 4,
            Self::Mail => 2,
        }
    }
}

impl Worker {
    /// A worker that sends through `sender`; without `webhook` and without [`Worker::with_mail`] it has nobody to tell.
    pub fn new(
        shop: Arc<Shop>,
        sender: Arc<dyn WebhookSender>,
        webhook: Option<WebhookConfig>,
    ) -> Self {
        Self {
            shop,
            sender,
            webhook,
            post: None,
            observe: Arc::new(|_, _| {}),
            unmarked: Mutex::default(),
            row: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Sends mails too.
    pub fn with_mail(self, post: Option<Post>) -> Self {
        Self { post, ..self }
    }

    /// Tells `observe` of every attempt.
    pub fn observed(self, observe: Observe) -> Self {
        Self { observe, ..self }
    }

    /// Works until `shutdown` is ready; calls under way are finished first, which their sender bounds in time.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let shutdown = shutdown.boxed().shared();
        join(
            self.lane(Lane::Webhook, shutdown.clone()),
            self.lane(Lane::Mail, shutdown.clone()),
        )
        .await;
    }

    async fn lane(&self, lane: Lane, shutdown: Shared<impl Future<Output = ()>>) {
        let is_open = match lane {
            Lane::Webhook => self.webhook.is_some(),
            Lane::Mail => self.post.is_some(),
        };
        if !is_open {
            return shutdown.await;
        }
        let mut changes = self.shop.changes();
        loop {
            let next = self.pass(lane, &shutdown).await;
            if shutdown.peek().is_some() {
                return;
            }
            match next {
                Next::Again => {}
                Next::Wait => tokio::select! {
                    () = shutdown.clone() => return,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    // Also when some were missed: all that counts is that there were some. The shop lives, so it never closes.
                    _ = changes.recv() => {}
                },
                Next::Rest => tokio::select! {
                    () = shutdown.clone() => return,
                    () = tokio::time::sleep(REST) => {}
                },
            }
        }
    }

    /// One look into the outbox.
    async fn pass(&self, lane: Lane, shutdown: &Shared<impl Future<Output = ()>>) -> Next {
        // What cannot be marked would be sent again and again.
        if self.shop.store().readonly() {
            return Next::Wait;
        }
        let due = match self.shop.effects_due(lane.ways(), EFFECTS_MAX) {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                return Next::Wait;
            }
        };
        let full = due.len() == EFFECTS_MAX;
        let is_down = &AtomicBool::new(false);
        let marked = stream::iter(due)
            .take_until(shutdown.clone())
            .map(|pending| async move {
                // What is not tried costs no attempt: it stays due.
                is_down.load(Ordering::Relaxed) || self.deliver(pending, is_down).await
            })
            .buffer_unordered(lane.at_a_time())
            // To the end, so that no call under way is dropped.
            .fold(true, |all, marked| async move { all && marked })
            .await;
        match (is_down.load(Ordering::Relaxed), full && marked) {
            (true, _) => Next::Rest,
            (false, true) => Next::Again,
            (false, false) => Next::Wait,
        }
    }

    /// Tells one effect and marks it. Whether it could be marked.
    async fn deliver(&self, pending: PendingEffect, is_down: &AtomicBool) -> bool {
        let effect = &pending.effect;
        let told = if self.unmarked().contains(&effect.id) {
            Told::Kept
        } else {
            match effect.via {
                Via::Webhook => self.call(&pending).await,
                Via::MerchantMail | Via::BuyerMail | Via::AuditorMail => self.mail(effect).await,
            }
        };
        if let Told::Down(_) = told {
            is_down.store(true, Ordering::Relaxed);
        }
        let marked = self.mark(effect, told).await;
        if let Err(error) = &marked {
            tracing::error!(effect.id, %error, "an attempt of the outbox could not be recorded");
        }
        marked.is_ok()
    }

    async fn call(&self, pending: &PendingEffect) -> Told {
        let Some(config) = &self.webhook else {
            return Told::Failed("there is no [webhook] url".to_owned());
        };
        match self.called(config, pending).await {
            Ok(()) => Told::Kept,
            Err(error) => Told::Failed(error),
        }
    }

    async fn called(&self, config: &WebhookConfig, pending: &PendingEffect) -> Result<(), String> {
        let event = Event::of(&pending.effect, pending.order.as_ref());
        let body = serde_json::to_string(&event).map_err(|error| error.to_string())?;
        let id = call_id(&self.shop.chain().origin(), pending.effect.id);
        let request = config.request(config.sign(&id, self.shop.now_ms(), body));
        let request = request.map_err(|error| error.to_string())?;
        let status = self.sender.call(request).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(match status {
            StatusCode::GONE => "HTTP 410: the receiver wants no more calls".to_owned(),
            status if status.is_redirection() => {
                format!("HTTP {}: redirects are not followed", status.as_u16())
            }
            status => format!("HTTP {}", status.as_u16()),
        })
    }

    async fn mail(&self, effect: &Effect) -> Told {
        let Some(post) = &self.post else {
            return Told::Failed("there is no [mail] host".to_owned());
        };
        let mail = match compose(&post.policy, &self.shop, effect) {
            Ok(Some(mail)) => mail,
            Ok(None) => return Told::Needless,
            // What cannot be written today cannot be tomorrow; a store that cannot be read can.
            Err(ComposeError::Message(error)) => return Told::GivenUp(error.to_string()),
            Err(error) => return Told::Failed(error.to_string()),
        };
        match post.mailer.send(&mail).await {
            Ok(_) => {
                *self.refused() = None;
                self.keep_mailed(effect, mail.bytes).await;
                Told::Kept
            }
            Err(Refusal::Policy(said)) => self.refused_by_policy(mail.envelope, said),
            Err(Refusal::Unreachable(said)) => Told::Down(said),
            Err(Refusal::Settings(said)) => {
                tracing::error!(
                    error = said,
                    "a setting of [mail] is wrong: `keystall notify test` says which"
                );
                Told::Down(said)
            }
            Err(Refusal::Later(said)) => Told::Failed(said),
            Err(Refusal::Never(said)) => Told::GivenUp(said),
        }
    }

    /// The mail that carried a checkpoint is one of its anchors. That it could not be kept makes no second mail.
    async fn keep_mailed(&self, effect: &Effect, mail: Vec<u8>) {
        if let Err(error) = self.shop.checkpoint_mailed(effect, mail).await {
            tracing::error!(effect.id, %error, "a mailed checkpoint was not kept as an anchor");
        }
    }

    /// A policy that two recipients in a row meet is one against the shop; one alone may have his own.
    fn refused_by_policy(&self, envelope: Envelope, said: String) -> Told {
        let before = self.refused().replace(envelope.clone());
        if before.is_none_or(|before| before.to() == envelope.to()) {
            return Told::Failed(said);
        }
        tracing::error!(
            error = said,
            "the mail server refuses mail to everybody: `keystall notify test` says more"
        );
        Told::Down(said)
    }

    async fn mark(&self, effect: &Effect, told: Told) -> Result<(), Fault> {
        let (outcome, error) = match told {
            Told::Needless => return self.shop.effect_needless(effect.id).await,
            Told::Kept => {
                self.unmarked().insert(effect.id);
                self.shop.effect_kept(effect.id).await?;
                self.unmarked().remove(&effect.id);
                (Outcome::Kept, String::new())
            }
            Told::Failed(error) | Told::Down(error) => {
                let dead = self.shop.effect_failed(effect.id, &error).await?;
                let outcome = if dead {
                    Outcome::GivenUp
                } else {
                    Outcome::Failed
                };
                (outcome, error)
            }
            Told::GivenUp(error) => {
                self.shop.effect_given_up(effect.id, &error).await?;
                (Outcome::GivenUp, error)
            }
        };
        (self.observe)(effect.via, outcome);
        said(effect, outcome, &error);
        self.count(effect, outcome).await
    }

    /// Counts buyers who could not be told, and raises the alarm at the tenth order in a row. A first failure that may pass
    /// counts nothing: servers that do not know a sender let the first attempt wait (greylisting).
    async fn count(&self, effect: &Effect, outcome: Outcome) -> Result<(), Fault> {
        let (Via::BuyerMail, Some(order)) = (effect.via, effect.order) else {
            return Ok(());
        };
        if outcome == Outcome::Failed && effect.attempts == 0 {
            return Ok(());
        }
        let count = {
            let mut row = self.row();
            if outcome == Outcome::Kept {
                row.orders.clear();
                row.is_raised = false;
                return Ok(());
            }
            row.orders.insert(order);
            if row.is_raised || row.orders.len() < NOT_TOLD_AT {
                return Ok(());
            }
            row.is_raised = true;
            row.orders.len()
        };
        let raised = self.raise(order, count).await;
        self.row().is_raised = matches!(raised, Ok(true));
        raised.map(|_| ())
    }

    /// Raises the alarm, unless one is on its way or was promised just now. Whether it did.
    async fn raise(&self, order: OrderId, count: usize) -> Result<bool, Fault> {
        let now_ms = self.shop.now_ms();
        let is_fresh = |at_ms: i64| now_ms - at_ms < ALARM_EVERY_MS;
        let is_alarm = |effect: &Effect| {
            effect.kind == EffectKind::BuyersNotTold
                && (effect.due_at_ms.is_some() || is_fresh(effect.promised_at_ms))
        };
        let waiting = self.shop.effects(LOOKED_AT_MAX)?;
        if self.row().raised_at_ms.is_some_and(is_fresh) || waiting.iter().any(is_alarm) {
            return Ok(false);
        }
        tracing::error!(
            orders = count,
            "the buyers of many orders in a row could not be told: `keystall outbox list` says why"
        );
        self.shop.raise_not_told(order).await?;
        self.row().raised_at_ms = Some(now_ms);
        Ok(true)
    }

    fn unmarked(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.unmarked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Option<Envelope>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self) -> std::sync::MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(effect: &Effect, outcome: Outcome, error: &str) {
    let (kind, via) = (effect.kind.as_str(), effect.via.as_str());
    let order = effect.order.map(|order| order.to_string());
    let attempt = effect.attempts + 1;
    match outcome {
        Outcome::Kept => {}
        Outcome::Failed => tracing::warn!(
            effect.id,
            kind,
            via,
            order,
            attempt,
            error,
            "a message could not be delivered yet"
        ),
        Outcome::GivenUp => tracing::error!(
            effect.id,
            kind,
            via,
            order,
            attempt,
            error,
            "a message could not be delivered: it stays for a person"
        ),
    }
}

impl WebhookSender for Client {
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<StatusCode, String>> + Send + '_>> {
        Box::pin(async move {
            let answer = self.send(request).await;
            answer
                .map(|answer| answer.status)
                .map_err(|error| error.to_string())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod mail_tests;
