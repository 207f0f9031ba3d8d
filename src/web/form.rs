//! Bodies of requests: buyers' forms, read strictly.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
};
use http::header;
use http_body_util::BodyExt;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{state::WebState, view::Problem};
use crate::limits;

/// The fields of a form, as they came. Fields that nobody asks for are ignored.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

/// Most fields in one form: the largest form here has five, and products may add their own.
const FIELDS_MAX: usize = 64;

impl Form {
    /// The value of a field; empty where it is absent.
    ///
    /// # Errors
    /// [`Problem::Unreadable`] where the field came twice or is not UTF-8: two readers might take two values.
    pub(super) fn field(&self, name: &str) -> Result<&str, Problem> {
        let mut values = self
            .0
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_default();
        // What is not UTF-8 was decoded to this mark.
        let readable = values.next().is_none() && !value.contains(char::REPLACEMENT_CHARACTER);
        readable.then_some(value).ok_or(Problem::Unreadable)
    }

    fn decode(body: &[u8]) -> Result<Self, Problem> {
        let fields = form_urlencoded::parse(body).take(FIELDS_MAX + 1);
        let fields: Vec<_> = fields
            .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
            .collect();
        if fields.len() > FIELDS_MAX {
            Err(Problem::Unreadable)
        } else {
            Ok(Self(fields))
        }
    }
}

impl FromRequest<WebState> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &WebState) -> Result<Self, Problem> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let kind = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if !is_form || request.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::Unreadable);
        }
        let body = body(request.into_body(), limits::FORM_BYTES_MAX).await?;
        if body.len() > limits::FORM_BYTES_MAX {
            return Err(Problem::TooLarge);
        }
        Self::decode(&body)
    }
}

/// How long a sender may take.
struct Patience {
    /// For the next piece: a form is one piece or two.
    piece: Duration,
    /// For all of it: one that trickles holds its place no longer.
    all: Duration,
}

const PATIENCE: Patience = Patience {
    piece: Duration::from_secs(5),
    all: Duration::from_secs(10),
};

/// A body, cut after `bytes_max + 1` bytes, so that one too large is seen to be.
///
/// # Errors
/// [`Problem::Unreadable`] where the sender broke off or was too slow.
pub(super) async fn body(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    body_within(body, bytes_max, &PATIENCE).await
}

async fn body_within(body: Body, bytes_max: usize, patience: &Patience) -> Result<Bytes, Problem> {
    let read = timeout(patience.all, pieces(body, bytes_max, patience.piece)).await;
    read.map_err(|_| Problem::Unreadable)?
}

async fn pieces(mut body: Body, bytes_max: usize, patience: Duration) -> Result<Bytes, Problem> {
    let mut read = Vec::new();
    let late = |_| Problem::Unreadable;
    while let Some(frame) = timeout(patience, body.frame()).await.map_err(late)? {
        let frame = frame.map_err(|_| Problem::Unreadable)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = (bytes_max + 1).saturating_sub(read.len());
        read.extend_from_slice(&data[..data.len().min(room)]);
        if read.len() > bytes_max {
            break;
        }
    }
    Ok(Bytes::from(read))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn field(body: &str, name: &str) -> Option<String> {
        Form::decode(body.as_bytes())
            .ok()?
            .field(name)
            .ok()
            .map(str::to_owned)
    }

    #[test]
    fn a_field_that_came_twice_has_no_value() {
        assert_eq!(field("a=1&b=2&b=3", "a").unwrap(), "1");
        assert_eq!(field("a=1&b=2&b=3", "b"), None);
        assert_eq!(field("a=1", "c").unwrap(), "");
        assert_eq!(field("a=%E4%B9%B0+%E5%AE%B6", "a").unwrap(), "买 家");
        assert_eq!(field("a=%FF", "a"), None);
    }

    #[test]
    fn a_form_of_more_fields_than_any_form_here_is_refused() {
        assert!(field(&"x=1&".repeat(FIELDS_MAX), "a").is_some());
        assert!(field(&"x=1&".repeat(FIELDS_MAX + 1), "a").is_none());
    }

    #[tokio::test]
    async fn a_body_is_read_no_further_than_one_byte_past_its_limit() {
        for (sent, read) in [(0, 0), (9, 9), (10, 10), (11, 11), (4_000, 11)] {
            assert_eq!(
                body(Body::from(vec![0; sent]), 10).await.unwrap().len(),
                read
            );
        }
    }
    #[tokio::test]
    async fn a_body_that_never_comes_or_trickles_is_given_up() {
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(3_600));
        let read = async |sent: Body, piece, all| {
            let patience = Patience { piece, all };
            body_within(sent, 10, &patience).await
        };
        let never = || {
            let nothing = stream::pending::<Result<Bytes, Infallible>>();
            Body::from_stream(nothing)
        };
        assert_eq!(read(never(), short, long).await, Err(Problem::Unreadable));
        assert_eq!(read(never(), long, short).await, Err(Problem::Unreadable));
        let trickling = stream::unfold((), |()| async {
            tokio::task::yield_now().await;
            Some((Ok::<_, Infallible>(Bytes::new()), ()))
        });
        let trickling = Body::from_stream(trickling);
        assert_eq!(read(trickling, long, short).await, Err(Problem::Unreadable));
    }
}
