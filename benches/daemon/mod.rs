//! Shops in folders, made and served by the real binary, and their buyers: what the benchmarks over HTTPS share.
#![allow(dead_code, clippy::unwrap_used)]

pub mod buyer;
pub mod client;
pub mod inside;
pub mod line;
pub mod plain;
pub mod process;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use process::Daemon;

/// Keys in one file: below what an import takes at once.
const KEYS_IN_A_FILE: usize = 200_000;
/// Settings without the limits for one buyer, where all come from one address.
const UNLIMITED: [(&str, &str); 4] = [
    ("LISTEN__CONNECTIONS_PER_ADDRESS", "0"),
    ("LIMITS__OPEN_ORDERS_PER_ADDRESS", "0"),
    ("LIMITS__OPEN_ORDERS_PER_CONTACT", "0"),
    ("LIMITS__HELD_SHARE_PERCENT", "0"),
];

/// A shop's folder, and how it is served.
pub struct Folder {
    dir: PathBuf,
    /// Removes it in the end, where it was made here.
    temporary: Option<tempfile::TempDir>,
    address: SocketAddr,
    settings: Vec<(String, String)>,
}

impl Folder {
    /// A shop with so many keys for the product `steam` at 19.90 and the channel `main`, not served yet. The limits for one buyer
    /// are off.
    pub fn new(keys: usize) -> Self {
        Self::with(keys, &[])
    }

    /// The same, with settings of the environment besides (`STORE__CACHE_MIB`).
    pub fn with(keys: usize, settings: &[(&str, &str)]) -> Self {
        Self::at(free_address(), keys, &[&UNLIMITED, settings].concat())
    }

    /// The same at an address of the caller's choice, with the limits as they are by default.
    pub fn at(address: SocketAddr, keys: usize, settings: &[(&str, &str)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut this = Self::of(temporary.path(), address, settings);
        this.temporary = Some(temporary);
        let host = address.ip().to_string();
        this.run(&["init", "--host", &host, "--title", "Bench"]);
        this.run(&[
            "product", "add", "--slug", "steam", "--title", "Steam 20", "--price", "19.90",
        ]);
        this.add_channel();
        this.import(keys);
        this
    }

    /// A shop that somebody made. The limits for one buyer are off.
    pub fn existing(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::of(dir, free_address(), &[&UNLIMITED, settings].concat())
    }

    fn of(dir: &Path, address: SocketAddr, settings: &[(&str, &str)]) -> Self {
        let named =
            |(name, value): &(&str, &str)| (format!("KEYSTALL_{name}"), (*value).to_owned());
        Self {
            dir: dir.to_owned(),
            temporary: None,
            address,
            settings: settings.iter().map(named).collect(),
        }
    }

    /// Where the shop lies.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where its certificate lies.
    pub fn tls(&self) -> PathBuf {
        self.path().join("tls")
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.path().join("shop.redb")
    }

    /// Bytes of the database.
    pub fn database_bytes(&self) -> u64 {
        std::fs::metadata(self.database()).unwrap().len()
    }

    /// Serves it with the real binary, and waits until it takes connections.
    pub fn serve(&self) -> Daemon {
        let daemon = self.start();
        while TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    /// Serves it, and waits until it says that it can sell.
    pub async fn ready(&self) -> Daemon {
        let daemon = self.start();
        while !client::is_ready(self.address, &self.tls()).await {
            // Short, and not nothing: the daemon starts on the same cores.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        daemon
    }

    fn start(&self) -> Daemon {
        let mut command = self.keystall();
        command.arg("serve");
        Daemon::start(command)
    }

    /// The real binary with this shop's folder and settings.
    pub fn keystall(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystall"));
        command.arg("--dir").arg(self.path().join("."));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.env("KEYSTALL_LISTEN__HTTPS", self.address.to_string());
        command.env("KEYSTALL_TLS__MODE", "self-signed");
        command.env("KEYSTALL_LOG__LEVEL", "warn");
        command.envs(self.settings.iter().cloned());
        command
    }

    fn run(&self, arguments: &[&str]) {
        let status = self.keystall().args(arguments).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    fn add_channel(&self) {
        let key = self.path().join("key");
        std::fs::write(&key, buyer::CHANNEL_KEY).unwrap();
        let secret = format!("key=@{}", key.display());
        self.run(&[
            "channel",
            "add",
            "main",
            "--kind",
            "epay",
            "--set",
            "gateway=https://pay.example.com/",
            "--set",
            "pid=1001",
            "--set",
            "type=alipay",
            "--secret",
            &secret,
        ]);
    }

    fn import(&self, keys: usize) {
        let path = self.path().join("keys.txt");
        for first in (0..keys).step_by(KEYS_IN_A_FILE) {
            let file = std::fs::File::create(&path).unwrap();
            let mut lines = std::io::BufWriter::new(file);
            for number in first..keys.min(first + KEYS_IN_A_FILE) {
                writeln!(lines, "{}", buyer::key(number)).unwrap();
            }
            lines.flush().unwrap();
            let path = path.display().to_string();
            self.run(&["key", "import", "--product", "steam", &path]);
        }
        let _ = std::fs::remove_file(path);
    }
}

/// A port of this machine's that nobody has at this moment.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}
