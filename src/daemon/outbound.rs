//! The way out to payment providers: `pay`'s seam over the one outbound client.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    config::Settings,
    net::{Client, ClientPolicy, OutboundError},
    pay::{BoxFuture, Outbound, OutboundFailure, QUERY_TIMEOUT_MS},
};

/// Reaches payment providers, and what `[net] allow_private` names.
pub(super) struct Providers(Client);

impl Providers {
    /// A way out within the settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, rustls::Error> {
        let timeout = Duration::from_millis(QUERY_TIMEOUT_MS);
        Client::new(client_policy(settings, timeout)).map(Self)
    }
}

impl Outbound for Providers {
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

/// What the outbound client may do under `settings`.
pub(super) fn client_policy(settings: &Settings, timeout: Duration) -> ClientPolicy {
    let allowed = settings.net.allow_private.iter();
    ClientPolicy {
        allow_private: allowed
            .map(|place| (place.host.clone(), place.port))
            .collect(),
        timeout,
        ..ClientPolicy::default()
    }
}

fn failure(error: OutboundError) -> OutboundFailure {
    match error {
        OutboundError::Timeout { .. } => OutboundFailure::TimedOut,
        OutboundError::Private { .. } | OutboundError::Url(_) => OutboundFailure::NotAllowed,
        OutboundError::TooLarge { .. } => OutboundFailure::TooLarge,
        // Its texts hold a host at most, never a path or a query.
        error @ (OutboundError::Resolve { .. }
        | OutboundError::Connect { .. }
        | OutboundError::Http { .. }) => OutboundFailure::Unreachable(error.to_string()),
    }
}
