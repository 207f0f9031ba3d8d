//! One request: signed, sent, tried again, its answer judged.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use rusty_s3::S3Action;
use tokio::time::timeout;

use super::{Bucket, BucketError, error};
use crate::net::{Answer, OutboundError, Streamed};

/// How long a presigned URL holds: an upload's first byte must come within.
const VALID: Duration = Duration::from_secs(15 * 60);
/// Without a byte either way.
const IDLE: Duration = Duration::from_secs(60);
/// Largest answer that is no object: a page of 1,000 names of 1,024 bytes each, escaped.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is sent slower than this, with a minute to spare, is given up: a slow line of a house is twice as fast.
const BYTES_PER_S: u64 = 20_000;

/// What goes with a request beside its URL.
#[derive(Clone, Default)]
pub(super) struct Sent {
    pub(super) body: Bytes,
    /// Base64; signed as well.
    pub(super) md5: Option<String>,
    /// How long the storage may work without a word, beside the ordinary time. What was not done within is not tried again: it may
    /// have been done since.
    pub(super) work: Duration,
}

impl Bucket {
    /// Sends a request without a body; gives its answer when it went well.
    pub(super) async fn ask<'a>(
        &self,
        doing: &'static str,
        method: &'static str,
        action: &(impl S3Action<'a> + Sync),
    ) -> Result<Answer, BucketError> {
        self.send(doing, method, action, Sent::default()).await
    }

    /// As [`Bucket::ask`], with a body.
    pub(super) async fn send<'a>(
        &self,
        doing: &'static str,
        method: &'static str,
        action: &(impl S3Action<'a> + Sync),
        sent: Sent,
    ) -> Result<Answer, BucketError> {
        let mut pauses = self.pauses.iter();
        loop {
            let bytes = sent.body.len() as u64;
            let limit = self.grace + sent.work + Duration::from_secs(bytes / BYTES_PER_S);
            let exchange = async {
                let answer = self.open(doing, method, action, &sent).await?;
                Ok(answer.whole(ANSWER_BYTES_MAX).await?)
            };
            let slow = BucketError::Slow {
                bytes,
                seconds: limit.as_secs(),
            };
            let outcome = timeout(limit, exchange).await.unwrap_or(Err(slow));
            match (outcome, pauses.next()) {
                (Err(error), Some(_)) if !sent.work.is_zero() && error.is_waiting() => {
                    return Err(error);
                }
                (Err(error), Some(pause)) if error.is_passing() => {
                    tokio::time::sleep(*pause).await;
                }
                (outcome, _) => return outcome,
            }
        }
    }

    /// One try; gives an answer that went well, with its body still to come.
    pub(super) async fn open<'a>(
        &self,
        doing: &'static str,
        method: &'static str,
        action: &(impl S3Action<'a> + Sync),
        sent: &Sent,
    ) -> Result<Streamed, BucketError> {
        let now_ms = self.clock.now_ms();
        let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let url = action.sign_with_time(VALID, &now);
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(md5) = &sent.md5 {
            request = request.header("content-md5", md5);
        }
        if method == "PUT" || method == "POST" {
            // Said also of none at all, which a storage may otherwise refuse (411).
            request = request.header("content-length", sent.body.len());
        }
        let request = request.body(sent.body.clone());
        let request = request.map_err(|_| BucketError::Name)?;
        let answer = self.client.stream(request, IDLE + sent.work).await;
        let answer = answer.map_err(|error| self.unreached(error))?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(error::of(answer, doing, self.place.name(), now_ms).await),
        }
    }

    fn unreached(&self, error: OutboundError) -> BucketError {
        match error {
            OutboundError::Resolve { .. } if self.has_name_of_bucket => BucketError::Host(error),
            error => BucketError::Outbound(error),
        }
    }
}
