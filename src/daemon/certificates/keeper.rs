//! Keeps the certificate good, one look at a time.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Ca;
use crate::{
    actions::{KeptCertificate, Renewal, ServedCertificate, Shop},
    daemon::{Ending, telemetry::Metrics},
    domain::{
        renewal::{Lifetime, Window, hsts_max_age_s},
        seams::random,
    },
    net::{
        CertificateFacts, TlsServer,
        acme::{AcmeError, AcmeErrorKind, Issued, Method, Profile, RenewalInfo, Wanted},
        certificate::RenewalId,
    },
    store::Fault,
    web::Hsts,
};

/// Looks after the certificate that is served.
pub(in crate::daemon) struct Keeper {
    pub(super) shop: Arc<Shop>,
    pub(super) tls: TlsServer,
    pub(super) hsts: Arc<Hsts>,
    pub(super) metrics: Arc<Metrics>,
    /// What is ordered, and where; none where somebody else renews.
    pub(super) order: Option<Order>,
    /// Whether the certificate is from files.
    pub(super) files: bool,
}

/// What is ordered, and where.
pub(in crate::daemon) struct Order {
    pub(super) ca: Arc<dyn Ca>,
    pub(super) directory: String,
    pub(super) names: Vec<String>,
    pub(super) profile: Profile,
    /// The preferred way first.
    pub(super) methods: Vec<Method>,
    /// How long an order, or a question, may take in all.
    pub(super) patience: Duration,
}

/// Between two looks. A look reads one row.
const LOOK_EVERY: Duration = Duration::from_secs(3);
const HOUR_MS: i64 = 3_600_000;
/// Source of certificates that are read from files.
const FILES: &str = "files";
const PANICKED: &str = "the authority's answers are none that the shop can follow: look whether [tls] acme_directory is an ACME directory (the log of standard error has more)";
const ENDLESS: &str = "the authority cannot be used now: it did not come to an end in time; another [tls] acme_directory can be taken";
const UNFINISHED: &str = "the attempt did not come to its end: the shop was stopped";

impl Keeper {
    /// Lets browsers and numbers know what was known at the end of the last run, before anybody is answered.
    ///
    /// # Errors
    /// [`Fault`] where the store does not give what is known of renewals.
    pub(in crate::daemon) fn begin(&self) -> Result<(), Fault> {
        let (renewal, _) = self.known()?;
        self.set_numbers(&renewal);
        if let Some(order) = &self.order {
            tracing::info!(
                names = order.names.join(", "),
                authority = order.directory,
                failures = renewal.failures,
                next = shown(renewal.next_at_ms().max(self.shop.now_ms())),
                "the certificate is kept"
            );
        }
        Ok(())
    }

    /// Looks until the end. An order that is under way then is given up. Neither a fault nor a panic ends it; one that is as the one
    /// before is told once.
    pub(in crate::daemon) async fn run(self, ending: Ending) {
        let mut told = None;
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = ending.wait() => return,
                _ = tick.tick() => {}
            }
            let look = tokio::select! {
                () = ending.wait() => return,
                look = AssertUnwindSafe(self.look()).catch_unwind() => look,
            };
            let error = match look {
                Ok(Ok(())) => None,
                Ok(Err(fault)) => Some(fault.to_string()),
                Err(_) => Some(PANICKED.to_owned()),
            };
            if let Some(error) = error.as_ref().filter(|_| error != told) {
                tracing::error!(error, "the certificate's renewal cannot be kept");
            }
            told = error;
        }
    }

    /// Does what is due now.
    ///
    /// # Errors
    /// [`Fault`] where the store does not take or give what is known of renewals.
    pub(super) async fn look(&self) -> Result<(), Fault> {
        let (mut renewal, is_changed) = self.known()?;
        if self.shop.store().readonly() {
            // What cannot be kept is neither told of, which would be without end, nor ordered: authorities count.
            self.set_numbers(&renewal);
            return Ok(());
        }
        if is_changed {
            self.shop.keep_renewal(&renewal).await?;
        }
        if self.order.is_none() && self.files {
            self.note_files(&mut renewal).await?;
        }
        // Before the network, too: no authority keeps an alarm back.
        self.tell(&mut renewal).await?;
        if let Some(order) = &self.order {
            self.ask_window(order, &mut renewal).await?;
            self.renew(order, &mut renewal).await?;
            self.tell(&mut renewal).await?;
        }
        Ok(())
    }

    /// What is known of renewals, held against the clock, the settings and the certificate that is served; and whether that made
    /// a difference.
    fn known(&self) -> Result<(Renewal, bool), Fault> {
        let (mut renewal, now_ms) = (self.shop.renewal()?, self.shop.now_ms());
        let mut is_changed = renewal.believe(now_ms);
        match &self.order {
            Some(order) => {
                let serial = self.tls.facts().map(|facts| facts.serial);
                // One from files is served no more, nor is one that could not be taken up again at the start.
                let is_gone = |served: &mut ServedCertificate| {
                    served.source == FILES
                        || serial
                            .as_ref()
                            .is_some_and(|serial| served.serial != *serial)
                };
                is_changed |= renewal.served.take_if(is_gone).is_some();
                is_changed |= renewal.want(&order.directory, &order.names);
            }
            None if self.files => is_changed |= renewal.wanted.take().is_some(),
            None => {}
        }
        // An alarm of a clock that was ahead was never sent: the true one is still to come.
        if !renewal.is_overdue(now_ms) {
            is_changed |= renewal.alarmed_for.take().is_some();
        }
        Ok((renewal, is_changed))
    }

    /// Asks the authority when it wants the certificate renewed.
    async fn ask_window(&self, order: &Order, renewal: &mut Renewal) -> Result<(), Fault> {
        let now_ms = self.shop.now_ms();
        let Some(id) = self.replaceable(order, renewal) else {
            return Ok(());
        };
        if now_ms < renewal.ask_at_ms || renewal.fitting().is_none() {
            return Ok(());
        }
        let answer = bounded(order.patience, order.ca.renewal_info(&id)).await;
        match answer.unwrap_or_else(Err) {
            Ok(Some(info)) => self.take_window(renewal, info),
            Ok(None) => {
                renewal.window = None;
                renewal.ask_at_ms = now_ms + 24 * HOUR_MS;
            }
            // The last window holds; half of the life is the bound without one.
            Err(error) => {
                tracing::debug!(%error, "no renewal information for now");
                let wait = error.retry_after.unwrap_or_default().as_millis() as i64;
                renewal.ask_at_ms = now_ms + wait.clamp(6 * HOUR_MS, 24 * HOUR_MS);
            }
        }
        self.shop.keep_renewal(renewal).await
    }

    fn take_window(&self, renewal: &mut Renewal, info: RenewalInfo) {
        let window = Window {
            start_ms: info.start_ms,
            end_ms: info.end_ms,
        };
        if renewal.window != Some(window) {
            renewal.window = Some(window);
            renewal.draw = u32::from_le_bytes(random(self.shop.vault().entropy()));
            if let Some(page) = &info.explanation {
                tracing::info!(
                    page,
                    "the authority has another time for the certificate's renewal"
                );
            }
        }
        renewal.explanation = info.explanation;
        renewal.ask_at_ms = self.shop.now_ms() + info.ask_again.as_millis() as i64;
    }

    /// Orders a certificate if one is due.
    async fn renew(&self, order: &Order, renewal: &mut Renewal) -> Result<(), Fault> {
        if renewal.asking_since_ms.is_some() {
            self.count_failure(renewal, UNFINISHED, None);
            self.shop.keep_renewal(renewal).await?;
        }
        let asked = self.shop.is_certificate_asked_for()?;
        if !asked && self.shop.now_ms() < renewal.next_at_ms() {
            return Ok(());
        }
        renewal.asking_since_ms = Some(self.shop.now_ms());
        self.shop.keep_renewal(renewal).await?;
        if asked {
            self.shop.take_certificate_request().await?;
        }
        let issued = match bounded(order.patience, self.issue(order, renewal)).await {
            Ok(issued) => issued?.and_then(|issued| self.fresh(issued)),
            Err(error) => Err(error),
        };
        match issued {
            Ok(issued) => self.serve(order, renewal, issued).await,
            Err(error) => {
                let wait_ms = error.retry_after.map(|wait| wait.as_millis() as i64);
                self.count_failure(renewal, &error.message, wait_ms);
                self.say_failure(renewal, &error);
                self.shop.keep_renewal(renewal).await
            }
        }
    }

    fn count_failure(&self, renewal: &mut Renewal, error: &str, retry_after_ms: Option<i64>) {
        let [jitter] = random(self.shop.vault().entropy());
        renewal.fail(error.to_owned(), retry_after_ms, self.shop.now_ms(), jitter);
    }

    /// Asks the authority, with a new account where it knows none of ours.
    async fn issue(
        &self,
        order: &Order,
        renewal: &Renewal,
    ) -> Result<Result<Issued, AcmeError>, Fault> {
        let wanted = Wanted {
            names: order.names.clone(),
            profile: order.profile.clone(),
            methods: methods(order, renewal),
            replaces: self.replaceable(order, renewal),
        };
        if let Some(account) = self.shop.acme_account(&order.directory)? {
            match order.ca.issue(&account, &wanted).await {
                Err(error) if error.kind == AcmeErrorKind::Account => {
                    self.shop.keep_acme_account(&order.directory, None).await?;
                }
                other => return Ok(other),
            }
        }
        let account = match order.ca.register().await {
            Ok(account) => account,
            Err(error) => return Ok(Err(error)),
        };
        let kept = Some(&account);
        self.shop.keep_acme_account(&order.directory, kept).await?;
        Ok(order.ca.issue(&account, &wanted).await)
    }

    /// A certificate that can be served for a while.
    fn fresh(&self, issued: Issued) -> Result<Issued, AcmeError> {
        let now_ms = self.shop.now_ms();
        let life = life(&issued.facts);
        if life.is_fresh(now_ms) {
            return Ok(issued);
        }
        let (from, to) = (shown(life.not_before_ms), shown(life.not_after_ms));
        Err(AcmeError {
            kind: AcmeErrorKind::Other,
            message: format!(
                "what the authority signed is good from {from} to {to}, and here it is {}: set this machine's clock right, or take another [tls] acme_directory",
                shown(now_ms)
            ),
            retry_after: None,
        })
    }

    /// Keeps a new certificate, and serves it from the next connection on.
    async fn serve(
        &self,
        order: &Order,
        renewal: &mut Renewal,
        issued: Issued,
    ) -> Result<(), Fault> {
        let served = served(&issued.facts, order.names.clone(), &order.directory);
        renewal.proved_by = issued
            .proved_by
            .map(|method| method.as_str().to_owned())
            .or(renewal.proved_by.take());
        renewal.succeed(served, self.shop.now_ms());
        let kept = KeptCertificate {
            chain: issued.chain,
            key: issued.key,
        };
        self.shop.keep_certificate(&kept, renewal).await?;
        match self.tls.install(&kept.chain, &kept.key) {
            Ok(()) => tracing::info!(
                names = order.names.join(", "),
                issuer = issued.facts.issuer,
                until = shown(issued.facts.not_after_ms),
                "a new certificate is served"
            ),
            Err(error) => tracing::error!(%error, "the new certificate cannot be served"),
        }
        Ok(())
    }

    /// The identifier of the certificate that is kept, where this authority signed it.
    fn replaceable(&self, order: &Order, renewal: &Renewal) -> Option<RenewalId> {
        let served = renewal.served.as_ref()?;
        let facts = self.tls.facts()?;
        let is_it = served.source == order.directory && served.serial == facts.serial;
        facts.renewal_id.filter(|_| is_it)
    }

    /// Files that hold another certificate than before are a renewal by somebody else.
    async fn note_files(&self, renewal: &mut Renewal) -> Result<(), Fault> {
        let Some(facts) = self.tls.facts() else {
            return Ok(());
        };
        let known =
            |served: &ServedCertificate| served.source == FILES && served.serial == facts.serial;
        if renewal.served.as_ref().is_some_and(known) {
            return Ok(());
        }
        let mut names = facts.names.clone();
        names.sort();
        renewal.succeed(served(&facts, names, FILES), self.shop.now_ms());
        self.shop.keep_renewal(renewal).await
    }

    /// Lets browsers and numbers know. Whether a renewal is overdue.
    fn set_numbers(&self, renewal: &Renewal) -> bool {
        let facts = self.tls.facts();
        if let Some(facts) = &facts {
            let expires_s = facts.not_after_ms / 1_000;
            self.metrics
                .certificate_expires_timestamp_seconds
                .set(expires_s);
        }
        let is_kept = self.order.is_some() || self.files;
        let is_overdue = is_kept && renewal.is_overdue(self.shop.now_ms());
        let has_authority = is_kept
            && renewal.fitting().is_some()
            && facts.is_some_and(|facts| !facts.is_self_signed);
        let max_age_s = hsts_max_age_s(has_authority, renewal.good_renewals, is_overdue);
        self.hsts.set(max_age_s);
        is_overdue
    }

    /// Lets browsers and numbers know, and raises the alarm once for each certificate.
    async fn tell(&self, renewal: &mut Renewal) -> Result<(), Fault> {
        let is_overdue = self.set_numbers(renewal);
        let of = renewal.fitting().map(|served| served.serial.clone());
        let of = of.unwrap_or_default();
        if !is_overdue || renewal.alarmed_for.as_ref() == Some(&of) {
            return Ok(());
        }
        let until = renewal.fitting().map(|one| one.life.not_after_ms);
        tracing::error!(
            until = until.map(shown),
            error = renewal.last_error,
            "the certificate was not renewed in time: `keystall doctor` says what to do"
        );
        renewal.alarmed_for = Some(of);
        self.shop.raise_certificate_alarm(renewal).await
    }

    fn say_failure(&self, renewal: &Renewal, error: &AcmeError) {
        let now_ms = self.shop.now_ms();
        let served = renewal
            .served
            .as_ref()
            .map(|served| served.life.not_after_ms);
        let served = match served {
            // For other names, or of another authority.
            Some(_) if renewal.fitting().is_none() => "one that is not what is wanted",
            Some(until_ms) if until_ms <= now_ms => "one that has run out",
            Some(_) => "the one before",
            None => "a self-signed one",
        };
        tracing::warn!(
            error = error.message,
            failures = renewal.failures,
            next = shown(renewal.wait_until_ms),
            served,
            "no new certificate"
        );
    }
}

/// One way of proof for each attempt, so that an attempt is one look at each name: the one that worked last or is preferred, and
/// after each failure the next. The others follow, for authorities that do not offer it.
fn methods(order: &Order, renewal: &Renewal) -> Vec<Method> {
    let mut methods = order.methods.clone();
    let known = renewal.proved_by.as_deref().and_then(Method::parse);
    if let Some(at) = methods.iter().position(|method| Some(*method) == known) {
        methods.rotate_left(at);
    }
    let turned = renewal.failures as usize % methods.len().max(1);
    methods.rotate_left(turned);
    methods
}

/// Waits for an authority, but not for ever, and stands what its answers do to the library.
async fn bounded<T>(patience: Duration, asked: impl Future<Output = T>) -> Result<T, AcmeError> {
    let (kind, message) = match timeout(patience, AssertUnwindSafe(asked).catch_unwind()).await {
        Ok(Ok(answer)) => return Ok(answer),
        // What it said went to standard error by the panic hook.
        Ok(Err(_)) => (AcmeErrorKind::Other, PANICKED),
        Err(_) => (AcmeErrorKind::Unreachable, ENDLESS),
    };
    Err(AcmeError {
        kind,
        message: message.to_owned(),
        retry_after: None,
    })
}

fn life(facts: &CertificateFacts) -> Lifetime {
    Lifetime {
        not_before_ms: facts.not_before_ms,
        not_after_ms: facts.not_after_ms,
    }
}

fn served(facts: &CertificateFacts, names: Vec<String>, source: &str) -> ServedCertificate {
    ServedCertificate {
        serial: facts.serial.clone(),
        life: life(facts),
        names,
        source: source.to_owned(),
    }
}

/// A time for the log.
fn shown(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .map(|at| at.to_string())
        .unwrap_or_default()
}
