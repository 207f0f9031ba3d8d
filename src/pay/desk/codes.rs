//! Codes that buyers scan: asked of the provider once for each order, kept in memory, shared by all who look.
//!
//! Owns the bounds: one call at a time for an order and none again within [`AGAIN_MS`], a pause for a channel whose gateway is
//! down or has no codes, [`CALLS_MAX`] calls at a time, [`KEPT_MAX`] orders kept. Whatever a bound refuses is no code, and the
//! buyer gets the shop's link. Nothing here is a state of the order, and a restart forgets it all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::booths::Booth;
use crate::domain::{ChannelName, Money, Order, OrderId};
use crate::pay::{Begin, CodeError, PayCode};

/// The codes of a desk.
pub(super) struct Codes {
    known: Arc<Mutex<Known>>,
    calls: Arc<Semaphore>,
}

/// What a provider is told of an order that is to be paid.
pub(super) struct Bill {
    channel: ChannelName,
    order: OrderId,
    money: Money,
    title: String,
    notify_url: String,
    return_url: String,
    client: IpAddr,
    expires_at_ms: i64,
}

/// A provider is not asked again for the same order before that, whatever became of the first call.
pub(super) const AGAIN_MS: i64 = 30_000;
/// How long a gateway without codes is left alone.
pub(super) const ABSENT_MS: i64 = 10 * 60_000;
/// How long a gateway that is down is left alone.
const DOWN_MS: i64 = 30_000;
/// Longest use of one code: WeChat's and Alipay's own end after two hours.
const CODE_KEPT_MS: i64 = 60 * 60_000;
/// Orders kept: more wait unpaid only under a flood, and each is below 1 KiB.
pub(super) const KEPT_MAX: usize = 10_000;
/// Calls at a time, to all gateways: each is a connection that may last five seconds.
const CALLS_MAX: usize = 32;

impl Default for Codes {
    fn default() -> Self {
        Self {
            known: Arc::default(),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
        }
    }
}

impl Codes {
    /// The code of a bill; none where the buyer is better served by the shop's link. `version` counts the changes of the
    /// channels: a code of an account that the merchant has replaced is never shown again.
    pub async fn of(
        &self,
        version: u64,
        now_ms: i64,
        booth: Arc<Booth>,
        bill: Bill,
    ) -> Option<PayCode> {
        let mut outcome = self.asked(version, now_ms, booth, bill)?;
        // A call that ended without an outcome panicked: no code.
        let decided = outcome.wait_for(|outcome| !matches!(outcome, Outcome::Asking));
        match &*decided.await.ok()? {
            Outcome::Code(code) => Some(code.clone()),
            Outcome::Asking | Outcome::None => None,
        }
    }

    /// The call for this order that was made already, or a new one if the bounds allow it.
    fn asked(
        &self,
        version: u64,
        now_ms: i64,
        booth: Arc<Booth>,
        bill: Bill,
    ) -> Option<watch::Receiver<Outcome>> {
        let mut known = lock(&self.known);
        if version < known.version {
            return None;
        }
        if version > known.version {
            *known = Known {
                version,
                ..Known::default()
            };
        }
        if let Some(call) = known.calls.get(&bill.order)
            && call.holds(now_ms)
        {
            return Some(call.outcome.clone());
        }
        if known.is_paused(&bill.channel, now_ms) || !known.make_room(bill.order, now_ms) {
            return None;
        }
        let place = self.calls.clone().try_acquire_owned().ok()?;
        let (sender, outcome) = watch::channel(Outcome::Asking);
        let call = Call {
            asked_at_ms: now_ms,
            expires_at_ms: bill.expires_at_ms,
            outcome: outcome.clone(),
        };
        known.calls.insert(bill.order, call);
        let asking = Asking {
            known: self.known.clone(),
            version,
            now_ms,
            place,
        };
        // A task of its own: a buyer who reloads the page does not lose the answer.
        tokio::spawn(asking.run(booth, bill, sender));
        Some(outcome)
    }
}

impl Bill {
    /// The bill of an order, with addresses below `base_url`.
    pub fn new(order: &Order, base_url: &str, client: IpAddr) -> Self {
        let channel = &order.channel;
        Self {
            order: order.id,
            money: order.total,
            title: order.title.clone(),
            notify_url: format!("{base_url}/pay/{channel}/notify"),
            return_url: format!("{base_url}/pay/{channel}/return"),
            channel: channel.clone(),
            client,
            expires_at_ms: order.expires_at_ms,
        }
    }

    /// As gateways take it.
    pub fn begin(&self) -> Begin<'_> {
        Begin {
            order: self.order,
            money: self.money,
            title: &self.title,
            notify_url: &self.notify_url,
            return_url: &self.return_url,
            client_address: self.client,
        }
    }
}

/// What is known of the channels' codes at one version of the channels.
#[derive(Default)]
struct Known {
    version: u64,
    calls: HashMap<OrderId, Call>,
    pauses: HashMap<ChannelName, Pause>,
}

struct Call {
    asked_at_ms: i64,
    /// Of the order.
    expires_at_ms: i64,
    outcome: watch::Receiver<Outcome>,
}

enum Outcome {
    Asking,
    Code(PayCode),
    None,
}

/// A channel that is left alone; it stays here when its time is over, so that the log tells of it once.
struct Pause {
    since_ms: i64,
    length_ms: i64,
}

impl Known {
    fn is_paused(&self, channel: &ChannelName, now_ms: i64) -> bool {
        let pause = self.pauses.get(channel);
        // A clock that was put back ends the pause.
        pause.is_some_and(|pause| (0..pause.length_ms).contains(&(now_ms - pause.since_ms)))
    }

    /// Makes room for one more call; false where only calls that must not be made again are kept.
    fn make_room(&mut self, order: OrderId, now_ms: i64) -> bool {
        if self.calls.len() < KEPT_MAX || self.calls.contains_key(&order) {
            return true;
        }
        self.calls.retain(|_, call| call.holds(now_ms));
        if self.calls.len() >= KEPT_MAX {
            let old = self.calls.iter();
            let old = old.filter(|(_, call)| now_ms - call.asked_at_ms >= AGAIN_MS);
            let oldest = old.min_by_key(|(_, call)| call.asked_at_ms);
            if let Some(oldest) = oldest.map(|(order, _)| *order) {
                self.calls.remove(&oldest);
            }
        }
        self.calls.len() < KEPT_MAX
    }

    fn conclude(&mut self, asking: &Asking, bill: &Bill, given: &Result<PayCode, CodeError>) {
        if self.version != asking.version {
            return;
        }
        let length_ms = match given {
            Ok(_) => {
                self.pauses.remove(&bill.channel);
                return;
            }
            Err(CodeError::NotOffered | CodeError::Absent(_)) => ABSENT_MS,
            Err(CodeError::Down(_) | CodeError::Outbound(_)) => DOWN_MS,
            Err(_) => return,
        };
        let pause = Pause {
            since_ms: asking.now_ms,
            length_ms,
        };
        let before = self.pauses.insert(bill.channel.clone(), pause);
        let news = before.is_none_or(|before| before.length_ms != length_ms);
        if let (true, Err(error)) = (news && *given != Err(CodeError::NotOffered), given) {
            tracing::warn!(channel = %bill.channel, %error, "no codes to scan from this gateway for now: buyers scan the shop's link");
        }
    }
}

impl Call {
    fn holds(&self, now_ms: i64) -> bool {
        let again_at_ms = self.asked_at_ms.saturating_add(AGAIN_MS);
        let until_ms = match &*self.outcome.borrow() {
            Outcome::Code(_) => {
                let kept_until_ms = self.asked_at_ms.saturating_add(CODE_KEPT_MS);
                self.expires_at_ms.min(kept_until_ms).max(again_at_ms)
            }
            Outcome::Asking | Outcome::None => again_at_ms,
        };
        (self.asked_at_ms..until_ms).contains(&now_ms)
    }
}

/// One call on its way.
struct Asking {
    known: Arc<Mutex<Known>>,
    version: u64,
    now_ms: i64,
    place: OwnedSemaphorePermit,
}

impl Asking {
    async fn run(self, booth: Arc<Booth>, bill: Bill, sender: watch::Sender<Outcome>) {
        let given = booth.gateway.code(&bill.begin()).await;
        lock(&self.known).conclude(&self, &bill, &given);
        if let Err(
            error @ (CodeError::Refused(_)
            | CodeError::Nothing
            | CodeError::Code(_)
            | CodeError::Begin(_)),
        ) = &given
        {
            tracing::warn!(order = %bill.order, channel = %bill.channel, %error, "no code to scan for an order: its buyer scans the shop's link");
        }
        drop(self.place);
        // Nobody may listen any more.
        sender.send_replace(given.map_or(Outcome::None, Outcome::Code));
    }
}

/// Every method of [`Known`] leaves it whole, so the state after a panic elsewhere is good.
fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
