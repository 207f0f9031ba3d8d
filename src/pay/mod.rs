//! Payment channels: how a buyer is sent to a provider, how a provider's notice is believed, and how the provider is asked.
//!
//! Owns the [`Gateway`] trait, the checks that every notice passes whatever its provider ([`notice`]), and one folder per
//! protocol ([`epay`]). A channel is one configured instance of a protocol, with a merchant id and a key of its own.
//!
//! Threats and where they are met: a forged notice (signature, constant time, over the received bytes), a notice of another
//! merchant or channel (merchant id and type are compared here; the order's channel by the caller), another amount (returned
//! as integer minor units for the caller to compare), parameters that two parsers read differently (refused before any
//! provider code), an empty or well-known key (refused when the channel is configured, and again at each notice).
//!
//! It never looks an order up, never decides what a payment means, never stores anything, and never opens a socket itself.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use crate::domain::money::{Amount, Currency, Money};
use crate::domain::names::OrderId;

pub mod code;
pub mod desk;
pub mod epay;
pub mod notice;
pub mod outbound;
pub mod reconcile;
pub mod sources;

pub use code::{CodeError, PayCode, PayCodeError};
pub use desk::{Desk, DeskConfigError, DeskError, NoticeCounter};
pub use notice::{NoticeRefusal, RawNotice};

/// A boxed future, so that [`Gateway`] and [`Outbound`] stay object safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One configured payment channel.
pub trait Gateway: Send + Sync {
    /// The protocol's name in the configuration, like `epay`.
    fn kind(&self) -> &'static str;

    /// Where the buyer goes to pay. No money moves and nothing is stored by this.
    fn begin<'a>(&'a self, begin: &'a Begin<'a>) -> BoxFuture<'a, Result<NextStep, BeginError>>;

    /// What a phone scans to pay, asked of the provider; never longer than [`CODE_TIMEOUT_MS`]. No money moves by this.
    ///
    /// # Errors
    /// [`CodeError`]; the buyer can pay by [`Gateway::begin`] all the same.
    fn code<'a>(&'a self, begin: &'a Begin<'a>) -> BoxFuture<'a, Result<PayCode, CodeError>>;

    /// Believes or refuses a notice: everything of the callback rule that needs no order. What the notice says of order,
    /// amount and status is for the caller to hold against its order.
    ///
    /// # Errors
    /// [`NoticeRefusal`], which is for the log only: the outside sees one identical answer for each.
    fn verify_notice(&self, notice: &RawNotice<'_>) -> Result<VerifiedNotice, NoticeRefusal>;

    /// Asks the provider whether `order` is paid; never longer than [`QUERY_TIMEOUT_MS`].
    fn query(&self, order: OrderId) -> BoxFuture<'_, Result<QueryAnswer, QueryError>>;

    /// Gives money back through the provider.
    fn refund<'a>(
        &'a self,
        refund: &'a Refund<'a>,
    ) -> BoxFuture<'a, Result<RefundAnswer, RefundError>>;

    /// Whether the provider must agree by [`Gateway::query`] before a notice of `amount` settles an order.
    fn asks_before_settling(&self, amount: Amount) -> bool;

    /// What the provider expects to read: `accepted` ends its retries, the other makes it come again.
    fn acknowledgement(&self, accepted: bool) -> Acknowledgement;

    /// The fields of a notice that may be logged, believed or not; never a signature or a key.
    fn loggable(&self, notice: &RawNotice<'_>) -> LogFields;
}

/// The one way out to a provider. Implementations bound time and size, follow no redirect, and never put the request's
/// address into a failure's text: some protocols carry the key in it.
pub trait Outbound: Send + Sync {
    /// Sends one request and reads its whole answer.
    fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, OutboundFailure>>;
}

/// Longest time a provider may take to answer a query (security.md, section 1).
pub const QUERY_TIMEOUT_MS: u64 = 5_000;

/// Longest time a provider may take to give a code: a buyer looks at the page meanwhile.
pub const CODE_TIMEOUT_MS: u64 = 5_000;

/// An order to be paid.
#[derive(Debug, Clone)]
pub struct Begin<'a> {
    /// The number given to the provider.
    pub order: OrderId,
    /// The order's total.
    pub money: Money,
    /// What the provider's page and the buyer's statement show.
    pub title: &'a str,
    /// Absolute address for notices.
    pub notify_url: &'a str,
    /// Absolute address to which the buyer comes back.
    pub return_url: &'a str,
    /// The buyer's address, for protocols that ask for it.
    pub client_address: IpAddr,
}

/// What the buyer's browser does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Go to this address (with 303).
    Redirect(String),
}

/// Why a payment cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// The channel takes other money.
    #[error("this channel takes {expected}, the order is in {found}")]
    Currency {
        /// What the channel takes.
        expected: Currency,
        /// What the order is in.
        found: Currency,
    },
    /// Nothing to pay, or less.
    #[error("only an amount above zero can be paid through a channel")]
    Amount,
    /// The address the buyer would be sent to is longer than providers read.
    #[error(
        "the address of the payment page would be longer than {max} bytes: shorten the host or the title"
    )]
    TooLong {
        /// The limit.
        max: usize,
    },
}

/// What an authentic notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedNotice {
    /// The provider's transaction id, unique on its channel.
    pub transaction: String,
    /// The order's number as the provider gave it back; not yet known to exist.
    pub order: String,
    /// Paid, in minor units of `currency`; above zero.
    pub amount: Amount,
    /// What the amount counts.
    pub currency: Currency,
    /// What happened.
    pub status: NoticeStatus,
    /// For the log.
    pub fields: LogFields,
}

/// What a notice reports, of the exact set that its protocol defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeStatus {
    /// The money is there.
    Paid,
    /// Nothing has been paid so far.
    NotYet,
    /// The provider gave the payment up.
    Closed,
    /// The provider gave the money back.
    Refunded,
}

/// Allow-listed names and values, cleaned of control characters and cut.
pub type LogFields = Vec<(&'static str, String)>;

/// What the provider says of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryAnswer {
    /// Its payment, if there is one.
    pub paid: Option<PaidAnswer>,
    /// The provider's own word for the state, for the log.
    pub state: String,
}

/// One payment as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidAnswer {
    /// The provider's transaction id.
    pub transaction: String,
    /// What was paid.
    pub money: Money,
}

/// Why the provider could not be asked. None of these says that an order is unpaid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No answer at all.
    #[error(transparent)]
    Outbound(#[from] OutboundFailure),
    /// An answer other than 200.
    #[error("the provider answered with HTTP status {0}")]
    Status(u16),
    /// Not the JSON of the protocol.
    #[error("the provider's answer is not the protocol's JSON")]
    Unreadable,
    /// The provider refused: an unknown order, a wrong merchant id or key.
    #[error("the provider refused the query: {0}")]
    Refused(String),
    /// The answer is about something else.
    #[error("the provider answered for another order or merchant")]
    Other,
    /// Paid, but no amount can be read.
    #[error("the provider's amount cannot be read")]
    Amount,
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundFailure {
    /// Not in time.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The address may not be reached from here.
    #[error("the provider's address is not allowed: name it in [net] allow_private if it is yours")]
    NotAllowed,
    /// No connection, no TLS, or a broken answer; the text holds no address and no key.
    #[error("the provider could not be reached: {0}")]
    Unreachable(String),
    /// More than the client reads.
    #[error("the provider's answer is too large")]
    TooLarge,
}

/// Money to be given back.
#[derive(Debug, Clone)]
pub struct Refund<'a> {
    /// The order it was paid for.
    pub order: OrderId,
    /// The provider's transaction id.
    pub transaction: &'a str,
    /// How much of it.
    pub money: Money,
}

/// What the provider says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAnswer {
    /// The provider's id of the refund, if it gives one.
    pub refund: Option<String>,
}

/// Why a refund was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundError {
    /// The protocol has no refund here: a person does it at the provider.
    #[error("this channel cannot refund by itself: refund at the provider, then mark it done")]
    Unsupported,
}

/// A whole answer to a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// HTTP status.
    pub status: http::StatusCode,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: &'static str,
}
