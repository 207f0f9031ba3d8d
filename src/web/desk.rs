//! What the handlers need of the payment desk.

use std::net::IpAddr;

use crate::{
    domain::{ChannelName, Order, OrderId},
    pay::{Acknowledgement, BoxFuture, PayCode, RawNotice},
};

/// The payment channels, as buyers and providers meet them.
pub trait PaymentDesk: Send + Sync {
    /// The absolute address where `order` is paid. `client` is the buyer's address.
    ///
    /// # Errors
    /// [`PaymentUnavailable`], which is logged; the buyer is told to try again or to choose another channel.
    fn begin<'a>(
        &'a self,
        order: &'a Order,
        client: IpAddr,
    ) -> BoxFuture<'a, Result<String, PaymentUnavailable>>;

    /// What a phone scans to pay `order`: the provider's own code, checked. `None` where the provider gives none now, and the
    /// shop's link is scanned instead; never longer than [`crate::pay::CODE_TIMEOUT_MS`]. No state changes by it.
    fn code<'a>(&'a self, order: &'a Order, client: IpAddr) -> BoxFuture<'a, Option<PayCode>>;

    /// Takes a notice for the channel of that name, believed or not, and gives the answer that its provider expects: a
    /// non-success one for a body above [`crate::limits::NOTICE_BYTES_MAX`] and for a channel that does not exist.
    fn notice<'a>(
        &'a self,
        channel: &'a str,
        raw: &'a RawNotice<'a>,
    ) -> BoxFuture<'a, Acknowledgement>;

    /// The order that a returning buyer's parameters name, if their signature is valid. Settles nothing.
    fn returned(&self, channel: &str, raw: &RawNotice<'_>) -> Option<OrderId>;

    /// Channels that take orders now, in the order of display.
    fn open_channels(&self) -> Vec<ChannelName>;

    /// What buyers call a channel, in the language of a tag like `zh-CN`; its name where it has no title.
    fn channel_title(&self, name: &ChannelName, language_tag: &str) -> String;
}

/// Why the buyer cannot be sent to a provider; for the log, so it holds no key and no address with one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PaymentUnavailable(pub String);
