//! The desk: where buyers are sent to pay, and where notices are believed or refused, by one rule for all channels.
//!
//! Owns the gateways of the open channels, made anew whenever the merchant changes a channel. A channel that cannot be made of
//! its settings stays closed and says so in the log; the others are not touched by it.
//!
//! It never writes to the store itself: what a payment means is decided by the shop's `settle`, in one transaction.

mod booths;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod code_tests;
mod codes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::pay) mod fixture;
mod notice;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::Uri;
use tokio::sync::watch;

use self::booths::{Booth, Booths};
use self::codes::{Bill, Codes};
use self::notice::Refusals;
use super::reconcile::Rounds;
use super::{BeginError, NextStep, Outbound, PayCode, RawNotice};
use crate::actions::Shop;
use crate::domain::{ChannelName, Order, OrderId, OrderState, Verdict};
use crate::store::{Fault, Rows};

/// The open channels of a shop, and the callback rule.
pub struct Desk {
    pub(super) shop: Arc<Shop>,
    outbound: Arc<dyn Outbound>,
    base_url: String,
    plain_http_allowed: Vec<(String, u16)>,
    changed: watch::Receiver<u64>,
    open: RwLock<Open>,
    counter: Option<Arc<dyn NoticeCounter>>,
    refusals: Mutex<Refusals>,
    codes: Codes,
    pub(super) rounds: tokio::sync::Mutex<Rounds>,
}

/// Hears of each notice, for metrics.
pub trait NoticeCounter: Send + Sync {
    /// One notice was decided. `channel` is one of the shop's, or `unknown`, so that callers cannot grow the metrics.
    fn count(&self, channel: &str, verdict: Verdict);
}

/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub enum DeskConfigError {
    /// Providers could not reach the shop there.
    #[error(
        "the shop's address for providers must be like https://shop.example.com, without a path"
    )]
    BaseUrl,
}

/// Why a buyer cannot go to pay now.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The order's channel was closed, or cannot be used as it is set up.
    #[error("this way to pay is not open at the moment")]
    Closed,
    /// Paid already, expired, or withdrawn.
    #[error("this order is not waiting for a payment")]
    NotWaiting,
    /// The channel refuses.
    #[error(transparent)]
    Begin(#[from] BeginError),
}

/// The channels as they were read at `version`; none yet, or again, after a failure.
#[derive(Default)]
struct Open {
    version: Option<u64>,
    booths: Arc<Booths>,
}

impl Desk {
    /// A desk over the shop's channels. `base_url` is where providers and buyers reach the shop, `https://host[:port]`;
    /// `plain_http_allowed` lists `(host, port)` of gateways that may be spoken to without TLS.
    ///
    /// # Errors
    /// [`DeskConfigError`].
    pub fn new(
        shop: Arc<Shop>,
        outbound: Arc<dyn Outbound>,
        base_url: String,
        plain_http_allowed: Vec<(String, u16)>,
    ) -> Result<Self, DeskConfigError> {
        let base_url = checked(&base_url).ok_or(DeskConfigError::BaseUrl)?;
        let changed = shop.channels_changed();
        let desk = Self {
            shop,
            outbound,
            base_url,
            plain_http_allowed,
            changed,
            open: RwLock::default(),
            counter: None,
            refusals: Mutex::default(),
            codes: Codes::default(),
            rounds: tokio::sync::Mutex::default(),
        };
        desk.reload();
        Ok(desk)
    }

    /// The same desk, which tells `counter` of each notice.
    #[must_use]
    pub fn with_counter(mut self, counter: Arc<dyn NoticeCounter>) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Makes the gateways anew from the stored channels. Done by itself once [`Shop::channels_changed`] says so.
    pub fn reload(&self) {
        // Read before the channels: a change in between is seen again at the next use.
        let version = *self.changed.borrow();
        let open = match self.shop.channels() {
            Ok(channels) => Open {
                version: Some(version),
                booths: Arc::new(booths::build(
                    channels,
                    self.shop.policy().currency,
                    &self.outbound,
                    &self.plain_http_allowed,
                )),
            },
            Err(error) => {
                // A channel that was just removed must not stay open because the disk failed.
                tracing::error!(%error, "the channels cannot be read: all stay closed until they can");
                Open::default()
            }
        };
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// Where the buyer of `order` goes to pay (with 303).
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn begin(&self, order: &Order, client: IpAddr) -> Result<String, DeskError> {
        if !self.is_waiting(order) {
            return Err(DeskError::NotWaiting);
        }
        let booth = self.booth(&order.channel).ok_or(DeskError::Closed)?;
        let bill = Bill::new(order, &self.base_url, client);
        let NextStep::Redirect(address) = booth.gateway.begin(&bill.begin()).await?;
        Ok(address)
    }

    /// The provider's own code for `order`, which the buyer scans with another device; none where the provider gives none now,
    /// and the shop's link is scanned instead. The provider is asked once, and whoever comes meanwhile waits for the same
    /// answer, five seconds at most; what it said is kept in memory until the order's end.
    pub async fn code(&self, order: &Order, client: IpAddr) -> Option<PayCode> {
        if !self.is_waiting(order) {
            return None;
        }
        // Read before the channel: what an older one says is not kept under a newer version.
        let version = *self.changed.borrow();
        let booth = self.booth(&order.channel)?;
        let bill = Bill::new(order, &self.base_url, client);
        let now_ms = self.shop.now_ms();
        self.codes.of(version, now_ms, booth, bill).await
    }

    /// The order of a buyer who came back from the provider with a signed query; for showing a page, never for settling.
    pub fn returned(&self, channel: &str, raw: &RawNotice<'_>) -> Option<OrderId> {
        let channel = ChannelName::parse(channel).ok()?;
        let notice = self.booth(&channel)?.gateway.verify_notice(raw).ok()?;
        let order = self.order_of(&channel, &notice.order).ok()??;
        Some(order.id)
    }

    /// Channels that buyers can choose, by name.
    pub fn open_channels(&self) -> Vec<ChannelName> {
        self.booths().open.keys().cloned().collect()
    }

    /// What a channel is called on pages in the language of `language_tag` (BCP 47).
    pub fn channel_title(&self, name: &ChannelName, language_tag: &str) -> String {
        let booth = self.booth(name);
        let method = booth.as_ref().and_then(|booth| booth.method.as_deref());
        booths::title(method, language_tag).to_owned()
    }

    /// The gateway of an open channel.
    pub(super) fn booth(&self, name: &ChannelName) -> Option<Arc<Booth>> {
        self.booths().open.get(name).cloned()
    }

    /// The order that a provider's number names, if it was made on `channel`. Only the number as it was given out is taken.
    fn order_of(&self, channel: &ChannelName, number: &str) -> Result<Option<Order>, Fault> {
        let Some(id) = OrderId::parse(number)
            .ok()
            .filter(|id| id.to_string() == number)
        else {
            return Ok(None);
        };
        let order = self.shop.store().read()?.order(id)?;
        Ok(order.filter(|order| order.channel == *channel))
    }

    fn is_waiting(&self, order: &Order) -> bool {
        order.state == OrderState::Pending && self.shop.now_ms() <= order.expires_at_ms
    }

    fn booths(&self) -> Arc<Booths> {
        let version = *self.changed.borrow();
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if open.version == Some(version) {
            return open.booths.clone();
        }
        drop(open);
        self.reload();
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.booths.clone()
    }
}

/// `http://` is for a shop tried out on its own machine.
fn checked(base_url: &str) -> Option<String> {
    let uri: Uri = base_url.parse().ok()?;
    let scheme = matches!(uri.scheme_str(), Some("https" | "http"));
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !base_url.contains('#');
    let host = uri.host().is_some_and(|host| !host.is_empty());
    let user = uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    (scheme && bare && host && !user).then(|| base_url.trim_end_matches('/').to_owned())
}
