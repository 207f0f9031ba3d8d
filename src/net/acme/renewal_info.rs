//! When an authority wants a certificate renewed (RFC 9773).

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    error::{AcmeError, AcmeErrorKind},
    http::retry_after,
};
use crate::net::{Client, certificate::RenewalId};

/// The window in which an authority wants a certificate renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalInfo {
    /// Its start, Unix milliseconds.
    pub start_ms: i64,
    /// Its end, later than its start.
    pub end_ms: i64,
    /// A page that says why the window is where it is.
    pub explanation: Option<String>,
    /// When to ask again: between a minute and a day (section 4.3.2).
    pub ask_again: Duration,
}

/// Where the document is, in the directory.
#[derive(Deserialize)]
struct Directory {
    #[serde(rename = "renewalInfo")]
    renewal_info: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    suggested_window: SuggestedWindow,
    #[serde(rename = "explanationURL")]
    explanation: Option<String>,
}

#[derive(Deserialize)]
struct SuggestedWindow {
    /// RFC 3339, as the end.
    start: String,
    end: String,
}

/// Without the authority's word (section 4.3.3).
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3_600);
const ASK_AGAIN_MIN: Duration = Duration::from_secs(60);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(24 * 3_600);
const EXPLANATION_BYTES_MAX: usize = 300;

/// Asks; none where the authority gives no renewal information. Needs no account (section 4.2).
pub(super) async fn ask(
    client: &Client,
    directory: &str,
    id: &RenewalId,
) -> Result<Option<RenewalInfo>, AcmeError> {
    let (directory, _): (Directory, _) = get(client, directory).await?;
    let Some(url) = directory.renewal_info else {
        return Ok(None);
    };
    let url = format!(
        "{}/{}.{}",
        url.trim_end_matches('/'),
        id.authority,
        id.serial
    );
    let (document, ask_again): (Document, _) = get(client, &url).await?;
    let window = document.suggested_window;
    let ms = |text: &str| text.parse().map(|at: jiff::Timestamp| at.as_millisecond());
    let (Ok(start_ms), Ok(end_ms)) = (ms(&window.start), ms(&window.end)) else {
        return Err(unusable("its window has no times"));
    };
    if end_ms <= start_ms {
        // Such a document is as good as none (section 4.2).
        return Err(unusable("its window ends before it starts"));
    }
    let explanation = document
        .explanation
        .filter(|url| url.len() <= EXPLANATION_BYTES_MAX && !url.contains(char::is_control));
    Ok(Some(RenewalInfo {
        start_ms,
        end_ms,
        explanation,
        ask_again: ask_again
            .unwrap_or(ASK_AGAIN)
            .clamp(ASK_AGAIN_MIN, ASK_AGAIN_MAX),
    }))
}

async fn get<T: DeserializeOwned>(
    client: &Client,
    url: &str,
) -> Result<(T, Option<Duration>), AcmeError> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(url)
        .header(header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|_| unusable("its address is none"))?;
    let answer = client
        .send(request)
        .await
        .map_err(|error| unusable(&error.to_string()))?;
    let wait = retry_after(&answer.headers);
    if answer.status != StatusCode::OK {
        let status = answer.status.as_u16();
        return Err(unusable(&format!("HTTP {status}")).after(wait));
    }
    let read = serde_json::from_slice(&answer.body);
    Ok((read.map_err(|_| unusable("its form is unknown"))?, wait))
}

fn unusable(why: &str) -> AcmeError {
    AcmeError::new(
        AcmeErrorKind::Unreachable,
        format!("no renewal information: {why}"),
    )
}
