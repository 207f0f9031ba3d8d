//! The channels' way out: the shop's one outbound client, as [`Outbound`].

use std::sync::Arc;

use bytes::Bytes;

use super::{BoxFuture, Outbound, OutboundFailure};
use crate::net::{Client, OutboundError};

/// Sends through the guarded client. Its failures name at most a host, never a path or a query.
#[derive(Clone, Debug)]
pub struct NetOutbound(pub Arc<Client>);

impl Outbound for NetOutbound {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, OutboundFailure>> {
        Box::pin(async move {
            let answer = self.0.send(request).await.map_err(failure)?;
            let mut response = http::Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

fn failure(error: OutboundError) -> OutboundFailure {
    match error {
        OutboundError::Timeout { .. } => OutboundFailure::TimedOut,
        OutboundError::Private { .. } => OutboundFailure::NotAllowed,
        OutboundError::TooLarge { .. } => OutboundFailure::TooLarge,
        other => OutboundFailure::Unreachable(other.to_string()),
    }
}
