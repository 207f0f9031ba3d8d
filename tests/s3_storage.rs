//! Copies in S3-compatible storage that nobody here wrote: rclone's, from PyPI, which checks each signature. Without pip it is said
//! that nothing was tried.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use keystall::{
    domain::{Clock, Secret},
    net::{
        Client, ClientPolicy,
        s3::{Bucket, BucketError, BucketSettings, OBJECT_BYTES_MAX},
    },
};

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// `None` where it cannot be had.
    fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blackbox/s3_server.py");
        let mut command = Command::new("python3");
        command
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let Ok(mut process) = command.spawn() else {
            eprintln!("not tried: there is no python3");
            return None;
        };
        let mut said = String::new();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        match said.trim().strip_prefix("ready ") {
            Some(port) => Some(Self {
                port: port.parse().unwrap(),
                process,
            }),
            None => {
                eprintln!("not tried: rclone cannot be had here (pip brings it)");
                process.wait().unwrap();
                None
            }
        }
    }

    fn settings(&self) -> BucketSettings {
        BucketSettings {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            region: "us-east-1".to_owned(),
            bucket: "shop".to_owned(),
            prefix: "copies/".to_owned(),
            access_key: "KEYSTALLSTORIES".to_owned(),
            secret_key: Secret::from("a secret of no use elsewhere/+="),
            path_style: true,
            object_bytes_max: OBJECT_BYTES_MAX,
        }
    }

    fn bucket(&self, change: impl FnOnce(&mut BucketSettings)) -> Bucket {
        let policy = ClientPolicy {
            allow_private: vec![("127.0.0.1".to_owned(), self.port)],
            timeout: Duration::from_secs(5),
            ..ClientPolicy::default()
        };
        let mut settings = self.settings();
        change(&mut settings);
        Bucket::new(Client::new(policy).unwrap(), &settings).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input ends, and it with that.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// An hour ago: this server takes signatures of the future.
struct Behind;

impl Clock for Behind {
    fn now_ms(&self) -> i64 {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        since.as_millis() as i64 - 3_600_000
    }
}

/// Bytes that no two places share.
fn content(bytes: u32) -> Vec<u8> {
    (0..bytes / 4)
        .flat_map(|at| (at.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_there_and_come_back_and_wrong_settings_are_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.bucket(|_| ());
    bucket.check().await.unwrap();
    assert_eq!(
        bucket.list("").await.unwrap(),
        [],
        "the check leaves nothing"
    );

    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("2026/small.ksb", 70_000),
        ("2026/large.ksb", (21 << 20) + 4),
        ("empty", 0),
    ] {
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, content(bytes)).unwrap();
        bucket.put_file(name, &from).await.unwrap();
        bucket.get_file(name, &to, bytes as u64).await.unwrap();
        assert!(
            std::fs::read(&to).unwrap() == content(bytes),
            "{name} came back as it went"
        );
        std::fs::remove_file(&to).unwrap();
        let error = bucket
            .get_file(&format!("{name}.not"), &to, 9)
            .await
            .unwrap_err();
        assert!(matches!(error, BucketError::NoObject), "{error}");
        assert!(!to.exists());
    }
    let listed = bucket.list("2026/").await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|one| (one.name.as_str(), one.bytes))
        .collect();
    assert_eq!(
        listed,
        [
            ("2026/large.ksb", (21 << 20) + 4),
            ("2026/small.ksb", 70_000)
        ]
    );
    bucket.delete("2026/large.ksb").await.unwrap();
    bucket.delete("2026/large.ksb").await.unwrap();
    assert_eq!(bucket.list("").await.unwrap().len(), 2);
    assert_eq!(
        server
            .bucket(|settings| settings.prefix.clear())
            .list("copies/")
            .await
            .unwrap()
            .len(),
        2
    );

    refusals(&server).await;
}

async fn refusals(server: &Server) {
    let secret = server
        .bucket(|settings| settings.secret_key = Secret::from("a secret of no use elsewhere/+=x"));
    let error = secret.check().await.unwrap_err();
    assert!(matches!(error, BucketError::SecretKey), "{error}");
    let key = server.bucket(|settings| settings.access_key = "KEYSTALLSTORIEs".to_owned());
    let error = key.check().await.unwrap_err();
    assert!(matches!(error, BucketError::AccessKey), "{error}");
    let other = server.bucket(|settings| settings.bucket = "other".to_owned());
    let error = other.check().await.unwrap_err();
    assert!(matches!(error, BucketError::NoBucket { .. }), "{error}");
    let behind = server.bucket(|_| ()).with_clock(Arc::new(Behind));
    let error = behind.check().await.unwrap_err();
    assert!(matches!(error, BucketError::Clock { .. }), "{error}");
}
