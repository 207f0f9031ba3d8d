//! A time stamp over HTTP (RFC 3161, 3.4).

use bytes::Bytes;
use http::{Method, Request, header};

use crate::domain::{Entropy, seams::random};
use crate::ledger::note::Checkpoint;
use crate::ledger::timestamp::{self, Authorities, Expected, StampError};
use crate::net::{Client, OutboundError};

/// Why there is no time stamp.
#[derive(Debug, thiserror::Error)]
pub enum TsaError {
    /// `[ledger] tsa`.
    #[error("[ledger] tsa is no address")]
    Address,
    /// The note is not one: the store is damaged.
    #[error("the checkpoint cannot be read")]
    Note,
    /// No answer.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Another status than 200.
    #[error("the time-stamping authority answers HTTP {0}")]
    Status(u16),
    /// What it answered is no stamp over this checkpoint.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// Asks for a stamp over the note's body, and gives the answer as it came once it is verified: over these bytes, with the
/// nonce that was sent, signed by the certificate that it carries, which is one for time stamps.
pub(super) async fn stamp(
    client: &Client,
    entropy: &dyn Entropy,
    url: &str,
    note: &str,
) -> Result<Vec<u8>, TsaError> {
    let checkpoint = Checkpoint::parse(note).map_err(|_| TsaError::Note)?;
    let imprint = timestamp::imprint(&checkpoint.body());
    let nonce = random::<{ timestamp::NONCE_BYTES }>(entropy);
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/timestamp-query")
        .header(header::ACCEPT, "application/timestamp-reply")
        .body(Bytes::from(timestamp::request(&imprint, &nonce)))
        .map_err(|_| TsaError::Address)?;
    let answer = client.send(request).await?;
    if answer.status != http::StatusCode::OK {
        return Err(TsaError::Status(answer.status.as_u16()));
    }
    let expected = Expected {
        imprint: &imprint,
        nonce: Some(&nonce),
    };
    timestamp::verify(&answer.body, &expected, &Authorities::nobody())?;
    Ok(answer.body.to_vec())
}
