#![allow(clippy::unwrap_used)]

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::net::{ClientPolicy, OutboundError};

/// A storage that answers what it was told to, one connection after another; keeps the heads of the requests.
struct Storage {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    dir: tempfile::TempDir,
}

impl Storage {
    async fn new(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heads = seen.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = request(&mut stream).await;
                heads.lock().unwrap().push(head);
                // The other side may have had enough.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let dir = tempfile::tempdir().unwrap();
        Self { port, seen, dir }
    }

    fn bucket(&self) -> Bucket {
        self.bucket_with(|_| ())
    }

    fn bucket_with(&self, change: impl FnOnce(&mut BucketSettings)) -> Bucket {
        let policy = ClientPolicy {
            allow_private: vec![("127.0.0.1".to_owned(), self.port)],
            ..ClientPolicy::default()
        };
        let mut settings = settings(&format!("http://127.0.0.1:{}", self.port));
        change(&mut settings);
        let mut bucket = Bucket::new(Client::new(policy).unwrap(), &settings).unwrap();
        bucket.pauses = [Duration::ZERO; 2];
        bucket.with_clock(Arc::new(Noon))
    }

    /// Methods and paths so far.
    fn asked(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let line = |head: &String| {
            let mut words = head.split(' ');
            let method = words.next().unwrap();
            let (path, query) = words.next().unwrap().split_once('?').unwrap();
            let query = query.split('&').filter(|one| !one.starts_with("X-Amz-"));
            let query: Vec<_> = query.collect();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{method} {path}{mark}{}", query.join("&"))
        };
        seen.iter().map(line).collect()
    }

    fn file(&self, bytes: u64) -> PathBuf {
        let path = self.dir.path().join("copy");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(bytes).unwrap();
        path
    }
}

struct Noon;

impl Clock for Noon {
    fn now_ms(&self) -> i64 {
        1_763_812_800_000
    }
}

fn settings(endpoint: &str) -> BucketSettings {
    BucketSettings {
        endpoint: endpoint.to_owned(),
        region: "eu-west-3".to_owned(),
        bucket: "shop".to_owned(),
        prefix: "ks/".to_owned(),
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: Secret::from("secret-canary"),
        path_style: false,
        object_bytes_max: 1 << 30,
    }
}

/// Reads a request to its end; gives its head.
async fn request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            assert!(read > 0, "the request breaks off");
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let lines = head.lines().map(str::to_ascii_lowercase);
        let length = lines.filter_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = { length }.next().unwrap_or(0);
        if bytes.len() - end - 4 >= length || read == 0 {
            return head;
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn ok(body: &str) -> String {
    answer(200, "", body)
}

fn refused(status: u16, code: &str) -> String {
    answer(status, "", &format!("<Error><Code>{code}</Code></Error>"))
}

const BEGUN: &str = "<InitiateMultipartUpload><UploadId>up-1</UploadId></InitiateMultipartUpload>";

#[tokio::test]
async fn a_file_is_put_with_its_checksum_under_the_prefix_and_signed_for_the_time_of_the_clock() {
    let storage = Storage::new(vec![ok("")]).await;
    let path = storage.file(0);
    storage.bucket().put_file("a/b.ksb", &path).await.unwrap();
    let head = storage.seen.lock().unwrap()[0].clone();
    assert!(
        head.starts_with("PUT /shop/ks/a/b.ksb?X-Amz-Algorithm="),
        "{head}"
    );
    for part in [
        "X-Amz-Date=20251122T120000Z",
        "AKIDEXAMPLE%2F20251122%2Feu-west-3%2Fs3%2Faws4_request",
        "X-Amz-SignedHeaders=content-md5%3Bhost",
        "content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==",
        "content-length: 0",
    ] {
        assert!(head.contains(part), "{head}: {part}");
    }
    assert!(!head.contains("secret-canary"));
    assert!(!format!("{:?}", storage.bucket()).contains("secret-canary"));
}

#[tokio::test]
async fn a_storage_that_fails_for_a_moment_is_asked_three_times() {
    let busy = || refused(503, "SlowDown");
    let storage = Storage::new(vec![busy(), String::new(), ok("")]).await;
    storage.bucket().delete("a").await.unwrap();
    assert_eq!(storage.asked(), ["DELETE /shop/ks/a"; 3]);
    let storage = Storage::new(vec![busy(), busy(), busy()]).await;
    let error = storage.bucket().delete("a").await.unwrap_err();
    assert!(
        matches!(error, BucketError::Busy { status: 503 }),
        "{error}"
    );
    assert_eq!(storage.asked().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let storage = Storage::new(vec![refused(403, "SignatureDoesNotMatch")]).await;
    let error = storage.bucket().delete("a").await.unwrap_err();
    assert!(matches!(error, BucketError::SecretKey), "{error}");
    assert_eq!(storage.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_that_comes_before_the_body_was_taken_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 4096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let refused = refused(403, "InvalidAccessKeyId");
        stream.write_all(refused.as_bytes()).await.unwrap();
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    let storage = Storage {
        port,
        seen: Arc::default(),
        dir: tempfile::tempdir().unwrap(),
    };
    let path = storage.file(16 << 20);
    let error = storage.bucket().put_file("a", &path).await.unwrap_err();
    assert!(matches!(error, BucketError::AccessKey), "{error}");
}

#[tokio::test]
async fn a_big_file_goes_in_parts_that_become_one() {
    let part = |n: u8| answer(200, &format!("ETag: \"e{n}\"\r\n"), "");
    let answers = vec![
        ok(BEGUN),
        part(1),
        part(2),
        part(3),
        ok("<CompleteMultipartUploadResult/>"),
    ];
    let storage = Storage::new(answers).await;
    let path = storage.file(17 << 20);
    storage.bucket().put_file("a", &path).await.unwrap();
    assert_eq!(
        storage.asked(),
        [
            "POST /shop/ks/a?uploads=1",
            "PUT /shop/ks/a?partNumber=1&uploadId=up-1",
            "PUT /shop/ks/a?partNumber=2&uploadId=up-1",
            "PUT /shop/ks/a?partNumber=3&uploadId=up-1",
            "POST /shop/ks/a?uploadId=up-1",
        ]
    );
    let lengths: Vec<_> = [1, 2, 3]
        .map(|at: usize| {
            let head = storage.seen.lock().unwrap()[at].clone();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            length.unwrap().parse::<u64>().unwrap() >> 20
        })
        .into();
    assert_eq!(lengths, [8, 8, 1]);
}

#[tokio::test]
async fn a_part_that_fails_ends_the_upload() {
    let storage = Storage::new(vec![
        ok(BEGUN),
        refused(403, "AccessDenied"),
        answer(204, "", ""),
    ])
    .await;
    let path = storage.file(17 << 20);
    let error = storage.bucket().put_file("a", &path).await.unwrap_err();
    assert!(matches!(error, BucketError::Denied { .. }), "{error}");
    assert_eq!(storage.asked()[2], "DELETE /shop/ks/a?uploadId=up-1");
}

#[tokio::test]
async fn a_success_that_is_taken_back_in_the_body_ends_the_upload() {
    let part = |n: u8| answer(200, &format!("ETag: \"e{n}\"\r\n"), "");
    let taken_back = ok("<?xml version=\"1.0\"?>\n\n<Error><Code>InternalError</Code></Error>");
    let storage = Storage::new(vec![
        ok(BEGUN),
        part(1),
        part(2),
        part(3),
        taken_back,
        answer(204, "", ""),
    ])
    .await;
    let path = storage.file(17 << 20);
    let error = storage.bucket().put_file("a", &path).await.unwrap_err();
    assert!(error.to_string().ends_with("200 InternalError"), "{error}");
    assert_eq!(storage.asked()[5], "DELETE /shop/ks/a?uploadId=up-1");
}

#[tokio::test]
async fn an_upload_whose_last_answer_was_lost_is_found_to_be_whole() {
    let part = |n: u8| answer(200, &format!("ETag: \"e{n}\"\r\n"), "");
    let whole = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", 17 << 20);
    let answers = vec![
        ok(BEGUN),
        part(1),
        part(2),
        part(3),
        String::new(),
        refused(404, "NoSuchUpload"),
        whole,
    ];
    let storage = Storage::new(answers).await;
    let path = storage.file(17 << 20);
    storage.bucket().put_file("a", &path).await.unwrap();
    assert_eq!(storage.asked()[6], "HEAD /shop/ks/a");
}

#[tokio::test]
async fn an_object_that_breaks_off_is_got_again_into_a_file_of_its_owner_alone() {
    let broken = "HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nsome".to_owned();
    let storage = Storage::new(vec![broken, ok("all of it")]).await;
    let path = storage.dir.path().join("got");
    storage.bucket().get_file("a", &path, 9).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = storage.bucket().get_file("a", &path, 9).await.unwrap_err();
    assert!(
        matches!(error, BucketError::File { .. }),
        "a file that is there stays: {error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
}

#[tokio::test]
async fn nothing_is_left_of_an_object_that_is_not_there_or_too_large() {
    let storage = Storage::new(vec![refused(404, "NoSuchKey")]).await;
    let bucket = storage.bucket_with(|settings| settings.object_bytes_max = 9);
    let path = storage.dir.path().join("got");
    let error = bucket.get_file("a", &path, 9).await.unwrap_err();
    assert!(matches!(error, BucketError::NoObject), "{error}");
    let error = bucket.get_file("a", &path, 10).await.unwrap_err();
    assert!(
        matches!(error, BucketError::TooLarge { limit_bytes: 9 }),
        "{error}"
    );
    assert!(!path.exists());
    let error = bucket.put_file("a", &storage.file(10)).await.unwrap_err();
    assert!(matches!(error, BucketError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn of_a_storage_that_gives_more_than_it_was_given_no_more_is_taken() {
    // Once said, once only done.
    let endless = format!("HTTP/1.1 200 X\r\n\r\n{}", "x".repeat(1 << 20));
    let storage = Storage::new(vec![ok("0123456789"), endless]).await;
    let path = storage.dir.path().join("got");
    for _ in 0..2 {
        let error = storage.bucket().get_file("a", &path, 9).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, BucketError::Longer { told_bytes: 9 }),
            "{error}"
        );
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_storage_that_gives_a_byte_now_and_then_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            request(&mut stream).await;
            let head = b"HTTP/1.1 200 X\r\ncontent-length: 4000\r\n\r\n";
            let mut wrote = stream.write_all(head).await;
            while wrote.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
                wrote = stream.write_all(b"x").await;
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage {
        port,
        seen: Arc::default(),
        dir,
    };
    let mut bucket = storage.bucket();
    bucket.grace = Duration::from_millis(300);
    let path = storage.dir.path().join("got");
    let got = bucket.get_file("a", &path, 4_000).await.unwrap_err();
    assert!(matches!(got, BucketError::Slow { .. }), "{got}");
    assert!(!path.exists());
    let listed = bucket.list("").await.unwrap_err();
    assert!(matches!(listed, BucketError::Slow { .. }), "{listed}");
}

/// A storage that takes a request for each of `answers`, and says nothing for ever where that is none.
async fn silent_at_times(answers: Vec<Option<String>>) -> Storage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = seen.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = request(&mut stream).await;
            heads.lock().unwrap().push(head);
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => held.push(stream),
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    Storage { port, seen, dir }
}

#[tokio::test]
async fn a_small_request_that_a_storage_forgets_is_tried_again() {
    let storage = silent_at_times(vec![None, None, Some(ok(""))]).await;
    let mut bucket = storage.bucket();
    bucket.grace = Duration::from_millis(200);
    bucket.delete("a").await.unwrap();
    assert_eq!(storage.asked(), ["DELETE /shop/ks/a"; 3]);
}

#[tokio::test]
async fn an_upload_that_takes_long_to_join_is_looked_for_before_it_is_given_up() {
    let part = |n: u8| Some(answer(200, &format!("ETag: \"e{n}\"\r\n"), ""));
    let whole = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", 17 << 20);
    let begun = || vec![Some(ok(BEGUN)), part(1), part(2), part(3), None];
    let storage = silent_at_times([begun(), vec![Some(whole)]].concat()).await;
    let path = storage.file(17 << 20);
    let mut bucket = storage.bucket();
    bucket.joining = Duration::from_millis(300);
    bucket.grace = Duration::from_secs(2);
    bucket.put_file("a", &path).await.unwrap();
    assert_eq!(storage.asked()[5..], ["HEAD /shop/ks/a"]);
    // It is not there: the first failure is told, and the upload ended.
    let after = vec![Some(refused(404, "NoSuchKey")), Some(answer(204, "", ""))];
    let storage = silent_at_times([begun(), after].concat()).await;
    let path = storage.file(17 << 20);
    let mut bucket = storage.bucket();
    bucket.joining = Duration::from_millis(300);
    bucket.grace = Duration::from_secs(2);
    let error = bucket.put_file("a", &path).await.unwrap_err();
    assert!(matches!(error, BucketError::Slow { .. }), "{error}");
    assert_eq!(storage.asked()[6], "DELETE /shop/ks/a?uploadId=up-1");
}

fn page(namespace: &str, keys: &[&str], next: Option<&str>) -> String {
    let one = |key: &&str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2025-11-22T12:00:00.500Z</LastModified><Size>7</Size></Contents>"
        )
    };
    let contents: String = keys.iter().map(one).collect();
    let next = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |token| {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        )
    });
    ok(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult{namespace}><Name>shop</Name>{next}{contents}</ListBucketResult>"
    ))
}

#[tokio::test]
async fn all_pages_are_listed_whatever_their_namespace() {
    let storage = Storage::new(vec![
        page(
            " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
            &["ks/b/2", "ks/b/"],
            Some("t1"),
        ),
        page(
            " xmlns=\"http://doc.s3.amazonaws.com/2006-03-01\"",
            &["ks/b/1"],
            Some("t2"),
        ),
        page("", &["other/b/9"], None),
    ])
    .await;
    let listed = storage.bucket().list("b/").await.unwrap();
    let object = |name: &str| Object {
        name: name.to_owned(),
        bytes: 7,
        modified_ms: 1_763_812_800_500,
    };
    assert_eq!(listed, [object("b/1"), object("b/2")]);
    let asked = storage.asked();
    assert!(
        asked.iter().all(|line| line.contains("prefix=ks%2Fb%2F")),
        "{asked:?}"
    );
    assert!(asked[2].contains("continuation-token=t2"), "{asked:?}");
}

#[tokio::test]
async fn a_list_without_end_is_an_error() {
    let pages = (0..120).map(|at| page("", &["ks/a"], Some(&format!("t{at}"))));
    let storage = Storage::new(pages.collect()).await;
    let error = storage.bucket().list("").await.unwrap_err();
    assert!(matches!(error, BucketError::TooMany { .. }), "{error}");
    assert_eq!(storage.asked().len(), 100);
}

#[tokio::test]
async fn a_storage_that_gives_back_something_else_fails_the_check_and_is_left_clean() {
    let storage = Storage::new(vec![ok(""), ok("something else"), answer(204, "", "")]).await;
    let error = storage.bucket().check().await.unwrap_err();
    assert!(matches!(error, BucketError::Answer(_)), "{error}");
    let asked = storage.asked();
    assert!(
        asked.len() == 3 && asked[2].starts_with("DELETE /shop/ks/check-1763812800000-"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_private_place_is_refused_with_the_setting_that_allows_it() {
    let client = Client::new(ClientPolicy::default()).unwrap();
    for endpoint in [
        "http://127.0.0.1:9000",
        "https://192.168.1.2",
        "https://minio:9000",
    ] {
        let bucket = Bucket::new(client.clone(), &settings(endpoint)).unwrap();
        let error = bucket.delete("a").await.unwrap_err();
        assert!(
            error.to_string().contains("[net] allow_private"),
            "{endpoint}: {error}"
        );
        assert!(!error.is_passing());
    }
}

#[test]
fn the_bucket_stands_before_the_host_where_it_can() {
    let client = Client::new(ClientPolicy::default()).unwrap();
    let url = |endpoint: &str, path_style: bool| {
        let settings = BucketSettings {
            path_style,
            ..settings(endpoint)
        };
        Bucket::new(client.clone(), &settings).map(|bucket| bucket.place.base_url().to_string())
    };
    for (endpoint, path_style, expected) in [
        (
            "https://s3.example.com",
            false,
            "https://shop.s3.example.com/",
        ),
        (
            "https://s3.example.com/",
            true,
            "https://s3.example.com/shop/",
        ),
        (
            "https://10.0.0.1:9000",
            false,
            "https://10.0.0.1:9000/shop/",
        ),
        (
            "https://[fd00::1]:9000",
            false,
            "https://[fd00::1]:9000/shop/",
        ),
        ("http://minio:9000", false, "http://minio:9000/shop/"),
    ] {
        assert_eq!(url(endpoint, path_style).unwrap(), expected);
    }
    let named = |bucket: &str| {
        let settings = BucketSettings {
            bucket: bucket.to_owned(),
            ..settings("https://s3.example.com")
        };
        Bucket::new(client.clone(), &settings).map(|bucket| bucket.place.base_url().to_string())
    };
    assert_eq!(named("a.b").unwrap(), "https://s3.example.com/a.b/");
    let error = named("Shop").unwrap_err().to_string();
    assert!(error.contains("s3_path_style = true"), "{error}");
    for endpoint in ["", "s3.example.com", "ftp://s3.example.com", "https://"] {
        let error = url(endpoint, false).unwrap_err();
        assert!(
            error.to_string().starts_with("[backup] s3_endpoint"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_name_that_is_no_path_below_the_prefix_is_never_asked_for() {
    let storage = Storage::new(Vec::new()).await;
    let bucket = storage.bucket();
    let long = "x".repeat(513);
    for name in [
        "", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a?b", "é", &long,
    ] {
        let error = bucket.delete(name).await.unwrap_err();
        assert!(matches!(error, BucketError::Name), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_storage_that_falls_silent_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nsome")
                .await;
            held.push(stream);
        }
    });
    let policy = ClientPolicy {
        allow_private: vec![("127.0.0.1".to_owned(), port)],
        ..ClientPolicy::default()
    };
    let client = Client::new(policy).unwrap();
    let request = http::Request::get(format!("http://127.0.0.1:{port}/"));
    let request = request.body(Bytes::new()).unwrap();
    let mut answer = client
        .stream(request, Duration::from_millis(50))
        .await
        .unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "some");
    let error = answer.chunk().await.unwrap_err();
    assert!(matches!(error, OutboundError::Idle { .. }), "{error}");
}
