//! What deny.toml allows, held against every crate that is built here: licences, banned crates, and where they come from. It needs
//! no other tool; advisories are cargo-deny's own.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const DENY: &str = include_str!("../deny.toml");

#[test]
fn every_crate_is_under_a_licence_that_is_allowed() {
    let allowed = quoted(section("[licenses]"));
    let (mut met, mut refused) = (BTreeSet::new(), Vec::new());
    for package in packages() {
        // A crate's own file instead of a licence's name is read by nobody here.
        let licence = package["license"].as_str().unwrap_or("none named");
        let mut spdx = Spdx {
            words: words(licence),
            allowed: &allowed,
            met: &mut met,
        };
        let good = spdx.either();
        if !good || !spdx.words.is_empty() {
            refused.push(format!("{} is under {licence}", package["name"]));
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    let unmet: Vec<_> = allowed.iter().filter(|name| !met.contains(*name)).collect();
    assert_eq!(unmet, Vec::<&String>::new(), "allowed for nobody");
}

#[test]
fn no_crate_is_banned_or_from_elsewhere() {
    let bans = section("[bans]").split("deny = [").nth(1).unwrap();
    let banned: BTreeSet<_> = bans
        .lines()
        .filter_map(|line| line.split("name = \"").nth(1)?.split('"').next())
        .collect();
    assert!(banned.contains("openssl") && banned.contains("rsa"));
    // The lock file also names what a feature that is off would bring; the tree does not.
    let tree = cargo(&[
        "tree",
        "--all-features",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=none",
        "--format={p}",
    ]);
    let built: BTreeSet<_> = tree
        .lines()
        .flat_map(|line| line.split(' ').next())
        .collect();
    assert!(built.contains("blake3"), "the tree was read");
    let met: Vec<_> = banned.intersection(&built).collect();
    assert_eq!(met, Vec::<&&str>::new());
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        if let Some(source) = package["source"].as_str() {
            let known = "registry+https://github.com/rust-lang/crates.io-index";
            assert_eq!(source, known, "{name}");
        }
    }
}

#[test]
fn an_advisory_is_passed_over_with_a_reason_alone() {
    let advisories = section("[advisories]");
    let ignored: Vec<_> = advisories.split("RUSTSEC-").collect();
    for before in &ignored[..ignored.len() - 1] {
        let reason = before.lines().rev().nth(1).unwrap_or_default().trim();
        assert!(reason.starts_with('#'), "{before:?} gives none");
    }
}

#[test]
fn a_licence_is_read_as_it_is_written() {
    let allowed: BTreeSet<_> = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for (licence, good) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(ISC AND GPL-3.0) OR Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("Apache-2.0 WITH another", false),
        ("MIT OR", false),
    ] {
        let mut spdx = Spdx {
            words: words(licence),
            allowed: &allowed,
            met: &mut BTreeSet::new(),
        };
        assert_eq!(spdx.either() && spdx.words.is_empty(), good, "{licence}");
    }
}

/// An SPDX expression, read word by word; the next word is the last of `words`.
struct Spdx<'a> {
    words: Vec<String>,
    allowed: &'a BTreeSet<String>,
    /// Names of `allowed` that were met.
    met: &'a mut BTreeSet<String>,
}

impl Spdx<'_> {
    fn either(&mut self) -> bool {
        let mut good = self.both();
        while self.next_is("OR") {
            // Both sides are read, whatever the first says.
            good |= self.both();
        }
        good
    }

    fn both(&mut self) -> bool {
        let mut good = self.one();
        while self.next_is("AND") {
            good &= self.one();
        }
        good
    }

    fn one(&mut self) -> bool {
        if self.next_is("(") {
            return self.either() & self.next_is(")");
        }
        let Some(mut name) = self.words.pop() else {
            // An operator with nothing after it leaves something unread.
            self.words.push("missing".into());
            return false;
        };
        if self.next_is("WITH") {
            name = format!("{name} WITH {}", self.words.pop().unwrap_or_default());
        }
        let good = self.allowed.contains(&name);
        if good {
            self.met.insert(name);
        }
        good
    }

    fn next_is(&mut self, word: &str) -> bool {
        self.words.pop_if(|next| next == word).is_some()
    }
}

fn words(licence: &str) -> Vec<String> {
    let spaced = licence.replace('(', " ( ").replace(')', " ) ");
    let spaced = spaced.replace('/', " OR ");
    spaced.split_whitespace().rev().map(str::to_owned).collect()
}

/// A section of deny.toml, without its head.
fn section(head: &str) -> &'static str {
    let rest = DENY.split(head).nth(1).unwrap();
    rest.split("\n[").next().unwrap()
}

/// The texts between quotes.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// All packages that are built for this machine, with every feature and for the tests.
fn packages() -> Vec<Value> {
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--all-features",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let built: BTreeSet<String> = nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    let mut packages = std::mem::take(metadata["packages"].as_array_mut().unwrap());
    packages.retain(|package| built.contains(package["id"].as_str().unwrap()));
    assert!(packages.len() > 100, "the tree was read");
    packages
}

/// What cargo prints, asked without a network.
fn cargo(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{arguments:?}: {said}");
    String::from_utf8(run.stdout).unwrap()
}
