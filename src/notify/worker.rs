//! The worker that empties the outbox.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FutureExt, Shared};
use futures_util::{StreamExt, stream};
use http::{Request, StatusCode};

use super::webhook::{Event, WebhookConfig, call_id};
use crate::actions::{PendingEffect, Shop};
use crate::domain::Effect;
use crate::net::Client;

/// Makes one call. Implementations bound its time and follow no redirect.
pub trait WebhookSender: Send + Sync {
    /// The answer's status, or why there is none; the text holds no address and no secret.
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<StatusCode, String>> + Send + '_>>;
}

/// Delivers what the shop promised.
pub struct Worker {
    shop: Arc<Shop>,
    sender: Arc<dyn WebhookSender>,
    config: Option<WebhookConfig>,
    /// Delivered, and not yet marked so because the store could not be written: never sent again by this process.
    unmarked: Mutex<BTreeSet<u64>>,
}

/// Effects taken in one pass.
const EFFECTS_MAX: usize = 50;
/// Calls at a time.
const AT_A_TIME: usize = 4;
/// Longest time between two looks into the outbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Worker {
    /// A worker that sends through `sender`; without `config` it has nobody to tell.
    pub fn new(
        shop: Arc<Shop>,
        sender: Arc<dyn WebhookSender>,
        config: Option<WebhookConfig>,
    ) -> Self {
        Self {
            shop,
            sender,
            config,
            unmarked: Mutex::default(),
        }
    }

    /// Works until `shutdown` is ready; calls under way are finished first, which their sender bounds in time.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let shutdown = shutdown.boxed().shared();
        let Some(config) = self.config.clone() else {
            shutdown.await;
            return;
        };
        let mut changes = self.shop.changes();
        loop {
            let more = self.pass(&config, &shutdown).await;
            if shutdown.peek().is_some() {
                return;
            }
            if more {
                continue;
            }
            tokio::select! {
                () = shutdown.clone() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                // Also when some were missed: all that counts is that there were some. The shop lives, so it never closes.
                _ = changes.recv() => {}
            }
        }
    }

    /// One look into the outbox. Whether more may be due at once.
    async fn pass(
        &self,
        config: &WebhookConfig,
        shutdown: &Shared<impl Future<Output = ()>>,
    ) -> bool {
        // What cannot be marked would be sent again and again.
        if self.shop.store().readonly() {
            return false;
        }
        let due = match self.shop.effects_due(EFFECTS_MAX) {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                return false;
            }
        };
        let full = due.len() == EFFECTS_MAX;
        let marked = stream::iter(due)
            .take_until(shutdown.clone())
            .map(|pending| self.deliver(config, pending))
            .buffer_unordered(AT_A_TIME)
            // To the end, so that no call under way is dropped.
            .fold(true, |all, marked| async move { all && marked })
            .await;
        full && marked
    }

    /// Makes the call of one effect and marks it. Whether it could be marked.
    async fn deliver(&self, config: &WebhookConfig, pending: PendingEffect) -> bool {
        let effect = &pending.effect;
        let delivered = self.unmarked().contains(&effect.id);
        let outcome = if delivered {
            Ok(())
        } else {
            self.call(config, &pending).await
        };
        let marked = match outcome {
            Ok(()) => {
                self.unmarked().insert(effect.id);
                let marked = self.shop.effect_kept(effect.id).await;
                if marked.is_ok() {
                    self.unmarked().remove(&effect.id);
                }
                marked.map(drop)
            }
            Err(error) => self.fail(effect, &error).await,
        };
        if let Err(error) = &marked {
            tracing::error!(effect.id, %error, "an attempt of the outbox could not be recorded");
        }
        marked.is_ok()
    }

    async fn call(&self, config: &WebhookConfig, pending: &PendingEffect) -> Result<(), String> {
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

    async fn fail(&self, effect: &Effect, error: &str) -> Result<(), crate::store::Fault> {
        let dead = self.shop.effect_failed(effect.id, error).await?;
        let (kind, attempt) = (effect.kind.as_str(), effect.attempts + 1);
        let order = effect.order.map(|order| order.to_string());
        if dead {
            tracing::error!(
                effect.id,
                kind,
                order,
                attempt,
                error,
                "the merchant could not be told: the message stays for a person"
            );
        } else {
            tracing::warn!(
                effect.id,
                kind,
                order,
                attempt,
                error,
                "the merchant could not be told yet"
            );
        }
        Ok(())
    }

    fn unmarked(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.unmarked.lock().unwrap_or_else(PoisonError::into_inner)
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
