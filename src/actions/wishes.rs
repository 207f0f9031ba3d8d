//! Visitors who want to hear when a product is back: kept sealed, told when there are goods, forgotten after that or in time.
//!
//! No sale and no import tells anybody: the schedule looks which wished products can be bought. So a wish is told however the
//! goods came (import, a reservation that ended, a decision by hand), and also after a crash between the two.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::open_shop::{Shop, unwritten};
use crate::domain::{Contact, EffectKind, Slug, Via};
use crate::store::{Fault, LetterContent, Rows, Wish, WriteError, decode_sealed, encode_sealed};
use crate::vault::Vault;

/// Why a wish was not kept.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// No such product, or not for sale.
    #[error("this product is not for sale")]
    Product,
    /// Not a mail address.
    #[error("a mail address is needed")]
    MailNeeded,
    /// The shop sends no mail.
    #[error("this shop sends no mail")]
    NoMail,
    /// It can be bought now.
    #[error("it can be bought now")]
    Available,
    /// As many wait for it as the shop keeps.
    #[error("too many wait for it already")]
    Full,
    /// Come again in a moment.
    #[error("the shop is busy")]
    Busy,
    /// The shop takes nothing after a disk error.
    #[error("the shop takes nothing at the moment")]
    ReadOnly,
    /// The shop failed.
    #[error(transparent)]
    Fault(Fault),
}

/// When each product's visitors were told last, and since when it can be bought, Unix milliseconds. After a restart a round may come early.
#[derive(Default)]
pub(super) struct WishRounds(Mutex<HashMap<Slug, i64>>, Mutex<HashMap<Slug, i64>>);

/// Purpose of the key that seals wishes.
pub(super) const PURPOSE: &str = "wishes";
/// Wishes kept for one product.
const OF_PRODUCT_MAX: usize = 1_000;
/// Visitors told for each key that is there, in one round: most come too late or changed their mind.
const TOLD_PER_KEY: usize = 3;
/// Between two rounds of a product: those who were told have a head start before the next are.
const ROUND_MS: i64 = 10 * 60_000;
/// Keys that are told of at once.
const MANY: usize = 10;
/// How long fewer must have been free.
const STOOD_MS: i64 = 5 * 60_000;
/// Between two mails of a round.
const APART_MS: i64 = 2_000;
/// Promises in one write, so that sales between them do not wait.
const AT_A_TIME: usize = 100;
/// A wish this old is forgotten.
const KEPT_MS: i64 = 90 * 24 * 3_600_000;

impl Shop {
    /// Keeps that `contact` wants to hear when `product` can be bought again. A repeated wish is answered and costs as the first.
    ///
    /// # Errors
    /// [`WishError`].
    pub async fn wish(
        &self,
        product: &Slug,
        contact: &Contact,
        language: &str,
    ) -> Result<(), WishError> {
        if !self.policy.tell.buyer_mail {
            return Err(WishError::NoMail);
        }
        if !contact.is_mail() {
            return Err(WishError::MailNeeded);
        }
        let fingerprint = self.contact_fingerprint(contact);
        let wish = Wish {
            contact: contact.expose().to_owned(),
            language: language.to_owned(),
            made_at_ms: self.clock.now_ms(),
        };
        let sealed = seal(&self.vault, product, &fingerprint, &wish);
        let slug = product.clone();
        let write = self.store.write(move |tx| {
            let refuse = |why| Err(WriteError::Refused(why));
            if !tx.product(&slug)?.is_some_and(|product| product.visible) {
                return refuse(WishError::Product);
            }
            if tx.pool(&slug)?.is_some_and(|pool| pool.available > 0) {
                return refuse(WishError::Available);
            }
            // Asked first, and of everybody: whether a wish is there must not be seen from the answer.
            let kept = tx.wishes(&slug, OF_PRODUCT_MAX)?;
            if kept.len() >= OF_PRODUCT_MAX {
                return refuse(WishError::Full);
            }
            // A repeated one keeps its place, and is written all the same: it takes as long.
            let before = kept.iter().find(|(known, _)| *known == fingerprint);
            let sealed = before.map_or(&sealed, |(_, sealed)| sealed);
            Ok(tx.put_wish(&slug, &fingerprint, Some(sealed))?)
        });
        write.answer().await.map_err(WishError::from)
    }

    /// Promises mails to those who wait for a product that can be bought again: the longest waiting first, three for each key, then
    /// the next ten minutes later if there are still keys. Gives how many. Called every half minute.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn tell_wishes(&self) -> Result<usize, Fault> {
        if !self.policy.tell.buyer_mail {
            return Ok(0);
        }
        let mut told = 0;
        for slug in self.store.read()?.wished()? {
            told += self.tell_wishes_of(&slug).await?;
        }
        Ok(told)
    }

    /// Forgets wishes older than ninety days. Gives how many. Called hourly.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn sweep_wishes(&self) -> Result<usize, Fault> {
        let mut swept = 0;
        for slug in self.store.read()?.wished()? {
            let until_ms = self.clock.now_ms() - KEPT_MS;
            let wishes = self.wishes_of(&slug)?;
            let old: Vec<_> = wishes
                .into_iter()
                .filter(|(_, wish)| wish.made_at_ms <= until_ms)
                .map(|(contact, _)| contact)
                .collect();
            swept += old.len();
            if !old.is_empty() {
                self.forget_wishes(slug, old).await?;
            }
        }
        Ok(swept)
    }

    async fn tell_wishes_of(&self, slug: &Slug) -> Result<usize, Fault> {
        let now_ms = self.clock.now_ms();
        let last_ms = self.wish_rounds.rounds().get(slug).copied();
        // A clock that was put back keeps nobody waiting.
        if last_ms.is_some_and(|last_ms| (0..ROUND_MS).contains(&(now_ms - last_ms))) {
            return Ok(0);
        }
        let snapshot = self.store.read()?;
        let product = snapshot.product(slug)?;
        let pool = snapshot.pool(slug)?;
        drop(snapshot);
        let visible = product.is_some_and(|product| product.visible);
        let keys = pool.map_or(0, |pool| pool.available as usize);
        if !self.wish_rounds.has_stood(slug, visible, keys, now_ms) {
            return Ok(0);
        }
        let mut wishes = self.wishes_of(slug)?;
        wishes.sort_by_key(|(_, wish)| wish.made_at_ms);
        wishes.truncate(keys.saturating_mul(TOLD_PER_KEY));
        let mut told = 0;
        for some in wishes.chunks(AT_A_TIME) {
            told += self.promise_back(slug, told, some).await?;
        }
        self.wish_rounds.begun(slug, now_ms);
        Ok(told)
    }

    /// In one write: the promises, and the wishes go. `first` of this round were promised before.
    async fn promise_back(
        &self,
        slug: &Slug,
        first: usize,
        wishes: &[([u8; 16], Wish)],
    ) -> Result<usize, Fault> {
        let (vault, slug, wishes) = (self.vault.clone(), slug.clone(), wishes.to_vec());
        let write = self
            .store
            .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                let mut told = 0;
                for (fingerprint, wish) in &wishes {
                    if !tx.has_wish(&slug, fingerprint)? {
                        continue;
                    }
                    let content = LetterContent {
                        contact: wish.contact.clone(),
                        language: wish.language.clone(),
                        product: Some(slug.to_string()),
                    };
                    // One after the other, so that receipts are never behind a thousand of them.
                    let after_ms = APART_MS * i64::try_from(first + told).unwrap_or(0);
                    let kind = EffectKind::BackInStock;
                    tx.promise_with(kind, Via::BuyerMail, None, after_ms, |effect| {
                        Self::seal_letter(&vault, effect, &content)
                    })?;
                    tx.put_wish(&slug, fingerprint, None)?;
                    told += 1;
                }
                Ok(told)
            });
        write.answer().await.map_err(unwritten)
    }

    async fn forget_wishes(&self, slug: Slug, contacts: Vec<[u8; 16]>) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                for contact in &contacts {
                    tx.put_wish(&slug, contact, None)?;
                }
                Ok(())
            });
        write.answer().await.map_err(unwritten)
    }

    fn wishes_of(&self, slug: &Slug) -> Result<Vec<([u8; 16], Wish)>, Fault> {
        let rows = self.store.read()?.wishes(slug, OF_PRODUCT_MAX)?;
        let opened = rows.into_iter().filter_map(|(contact, sealed)| {
            // One that does not open keeps the others from nothing.
            let wish = open(&self.vault, slug, &contact, &sealed);
            let wish = wish.inspect_err(
                |error| tracing::error!(product = %slug, %error, "a wish cannot be read"),
            );
            wish.ok().map(|wish| (contact, wish))
        });
        Ok(opened.collect())
    }
}

impl WishRounds {
    /// Whether there are keys to tell of: many, or a few that nobody took for a while. A last key that is ordered and left again
    /// and again must mail nobody.
    fn has_stood(&self, slug: &Slug, visible: bool, keys: usize, now_ms: i64) -> bool {
        let mut free = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if !visible || keys == 0 {
            free.remove(slug);
            return false;
        }
        let since_ms = *free.entry(slug.clone()).or_insert(now_ms);
        keys >= MANY || now_ms - since_ms >= STOOD_MS
    }

    fn begun(&self, slug: &Slug, now_ms: i64) {
        let mut rounds = self.rounds();
        // No more of them than products.
        rounds.retain(|_, last_ms| (0..ROUND_MS).contains(&(now_ms - *last_ms)));
        rounds.insert(slug.clone(), now_ms);
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<Slug, i64>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn row(product: &Slug, contact: &[u8; 16]) -> Vec<u8> {
    [contact.as_slice(), product.as_str().as_bytes()].concat()
}

fn seal(vault: &Vault, product: &Slug, contact: &[u8; 16], wish: &Wish) -> Vec<u8> {
    let plain = zeroize::Zeroizing::new(encode_sealed(wish));
    vault.seal_for(PURPOSE, &row(product, contact), &plain)
}

fn open(vault: &Vault, product: &Slug, contact: &[u8; 16], sealed: &[u8]) -> Result<Wish, Fault> {
    let opened = vault
        .open_for(PURPOSE, &row(product, contact), sealed)
        .map_err(|_| Fault::Invariant("a wish opens"))?;
    decode_sealed(opened.expose()).map_err(|error| Fault::Record {
        table: "wishes",
        error,
    })
}

impl From<WriteError<Self>> for WishError {
    fn from(error: WriteError<Self>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Busy => Self::Busy,
            WriteError::ReadOnly => Self::ReadOnly,
            WriteError::Fault(fault) => Self::Fault(fault),
        }
    }
}
