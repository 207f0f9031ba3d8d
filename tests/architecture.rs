//! Who may know whom. The rule stands in the docs of `lib.rs`; here it is held, by reading the `use` lines and paths.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room → rooms it may name.
const RULE: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("domain", &["limits"]),
    ("ledger", &["limits", "domain"]),
    ("vault", &["limits", "domain"]),
    ("store", &["limits", "domain"]),
    ("actions", &["limits", "domain", "ledger", "vault", "store"]),
    ("words", &["limits", "domain"]),
    ("net", &["limits", "domain"]),
    ("config", &["limits", "domain", "words", "actions"]),
    ("pay", &["limits", "domain", "actions", "store", "net"]),
    (
        "notify",
        &["limits", "domain", "words", "actions", "store", "net"],
    ),
    (
        "anchor",
        &["limits", "domain", "ledger", "actions", "store", "net"],
    ),
    ("cashier", &["limits", "domain"]),
    (
        "web",
        &[
            "limits", "domain", "words", "actions", "store", "vault", "ledger", "pay", "net",
        ],
    ),
    (
        "daemon",
        &[
            "limits", "domain", "words", "ledger", "actions", "store", "vault", "pay", "notify",
            "net", "config", "web", "cashier", "anchor",
        ],
    ),
    (
        "cli",
        &[
            "limits", "domain", "words", "actions", "store", "config", "daemon", "net", "vault",
            "ledger",
        ],
    ),
];

/// Crate → rooms that know it.
const KNOWN_BY: &[(&str, &[&str])] = &[
    ("redb", &["store"]),
    ("bincode", &["store"]),
    ("askama", &["web", "notify"]),
    ("axum", &["web", "cashier", "daemon"]),
    ("fluent_bundle", &["words"]),
    ("ammonia", &["words"]),
    ("pulldown_cmark", &["words"]),
    ("qrcodegen", &["words"]),
    ("rust_embed", &["web", "words"]),
    ("chacha20poly1305", &["vault"]),
    ("bech32", &["vault"]),
    ("hkdf", &["vault"]),
    ("x25519_dalek", &["vault"]),
    ("argon2", &["vault"]),
    ("getrandom", &["vault"]),
    ("ed25519_dalek", &["ledger", "actions"]),
    ("webpki", &["ledger"]),
    ("der", &["ledger"]),
    ("p256", &["ledger"]),
    ("p384", &["ledger"]),
    ("crypto_bigint", &["ledger"]),
    ("sha1", &["ledger"]),
    ("mail_parser", &["ledger"]),
    ("tar", &["ledger"]),
    ("zstd", &["ledger", "actions"]),
    ("rustls", &["net"]),
    ("tokio_rustls", &["net"]),
    ("rcgen", &["net"]),
    ("instant_acme", &["net"]),
    ("x509_parser", &["net"]),
    ("socket2", &["net"]),
    ("md5", &["pay", "cashier", "net"]),
    ("rusty_s3", &["net"]),
    ("bip39", &["ledger"]),
    ("csv", &["actions"]),
    ("image", &["actions"]),
    ("encoding_rs", &["actions"]),
    ("toml", &["config"]),
    ("prometheus_client", &["daemon"]),
    ("tracing_subscriber", &["daemon"]),
    ("indicatif", &["cli"]),
    ("clap", &["cli", "bin"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("listenfd", &["net"]),
    ("lettre", &["notify"]),
    ("idna", &["notify"]),
    ("hickory_resolver", &["notify"]),
    ("tar", &["ledger"]),
    ("zstd", &["ledger", "actions"]),
];

#[test]
fn rooms_know_only_whom_the_map_allows() {
    let rule: BTreeMap<_, BTreeSet<_>> = RULE
        .iter()
        .map(|(room, known)| (*room, known.iter().copied().collect()))
        .collect();
    let mut broken = Vec::new();
    for (room, file, text) in sources() {
        let Some(allowed) = rule.get(room.as_str()) else {
            continue;
        };
        for named in rooms_named(&text) {
            if named != room
                && rule.contains_key(named.as_str())
                && !allowed.contains(named.as_str())
            {
                broken.push(format!("{} names crate::{named}", file.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn each_dependency_is_known_by_its_own_rooms() {
    let mut broken = Vec::new();
    for (room, file, text) in sources() {
        for (dependency, rooms) in KNOWN_BY {
            let named = text.contains(&format!("use {dependency}::"))
                || text.contains(&format!(" {dependency}::"));
            if named && !rooms.contains(&room.as_str()) && room != "testing" {
                broken.push(format!("{} names {dependency}", file.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_room_is_in_the_rule() {
    let ruled: BTreeSet<_> = RULE
        .iter()
        .map(|(room, _)| room.to_string())
        .chain(["testing".into(), "bin".into()])
        .collect();
    let rooms: BTreeSet<_> = sources()
        .into_iter()
        .map(|(room, _, _)| room)
        .filter(|room| room != "lib" && room != "main")
        .collect();
    assert_eq!(
        rooms.difference(&ruled).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn the_verifier_has_no_runtime_database_or_network_in_its_tree() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--no-default-features",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let names: BTreeSet<_> = String::from_utf8_lossy(&tree.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    assert!(names.contains("blake3"), "the tree was read");
    for forbidden in [
        "tokio",
        "hyper",
        "redb",
        "rustls",
        "aws-lc-rs",
        "axum",
        "bincode",
        "mio",
        "socket2",
    ] {
        assert!(
            !names.contains(forbidden),
            "{forbidden} is in the verifier's tree"
        );
    }
}

/// All Rust files under `src`: room, path, text without comments and without tests at its end.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources were found");
    let read = |file: PathBuf| {
        let below = file.strip_prefix(&root).unwrap().to_path_buf();
        let room = below
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        (room, below, code(&fs::read_to_string(file).unwrap()))
    };
    files
        .into_iter()
        .filter(|file| {
            !file
                .file_name()
                .is_some_and(|name| name.to_string_lossy().ends_with("tests.rs"))
        })
        .map(read)
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn code(text: &str) -> String {
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("mod tests"));
    let lines = lines.map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Rooms named as `crate::room`, also in `use crate::{a::…, b::…}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => named.extend(top_level_names(list)),
            None => named.extend(first_name(rest)),
        }
    }
    named
}

fn first_name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    Some(name).filter(|name| !name.is_empty())
}

fn top_level_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                names.extend(first_name(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}
