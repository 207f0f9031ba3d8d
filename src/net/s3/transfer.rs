//! Files to objects and back, with bounded memory.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use md5::{Digest, Md5};
use rusty_s3::{S3Action, actions::CompleteMultipartUpload};
use tokio::{
    fs::{self, File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    time::timeout,
};

use super::{Bucket, BucketError, error, request::Sent};

/// Up to here a file is put as one.
const WHOLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// S3 takes 10,000 parts.
const PARTS_MAX: u64 = 9_000;
/// AWS's have some 130.
const UPLOAD_ID_BYTES_MAX: usize = 1024;
const MIB: u64 = 1024 * 1024;
/// Slower than any line that copies are kept over: a storage that gives a byte now and then is not waited for.
const GOT_BYTES_PER_S: u64 = 50_000;
/// What a storage joins of parts within itself, where it copies them.
const JOINED_BYTES_PER_S: u64 = 20_000_000;

impl Bucket {
    /// Puts a file under `name`, over what was there. A file above 16 MiB goes in parts, of which one is held in memory; when
    /// one fails, the storage is told to forget the others.
    ///
    /// # Errors
    /// [`BucketError`]; nothing of the file is visible then.
    pub async fn put_file(&self, name: &str, path: &Path) -> Result<(), BucketError> {
        let key = self.key(name)?;
        let failed = |source| at(path, source);
        let mut file = File::open(path).await.map_err(failed)?;
        let about = file.metadata().await.map_err(failed)?;
        if !about.is_file() {
            return Err(failed(io::Error::other("it is no file")));
        }
        let bytes = about.len();
        if bytes > self.object_bytes_max {
            let limit_bytes = self.object_bytes_max;
            return Err(BucketError::TooLarge { limit_bytes });
        }
        if bytes <= WHOLE_BYTES_MAX {
            let content = piece(&mut file, bytes).await.map_err(failed)?;
            return self.put_bytes(name, content).await;
        }
        let upload = self.begun(&key).await?;
        let done = self.in_parts(&key, &upload, &mut file, bytes, path).await;
        if done.is_err() {
            let abort = self
                .place
                .abort_multipart_upload(Some(&self.credentials), &key, &upload);
            // The first failure says more. What cannot be told now, a rule of the bucket for unfinished uploads removes.
            let _ = self.ask("end uploads", "DELETE", &abort).await;
        }
        done
    }

    /// Writes the object, which has `bytes`, to a new file at `path`, which only its owner may read. One that turns out longer is
    /// not read on, and all tries together have three minutes (one each) and the time that so many bytes take at 50 kB/s. Nothing is
    /// left of it where this fails.
    ///
    /// # Errors
    /// [`BucketError`]; [`BucketError::Longer`] and [`BucketError::Slow`] for the two.
    pub async fn get_file(&self, name: &str, path: &Path, bytes: u64) -> Result<(), BucketError> {
        let key = self.key(name)?;
        if bytes > self.object_bytes_max {
            let limit_bytes = self.object_bytes_max;
            return Err(BucketError::TooLarge { limit_bytes });
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let mut file = options
            .open(path)
            .await
            .map_err(|source| at(path, source))?;
        // A try that falls silent takes nothing from the next one.
        let graces = self.grace * (self.pauses.len() as u32 + 1);
        let pauses: Duration = self.pauses.iter().sum();
        let limit = graces + pauses + Duration::from_secs(bytes / GOT_BYTES_PER_S);
        let tries = self.tried(&key, &mut file, path, bytes);
        let slow = BucketError::Slow {
            bytes,
            seconds: limit.as_secs(),
        };
        let outcome = timeout(limit, tries).await.unwrap_or(Err(slow));
        if outcome.is_err() {
            // The failure says more than one of removing.
            let _ = fs::remove_file(path).await;
        }
        outcome
    }

    async fn tried(
        &self,
        key: &str,
        file: &mut File,
        path: &Path,
        bytes: u64,
    ) -> Result<(), BucketError> {
        let mut pauses = self.pauses.iter();
        loop {
            let outcome = self.copied(key, file, path, bytes).await;
            match (outcome, pauses.next()) {
                (Err(error), Some(pause)) if error.is_passing() => {
                    tokio::time::sleep(*pause).await;
                }
                (outcome, _) => return outcome,
            }
        }
    }

    pub(super) async fn put_bytes(&self, name: &str, content: Bytes) -> Result<(), BucketError> {
        let key = self.key(name)?;
        let mut put = self.place.put_object(Some(&self.credentials), &key);
        let sent = with_md5(&mut put, content);
        self.send("put objects", "PUT", &put, sent).await.map(drop)
    }

    pub(super) async fn get_bytes(&self, name: &str, limit: usize) -> Result<Bytes, BucketError> {
        let key = self.key(name)?;
        let get = self.place.get_object(Some(&self.credentials), &key);
        let answer = self.ask("get objects", "GET", &get).await?;
        match answer.body.len() > limit {
            true => Err(BucketError::TooLarge {
                limit_bytes: limit as u64,
            }),
            false => Ok(answer.body),
        }
    }

    async fn begun(&self, key: &str) -> Result<String, BucketError> {
        let create = self
            .place
            .create_multipart_upload(Some(&self.credentials), key);
        let answer = self.ask("put objects", "POST", &create).await?;
        let strange = BucketError::Answer("it begins no upload in parts");
        let text = String::from_utf8_lossy(&answer.body);
        // Without a look at what stands around it: storages differ in that.
        let id = text.split_once("<UploadId>").map(|(_, rest)| rest);
        let id = id.and_then(|rest| Some(rest.split_once("</")?.0));
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<&".contains(&byte);
        let id = id.filter(|id| (1..=UPLOAD_ID_BYTES_MAX).contains(&id.len()));
        let id = id.filter(|id| id.bytes().all(is_plain));
        id.map(str::to_owned).ok_or(strange)
    }

    async fn in_parts(
        &self,
        key: &str,
        upload: &str,
        file: &mut File,
        bytes: u64,
        path: &Path,
    ) -> Result<(), BucketError> {
        let part_bytes = self
            .part_bytes
            .max(bytes.div_ceil(PARTS_MAX).next_multiple_of(MIB));
        let mut etags = Vec::new();
        let mut left = bytes;
        while left > 0 {
            let length = left.min(part_bytes);
            let content = piece(file, length)
                .await
                .map_err(|source| at(path, source))?;
            // At most 10,000: `part_bytes` grows with the file.
            let number = u16::try_from(etags.len() + 1).unwrap_or(u16::MAX);
            let credentials = Some(self.credentials.as_ref());
            let mut put = self.place.upload_part(credentials, key, number, upload);
            let sent = with_md5(&mut put, content);
            let answer = self.send("put objects", "PUT", &put, sent).await?;
            let etag = answer
                .headers
                .get("etag")
                .and_then(|etag| etag.to_str().ok());
            let etag = etag.ok_or(BucketError::Answer("it gives no ETag for a part"))?;
            etags.push(etag.to_owned());
            left -= length;
        }
        self.ended(key, upload, &etags, bytes).await
    }

    /// The parts become one object.
    async fn ended(
        &self,
        key: &str,
        upload: &str,
        etags: &[String],
        bytes: u64,
    ) -> Result<(), BucketError> {
        let complete = || {
            let etags = etags.iter().map(String::as_str);
            self.place
                .complete_multipart_upload(Some(&self.credentials), key, upload, etags)
        };
        let sent = Sent {
            body: CompleteMultipartUpload::body(complete()).into(),
            md5: None,
            work: self.joining + Duration::from_secs(bytes / JOINED_BYTES_PER_S),
        };
        let outcome = self.send("put objects", "POST", &complete(), sent).await;
        let failure = match outcome {
            // Success may be said first, while the parts are joined, and taken back in the body.
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body);
                match text.contains("<Error>") {
                    false => return Ok(()),
                    true => BucketError::Refused {
                        doing: "join the parts of an upload",
                        status: answer.status.as_u16(),
                        code: error::element(&text, "Code").unwrap_or_default(),
                    },
                }
            }
            Err(error) => error,
        };
        // Of a try whose answer was lost, the next one finds no upload any more; and what took too long may be done by now.
        let may_be_done = matches!(failure, BucketError::NoObject) || failure.is_waiting();
        match may_be_done && matches!(self.length(key).await, Ok(Some(length)) if length == bytes) {
            true => Ok(()),
            false => Err(failure),
        }
    }

    async fn length(&self, key: &str) -> Result<Option<u64>, BucketError> {
        let head = self.place.head_object(Some(&self.credentials), key);
        let answer = self.ask("get objects", "HEAD", &head).await?;
        let length = answer.headers.get("content-length");
        Ok(length.and_then(|length| length.to_str().ok()?.parse().ok()))
    }

    /// One try to read an object into a file, from its beginning.
    async fn copied(
        &self,
        key: &str,
        file: &mut File,
        path: &Path,
        told_bytes: u64,
    ) -> Result<(), BucketError> {
        let failed = |source| at(path, source);
        let get = self.place.get_object(Some(&self.credentials), key);
        let mut answer = self
            .open("get objects", "GET", &get, &Sent::default())
            .await?;
        let length = answer.headers.get("content-length");
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > told_bytes) {
            return Err(BucketError::Longer { told_bytes });
        }
        file.set_len(0).await.map_err(failed)?;
        file.rewind().await.map_err(failed)?;
        let mut written = 0;
        while let Some(piece) = answer.chunk().await? {
            written += piece.len() as u64;
            if written > told_bytes {
                return Err(BucketError::Longer { told_bytes });
            }
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)
    }
}

/// The next `length` bytes of a file: fewer are an error, for the file changed.
async fn piece(file: &mut File, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut content = vec![0; length];
    file.read_exact(&mut content).await?;
    Ok(content.into())
}

/// The content with its MD5, which is signed too: what was damaged on the way is refused.
fn with_md5<'a>(action: &mut impl S3Action<'a>, body: Bytes) -> Sent {
    let md5 = STANDARD.encode(Md5::digest(&body));
    action.headers_mut().insert("content-md5", md5.clone());
    let md5 = Some(md5);
    Sent {
        body,
        md5,
        ..Sent::default()
    }
}

fn at(path: &Path, source: io::Error) -> BucketError {
    let path: PathBuf = path.to_owned();
    BucketError::File { path, source }
}
