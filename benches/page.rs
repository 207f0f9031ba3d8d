//! P4: the product page over HTTPS with the real binary, on connections that are kept and on new ones, against nginx with a static file
//! of that page: the same certificate, TLS 1.3 with the same cipher suite and curve, two workers each, and the same client, on the
//! same cores.
//!
//! Beside it, for the eye: the same of a bare hyper + rustls server, and the processor time that each server takes for a page by itself.
//! The client takes as much of the same cores, so that no server can be more times as fast than that leaves.
//!
//! `cargo bench --features testing --bench page`
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod daemon;
mod report;

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use daemon::line::{self, Line};
use daemon::process::processor_s;
use daemon::{Folder, plain};
use report::{Row, leave_out, median, rate, tell};
use rustls::ClientConfig;

/// Threads of the client, as many as the servers' workers, and the connections of each.
const THREADS: usize = 2;
const LINES: usize = 32;
/// How long one measurement takes.
const TAKES: Duration = Duration::from_secs(2);
/// Measurements of each side, in turn; the medians are compared.
const ROUNDS: usize = 5;

const KEPT: &str = "product page over HTTPS, connections kept";
const NEW: &str = "product page over HTTPS, new connections";
const RESUMED: &str = "product page over HTTPS, sessions resumed";

/// A server of the page, as the client meets it.
#[derive(Clone)]
struct Site {
    address: SocketAddr,
    request: Arc<Vec<u8>>,
    /// The server's process; none where it is this one.
    process: Option<u32>,
    /// Length of the page, the same at each look.
    page_len: usize,
}

fn main() {
    let Some(nginx) = nginx_binary() else {
        for what in [KEPT, NEW, RESUMED] {
            leave_out("P4", what, "nginx is not there: apt-get install nginx");
        }
        return;
    };
    let folder = Folder::new(1_000);
    let shop = folder.serve();
    let full = line::config(&folder.tls(), false);
    let (mut ours, page) = site(folder.address(), "/p/steam", &full);
    ours.process = Some(shop.id());
    let nginx = Nginx::start(&nginx, &folder.tls(), &page);
    let (mut theirs, copy) = site(nginx.address, "/page.html", &full);
    theirs.process = Some(nginx.process.id());
    assert_eq!(page, copy);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let plain = runtime.block_on(plain::serve(&folder.tls(), Bytes::from(page)));
    let (plain, _) = site(plain, "/", &full);

    let sites = (&ours, &theirs, &plain);
    compare(KEPT, sites, 1.2, |site| kept(site, &full));
    compare(NEW, sites, 2.0, |site| fresh(site, &folder.tls(), false));
    compare(RESUMED, sites, 2.0, |site| fresh(site, &folder.tls(), true));
}

/// Measures all in turn. A measurement gives pages a second, and wrong answers.
fn compare(
    what: &str,
    (ours, theirs, plain): (&Site, &Site, &Site),
    share: f64,
    measure: impl Fn(&Site) -> (f64, usize),
) {
    let (mut rates, mut baselines, mut limits, mut wrong) = (vec![], vec![], vec![], 0);
    let (mut own, mut others) = (vec![], vec![]);
    let mut measured = |site: &Site, rates: &mut Vec<f64>, times: &mut Vec<f64>| {
        let before = site.process.map(processor_s);
        let (rate, bad) = measure(site);
        rates.push(rate);
        if let (Some(before), Some(process)) = (before, site.process) {
            times.push((processor_s(process) - before) / (rate * TAKES.as_secs_f64()) * 1e6);
        }
        wrong += bad;
    };
    for _ in 0..ROUNDS {
        measured(ours, &mut rates, &mut own);
        measured(theirs, &mut baselines, &mut others);
        measured(plain, &mut limits, &mut vec![]);
    }
    let (rate, baseline, limit) = (median(rates), median(baselines), median(limits));
    tell(&Row::at_least("P4", what, "pages/s", (rate, baseline), share).wrong(wrong));
    println!(
        "     processor time of the server alone: {:.1} µs a page, nginx {:.1}; bare hyper and rustls: {limit:.0} pages/s ({:.2} × nginx)",
        median(own),
        median(others),
        limit / baseline,
    );
}

/// Where a page is, and the page.
fn site(address: SocketAddr, path: &str, config: &Arc<ClientConfig>) -> (Site, Vec<u8>) {
    let request = Arc::new(line::request(path, address));
    let mut line = Line::open(address, config).unwrap();
    line.send(&request).unwrap();
    let answer = line.answer().unwrap();
    assert_eq!(answer.status, 200);
    let page = answer.body.to_vec();
    let site = Site {
        address,
        request,
        process: None,
        page_len: page.len(),
    };
    (site, page)
}

/// Whether an answer is the page.
fn is_page(site: &Site, answer: &line::Answer<'_>) -> bool {
    answer.status == 200
        && answer.body.len() == site.page_len
        && answer.body.trim_ascii_end().ends_with(b"</html>")
}

/// On connections that are kept: each asks again once it has its answer.
fn kept(site: &Site, config: &Arc<ClientConfig>) -> (f64, usize) {
    on_threads(|until| {
        let mut lines: Vec<Line> = (0..LINES)
            .map(|_| Line::open(site.address, config).unwrap())
            .collect();
        for line in &mut lines {
            line.send(&site.request).unwrap();
        }
        let (mut pages, mut wrong) = (0, 0);
        while Instant::now() < until {
            for line in &mut lines {
                wrong += usize::from(!is_page(site, &line.answer().unwrap()));
                pages += 1;
                line.send(&site.request).unwrap();
            }
        }
        (pages, wrong)
    })
}

/// On new connections, one page on each; with the session of an earlier one where that is asked for.
fn fresh(site: &Site, tls: &Path, resumed: bool) -> (f64, usize) {
    // A client keeps few tickets, and uses each once.
    const AT_ONCE: usize = 4;
    on_threads(|until| {
        let config = line::config(tls, resumed);
        let (mut pages, mut wrong, mut full) = (0, 0, 0);
        while Instant::now() < until {
            let lines: Vec<Line> = (0..AT_ONCE)
                .map(|_| Line::open(site.address, &config).unwrap())
                .collect();
            for mut line in lines {
                line.send(&site.request).unwrap();
                wrong += usize::from(!is_page(site, &line.answer().unwrap()));
                full += usize::from(line.is_full_handshake());
                pages += 1;
            }
        }
        // The first of them have no session yet.
        let is_as_asked = if resumed {
            full * 10 < pages
        } else {
            full == pages
        };
        assert!(is_as_asked, "{full} full handshakes for {pages} pages");
        (pages, wrong)
    })
}

/// Pages a second of all threads together, each at work until the time that it is given; and wrong answers.
fn on_threads(work: impl Fn(Instant) -> (usize, usize) + Sync) -> (f64, usize) {
    let (pages, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let (some, bad) = work(begun + TAKES);
                pages.fetch_add(some, Ordering::Relaxed);
                wrong.fetch_add(bad, Ordering::Relaxed);
            });
        }
    });
    let pages = pages.into_inner();
    (rate(pages, begun.elapsed()), wrong.into_inner())
}

/// nginx with one page.
struct Nginx {
    address: SocketAddr,
    process: Child,
    /// Holds the page and the configuration.
    _dir: tempfile::TempDir,
}

fn nginx_binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|file| file.exists())
}

impl Nginx {
    fn start(nginx: &Path, tls: &Path, page: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(at("page.html"), page).unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        // Its workers must read the folder, which is this user's alone.
        let user = match rustix::process::getuid().is_root() {
            true => "user root;",
            false => "",
        };
        let config = format!(
            "{user}
daemon off;
worker_processes 2;
pid {pid};
error_log {log} crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    types {{ text/html html; }}
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 100000000;
    open_file_cache max=16;
    client_body_temp_path {temp};
    proxy_temp_path {temp};
    fastcgi_temp_path {temp};
    uwsgi_temp_path {temp};
    scgi_temp_path {temp};
    server {{
        listen {address} ssl backlog=1024;
        root {root};
        ssl_certificate {cert};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        ssl_ecdh_curve X25519;
        ssl_session_cache shared:tls:10m;
    }}
}}
",
            pid = at("pid"),
            log = at("error.log"),
            temp = at("temp"),
            root = dir.path().display(),
            cert = tls.join("self-signed.pem").display(),
            key = tls.join("self-signed.key").display(),
        );
        std::fs::write(at("nginx.conf"), config).unwrap();
        let process = Command::new(nginx)
            .args(["-e", &at("error.log"), "-c", &at("nginx.conf")])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self {
            address,
            process,
            _dir: dir,
        };
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that its workers end too.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}
