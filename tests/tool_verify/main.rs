//! The auditor's tool as a person runs it: receipts, comparisons, signing, and the shape of its reports.
#![allow(clippy::unwrap_used)]

#[path = "../ledger_shop/mod.rs"]
mod ledger_shop;

mod compare;
mod ledger;
mod receipt;
mod schema;
mod sign;

use ledger_shop::{Files, Shop, pinned, write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with the files of one story.
struct Desk(tempfile::TempDir);

/// What the tool said.
struct Said {
    exit: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there and gives its path.
    fn put(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.at(name)
    }

    fn put_export(&self, name: &str, files: &Files) -> String {
        write(&self.path(name), files);
        self.at(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn says(&self, args: &[&str]) -> Said {
        run(self.0.path(), args)
    }

    /// With the shop's key pinned.
    fn pinned(&self, args: &[&str]) -> Said {
        let vkey = pinned().to_string();
        self.says(&[args, &["--vkey", &vkey]].concat())
    }

    fn json(&self, args: &[&str]) -> (i32, serde_json::Value) {
        let said = self.pinned(&[args, &["--json"]].concat());
        (said.exit, serde_json::from_str(&said.out).unwrap())
    }
}

fn run(at: &Path, args: &[&str]) -> Said {
    let tool = env!("CARGO_BIN_EXE_keystall-verify");
    let output = Command::new(tool)
        .current_dir(at)
        .args(args)
        .output()
        .unwrap();
    Said {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A shop that went on from this one by so many entries.
fn went_on(shop: &Shop, entries: u64) -> Shop {
    let mut shop = shop.clone();
    for _ in 0..entries {
        shop.beat();
    }
    shop
}
