//! Whether the shop's ports are free, or who has them.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
};

use super::{
    Setting,
    checks::{Seen, doubt, good},
};
use crate::{cli::print, config::Settings, words::language::id};

/// Looks at all that the shop is to listen on.
pub(super) fn all(at: &Setting<'_>, settings: &Settings) -> Vec<Seen> {
    let listen = &settings.listen;
    let all = listen.http.iter().chain(&listen.https);
    all.map(|address| one(at, *address)).collect()
}

fn one(at: &Setting<'_>, address: SocketAddr) -> Seen {
    let words = at.words;
    // Let go at once: it only had to be had.
    match TcpListener::bind(address) {
        Ok(_) => good(words.with(id("init-port-free")).str("address", address)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let who = holder(address.port());
            let who = who.map_or_else(|| "?".to_owned(), |who| print::safe(&who));
            let text = words.with(id("init-port-taken"));
            doubt(text.str("address", address).str("who", who))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            doubt(words.with(id("init-port-denied")).str("address", address))
        }
        Err(error) => {
            let text = words.with(id("init-port-impossible"));
            doubt(text.str("address", address).str("why", error))
        }
    }
}

/// The process that listens on a port, as `nginx (pid 812)`. Others' processes show that to root alone.
fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let wanted: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .find_map(|process| {
            let opened = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            let mut links = opened.filter_map(|fd| fs::read_link(fd.path()).ok());
            links.find(|link| {
                wanted
                    .iter()
                    .any(|wanted| link.as_os_str() == wanted.as_str())
            })?;
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            let pid = process.file_name();
            Some(format!("{} (pid {})", name.trim(), pid.to_string_lossy()))
        })
}

/// Inodes of the sockets that listen on a port, of a table as proc_pid_net(5) has it.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (*state == LISTEN && local.ends_with(&end)).then(|| (*inode).to_owned())
    };
    table.lines().filter_map(of_line).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let who = holder(port).unwrap();
        assert!(
            who.ends_with(&format!("(pid {})", std::process::id())),
            "{who}"
        );
        drop(taken);
        assert_eq!(holder(port), None);
    }

    #[test]
    fn only_sockets_that_listen_there_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
                     1: 0100007F:01BB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
                     2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(listening(table, 443), ["4711"]);
    }
}
