//! The sandbox cashier of `keystall demo`: a gateway that speaks epay V1 (payments.md, section 1) as real ones do, with
//! their habits: money as PHP prints floats, names replaced by "product", notices repeated until the body says success.
//!
//! Owns its orders in memory, its pages and its notices. It is written separately from [`crate::pay`]: they share no code, so
//! that a misreading of the protocol in one of them shows in the other. Both are held to the same vectors.
//!
//! It never moves money, never keeps anything on disk, and never opens a socket itself: notices leave by its [`Notifier`].

mod handlers;
mod notices;
mod orders;
mod pages;
mod sign;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;

use crate::domain::secret::Secret;

/// What the cashier's one merchant has been given.
#[derive(Debug, Clone)]
pub struct CashierConfig {
    /// The merchant's id.
    pub pid: String,
    /// The key both sides sign with. With an empty one every signature is refused.
    pub key: Secret,
    /// Where buyers reach the cashier, like `http://127.0.0.1:8444`.
    pub base_url: String,
}

/// Takes notices to the merchant.
pub trait Notifier: Send + Sync {
    /// Asks for `address` and gives status and body; redirects are not followed.
    fn notify(&self, address: String) -> NotifierFuture<'_>;
}

/// Status and body, or why there are none.
pub type NotifierFuture<'a> =
    Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), String>> + Send + 'a>>;

/// Milliseconds since 1970.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The cashier; clones are the same one.
#[derive(Clone)]
pub struct Cashier(Arc<Inner>);

struct Inner {
    config: CashierConfig,
    notifier: Arc<dyn Notifier>,
    now_ms: NowMs,
    orders: Mutex<orders::Orders>,
}

impl Cashier {
    /// A cashier without orders.
    pub fn new(mut config: CashierConfig, notifier: Arc<dyn Notifier>, now_ms: NowMs) -> Self {
        config
            .base_url
            .truncate(config.base_url.trim_end_matches('/').len());
        Self(Arc::new(Inner {
            config,
            notifier,
            now_ms,
            orders: Mutex::default(),
        }))
    }

    /// Its pages: `submit.php`, `mapi.php`, `api.php` and the page that pays.
    pub fn router(&self) -> Router {
        handlers::router(self.clone())
    }

    /// Repeats unanswered notices on the protocol's schedule until `shutdown` completes.
    pub async fn run_retries(&self, shutdown: impl Future<Output = ()> + Send) {
        notices::run(self, shutdown).await;
    }

    fn now_ms(&self) -> i64 {
        (self.0.now_ms)()
    }

    fn config(&self) -> &CashierConfig {
        &self.0.config
    }

    fn orders(&self) -> MutexGuard<'_, orders::Orders> {
        // Every method of `Orders` leaves it whole, so the state after a panic elsewhere is good.
        self.0
            .orders
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
