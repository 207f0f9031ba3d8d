//! The certificate as it is kept with the shop: the authority's account, the chain and its key, all sealed, and what is known of
//! its renewals.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::open_shop::{Shop, unwritten};
use crate::domain::renewal::{self, Lifetime, Window};
use crate::domain::{EffectKind, Secret};
use crate::store::{Fault, Rows, Tx, WriteError};

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct KeptCertificate {
    /// The chain, the shop's certificate first.
    pub chain: String,
    /// Its private key.
    pub key: Secret,
}

/// What is known of the certificate's renewals; times in Unix milliseconds. A later version may know more: what is missing is as
/// in a new shop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Renewal {
    /// The certificate that was served last, of an authority or from files.
    pub served: Option<ServedCertificate>,
    /// What an authority is asked for; none where somebody else renews. All that failed was for this.
    pub wanted: Option<WantedCertificate>,
    /// When a certificate was ordered last and came.
    pub renewed_at_ms: i64,
    /// Renewals in a row that came in time.
    pub good_renewals: u32,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// Since when.
    pub failing_since_ms: Option<i64>,
    /// Why the last one did: one line that says what to do.
    pub last_error: Option<String>,
    /// Since when an attempt is under way. Kept before it begins: a shop that ends over it must not ask again without pause.
    pub asking_since_ms: Option<i64>,
    /// When the last one did.
    pub failed_at_ms: i64,
    /// No attempt before this, because of failures.
    pub wait_until_ms: i64,
    /// The authority's window of renewal.
    pub window: Option<Window>,
    /// When a certificate was last replaced before half of its life.
    pub early_at_ms: Option<i64>,
    /// Where in the window, drawn once for each window.
    pub draw: u32,
    /// The authority's page on its window.
    pub explanation: Option<String>,
    /// When to ask the authority for the window again.
    pub ask_at_ms: i64,
    /// The way of proof that worked last, by its name in the protocol.
    pub proved_by: Option<String>,
    /// The certificate, by its serial number, of which the merchant was told that it is overdue; empty for a first that never came.
    pub alarmed_for: Option<String>,
}

/// What an authority is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedCertificate {
    /// The names, in their order.
    pub names: Vec<String>,
    /// The directory of the authority.
    pub source: String,
}

/// A certificate that the shop served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedCertificate {
    /// Its serial number, hex.
    pub serial: String,
    /// When it is good.
    pub life: Lifetime,
    /// What it was ordered for.
    pub names: Vec<String>,
    /// Where it is from: the directory of an authority, or `files`.
    pub source: String,
}

/// What the merchant is told of a certificate that was not renewed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAlarm {
    /// When it runs out; none where there never was one for these names.
    pub until_ms: Option<i64>,
    /// Why the last attempt failed, in English; empty where none was made.
    pub reason: String,
}

/// The account with an authority.
#[derive(Serialize, Deserialize)]
struct Account {
    directory: String,
    #[serde(with = "text")]
    credentials: Zeroizing<String>,
}

/// As it is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    chain: String,
    #[serde(with = "text")]
    key: Zeroizing<String>,
}

/// Rows of the shop's meta table, and purpose of the key that seals them.
pub(super) const ACCOUNT: &str = "acme account";
pub(super) const CERTIFICATE: &str = "certificate";
pub(super) const RENEWAL: &str = "certificate renewal";
const ASKED: &str = "certificate asked for";
pub(super) const PURPOSE: &str = "certificate";

/// Longest that an authority's window is not asked for (RFC 9773, section 4.3.2).
const ASK_MAX_MS: i64 = 24 * 3_600_000;

impl Renewal {
    /// Wants a certificate of `source` for `names` from now on. Whether that is something else than before: then what failed, and
    /// what it is waited for, was about the other, and is forgotten.
    pub fn want(&mut self, source: &str, names: &[String]) -> bool {
        let is_same = |wanted: &WantedCertificate| wanted.source == source && wanted.names == names;
        if self.wanted.as_ref().is_some_and(is_same) {
            return false;
        }
        *self = Self {
            served: self.served.take(),
            wanted: Some(WantedCertificate {
                names: names.to_vec(),
                source: source.to_owned(),
            }),
            good_renewals: self.good_renewals,
            asking_since_ms: self.asking_since_ms,
            early_at_ms: self.early_at_ms,
            ..Self::default()
        };
        true
    }

    /// Brings times that a clock once ahead left behind to where they can be at `now_ms`. Whether there were any.
    pub fn believe(&mut self, now_ms: i64) -> bool {
        let before = (self.wait_until_ms, self.ask_at_ms, self.failing_since_ms);
        let (renewed_ms, early_ms) = (self.renewed_at_ms, self.early_at_ms);
        self.wait_until_ms =
            renewal::believed_wait_ms(self.failed_at_ms, self.wait_until_ms, now_ms);
        self.failed_at_ms = self.failed_at_ms.min(now_ms);
        self.ask_at_ms = self.ask_at_ms.min(now_ms.saturating_add(ASK_MAX_MS));
        self.failing_since_ms = self.failing_since_ms.map(|since_ms| since_ms.min(now_ms));
        self.renewed_at_ms = renewed_ms.min(now_ms);
        self.early_at_ms = early_ms.map(|early_ms| early_ms.min(now_ms));
        before != (self.wait_until_ms, self.ask_at_ms, self.failing_since_ms)
            || (renewed_ms, early_ms) != (self.renewed_at_ms, self.early_at_ms)
    }

    /// Takes `next` as the certificate that is served from now on. A renewal in time counts; a first certificate, one from
    /// elsewhere and one for other names begin anew; one that came otherwise leaves the count.
    pub fn succeed(&mut self, next: ServedCertificate, now_ms: i64) {
        let before = self.served.take();
        self.good_renewals = match &before {
            Some(old) if old.source != next.source || old.names != next.names => 0,
            Some(old) if old.life.is_well_followed_by(next.life, now_ms) => self.good_renewals + 1,
            Some(_) => self.good_renewals,
            None => 0,
        };
        let is_early = before.is_some_and(|old| now_ms < old.life.half_ms());
        *self = Self {
            served: Some(next),
            wanted: self.wanted.take(),
            renewed_at_ms: now_ms,
            good_renewals: self.good_renewals,
            early_at_ms: is_early.then_some(now_ms),
            proved_by: self.proved_by.take(),
            ..Self::default()
        };
    }

    /// Counts an attempt that failed at `now_ms`, with the authority's word of when to come again.
    pub fn fail(&mut self, error: String, retry_after_ms: Option<i64>, now_ms: i64, jitter: u8) {
        self.asking_since_ms = None;
        self.failures = self.failures.saturating_add(1);
        self.failing_since_ms.get_or_insert(now_ms);
        self.failed_at_ms = now_ms;
        self.last_error = Some(error);
        self.wait_until_ms = now_ms + renewal::wait_ms(self.failures, retry_after_ms, jitter);
    }

    /// When the next certificate is to be ordered: at once where there is none of the kind that is wanted.
    pub fn next_at_ms(&self) -> i64 {
        let due_ms = self.fitting().map_or(0, |served| {
            let life = served.life;
            life.renew_at_ms(self.window, self.draw, self.early_at_ms)
        });
        // No success is followed by another order at once, whatever certificates and windows say.
        let pause_ms = match &self.served {
            _ if self.renewed_at_ms == 0 => 0,
            Some(served) => served.life.pause_ms(),
            None => renewal::PAUSE_MS,
        };
        let paused_ms = self.renewed_at_ms.saturating_add(pause_ms);
        due_ms.max(self.wait_until_ms).max(paused_ms)
    }

    /// Whether the merchant is to know that something is wrong. A certificate for other names, or of another authority, than those
    /// that are wanted counts as none.
    pub fn is_overdue(&self, now_ms: i64) -> bool {
        let life = self.fitting().map(|served| served.life);
        renewal::is_overdue(life, self.failing_since_ms, now_ms)
    }

    /// The certificate that is served, where it is what is wanted.
    pub fn fitting(&self) -> Option<&ServedCertificate> {
        self.served.as_ref().filter(|served| {
            let wanted = self.wanted.as_ref();
            wanted.is_none_or(|wanted| served.fits(&wanted.source, &wanted.names))
        })
    }
}

impl ServedCertificate {
    /// Whether it is what `source` would be asked for.
    pub fn fits(&self, source: &str, names: &[String]) -> bool {
        self.source == source && self.names == names
    }
}

impl Shop {
    /// The account with the authority of `directory`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn acme_account(&self, directory: &str) -> Result<Option<Secret>, Fault> {
        let account: Option<Account> = self.certificate_row(ACCOUNT)?;
        Ok(account
            .filter(|account| account.directory == directory)
            .map(|account| Secret::from(account.credentials.as_str())))
    }

    /// Keeps the account with the authority of `directory`, in place of any other; none forgets it.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn keep_acme_account(
        &self,
        directory: &str,
        account: Option<&Secret>,
    ) -> Result<(), Fault> {
        let row = account.map(|account| Account {
            directory: directory.to_owned(),
            credentials: Zeroizing::new(account.expose_str().unwrap_or_default().to_owned()),
        });
        let sealed = row.map(|row| self.sealed(ACCOUNT, &row));
        self.write_rows(move |tx| match &sealed {
            Some(sealed) => tx.put_meta(ACCOUNT, sealed),
            None => tx.remove_meta(ACCOUNT),
        })
        .await
    }

    /// The certificate of an authority that is kept.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn certificate(&self) -> Result<Option<KeptCertificate>, Fault> {
        let kept: Option<Sealed> = self.certificate_row(CERTIFICATE)?;
        Ok(kept.map(|kept| KeptCertificate {
            chain: kept.chain,
            key: Secret::from(kept.key.as_str()),
        }))
    }

    /// Keeps a new certificate, together with what is known of renewals since.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn keep_certificate(
        &self,
        certificate: &KeptCertificate,
        renewal: &Renewal,
    ) -> Result<(), Fault> {
        let row = Sealed {
            chain: certificate.chain.clone(),
            key: Zeroizing::new(certificate.key.expose_str().unwrap_or_default().to_owned()),
        };
        let (sealed, renewal) = (
            self.sealed(CERTIFICATE, &row),
            self.sealed(RENEWAL, renewal),
        );
        self.write_rows(move |tx| {
            tx.put_meta(CERTIFICATE, &sealed)?;
            tx.put_meta(RENEWAL, &renewal)
        })
        .await
    }

    /// What is known of renewals.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn renewal(&self) -> Result<Renewal, Fault> {
        Ok(self.certificate_row(RENEWAL)?.unwrap_or_default())
    }

    /// Keeps what is known of renewals.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn keep_renewal(&self, renewal: &Renewal) -> Result<(), Fault> {
        let sealed = self.sealed(RENEWAL, renewal);
        self.write_rows(move |tx| tx.put_meta(RENEWAL, &sealed))
            .await
    }

    /// Keeps `renewal` and promises to tell the merchant what [`Shop::certificate_alarm`] says when it is sent.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn raise_certificate_alarm(&self, renewal: &Renewal) -> Result<(), Fault> {
        let (sealed, tell) = (self.sealed(RENEWAL, renewal), self.policy.tell);
        self.write_rows(move |tx| {
            tx.put_meta(RENEWAL, &sealed)?;
            tell.merchant().try_for_each(|via| {
                tx.promise_with(EffectKind::CertificateOverdue, via, None, 0, |_| {
                    Ok(Vec::new())
                })
            })
        })
        .await
    }

    /// What is wrong with the certificate now; none once it is as it should be.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn certificate_alarm(&self) -> Result<Option<CertificateAlarm>, Fault> {
        let renewal = self.renewal()?;
        Ok(renewal.is_overdue(self.now_ms()).then(|| CertificateAlarm {
            until_ms: renewal.fitting().map(|served| served.life.not_after_ms),
            reason: renewal.last_error.unwrap_or_default(),
        }))
    }

    /// Asks for a new certificate now, whatever the one that is served says.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn ask_for_certificate(&self) -> Result<(), Fault> {
        self.write_rows(|tx| tx.put_meta(ASKED, b"1")).await
    }

    /// Whether somebody asked for a new certificate.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn is_certificate_asked_for(&self) -> Result<bool, Fault> {
        Ok(self.store.read()?.meta(ASKED)?.is_some())
    }

    /// Somebody asked, and it is being done: asked no more.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn take_certificate_request(&self) -> Result<(), Fault> {
        self.write_rows(|tx| tx.remove_meta(ASKED)).await
    }

    fn certificate_row<T: for<'de> Deserialize<'de>>(
        &self,
        row: &'static str,
    ) -> Result<Option<T>, Fault> {
        let Some(sealed) = self.store.read()?.meta(row)? else {
            return Ok(None);
        };
        let opened = self.vault.open_for(PURPOSE, row.as_bytes(), &sealed).ok();
        let value = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
        if value.is_none() {
            // All of it can be had again: a shop that does not sell is worse than one more order.
            tracing::error!(
                row,
                "what is kept of the certificate cannot be read: it is fetched anew"
            );
        }
        Ok(value)
    }

    fn sealed(&self, row: &str, value: &impl Serialize) -> Vec<u8> {
        // Structs of numbers and texts always serialize.
        let plain = Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
        self.vault.seal_for(PURPOSE, row.as_bytes(), &plain)
    }

    async fn write_rows(
        &self,
        write: impl Fn(&mut Tx<'_>) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> { Ok(write(tx)?) });
        write.answer().await.map_err(unwritten)
    }
}

/// Texts that leave memory when they are dropped.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        text: &Zeroizing<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(from).map(Zeroizing::new)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::TestShop;

    const DAY_MS: i64 = 86_400_000;

    fn served(serial: &str, from_ms: i64, source: &str) -> ServedCertificate {
        ServedCertificate {
            serial: serial.into(),
            life: Lifetime {
                not_before_ms: from_ms,
                not_after_ms: from_ms + 90 * DAY_MS,
            },
            names: vec!["shop.example".into()],
            source: source.into(),
        }
    }

    #[tokio::test]
    async fn account_certificate_and_renewals_are_there_after_a_restart_and_nowhere_in_the_clear() {
        let test = TestShop::new();
        let shop = &test.shop;
        assert_eq!(shop.renewal().unwrap(), Renewal::default());
        let account = Secret::from("{\"key\":\"SECRET-ACCOUNT\"}");
        shop.keep_acme_account("https://ca/dir", Some(&account))
            .await
            .unwrap();
        let kept = KeptCertificate {
            chain: "CHAIN".into(),
            key: Secret::from("SECRET-KEY"),
        };
        let mut renewal = Renewal::default();
        renewal.succeed(served("01", 0, "https://ca/dir"), 0);
        shop.keep_certificate(&kept, &renewal).await.unwrap();
        let test = test.reopen();
        let shop = &test.shop;
        let account = shop.acme_account("https://ca/dir").unwrap().unwrap();
        assert_eq!(account.expose_str(), Some("{\"key\":\"SECRET-ACCOUNT\"}"));
        assert!(shop.acme_account("https://other/dir").unwrap().is_none());
        let kept = shop.certificate().unwrap().unwrap();
        assert_eq!(
            (kept.chain.as_str(), kept.key.expose_str()),
            ("CHAIN", Some("SECRET-KEY"))
        );
        assert_eq!(shop.renewal().unwrap(), renewal);
        shop.keep_acme_account("https://ca/dir", None)
            .await
            .unwrap();
        assert!(shop.acme_account("https://ca/dir").unwrap().is_none());
        let file = std::fs::read(test.dir.path().join("shop/shop.redb")).unwrap();
        for secret in [&b"SECRET-ACCOUNT"[..], b"SECRET-KEY", b"shop.example\"]"] {
            assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
        }
    }

    #[tokio::test]
    async fn a_row_that_does_not_open_is_as_good_as_none_and_stops_nothing() {
        let test = TestShop::new();
        let shop = &test.shop;
        shop.write_rows(|tx| {
            tx.put_meta(RENEWAL, b"torn")?;
            tx.put_meta(ACCOUNT, b"torn")?;
            tx.put_meta(CERTIFICATE, b"torn")
        })
        .await
        .unwrap();
        assert_eq!(shop.renewal().unwrap(), Renewal::default());
        assert!(shop.certificate().unwrap().is_none());
        assert!(shop.acme_account("ca").unwrap().is_none());
    }

    #[test]
    fn a_renewal_in_time_counts_and_another_source_begins_anew() {
        let mut renewal = Renewal::default();
        renewal.succeed(served("1", 0, "ca"), 0);
        assert_eq!(renewal.good_renewals, 0, "the first is no renewal");
        renewal.fail("no".into(), None, 44 * DAY_MS, 0);
        renewal.succeed(served("2", 45 * DAY_MS, "ca"), 45 * DAY_MS);
        assert_eq!((renewal.good_renewals, renewal.failures), (1, 0));
        renewal.succeed(served("3", 46 * DAY_MS, "ca"), 46 * DAY_MS);
        assert_eq!(renewal.good_renewals, 1, "tried out by hand");
        renewal.succeed(served("4", 90 * DAY_MS, "ca"), 91 * DAY_MS);
        assert_eq!(renewal.good_renewals, 2);
        renewal.succeed(served("5", 135 * DAY_MS, "staging"), 136 * DAY_MS);
        assert_eq!(renewal.good_renewals, 0);
    }

    #[test]
    fn a_certificate_for_other_names_or_of_another_authority_is_ordered_at_once() {
        let names = vec!["shop.example".to_owned()];
        let mut renewal = Renewal::default();
        assert!(renewal.want("ca", &names));
        assert_eq!(renewal.next_at_ms(), 0);
        renewal.succeed(served("1", DAY_MS, "ca"), DAY_MS);
        assert!(!renewal.want("ca", &names));
        assert_eq!(renewal.next_at_ms(), 46 * DAY_MS);
        let lost = renewal.served.take();
        assert_eq!(renewal.next_at_ms(), DAY_MS + renewal::PAUSE_MS);
        renewal.served = lost;
        renewal.fail("no".into(), None, 46 * DAY_MS, 0);
        assert_eq!(renewal.next_at_ms(), 46 * DAY_MS + 60_000);
        for (source, name) in [("other", "shop.example"), ("ca", "new.example")] {
            assert!(renewal.want(source, &[name.to_owned()]));
            assert_eq!((renewal.next_at_ms(), renewal.failures), (0, 0));
            assert!(renewal.fitting().is_none());
        }
    }
}
