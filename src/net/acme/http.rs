//! The library's requests over the one outbound client.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::fmt::rfc2822;

use crate::net::Client;

/// Longest wait that an authority is believed in: Let's Encrypt's longest limits are counted over a week.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Carries requests, and remembers what the last answer said of when to come again.
#[derive(Clone)]
pub(super) struct Way {
    client: Client,
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl Way {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            retry_after: Arc::default(),
        }
    }

    /// How long the last answer asked to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        *self
            .retry_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (head, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        let answer = self.client.send(Request::from_parts(head, body)).await;
        let answer = answer.map_err(|error| Error::Other(Box::new(error)))?;
        let mut headers = answer.headers;
        *self
            .retry_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = bound_wait(&mut headers);
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = headers;
        Ok(BytesResponse::from(response))
    }
}

impl HttpClient for Way {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

/// Leaves in `headers` no wait that the library could not count with, and gives it.
fn bound_wait(headers: &mut HeaderMap) -> Option<Duration> {
    let wait = retry_after(headers);
    headers.remove(header::RETRY_AFTER);
    if let Some(wait) = wait {
        headers.insert(header::RETRY_AFTER, wait.as_secs().into());
    }
    wait
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a time, which is held against the same answer's `Date`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let wanted = text(header::RETRY_AFTER)?.trim();
    let wait = match wanted.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = |text| rfc2822::parse(text).map(|at| at.timestamp().as_second());
            let (until, now) = (at(wanted).ok()?, at(text(header::DATE)?).ok()?);
            Duration::from_secs(u64::try_from(until - now).unwrap_or(0))
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_reaches_the_library_that_its_clock_cannot_hold() {
        for (said, passed) in [
            ("18446744073709551615", Some("604800")),
            ("99999999999999999999999", None),
            ("Fri, 01 Jan 9999 00:00:00 GMT", Some("604800")),
            ("7", Some("7")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, said.parse().unwrap());
            let noon = "Sun, 22 Nov 2026 12:00:00 GMT".parse().unwrap();
            headers.insert(header::DATE, noon);
            bound_wait(&mut headers);
            let now = headers.get(header::RETRY_AFTER);
            assert_eq!(now.map(|wait| wait.to_str().unwrap()), passed, "{said}");
        }
    }

    #[test]
    fn a_wait_is_read_in_both_of_its_forms_and_never_longer_than_a_week() {
        let of = |after: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
            headers.insert(header::DATE, date.parse().unwrap());
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let noon = "Sun, 22 Nov 2026 12:00:00 GMT";
        assert_eq!(of("120", noon), Some(120));
        assert_eq!(of("Sun, 22 Nov 2026 13:00:00 GMT", noon), Some(3_600));
        assert_eq!(of("Sun, 22 Nov 2026 11:00:00 GMT", noon), Some(0));
        assert_eq!(of("99999999", noon), Some(7 * 86_400));
        assert_eq!(of("soon", noon), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
