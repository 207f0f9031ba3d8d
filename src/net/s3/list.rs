//! What the bucket holds.

use jiff::Timestamp;
use rusty_s3::actions::{ListObjectsV2, list_objects_v2::ListObjectsV2Response};

use super::{Bucket, BucketError, LIST_MAX, Object};

/// Names on a page; more are never given.
const PAGE: usize = 1000;
/// Pages of a storage that gives few names, or none, on each.
const PAGES_MAX: usize = 100;

impl Bucket {
    /// All objects whose names begin with `prefix`, which may be empty, in the order of their names.
    ///
    /// # Errors
    /// [`BucketError`]; [`BucketError::TooMany`] beyond [`LIST_MAX`] objects.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        if !prefix.is_empty() {
            // As a name: what is listed can be asked for.
            self.key(prefix.trim_end_matches('/'))?;
        }
        let mut objects = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let page = self.page(prefix, next).await?;
            for one in page.contents {
                objects.extend(self.object(one.key, one.size, one.last_modified)?);
            }
            if objects.len() > LIST_MAX {
                return Err(BucketError::TooMany { most: LIST_MAX });
            }
            next = page.next_continuation_token;
            if next.is_none() {
                objects.sort_by(|one, other| one.name.cmp(&other.name));
                return Ok(objects);
            }
        }
        Err(BucketError::TooMany { most: LIST_MAX })
    }

    async fn page(
        &self,
        prefix: &str,
        next: Option<String>,
    ) -> Result<ListObjectsV2Response, BucketError> {
        let mut list = self.place.list_objects_v2(Some(&self.credentials));
        list.with_prefix(format!("{}{prefix}", self.prefix));
        list.with_max_keys(PAGE);
        if let Some(next) = next {
            list.with_continuation_token(next);
        }
        let answer = self.ask("list objects", "GET", &list).await?;
        let strange = BucketError::Answer("its list of objects cannot be read");
        let Ok(text) = std::str::from_utf8(&answer.body) else {
            return Err(strange);
        };
        ListObjectsV2::parse_response(&in_namespace(text)).map_err(|_| strange)
    }

    /// `None` for what lies outside of the prefix, or is a folder as some web pages make them.
    fn object(
        &self,
        key: String,
        bytes: Option<u64>,
        modified: Option<String>,
    ) -> Result<Option<Object>, BucketError> {
        let name = key.strip_prefix(&self.prefix);
        let Some(name) = name.filter(|name| self.key(name).is_ok()) else {
            return Ok(None);
        };
        let modified = modified.and_then(|text| text.parse::<Timestamp>().ok());
        let (Some(bytes), Some(modified)) = (bytes, modified) else {
            return Err(BucketError::Answer(
                "its list says no size or time of an object",
            ));
        };
        Ok(Some(Object {
            name: name.to_owned(),
            bytes,
            modified_ms: modified.as_millisecond(),
        }))
    }
}

/// The document with the namespace of S3 at its root: some storages have an older one, or none.
pub(super) fn in_namespace(text: &str) -> String {
    let is_root = |(at, _): &(usize, &str)| {
        let after = text.as_bytes().get(at + 1);
        after.is_some_and(u8::is_ascii_alphabetic)
    };
    let root = text.match_indices('<').find(is_root);
    let Some((from, to)) = root.and_then(|(from, _)| Some((from, from + text[from..].find('>')?)))
    else {
        return text.to_owned();
    };
    let tag = &text[from..to];
    let name = tag
        .split([' ', '\n', '\r', '\t', '/'])
        .next()
        .unwrap_or(tag);
    let empty = if tag.ends_with('/') { "/" } else { "" };
    format!(
        "{}{name} xmlns=\"{NAMESPACE}\"{empty}{}",
        &text[..from],
        &text[to..]
    )
}

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
