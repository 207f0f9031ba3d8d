//! Anchors: signed states of the ledger, fixed outside the shop. When each way is due, what came of it, and what is kept.

use std::convert::Infallible;

use super::open_shop::{Shop, unwritten};
use crate::domain::{AnchorKind, Effect, EffectKind, EntryAt, Via};
use crate::store::{Anchoring, Fault, Rows, Tx, WriteError};

/// A signed state of the ledger, at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// Generation of the ledger.
    pub generation: u16,
    /// Entries that it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// How one way of anchoring stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorAge {
    /// The way.
    pub kind: AnchorKind,
    /// Size of the newest anchored checkpoint, if there is one.
    pub size: Option<u64>,
    /// When that was anchored, Unix milliseconds.
    pub done_at_ms: Option<i64>,
    /// Why the last attempt failed, if none worked since.
    pub last_error: Option<String>,
    /// Nothing was anchored for three periods, although it was tried.
    pub is_overdue: bool,
}

/// Wait after the first failure; it doubles up to the period, and up to [`WAIT_MS_MAX`].
const WAIT_MS: i64 = 60_000;
const WAIT_MS_MAX: i64 = 6 * 3_600_000;
/// Periods without an anchor after which a person should look.
const PERIODS_MAX: i64 = 3;
const ERROR_CHARS_MAX: usize = 200;
/// Largest mail that is kept; one with a note is some KiB.
const MAIL_BYTES_MAX: usize = 256 * 1024;

impl Shop {
    /// The newest signed state, if it is newer than what was anchored, or promised to be, by `kind`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn to_be_anchored(&self, kind: AnchorKind) -> Result<Option<KeptCheckpoint>, Fault> {
        let state = self.store.read()?.anchoring(kind)?.unwrap_or_default();
        let latest = self.chain.latest();
        let checkpoint = KeptCheckpoint {
            generation: latest.generation,
            size: latest.size,
            note: latest.note,
        };
        // A mail that is promised is on its way.
        let before = match kind {
            AnchorKind::Mail => state.asked,
            _ => state.done,
        };
        let is_new = checkpoint.size > 0 && Some(checkpoint.place()) > before;
        Ok(is_new.then_some(checkpoint))
    }

    /// The same, if it is time: a period after the last, or as long as its failures say. The first mail goes a period after it was
    /// set up, everything else at once.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn due_to_be_anchored(
        &self,
        kind: AnchorKind,
        every_ms: i64,
    ) -> Result<Option<KeptCheckpoint>, Fault> {
        let state = self.store.read()?.anchoring(kind)?;
        match state {
            None => {
                self.note_anchoring(kind, move |state, now_ms| {
                    state.since_ms = now_ms;
                    state.due_at_ms = now_ms;
                    if kind == AnchorKind::Mail {
                        state.due_at_ms += every_ms;
                    }
                })
                .await?;
                Ok(None)
            }
            // A shorter period than the one before counts from now on.
            Some(state) if self.now_ms() < state.due_at_ms.min(self.now_ms() + every_ms) => {
                Ok(None)
            }
            Some(_) => self.to_be_anchored(kind),
        }
    }

    /// Keeps what anchors `checkpoint`, and the checkpoint with it.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn keep_anchor(
        &self,
        checkpoint: &KeptCheckpoint,
        kind: AnchorKind,
        bytes: Vec<u8>,
        every_ms: i64,
    ) -> Result<(), Fault> {
        let checkpoint = checkpoint.clone();
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                keep_note(tx, &checkpoint)?;
                tx.put_anchor(checkpoint.at(), kind, &bytes)?;
                let mut state = tx.anchoring(kind)?.unwrap_or_default();
                state.asked = state.asked.max(Some(checkpoint.place()));
                done(&mut state, &checkpoint, tx.now_ms());
                state.due_at_ms = tx.now_ms() + every_ms;
                Ok(tx.put_anchoring(kind, &state)?)
            });
        write.answer().await.map_err(unwritten)
    }

    /// An attempt to anchor `checkpoint` failed. It is tried again, later each time.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn anchor_failed(
        &self,
        checkpoint: &KeptCheckpoint,
        kind: AnchorKind,
        error: &str,
        every_ms: i64,
    ) -> Result<(), Fault> {
        let place = checkpoint.place();
        let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
        self.note_anchoring(kind, move |state, now_ms| {
            if state.since_ms == 0 {
                state.since_ms = now_ms;
            }
            let doubled = WAIT_MS << state.attempts.min(20);
            state.attempts = state.attempts.saturating_add(1);
            state.asked = state.asked.max(Some(place));
            state.due_at_ms = now_ms + doubled.min(WAIT_MS_MAX).min(every_ms);
            state.last_error = Some(error);
        })
        .await
    }

    /// Promises `checkpoint` by mail to the merchant and the auditor, as they are set up. Gives how many mails.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn promise_checkpoint(
        &self,
        checkpoint: &KeptCheckpoint,
        every_ms: i64,
    ) -> Result<usize, Fault> {
        let (checkpoint, tell) = (checkpoint.clone(), self.policy.tell);
        let ways = [
            (tell.merchant_mail, Via::MerchantMail),
            (tell.auditor_mail, Via::AuditorMail),
        ];
        let write = self
            .store
            .write(move |tx| -> Result<usize, WriteError<Infallible>> {
                keep_note(tx, &checkpoint)?;
                let mut count = 0;
                for (_, via) in ways.iter().filter(|(open, _)| *open) {
                    let content = checkpoint.at().key().to_be_bytes().to_vec();
                    tx.promise_with(EffectKind::Checkpoint, *via, None, 0, |_| Ok(content))?;
                    count += 1;
                }
                let mut state = tx.anchoring(AnchorKind::Mail)?.unwrap_or_default();
                if state.since_ms == 0 {
                    state.since_ms = tx.now_ms();
                }
                state.asked = Some(checkpoint.place());
                state.due_at_ms = tx.now_ms() + every_ms;
                tx.put_anchoring(AnchorKind::Mail, &state)?;
                Ok(count)
            });
        write.answer().await.map_err(unwritten)
    }

    /// The checkpoint that a promised mail carries.
    pub(super) fn promised_checkpoint(
        &self,
        effect: &Effect,
    ) -> Result<Option<KeptCheckpoint>, Fault> {
        let Some(at) = place_of(effect) else {
            return Ok(None);
        };
        let note = self.store.read()?.mark(at)?;
        Ok(note.map(|note| KeptCheckpoint {
            generation: at.generation(),
            size: at.seq(),
            note,
        }))
    }

    /// A mail server took the mail of `effect`: if it carried a checkpoint, the mail is kept as its anchor, the auditor's before the
    /// merchant's.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn checkpoint_mailed(&self, effect: &Effect, mail: Vec<u8>) -> Result<(), Fault> {
        let Some(at) = place_of(effect) else {
            return Ok(());
        };
        let via = effect.via;
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let Some(note) = tx.mark(at)? else {
                    return Ok(());
                };
                let checkpoint = KeptCheckpoint {
                    generation: at.generation(),
                    size: at.seq(),
                    note,
                };
                let before = EntryAt::new(at.generation(), at.seq().saturating_sub(1));
                let kept = tx.anchors(before, AnchorKind::ALL.len())?;
                let is_kept = kept
                    .iter()
                    .any(|(size, kind, _)| *size == at.seq() && *kind == AnchorKind::Mail);
                if mail.len() <= MAIL_BYTES_MAX && (via == Via::AuditorMail || !is_kept) {
                    tx.put_anchor(at, AnchorKind::Mail, &mail)?;
                }
                let mut state = tx.anchoring(AnchorKind::Mail)?.unwrap_or_default();
                done(&mut state, &checkpoint, tx.now_ms());
                Ok(tx.put_anchoring(AnchorKind::Mail, &state)?)
            });
        write.answer().await.map_err(unwritten)
    }

    /// How a way of anchoring stands; none before it was set up.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn anchor_age(&self, kind: AnchorKind, every_ms: i64) -> Result<Option<AnchorAge>, Fault> {
        let Some(state) = self.store.read()?.anchoring(kind)? else {
            return Ok(None);
        };
        let quiet_ms = self.now_ms() - state.done_at_ms.max(state.since_ms);
        Ok(Some(AnchorAge {
            kind,
            size: state.done.map(|(_, size)| size),
            done_at_ms: state.done.map(|_| state.done_at_ms),
            is_overdue: state.asked > state.done && quiet_ms > PERIODS_MAX * every_ms,
            last_error: state.last_error,
        }))
    }

    async fn note_anchoring(
        &self,
        kind: AnchorKind,
        change: impl FnOnce(&mut Anchoring, i64) + Clone + Send + 'static,
    ) -> Result<(), Fault> {
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let mut state = tx.anchoring(kind)?.unwrap_or_default();
                (change.clone())(&mut state, tx.now_ms());
                Ok(tx.put_anchoring(kind, &state)?)
            });
        write.answer().await.map_err(unwritten)
    }
}

impl KeptCheckpoint {
    fn at(&self) -> EntryAt {
        EntryAt::new(self.generation, self.size)
    }

    fn place(&self) -> (u16, u64) {
        (self.generation, self.size)
    }
}

fn done(state: &mut Anchoring, checkpoint: &KeptCheckpoint, now_ms: i64) {
    state.done = state.done.max(Some(checkpoint.place()));
    state.done_at_ms = now_ms;
    state.attempts = 0;
    state.last_error = None;
}

/// An anchored size is one that exports hold. A note that is there may carry witnesses' lines: it stays.
fn keep_note(tx: &mut Tx<'_>, checkpoint: &KeptCheckpoint) -> Result<(), Fault> {
    match tx.mark(checkpoint.at())? {
        Some(_) => Ok(()),
        None => tx.put_mark(checkpoint.at(), &checkpoint.note),
    }
}

/// Where the checkpoint of a promise is.
fn place_of(effect: &Effect) -> Option<EntryAt> {
    let key = <[u8; 8]>::try_from(effect.content.as_slice()).ok()?;
    (effect.kind == EffectKind::Checkpoint).then(|| EntryAt::from_key(u64::from_be_bytes(key)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
