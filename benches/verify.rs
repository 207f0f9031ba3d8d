//! P8 of the performance page: the verifier against `sha256sum` over the same file.
//!
//! `cargo bench --no-default-features --bench verify -- [ENTRIES]` writes an export of so many entries (1,000,000 unless
//! said) into a temporary folder and runs `keystall-verify` and `sha256sum` over it by turns, on one core and on two
//! (`taskset`), each in a process of its own, so that the peak of its memory is its own. With `--write FOLDER` it
//! writes the export there and stops.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod report;

use ed25519_dalek::SigningKey;
use keystall::ledger::Hash;
use keystall::ledger::entry::{Body, Kind, Sale, SlotList, Why, hash_line};
use keystall::ledger::export::mark_line;
use keystall::ledger::note::{Vkey, sign_checkpoint};
use keystall::ledger::tree::Frontier;
use report::{Row, leave_out, median, tell};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const ORIGIN: &str = "shop.example/0123abcd";

fn main() {
    let args: Vec<_> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [flag, folder, rest @ ..] = args.as_slice()
        && flag == "--write"
    {
        let entries = rest.first().map_or(1_000_000, |text| text.parse().unwrap());
        println!("{}", write(Path::new(folder), entries));
        return;
    }
    let most: u64 = args.first().map_or(1_000_000, |text| text.parse().unwrap());
    let peaks = [most / 10, most].map(|entries| {
        let folder = tempfile::tempdir().unwrap();
        let vkey = write(folder.path(), entries);
        compare(folder.path(), &vkey, entries, entries == most)
    });
    // A tenth of the entries, and all of them: what is read is not kept.
    let what = format!("verifier's peak memory, {most} entries against a tenth");
    match peaks {
        [Some(few), Some(all)] => tell(&Row::at_most("P8", what, "MiB", (all, few), 1.2)),
        _ => leave_out("P8", &what, "GNU time is not there: apt-get install time"),
    }
}

/// Tells how both did where that is asked for. Gives the verifier's peak of memory in MiB, where it can be seen.
fn compare(export: &Path, vkey: &str, entries: u64, told: bool) -> Option<f64> {
    let file = export.join("gen-0/entries.ndjson");
    let megabytes = fs::metadata(&file).unwrap().len() as f64 / 1e6;
    let tool = env!("CARGO_BIN_EXE_keystall-verify");
    let (export, file) = (export.to_str().unwrap(), file.to_str().unwrap());
    let mut peak = None;
    for (cores, count) in [("0", 1), ("0,1", 2)] {
        let (mut sums, mut verified) = (Vec::new(), Vec::new());
        for _ in 0..if told { ROUNDS } else { 1 } {
            sums.push(timed(&["taskset", "-c", "0", "sha256sum", file]).0);
            let (seconds, rss_mib) = timed(&[
                "taskset", "-c", cores, tool, "ledger", export, "--vkey", vkey,
            ]);
            verified.push(seconds);
            peak = if rss_mib > peak { rss_mib } else { peak };
        }
        let (sum, time) = (median(sums), median(verified));
        if !told {
            continue;
        }
        if count == 1 {
            let what = format!("verify {entries} entries on one core, against sha256sum");
            let times = (time * 1e3, sum * 1e3);
            tell(&Row::at_most("P8", what, "ms", times, 1.0));
        } else {
            let what = format!("verify {entries} entries on two cores, against sha256sum");
            let speeds = (megabytes / time, megabytes / sum);
            tell(&Row::at_least("P8", what, "MB/s", speeds, 1.8));
        }
    }
    peak
}

/// Seconds, and peak memory in MiB as the kernel counts it: none without GNU time (package `time`).
fn timed(command: &[&str]) -> (f64, Option<f64>) {
    const TIME: &str = "/usr/bin/time";
    let measured = Path::new(TIME).exists();
    let mut run = match measured {
        true => Command::new(TIME),
        false => Command::new(command[0]),
    };
    match measured {
        true => run.args(["-f", "%M"]).args(command),
        false => run.args(&command[1..]),
    };
    let start = Instant::now();
    let out = run.output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
    let told = String::from_utf8(out.stderr).unwrap();
    let last = told.trim().lines().next_back();
    let kib: Option<f64> = last.and_then(|kib| kib.parse().ok());
    (seconds, kib.filter(|_| measured).map(|kib| kib / 1024.0))
}

/// Writes an export as a busy shop's: a sale every ten seconds, an import of 5,000 keys when the last is sold, a
/// heartbeat a day, a refund every 50 sales, a replacement every 500, and a mark an hour. Gives its vkey.
fn write(folder: &Path, entries: u64) -> String {
    let key = SigningKey::from_bytes(&[7; 32]);
    let vkey = Vkey::new(ORIGIN, &key.verifying_key()).to_string();
    let folder = folder.join("gen-0");
    fs::create_dir_all(&folder).unwrap();
    let mut shop = Shop {
        lines: BufWriter::new(File::create(folder.join("entries.ndjson")).unwrap()),
        marks: BufWriter::new(File::create(folder.join("marks.ndjson")).unwrap()),
        key,
        seq: 0,
        t_ms: 1_763_700_000_000,
        head: Hash::ZERO,
        tree: Frontier::new(),
    };
    let (prior, r) = (None, random(0));
    let root_vkey = &vkey;
    shop.add(&Body::Open {
        origin: ORIGIN,
        vkey: &vkey,
        root_vkey,
        prior,
        r,
    });
    let (mut batch, mut left, mut day) = (0_u64, 0_u64, shop.t_ms / DAY_MS);
    let mut sold = None;
    while shop.seq < entries {
        let r = random(shop.seq);
        if left < 2 {
            let (count, keys, sku) = (BATCH, Hash([batch as u8; 32]), SKUS[(batch % 3) as usize]);
            shop.add(&Body::Stock {
                batch,
                count,
                keys,
                sku,
                r,
            });
            (batch, left) = (batch + 1, BATCH);
        } else if shop.t_ms / DAY_MS > day {
            day = shop.t_ms / DAY_MS;
            shop.add(&Body::Mark {
                beacon: None,
                down_ms: None,
                r,
            });
        } else if let (Some((sale, _)), 49) = (&sold, shop.seq % 50) {
            let (sale, amt, cur, why) = (*sale, 500, "CNY", Why::Goodwill);
            shop.add(&Body::Refund {
                sale,
                amt,
                cur,
                why,
                r,
            });
            sold = None;
        } else {
            let slot = BATCH - left;
            let (sku, number) = (SKUS[((batch - 1) % 3) as usize], batch - 1);
            let slots = SlotList::parse(&format!("{number}:{slot}")).unwrap();
            left -= 1;
            match sold.take() {
                Some((sale, out)) if shop.seq % 500 == 251 => {
                    let why = Why::Bad;
                    shop.add(&Body::Replace {
                        sale,
                        out,
                        slots,
                        why,
                        r,
                    });
                }
                _ => {
                    let order = format!("{:012}", shop.seq * 7919 % 1_000_000_000_000);
                    let sale = Sale {
                        order: &order,
                        sku,
                        kind: Kind::Pool,
                        qty: 1,
                        amt: 1999,
                        cur: "CNY",
                        buyer: hash_line(order.as_bytes()),
                        pay: hash_line(&r),
                        slots: Some(slots.clone()),
                    };
                    let seq = shop.seq;
                    shop.add(&Body::Sale(sale));
                    // What the next replacement may name must be of the batch on sale.
                    sold = (left > 2).then_some((seq, slots));
                }
            }
        }
    }
    shop.sign();
    shop.lines.flush().unwrap();
    shop.marks.flush().unwrap();
    vkey
}

struct Shop {
    lines: BufWriter<File>,
    marks: BufWriter<File>,
    key: SigningKey,
    seq: u64,
    t_ms: i64,
    head: Hash,
    tree: Frontier,
}

impl Shop {
    fn add(&mut self, body: &Body<'_>) {
        let t_ms = self.t_ms + EVERY_MS;
        if t_ms / HOUR_MS > self.t_ms / HOUR_MS && self.seq > 0 {
            self.sign();
        }
        self.t_ms = t_ms;
        let line = body.line(self.seq, self.t_ms, &self.head).unwrap();
        self.head = hash_line(line.as_bytes());
        self.tree.append(self.head.as_ref());
        self.seq += 1;
        writeln!(self.lines, "{line}").unwrap();
    }

    fn sign(&mut self) {
        let note = sign_checkpoint(&self.key, ORIGIN, self.seq, &self.tree.root());
        self.marks
            .write_all(mark_line(&note, self.seq).as_bytes())
            .unwrap();
    }
}

/// Sixteen bytes that look random and are the same in each run.
fn random(seed: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash_line(&seed.to_be_bytes()).0[..16]);
    bytes
}

const ROUNDS: usize = 5;
const BATCH: u64 = 5000;
const SKUS: [&str; 3] = ["game-key-standard", "gift-card-100", "licence-one-year"];
/// A busy shop: 8,640 entries a day.
const EVERY_MS: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
