//! S3-compatible storage for copies: put, get, list and delete of objects in one bucket, over the one outbound client.
//!
//! Requests are presigned URLs (AWS Signature Version 4, in the query), made afresh for each try; the payload is not signed but
//! carries its `Content-MD5`, which every such storage checks. What is answered is read within limits and never trusted: copies
//! are sealed before they come here and verified after they are read back.
//!
//! It knows nothing of what the objects hold, never makes or empties a bucket, and never follows a redirect.

mod error;
mod list;
mod request;
#[cfg(test)]
mod tests;
mod transfer;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rusty_s3::{Credentials, UrlStyle};

pub use self::error::BucketError;
use super::Client;
use crate::domain::{Clock, Secret};

/// One bucket, and the prefix under which all objects of this shop lie in it.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    clock: Arc<dyn Clock>,
    place: rusty_s3::Bucket,
    credentials: Arc<Credentials>,
    prefix: String,
    object_bytes_max: u64,
    /// Waited before each further try.
    pauses: [Duration; 2],
    /// Given to each exchange beside the time that its bytes take.
    grace: Duration,
    /// Given to the storage to join the parts of an upload, beside the time that so many bytes take it.
    joining: Duration,
    /// A part of an upload in parts; larger for a file that would have too many.
    part_bytes: u64,
    has_name_of_bucket: bool,
}

/// Where a bucket is and what opens it; the keys `s3_…` of `[backup]`.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// An address without the bucket, as `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket, which is there already.
    pub bucket: String,
    /// What the names of all objects begin with; names given and listed here come without it.
    pub prefix: String,
    /// The access key's id.
    pub access_key: String,
    /// The access key's secret.
    pub secret_key: Secret,
    /// Whether the bucket stands in the path, and not before the host. It always does where the host is an address or the
    /// bucket's name has dots.
    pub path_style: bool,
    /// Largest object that is put or got.
    pub object_bytes_max: u64,
}

/// What the bucket holds under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Without the prefix of the settings.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was put, in milliseconds since 1970, by the storage's clock.
    pub modified_ms: i64,
}

/// Largest object where nothing else is said: far more than a shop's database has.
pub const OBJECT_BYTES_MAX: u64 = 1 << 40;
/// Most objects that are listed.
pub const LIST_MAX: usize = 10_000;

impl Bucket {
    /// The bucket of `settings`, reached through `client`. Asks nobody yet: [`Bucket::check`] does.
    ///
    /// # Errors
    /// [`BucketError::Setting`] where the settings cannot be used.
    pub fn new(client: Client, settings: &BucketSettings) -> Result<Self, BucketError> {
        let wrong = |key, reason| BucketError::Setting { key, reason };
        let address = "an address is needed, as \"https://s3.example.com\"";
        // Kept apart from the `url` crate by inference: what rusty-s3 takes is what is parsed.
        let endpoint = settings.endpoint.parse();
        let endpoint = endpoint.map_err(|_| wrong("s3_endpoint", address))?;
        let secret = settings.secret_key.expose_str();
        let secret = secret.ok_or(wrong("s3_secret_key", "it is no text"))?;
        // A name with dots before the host would fit no wildcard certificate.
        let in_path =
            settings.path_style || is_bare(&settings.endpoint) || settings.bucket.contains('.');
        let style = match in_path {
            true => UrlStyle::Path,
            false => UrlStyle::VirtualHost,
        };
        let (bucket, region) = (settings.bucket.clone(), settings.region.clone());
        let place = rusty_s3::Bucket::new(endpoint, style, bucket, region);
        let place = place.map_err(|error| match error {
            rusty_s3::BucketError::ParseError(_) => wrong(
                "s3_bucket",
                "this name cannot stand before the host: set s3_path_style = true, if that is its name",
            ),
            _ => wrong("s3_endpoint", address),
        })?;
        Ok(Self {
            client,
            clock: Arc::new(MachineClock),
            place,
            credentials: Arc::new(Credentials::new(&settings.access_key, secret)),
            prefix: settings.prefix.clone(),
            object_bytes_max: settings.object_bytes_max,
            pauses: [Duration::from_secs(1), Duration::from_secs(4)],
            grace: Duration::from_secs(60),
            joining: Duration::from_secs(10 * 60),
            part_bytes: 8 * 1024 * 1024,
            has_name_of_bucket: !in_path,
        })
    }

    /// The same with another clock: signatures hold the time.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Removes an object. One that is not there is removed already.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn delete(&self, name: &str) -> Result<(), BucketError> {
        let key = self.key(name)?;
        let delete = self.place.delete_object(Some(&self.credentials), &key);
        match self.ask("delete objects", "DELETE", &delete).await {
            Ok(_) | Err(BucketError::NoObject) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether copies can be kept here: puts a small object, reads it, finds it in the list and deletes it.
    ///
    /// # Errors
    /// [`BucketError`], which says what to do.
    pub async fn check(&self) -> Result<(), BucketError> {
        let now_ms = self.clock.now_ms();
        let name = format!("check-{now_ms}-{}", std::process::id());
        let content = Bytes::from(format!(
            "keystall looks whether it can keep copies here: {now_ms}\n"
        ));
        self.put_bytes(&name, content.clone()).await?;
        let read = self.looked_at(&name, &content).await;
        // Tried whatever came before: nothing is to be left behind.
        let deleted = self.delete(&name).await;
        read.and(deleted)
    }

    async fn looked_at(&self, name: &str, content: &Bytes) -> Result<(), BucketError> {
        if self.get_bytes(name, 1024).await? != *content {
            return Err(BucketError::Answer(
                "it gave back something else than was put",
            ));
        }
        match self.list(name).await?.as_slice() {
            [one] if one.name == name && one.bytes == content.len() as u64 => Ok(()),
            _ => Err(BucketError::Answer("it does not list what was just put")),
        }
    }

    /// A name's key in the bucket.
    fn key(&self, name: &str) -> Result<String, BucketError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        // Within a path of a URL, `..` would be taken away.
        let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
        match (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(allowed)
            && name.split('/').all(is_part)
        {
            true => Ok(format!("{}{name}", self.prefix)),
            false => Err(BucketError::Name),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("url", &self.place.base_url().as_str())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Whether the host of an address is an IP address or one label, which no bucket's name can stand before.
fn is_bare(endpoint: &str) -> bool {
    let rest = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.starts_with('[') {
        return true;
    }
    let host = authority.split(':').next().unwrap_or_default();
    !host.contains('.') || host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// The machine's time.
struct MachineClock;

impl Clock for MachineClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }
}

/// Keys have at most 1,024 bytes (S3), the prefix 256.
const NAME_BYTES_MAX: usize = 512;
