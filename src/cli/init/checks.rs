//! What is looked at before a shop is made: its name, ports, certificate, clock and disk. Each says what to do.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::mpsc,
    time::Duration,
};

use super::{Setting, answers::Answers, ports};
use crate::{
    cli::print,
    config::{Settings, TlsMode},
    net::{Client, ClientPolicy, TlsServer, guard},
    words::language::id,
};

/// One thing that was looked at.
pub(super) struct Seen {
    /// Whether it is as it should be.
    pub(super) good: bool,
    /// What was seen and, where it is in doubt, what to do.
    pub(super) text: String,
}

/// Resolvers that do not answer take this long at most.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);
/// A shop of this age has some hundred MiB; backups want the same again.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// Signatures of authorities and of providers' notices bear a clock that is this far off.
const CLOCK_OFF_MAX_S: i64 = 60;

/// All that the settings do not need a person's answer for. The network is asked only where a person waits, or where the shop
/// is about to need it.
pub(super) fn all(at: &Setting<'_>, answers: &Answers) -> Vec<Seen> {
    let settings = &answers.settings;
    let acme = settings.tls.mode == TlsMode::Acme;
    let mut seen = Vec::new();
    if acme && !at.person {
        seen.push(host(at, &settings.shop.host));
    }
    seen.extend(ports::all(at, settings));
    if acme {
        seen.extend(clock(at, settings));
    }
    let of_settings = settings.doubts();
    seen.extend(of_settings.iter().map(doubt));
    let is_kept = answers.written.is_none();
    if is_kept {
        seen.extend(links(at, settings));
    }
    // A person was told at the question.
    if !at.person || is_kept {
        seen.extend(names(at, settings));
    }
    if settings.mail.host.is_some() {
        let text = at.words.with(id("init-mail-untried"));
        seen.push(doubt(text.str("dir", at.dir_flag())));
    }
    seen.extend(open_secrets(at, answers));
    seen.extend(folder(at));
    seen
}

/// Whether the host's name leads here.
pub(super) fn host(at: &Setting<'_>, host: &str) -> Seen {
    let words = at.words;
    let here = here();
    let Some(found) = look_up(host) else {
        let text = match here {
            Some(here) => words.with(id("init-host-unknown")).str("mine", here),
            None => words.with(id("init-host-unknown-alone")),
        };
        return doubt(text.str("host", host));
    };
    if let Some(address) = found.iter().find(|address| is_mine(**address)) {
        let text = words.with(id("init-host-here"));
        return good(text.str("host", host).str("address", address));
    }
    let addresses: Vec<String> = found.iter().map(ToString::to_string).collect();
    let text = match here {
        Some(here) if guard::is_public(here) => {
            words.with(id("init-host-elsewhere")).str("mine", here)
        }
        // Its public address is the router's.
        Some(here) => words.with(id("init-host-behind-nat")).str("mine", here),
        None => words.with(id("init-host-perhaps")),
    };
    let text = text.str("host", host);
    doubt(text.str("addresses", addresses.join(", ")))
}

/// Whether a certificate and its key can be used, or why not.
pub(super) fn certificate(cert: &Path, key: &Path) -> Result<(), String> {
    let read = TlsServer::from_files(cert, key);
    read.map(|_| ()).map_err(|error| error.to_string())
}

/// A certificate that can be used, and does not name the host; nothing where it does.
pub(super) fn foreign(at: &Setting<'_>, cert: &Path, key: &Path, host: &str) -> Option<Seen> {
    let read = TlsServer::from_files(cert, key).ok()?;
    if read.is_for(host) {
        return None;
    }
    let named = read.facts().map(|facts| facts.names.join(", "));
    let named = named.filter(|names| !names.is_empty());
    let text = at.words.with(id("init-cert-foreign"));
    let text = text
        .str("file", print::safe(&cert.display().to_string()))
        .str("host", host)
        .str(
            "names",
            print::safe(&named.unwrap_or_else(|| "-".to_owned())),
        );
    Some(doubt(text))
}

pub(super) fn good(text: impl ToString) -> Seen {
    let text = text.to_string();
    Seen { good: true, text }
}

pub(super) fn doubt(text: impl ToString) -> Seen {
    let text = text.to_string();
    Seen { good: false, text }
}

/// The addresses of a host; none where nobody knows it, or nobody answers.
fn look_up(host: &str) -> Option<Vec<IpAddr>> {
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    // Not joined: a resolver that hangs ends with the process.
    std::thread::spawn(move || {
        let found = (name.as_str(), 443_u16).to_socket_addrs();
        let found = found.map(|all| all.map(|one| one.ip()).collect::<Vec<_>>());
        // Nobody waits any more.
        let _ = sender.send(found.ok());
    });
    let mut found = receiver.recv_timeout(LOOK_UP_MAX).ok()??;
    found.sort();
    found.dedup();
    Some(found).filter(|found| !found.is_empty())
}

/// The same of settings as a whole.
fn names(at: &Setting<'_>, settings: &Settings) -> Option<Seen> {
    if settings.tls.mode != TlsMode::Files {
        return None;
    }
    let (cert, key) = (settings.tls.cert.as_ref()?, settings.tls.key.as_ref()?);
    foreign(at, cert, key, &settings.shop.host)
}

/// Links that name a port at which the shop takes nobody.
fn links(at: &Setting<'_>, settings: &Settings) -> Option<Seen> {
    let linked = settings.shop.port;
    let mut ports = settings.listen.https.iter().map(SocketAddr::port);
    // Port 0 is any that is free; an authority looks at 443, so something there passes buyers on.
    let first = ports.clone().find(|port| *port != 0)?;
    if settings.tls.mode == TlsMode::Acme || ports.any(|port| port == linked) {
        return None;
    }
    let text = at.words.with(id("init-links-elsewhere"));
    let text = text.str("linked", linked).str("port", first);
    Some(doubt(text))
}

/// Secrets in a file of settings that others can read.
fn open_secrets(at: &Setting<'_>, answers: &Answers) -> Option<Seen> {
    let keys = answers.draft.secret_keys();
    let mode = fs::metadata(&at.file).ok()?.permissions().mode();
    if keys.is_empty() || mode & 0o044 == 0 {
        return None;
    }
    let text = at.words.with(id("init-secret-readable"));
    let text = text.str("file", print::safe(&at.file.display().to_string()));
    Some(doubt(text.str("keys", keys.join(", "))))
}

/// Whether an address is one of this machine's: only these can be bound.
fn is_mine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The address from which this machine reaches the Internet. No packet is sent: only the way is looked up.
fn here() -> Option<IpAddr> {
    let ways: [(SocketAddr, SocketAddr); 2] = [
        (
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv4Addr::new(1, 1, 1, 1), 443).into(),
        ),
        (
            (Ipv6Addr::UNSPECIFIED, 0).into(),
            (
                Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111),
                443,
            )
                .into(),
        ),
    ];
    ways.into_iter().find_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

/// The clock beside the authority's, which the shop is about to talk to anyway; nothing where the network does not answer.
fn clock(at: &Setting<'_>, settings: &Settings) -> Option<Seen> {
    let now = jiff::Timestamp::now();
    let date = match date_of(&settings.tls.acme_directory)? {
        Ok(date) => date,
        // Far off, a clock makes every certificate invalid before any date can be read.
        Err(why) if is_about_time(&why) => {
            let text = at.words.with(id("init-clock-refuses"));
            return Some(doubt(text.str("now", now).str("why", why)));
        }
        Err(_) => return None,
    };
    let off_s = now.as_second() - seconds_of(&date)?;
    Some(match off_s.abs() <= CLOCK_OFF_MAX_S {
        true => good(at.words.text(id("init-clock-right"))),
        false => doubt(at.words.with(id("init-clock-wrong")).num("seconds", off_s)),
    })
}

/// A date as HTTP has it (RFC 9110, section 5.6.7), Unix seconds.
fn seconds_of(date: &str) -> Option<i64> {
    Some(
        jiff::fmt::rfc2822::parse(date)
            .ok()?
            .timestamp()
            .as_second(),
    )
}

/// Whether a connection failed because of a certificate's time (the words are those of rustls).
fn is_about_time(why: &str) -> bool {
    let why = why.to_lowercase();
    ["expired", "not valid yet", "notvalidyet"]
        .iter()
        .any(|word| why.contains(word))
}

/// The field `Date` of an answer (RFC 9110, section 6.6.1), or why there is no answer.
fn date_of(url: &str) -> Option<Result<String, String>> {
    let policy = ClientPolicy {
        timeout: LOOK_UP_MAX,
        ..ClientPolicy::default()
    };
    let client = Client::new(policy).ok()?;
    let request = http::Request::get(url).body(bytes::Bytes::new()).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let answer = match runtime.block_on(client.send(request)) {
        Ok(answer) => answer,
        Err(error) => return Some(Err(error.to_string())),
    };
    let date = answer.headers.get(http::header::DATE)?;
    Some(Ok(date.to_str().ok()?.to_owned()))
}

/// The disk below the shop's folder.
fn folder(at: &Setting<'_>) -> Vec<Seen> {
    // What of the path is there already.
    let mut there = at.dir.ancestors();
    let Some(there) = there.find(|path| fs::metadata(path).is_ok()) else {
        return Vec::new();
    };
    // A relative path of one part ends in the empty path, which is this folder.
    let there = if there.as_os_str().is_empty() {
        Path::new(".")
    } else {
        there
    };
    let mut seen = Vec::new();
    if let Ok(space) = rustix::fs::statvfs(there) {
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let mib = i64::try_from(free / (1024 * 1024)).unwrap_or(i64::MAX);
        seen.push(match free >= FREE_BYTES_MIN {
            true => good(at.words.with(id("init-disk-enough")).num("mib", mib)),
            false => doubt(at.words.with(id("init-disk-little")).num("mib", mib)),
        });
    }
    if let Some(kind) = rustix::fs::statfs(there)
        .ok()
        .and_then(|about| remote(about.f_type))
    {
        seen.push(doubt(
            at.words.with(id("init-disk-remote")).str("kind", kind),
        ));
    }
    seen
}

/// The name of a file system over the network (statfs(2)): locks and syncs are not what the database takes them for there.
fn remote(kind: rustix::fs::FsWord) -> Option<&'static str> {
    // Of some architectures the word is signed; all values here fit in 32 bits.
    match kind as u32 {
        0x6969 => Some("NFS"),
        0xFF53_4D42 | 0xFE53_4D42 => Some("SMB"),
        0x0102_1997 => Some("9p"),
        0x00C3_6400 => Some("Ceph"),
        0x6573_5546 => Some("FUSE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_this_machines_only_if_it_can_be_bound() {
        assert!(is_mine(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!is_mine(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))));
    }

    #[test]
    fn a_clock_is_held_against_the_date_of_an_answer() {
        assert_eq!(
            seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(seconds_of("yesterday"), None);
        let late = "invalid peer certificate: certificate expired: verification time 1 (UNIX)";
        assert!(is_about_time(late) && is_about_time("certificate not valid yet: …"));
        assert!(!is_about_time("connection refused"));
    }

    #[test]
    fn a_name_that_nobody_knows_is_not_found() {
        assert_eq!(
            look_up("127.0.0.1"),
            Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        );
        assert_eq!(look_up("nobody.invalid"), None);
    }
}
