//! Anchors: the newest signed state of the ledger, fixed in places that the shop does not rule.
//!
//! Owns the round that looks which way is due ([`Anchorer`]), the call to a time-stamping authority (`tsa`, RFC 3161 over the
//! one outbound client), and the push into a git repository (`git`, the `git` program). Mails with checkpoints are promised
//! here and sent by `notify`.
//!
//! Threats: an authority that is down, slow, hostile or stamps something else (bounded by the outbound client, and a stamp is
//! verified against the checkpoint before it is kept), a remote that answers with files, links or hooks (no file of it is ever
//! checked out and none of its content run), a setting that would be an option or a command to git (fixed arguments, no shell,
//! few protocols).
//!
//! It never delays a sale, never sends anything but a signed checkpoint, and never signs one.

mod git;
mod tsa;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use tsa::TsaError;

use crate::actions::{KeptCheckpoint, Shop};
use crate::domain::{AnchorKind, Entropy};
use crate::net::Client;
use crate::store::Fault;

/// Which ways there are.
#[derive(Clone, Debug)]
pub struct AnchorConfig {
    /// How often, milliseconds.
    pub every_ms: i64,
    /// Address of a time-stamping authority.
    pub tsa: Option<String>,
    /// Remote of a git repository.
    pub git: Option<String>,
    /// Whether anybody is mailed.
    pub mail: bool,
    /// The shop's folder: git's own copy lies in it.
    pub dir: PathBuf,
}

/// What came of one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchored {
    /// The checkpoint of this size is anchored.
    Done(u64),
    /// So many mails with the checkpoint of this size are on their way.
    Promised(u64, usize),
    /// The newest checkpoint was anchored before.
    NothingNew,
    /// This way is not set up.
    Off,
    /// It failed, and is tried again.
    Failed(String),
}

/// Anchors checkpoints.
pub struct Anchorer {
    shop: Arc<Shop>,
    client: Client,
    entropy: Arc<dyn Entropy>,
    config: AnchorConfig,
}

/// Time between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Anchorer {
    /// `client` is the way to the time-stamping authority.
    pub fn new(
        shop: Arc<Shop>,
        client: Client,
        entropy: Arc<dyn Entropy>,
        config: AnchorConfig,
    ) -> Self {
        Self {
            shop,
            client,
            entropy,
            config,
        }
    }

    /// Anchors whatever is due, until `ending` is ready.
    pub async fn run(self, ending: impl Future<Output = ()> + Send) {
        let mut ending = std::pin::pin!(ending);
        if AnchorKind::ALL.iter().all(|kind| !self.is_set_up(*kind)) {
            return ending.await;
        }
        loop {
            tokio::select! {
                () = &mut ending => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            tokio::select! {
                () = &mut ending => return,
                () = self.round() => {}
            }
        }
    }

    /// Anchors the newest checkpoint in every way now, whether it is due or not.
    ///
    /// # Errors
    /// [`Fault`]; what fails outside is in the answer.
    pub async fn now(&self) -> Result<Vec<(AnchorKind, Anchored)>, Fault> {
        let mut outcomes = Vec::new();
        for kind in AnchorKind::ALL {
            let outcome = match self.is_set_up(kind) {
                false => Anchored::Off,
                true => match self.shop.to_be_anchored(kind)? {
                    Some(checkpoint) => self.anchor(kind, &checkpoint).await?,
                    None => Anchored::NothingNew,
                },
            };
            outcomes.push((kind, outcome));
        }
        Ok(outcomes)
    }

    async fn round(&self) {
        // What cannot be kept need not be asked for.
        if self.shop.store().readonly() {
            return;
        }
        for kind in AnchorKind::ALL {
            if !self.is_set_up(kind) {
                continue;
            }
            let every_ms = self.config.every_ms;
            let outcome = match self.shop.due_to_be_anchored(kind, every_ms).await {
                Ok(Some(checkpoint)) => self.anchor(kind, &checkpoint).await,
                Ok(None) => continue,
                Err(fault) => Err(fault),
            };
            let anchor = kind.as_str();
            match outcome {
                Ok(Anchored::Done(size)) => {
                    tracing::info!(anchor, ledger.size = size, "a checkpoint is anchored");
                }
                Ok(Anchored::Promised(size, mails)) => {
                    tracing::info!(anchor, ledger.size = size, mails, "a checkpoint is mailed");
                }
                Ok(Anchored::Failed(error)) => {
                    let age = self.shop.anchor_age(kind, every_ms);
                    if matches!(age, Ok(Some(age)) if age.is_overdue) {
                        tracing::error!(
                            anchor,
                            error,
                            "no checkpoint was anchored for three periods"
                        );
                    } else {
                        tracing::warn!(anchor, error, "a checkpoint was not anchored: tried again");
                    }
                }
                Ok(Anchored::NothingNew | Anchored::Off) => {}
                Err(error) => tracing::error!(anchor, %error, "anchors cannot be kept"),
            }
        }
    }

    async fn anchor(
        &self,
        kind: AnchorKind,
        checkpoint: &KeptCheckpoint,
    ) -> Result<Anchored, Fault> {
        let every_ms = self.config.every_ms;
        let made = match kind {
            AnchorKind::Mail => {
                let mails = self.shop.promise_checkpoint(checkpoint, every_ms).await?;
                return Ok(Anchored::Promised(checkpoint.size, mails));
            }
            AnchorKind::TimeStamp => self.stamp(checkpoint).await,
            AnchorKind::Git => self.push(checkpoint).await,
        };
        match made {
            Ok(bytes) => {
                let kept = self.shop.keep_anchor(checkpoint, kind, bytes, every_ms);
                kept.await.map(|()| Anchored::Done(checkpoint.size))
            }
            Err(error) => {
                let failed = self.shop.anchor_failed(checkpoint, kind, &error, every_ms);
                failed.await.map(|()| Anchored::Failed(error))
            }
        }
    }

    async fn stamp(&self, checkpoint: &KeptCheckpoint) -> Result<Vec<u8>, String> {
        let url = self.config.tsa.as_deref().unwrap_or_default();
        let stamped = tsa::stamp(&self.client, &*self.entropy, url, &checkpoint.note).await;
        stamped.map_err(|error| error.to_string())
    }

    async fn push(&self, checkpoint: &KeptCheckpoint) -> Result<Vec<u8>, String> {
        // The daemon's end cancels this task; the thread that waits for git, and git, go with it.
        let until = git::StopAtEnd::default();
        let repository = git::Repository {
            folder: self.config.dir.join(git::FOLDER),
            remote: self.config.git.clone().unwrap_or_default(),
            stop: until.stop(),
        };
        let (checkpoint, now_ms) = (checkpoint.clone(), self.shop.now_ms());
        let pushed = tokio::task::spawn_blocking(move || repository.push(&checkpoint, now_ms));
        let commit = pushed.await.map_err(|error| error.to_string())??;
        let remote = self.config.git.as_deref().unwrap_or_default();
        Ok(format!("remote {remote}\ncommit {commit}\n").into_bytes())
    }

    fn is_set_up(&self, kind: AnchorKind) -> bool {
        match kind {
            AnchorKind::TimeStamp => self.config.tsa.is_some(),
            AnchorKind::Mail => self.config.mail,
            AnchorKind::Git => self.config.git.is_some(),
        }
    }
}
