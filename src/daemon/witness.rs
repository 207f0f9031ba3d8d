//! Witnesses are asked: at the start, whether they know more of the ledger than the shop does; then regularly, and when the log key
//! changes, to cosign its newest checkpoint (C2SP tlog-witness).
//!
//! Nothing of the shop waits for a witness, but for a few seconds at the start.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::signals::Ending;
use crate::{
    actions::{CosignatureError, Latest, Shop, Submission, WitnessPlace},
    net::{Answer, Client, OutboundError},
    store::Fault,
};

/// What a witness says that must not be overruled: going on would make two histories.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// It saw more than there is.
    #[error(
        "the witness {name} knows {known} ledger entries, and shop.redb holds {held}: it is an older copy; restore the shop from a backup instead of starting it ({WAY_OUT})"
    )]
    Ahead {
        /// The witness's name.
        name: String,
        /// Entries that it cosigned.
        known: u64,
        /// Entries in the database.
        held: u64,
    },
    /// It saw another history.
    #[error(
        "the witness {name} saw another history of this ledger than shop.redb holds at {size} entries: restore the shop from a backup ({WAY_OUT})"
    )]
    Fork {
        /// The witness's name.
        name: String,
        /// The size that it cosigned.
        size: u64,
    },
}

/// The witnesses of a shop.
#[derive(Clone)]
pub(super) struct Witnesses {
    pub shop: Arc<Shop>,
    pub client: Client,
    pub places: Vec<WitnessPlace>,
    pub every: Duration,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
enum Unwitnessed {
    #[error(transparent)]
    Contradicts(#[from] Contradiction),
    #[error("it does not know this log (404): tell its operator the shop's origin and vkey")]
    UnknownLog,
    #[error("it does not know this log's key (403): tell its operator the shop's vkey")]
    UnknownKey,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("the size that it knows kept changing")]
    Restless,
    #[error("its answer is not a text")]
    NotText,
    #[error("its cosignature is not kept: {0}")]
    Cosignature(#[from] CosignatureError),
    #[error("it could not be asked: {0}")]
    Outbound(#[from] OutboundError),
    #[error("its address is not one")]
    Address(#[from] http::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

const WAY_OUT: &str =
    "if the witness is wrong, take it out of [ledger] witness and tell its operator";
/// How long the start waits for witnesses, all at once.
const START_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether the log key has changed, or a round is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The pause after a round in which a witness failed, where rounds are not as often anyway.
const AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);
/// Requests of one round to one witness: the first, and those with the size that it named.
const TRIES: usize = 3;
/// Longest answer to 409 that is read: a number and its line's end.
const SIZE_BYTES_MAX: usize = 24;

impl Witnesses {
    /// Asks all of them before the shop takes connections. One that does not answer in time is told, and not waited for.
    ///
    /// # Errors
    /// [`Contradiction`]: the ledger must not be written.
    pub(super) async fn compare_at_start(&self) -> Result<(), Contradiction> {
        let mut asked = JoinSet::new();
        for (number, place) in self.places.iter().enumerate() {
            let (all, place) = (self.clone(), place.clone());
            asked.spawn(async move { (number, all.ask(&place).await) });
        }
        let mut silent: HashSet<usize> = (0..self.places.len()).collect();
        let answers = async {
            while let Some(answer) = asked.join_next().await {
                // A panic there was reported where it happened.
                let Ok((number, outcome)) = answer else {
                    continue;
                };
                silent.remove(&number);
                if let Err(Unwitnessed::Contradicts(contradiction)) = outcome {
                    return Err(contradiction);
                }
            }
            Ok(())
        };
        let compared = timeout(START_MAX, answers).await.unwrap_or(Ok(()));
        for number in silent {
            let witness = self.places[number].key.name();
            tracing::warn!(
                witness,
                "a witness did not answer at the start: what it knows of the ledger was not compared"
            );
        }
        compared
    }

    /// Asks them regularly, until the end.
    pub(super) async fn run(self, ending: Ending) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut key = self.shop.chain().vkey();
        let mut due = Instant::now() + self.pause(self.anyone_lacks());
        loop {
            tokio::select! {
                () = ending.wait() => return,
                _ = tick.tick() => {}
            }
            let now_key = self.shop.chain().vkey();
            if now_key == key && Instant::now() < due {
                continue;
            }
            key = now_key;
            let all_cosigned = tokio::select! {
                () = ending.wait() => return,
                all = self.round() => all,
            };
            due = Instant::now() + self.pause(!all_cosigned);
        }
    }

    /// Asks each of them at once. Whether all cosigned.
    async fn round(&self) -> bool {
        let mut asked = JoinSet::new();
        for place in &self.places {
            let (all, place) = (self.clone(), place.clone());
            asked.spawn(async move { all.ask(&place).await.is_ok() });
        }
        let mut all = true;
        while let Some(cosigned) = asked.join_next().await {
            all &= cosigned.unwrap_or(false);
        }
        all
    }

    fn pause(&self, failed: bool) -> Duration {
        match failed {
            true => self.every.min(AGAIN_AFTER),
            false => self.every,
        }
    }

    /// Whether the newest checkpoint lacks the cosignature of one of them.
    fn anyone_lacks(&self) -> bool {
        let size = self.shop.chain().latest().size;
        let lacks = |place| {
            let state = self.shop.witness_state(place);
            state.is_ok_and(|state| state.failure.is_some() || state.size < size)
        };
        self.places.iter().any(lacks)
    }

    /// Asks one of them, and writes down what came of it.
    async fn ask(&self, place: &WitnessPlace) -> Result<(), Unwitnessed> {
        let witness = place.key.name();
        let outcome = self.cosigned(place).await;
        let error = match outcome {
            Ok((size, time_s)) => {
                tracing::info!(
                    witness,
                    ledger.size = size,
                    time_s,
                    "a witness cosigned the checkpoint"
                );
                return Ok(());
            }
            Err(error) => error,
        };
        let contradicts = matches!(error, Unwitnessed::Contradicts(_));
        match contradicts {
            true => tracing::error!(witness, %error, "a witness contradicts the ledger"),
            false => tracing::warn!(witness, %error, "a witness did not cosign the checkpoint"),
        }
        let written = self
            .shop
            .witness_failed(place, error.to_string(), contradicts);
        if let Err(fault) = written.await {
            tracing::error!(witness, error = %fault, "that a witness did not cosign was not written down");
        }
        Err(error)
    }

    /// One round with one witness: size and time of its cosignature.
    async fn cosigned(&self, place: &WitnessPlace) -> Result<(u64, u64), Unwitnessed> {
        let mut old = self.shop.witness_state(place)?.size;
        for _ in 0..TRIES {
            let submission = self.submission(place, old)?;
            let size = submission.latest.size;
            let answer = self.post(place, submission.body.clone()).await?;
            match answer.status {
                StatusCode::OK => {
                    let lines =
                        std::str::from_utf8(&answer.body).map_err(|_| Unwitnessed::NotText)?;
                    let kept = self.shop.keep_cosignature(&submission, place, lines);
                    return Ok((size, kept.await?));
                }
                StatusCode::CONFLICT => match known_size(&answer) {
                    Some(known) if known != old => old = known,
                    // The size is right, so it is the root that is not.
                    _ if old == size => return Err(fork(place, old)),
                    _ => return Err(Unwitnessed::Status(answer.status)),
                },
                // From nothing there is nothing to prove.
                StatusCode::UNPROCESSABLE_ENTITY if old > 0 => return Err(fork(place, old)),
                StatusCode::NOT_FOUND => return Err(Unwitnessed::UnknownLog),
                StatusCode::FORBIDDEN => return Err(Unwitnessed::UnknownKey),
                status => return Err(Unwitnessed::Status(status)),
            }
        }
        Err(Unwitnessed::Restless)
    }

    fn submission(&self, place: &WitnessPlace, old: u64) -> Result<Submission, Unwitnessed> {
        let submission = self.shop.submission(old)?;
        submission.ok_or_else(|| {
            let Latest { size: held, .. } = self.shop.chain().latest();
            let name = place.key.name().to_owned();
            Contradiction::Ahead {
                name,
                known: old,
                held,
            }
            .into()
        })
    }

    async fn post(&self, place: &WitnessPlace, body: String) -> Result<Answer, Unwitnessed> {
        let request = Request::post(format!("{}/add-checkpoint", place.url))
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Bytes::from(body))?;
        Ok(self.client.send(request).await?)
    }
}

fn fork(place: &WitnessPlace, size: u64) -> Unwitnessed {
    let name = place.key.name().to_owned();
    Contradiction::Fork { name, size }.into()
}

/// The size that a witness names with its 409: a number, and the end of its line.
fn known_size(answer: &Answer) -> Option<u64> {
    if answer.body.len() > SIZE_BYTES_MAX {
        return None;
    }
    let digits = std::str::from_utf8(&answer.body).ok()?.strip_suffix('\n')?;
    let number = digits.parse::<u64>().ok()?;
    // Larger than any ledger, it is no size.
    (number.to_string() == digits && number < 1 << 48).then_some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_spelling() {
        let known = |body: &'static str| {
            known_size(&Answer {
                status: StatusCode::CONFLICT,
                headers: http::HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
            })
        };
        assert_eq!(known("0\n"), Some(0));
        assert_eq!(known("20852163\n"), Some(20_852_163));
        for body in [
            "",
            "\n",
            "7",
            "07\n",
            "+7\n",
            "7\n\n",
            " 7\n",
            "-1\n",
            "281474976710656\n",
            "Conflict\n",
        ] {
            assert_eq!(known(body), None, "{body:?}");
        }
    }
}
