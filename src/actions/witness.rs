//! Witnesses: what is submitted to them (C2SP tlog-witness), what of their answers is kept, and what is known of each.

use std::convert::Infallible;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::chain::{Latest, LedgerNodes};
use super::open_shop::{Shop, unwritten};
use crate::domain::EntryAt;
use crate::ledger::cosignature::{CountersignError, WitnessKey, countersigned};
use crate::ledger::note::{Checkpoint, VkeyError, with_lines};
use crate::ledger::tree::consistency_proof;
use crate::store::{Fault, Rows, WriteError};

/// A witness as the merchant names it: its key, and the prefix under which it takes checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessPlace {
    /// The key that its cosignatures verify with.
    pub key: WitnessKey,
    /// The submission prefix, without a slash at its end.
    pub url: String,
}

/// Why a text names no witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessPlaceError {
    /// Not a key and an address.
    #[error(
        "a witness is its key and its address: \"NAME+HASH+BASE64 https://witness.example/prefix\""
    )]
    Form,
    /// The key.
    #[error(transparent)]
    Key(#[from] VkeyError),
    /// The address.
    #[error(
        "a witness's address is https://HOST and maybe a path: no query, no fragment, no spaces"
    )]
    Url,
}

/// What is sent to `add-checkpoint`, and what it is about.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The state that is to be cosigned.
    pub latest: Latest,
    /// The size that the witness is taken to know.
    pub old: u64,
    /// The request's body.
    pub body: String,
}

/// What is known of a witness. Kept with the shop, for each generation of the ledger anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WitnessState {
    /// Largest size that it is known to have cosigned.
    pub size: u64,
    /// Time of its newest cosignature, Unix seconds by its own clock.
    pub cosigned_at_s: Option<u64>,
    /// Why the last try failed.
    pub failure: Option<String>,
    /// Whether it says that it saw another history, or a longer one.
    pub contradicts: bool,
}

/// Why a witness's answer is not kept.
#[derive(Debug, thiserror::Error)]
pub enum CosignatureError {
    /// No line of its key that verifies.
    #[error(transparent)]
    Forged(#[from] CountersignError),
    /// A time that is not now.
    #[error("its time is {seconds} s away from the shop's clock")]
    Time {
        /// How far, either way.
        seconds: u64,
    },
    /// The store.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How far a witness's clock may be from the shop's.
const CLOCKS_APART_S_MAX: u64 = 3_600;

impl WitnessPlace {
    /// Reads `NAME+HASH+BASE64 URL`.
    ///
    /// # Errors
    /// [`WitnessPlaceError`].
    pub fn parse(text: &str) -> Result<Self, WitnessPlaceError> {
        let (key, url) = text.trim().split_once(' ').ok_or(WitnessPlaceError::Form)?;
        let (key, url) = (WitnessKey::parse(key)?, url.trim().trim_end_matches('/'));
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '\\');
        let rest = ["https://", "http://"]
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        match rest {
            Some(rest) if !rest.is_empty() && rest.chars().all(plain) => Ok(Self {
                key,
                url: url.to_owned(),
            }),
            _ => Err(WitnessPlaceError::Url),
        }
    }
}

/// As it is parsed.
impl fmt::Display for WitnessPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.url)
    }
}

impl Shop {
    /// What to submit of the newest checkpoint to a witness that cosigned `old` entries last. None if the ledger has fewer.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn submission(&self, old: u64) -> Result<Option<Submission>, Fault> {
        let Some((rows, latest)) = self.published_state(None)? else {
            return Ok(None);
        };
        if old > latest.size {
            return Ok(None);
        }
        let nodes = LedgerNodes {
            rows: &rows,
            generation: latest.generation,
        };
        let proof = consistency_proof(&nodes, old, latest.size)
            .map_err(|_| Fault::Invariant("the ledger's tree is whole"))?;
        let mut body = format!("old {old}\n");
        for hash in proof {
            body.push_str(&STANDARD.encode(hash));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(&latest.note);
        Ok(Some(Submission { latest, old, body }))
    }

    /// Keeps the cosignature that a witness answered with in the checkpoint's note, for everybody who is shown that checkpoint
    /// and for exports. Gives its time, Unix seconds.
    ///
    /// # Errors
    /// [`CosignatureError`]; nothing of such an answer is kept.
    pub async fn keep_cosignature(
        &self,
        submission: &Submission,
        witness: &WitnessPlace,
        answer: &str,
    ) -> Result<u64, CosignatureError> {
        let latest = submission.latest.clone();
        let (note, time_s) = countersigned(&latest.note, answer, &witness.key)?;
        // Invariant: the shop's clock is after 1970.
        let now_s = u64::try_from(self.now_ms() / 1_000).unwrap_or(0);
        let seconds = time_s.abs_diff(now_s);
        if seconds > CLOCKS_APART_S_MAX {
            return Err(CosignatureError::Time { seconds });
        }
        let state = WitnessState {
            size: latest.size,
            cosigned_at_s: Some(time_s),
            ..WitnessState::default()
        };
        let name = self.witness_row(witness);
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let at = EntryAt::new(latest.generation, latest.size);
                let merged = merged(tx.mark(at)?, &note)?;
                tx.put_mark(at, &merged)?;
                Ok(tx.put_meta(&name, &encoded(&state))?)
            });
        write.answer().await.map_err(unwritten)?;
        Ok(time_s)
    }

    /// What is known of a witness.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn witness_state(&self, witness: &WitnessPlace) -> Result<WitnessState, Fault> {
        let row = self.store.read()?.meta(&self.witness_row(witness))?;
        // What cannot be read is asked for again: the witness knows its size itself.
        Ok(row
            .and_then(|row| serde_json::from_slice(&row).ok())
            .unwrap_or_default())
    }

    /// Writes down why a witness did not cosign.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn witness_failed(
        &self,
        witness: &WitnessPlace,
        failure: String,
        contradicts: bool,
    ) -> Result<(), Fault> {
        let before = self.witness_state(witness)?;
        let state = WitnessState {
            failure: Some(failure),
            contradicts,
            ..before.clone()
        };
        if state == before {
            return Ok(());
        }
        let name = self.witness_row(witness);
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                Ok(tx.put_meta(&name, &encoded(&state))?)
            });
        write.answer().await.map_err(unwritten)
    }

    fn witness_row(&self, witness: &WitnessPlace) -> String {
        format!("witness {} {}", self.chain.origin(), witness.key)
    }
}

/// A signed state with the note that is kept of it, which may have cosignatures.
pub(super) fn with_cosignatures(rows: &impl Rows, latest: Latest) -> Result<Latest, Fault> {
    let kept = rows.mark(EntryAt::new(latest.generation, latest.size))?;
    Ok(match kept {
        Some(note) => Latest { note, ..latest },
        None => latest,
    })
}

/// The kept note with the last line of a note that a witness has just cosigned.
fn merged(kept: Option<String>, cosigned: &str) -> Result<String, Fault> {
    let Some(kept) = kept else {
        return Ok(cosigned.to_owned());
    };
    let one = |note: &str| Checkpoint::parse(note).map(|checkpoint| checkpoint.body());
    if one(&kept) != one(cosigned) {
        return Err(Fault::Invariant("a size of the log has one root"));
    }
    // Invariant: `countersigned` puts the witness's line last.
    let line = cosigned.lines().next_back().unwrap_or_default();
    match with_lines(&kept, &format!("{line}\n")) {
        Ok(note) => Ok(note),
        Err(error) => {
            // As many signatures as a note may have: this one gives way.
            tracing::warn!(%error, "a cosignature does not fit its checkpoint any more");
            Ok(kept)
        }
    }
}

fn encoded(state: &WitnessState) -> Vec<u8> {
    // Structs of numbers and texts always serialize.
    serde_json::to_vec(state).unwrap_or_default()
}
