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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::net::ClientPolicy;

    #[tokio::test]
    async fn a_gateway_inside_the_private_network_is_refused_and_its_address_is_not_told() {
        let client = Client::new(ClientPolicy::default()).unwrap();
        let outbound = NetOutbound(Arc::new(client));
        let request = |address: &str| http::Request::get(address).body(Bytes::new()).unwrap();
        let refused = outbound
            .send(request("https://127.0.0.1/api.php?key=secret"))
            .await;
        assert_eq!(refused.unwrap_err(), OutboundFailure::NotAllowed);
        let refused = outbound
            .send(request("ftp://pay.example/api.php?key=secret"))
            .await;
        assert!(!refused.unwrap_err().to_string().contains("secret"));
    }
}
