//! A shop's ledger built with fixed keys, salts and times, for the tests of the ledger.
#![allow(clippy::unwrap_used, dead_code)]

pub mod asked;
pub mod cases;
pub mod edges;
pub mod example;
pub mod parts;
pub mod ranges;
pub mod signed;
pub mod skeletons;

use ed25519_dalek::{Signer, SigningKey};
use keystall::ledger::Hash;
use keystall::ledger::commitment::{self, Field};
use keystall::ledger::entry::{Body, Kind, Prior, Sale, SlotList, What, Why, hash_line};
use keystall::ledger::note::{Vkey, sign_checkpoint};
use keystall::ledger::receipt::{FieldOpening, KeyOpening, Proof, Receipt};
use keystall::ledger::tree::{self, Frontier, NodeSource};
use keystall::ledger::verify::{self, KnownFile, Report, Request};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

pub const ORIGIN: &str = "shop.example/0123abcd";
pub const R: [u8; 16] = [0x5a; 16];
pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Files of an export by their path.
pub type Files = BTreeMap<String, Vec<u8>>;

pub fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub fn root_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

pub fn vkey_of(key: &SigningKey, origin: &str) -> Vkey {
    Vkey::new(origin, &key.verifying_key())
}

pub fn pinned() -> Vkey {
    vkey_of(&log_key(), ORIGIN)
}

/// Rows of a tree as a store keeps them.
#[derive(Clone, Default)]
pub struct Rows(pub Vec<Vec<Hash>>);

impl NodeSource for Rows {
    type Error = Infallible;
    fn node(&self, level: u8, number: u64) -> Result<Hash, Infallible> {
        Ok(self.0[(((number + 1) << level) - 1) as usize][usize::from(level)])
    }
}

#[derive(Clone)]
pub struct Batch {
    pub seq: u64,
    pub keys: Vec<([u8; 32], Vec<u8>)>,
    pub rows: Rows,
}

#[derive(Clone)]
pub struct Shop {
    pub key: SigningKey,
    pub root: SigningKey,
    pub origin: String,
    pub lines: Vec<String>,
    pub rows: Rows,
    pub frontier: Frontier,
    pub head: Hash,
    pub t_ms: i64,
    /// Checkpoints before the entry with this seq, so in order of size.
    pub notes: BTreeMap<u64, String>,
    pub batches: Vec<Batch>,
}

impl Shop {
    /// A shop that has nothing yet, not even an `open`.
    pub fn empty(key: SigningKey, root: SigningKey, origin: &str) -> Self {
        Self {
            key,
            root,
            origin: origin.to_owned(),
            lines: Vec::new(),
            rows: Rows::default(),
            frontier: Frontier::new(),
            head: Hash::ZERO,
            t_ms: 1_795_000_000_000,
            notes: BTreeMap::new(),
            batches: Vec::new(),
        }
    }

    pub fn opened_with(key: SigningKey, root: SigningKey, origin: &str) -> Self {
        let mut shop = Self::empty(key, root, origin);
        shop.open(None);
        shop.sign();
        shop
    }

    pub fn opened() -> Self {
        Self::opened_with(log_key(), root_key(), ORIGIN)
    }

    pub fn open(&mut self, prior: Option<Prior>) {
        let origin = self.origin.clone();
        let vkey = vkey_of(&self.key, &origin).to_string();
        let root_vkey = vkey_of(&self.root, ORIGIN).to_string();
        self.add(Body::Open {
            origin: &origin,
            vkey: &vkey,
            root_vkey: &root_vkey,
            prior,
            r: R,
        });
    }

    /// The generation after this one, opened after a restore.
    pub fn restored(&self, origin: &str, signed: u64) -> Self {
        self.restored_by(&self.root, origin, signed)
    }

    pub fn restored_by(&self, signer: &SigningKey, origin: &str, signed: u64) -> Self {
        let mut next = Self::empty(SigningKey::from_bytes(&[3; 32]), self.root.clone(), origin);
        next.t_ms = self.t_ms;
        next.batches = self.batches.clone();
        let vkey = vkey_of(&next.key, origin).to_string();
        let size = self.lines.len() as u64;
        let message = Body::open_message(&self.origin, size, &self.head, signed, &vkey);
        next.open(Some(Prior {
            origin: &self.origin,
            head: self.head,
            size,
            signed,
            sig_root: signer.sign(&message).to_bytes(),
        }));
        next.sign();
        next
    }

    pub fn add(&mut self, body: Body) -> u64 {
        self.add_at(self.lines.len() as u64, body)
    }

    pub fn add_at(&mut self, seq: u64, body: Body) -> u64 {
        self.t_ms += 5 * MINUTE_MS;
        let line = body.line(seq, self.t_ms, &self.head).unwrap();
        self.head = hash_line(line.as_bytes());
        self.rows.0.push(self.frontier.append(self.head.as_ref()));
        self.lines.push(line);
        seq
    }

    pub fn sign(&mut self) {
        let size = self.frontier.size();
        let root = self.frontier.root();
        let note = sign_checkpoint(&self.key, &self.origin, size, &root);
        self.notes.insert(size, note);
    }

    pub fn commit(&mut self, body: Body) -> u64 {
        let seq = self.add(body);
        self.sign();
        seq
    }

    pub fn newest_note(&self) -> &str {
        self.notes.values().last().unwrap()
    }

    pub fn import(&mut self, sku: &str, count: u32) -> u64 {
        let batch = self.batches.len() as u64;
        let mut frontier = Frontier::new();
        let (mut keys, mut rows) = (Vec::new(), Rows::default());
        for index in 0..count {
            let salt = [(batch as u8 + 1) * 16 + index as u8; 32];
            let key = format!("KEY-{batch}-{index}").into_bytes();
            rows.0
                .push(frontier.append(commitment::key(&salt, &key).as_ref()));
            keys.push((salt, key));
        }
        let root = frontier.root();
        let (count, keys_root, r) = (u64::from(count), root, R);
        let seq = self.commit(Body::Stock {
            batch,
            count,
            keys: keys_root,
            sku,
            r,
        });
        self.batches.push(Batch { seq, keys, rows });
        batch
    }

    /// A pooled sale of `qty`; a slots entry takes what `more` names.
    pub fn sell(&mut self, order: &str, sku: &str, qty: u64, slots: &str, more: &[&str]) -> u64 {
        let sale = Sale {
            slots: SlotList::parse(slots),
            qty,
            sku,
            ..sale(order)
        };
        let seq = self.add(Body::Sale(sale));
        for slots in more {
            let slots = SlotList::parse(slots).unwrap();
            self.add(Body::Slots {
                sale: seq,
                slots,
                r: R,
            });
        }
        self.sign();
        seq
    }

    pub fn beat(&mut self) -> u64 {
        self.commit(Body::Mark {
            beacon: None,
            down_ms: None,
            r: R,
        })
    }

    pub fn rotate(&mut self, new: SigningKey) -> u64 {
        let old = self.key.clone();
        self.rotate_by(&old, new)
    }

    pub fn rotate_by(&mut self, old: &SigningKey, new: SigningKey) -> u64 {
        let vkey = vkey_of(&new, &self.origin).to_string();
        let seq = self.lines.len() as u64;
        let message = Body::rotate_message(&self.origin, seq, &vkey);
        self.commit(Body::Rotate {
            vkey: &vkey,
            sig_root: self.root.sign(&message).to_bytes(),
            sig_old: old.sign(&message).to_bytes(),
            r: R,
        });
        self.key = new;
        seq
    }

    /// Files of this generation.
    pub fn files(&self, number: usize) -> Files {
        let (size, newest) = self.notes.last_key_value().unwrap();
        assert_eq!(*size, self.lines.len() as u64, "{newest}");
        self.files_as_they_are(number)
    }

    /// Files of a generation that an honest writer would refuse: with an unsigned tail, say.
    pub fn files_as_they_are(&self, number: usize) -> Files {
        parts::whole(number, &self.lines, &self.marked())
    }

    pub fn proof(&self, index: u64) -> Proof {
        let (size, note) = self.notes.last_key_value().unwrap();
        let hashes = tree::inclusion_proof(&self.rows, index, *size).unwrap();
        Proof {
            index,
            hashes,
            note: note.clone(),
        }
    }

    /// The receipt of a sale, with these keys and these further entries.
    pub fn receipt(&self, sale: u64, slots: &[(u64, u64)], more: &[u64]) -> Receipt {
        let line = |seq: u64| self.lines[seq as usize].clone();
        let mut receipt = Receipt {
            entry: line(sale),
            opens: vec![open(Field::Buyer), open(Field::Pay)],
            more: more.iter().map(|seq| line(*seq)).collect(),
            ..Receipt::default()
        };
        let mut seqs = vec![sale];
        for (number, batch) in self.batches.iter().enumerate() {
            let mut named = false;
            for (_, index) in slots.iter().filter(|slot| slot.0 == number as u64) {
                let (salt, key) = batch.keys[*index as usize].clone();
                let count = batch.keys.len() as u64;
                let path = tree::inclusion_proof(&batch.rows, *index, count).unwrap();
                let (batch, index) = (number as u64, *index);
                receipt.keys.push(KeyOpening {
                    batch,
                    index,
                    salt,
                    key,
                    path,
                });
                named = true;
            }
            if named {
                receipt.stocks.push(line(batch.seq));
                seqs.push(batch.seq);
            }
        }
        seqs.extend(more);
        receipt.proofs = seqs.into_iter().map(|seq| self.proof(seq)).collect();
        receipt
    }
}

const BUYER: &[u8] = "买家@example.org".as_bytes();
const PAY: &[u8] = b"epay\n20261121000001";

fn open(field: Field) -> FieldOpening {
    let value = if field == Field::Buyer { BUYER } else { PAY };
    FieldOpening {
        field,
        salt: [field.name().len() as u8; 32],
        value: value.to_vec(),
    }
}

fn committed(field: Field) -> Hash {
    let open = open(field);
    commitment::field(&open.salt, field, &open.value)
}

/// A sale without slots and so not yet a whole one.
pub fn sale(order: &str) -> Sale<'_> {
    Sale {
        order,
        sku: "game-key",
        kind: Kind::Pool,
        qty: 1,
        amt: 1999,
        cur: "CNY",
        buyer: committed(Field::Buyer),
        pay: committed(Field::Pay),
        slots: None,
    }
}

/// 24 entries of all types but `rotate`.
pub fn shop_of_24() -> Shop {
    let mut shop = Shop::opened();
    let r = R;
    shop.import("game-key", 8);
    shop.import("gift-card", 1);
    let first = shop.sell("A00001", "game-key", 1, "0:0", &[]);
    shop.sell("A00002", "game-key", 3, "0:1-2", &["0:4"]);
    shop.commit(Body::Mark {
        beacon: Some("drand 4242"),
        down_ms: None,
        r,
    });
    shop.sell("A00003", "gift-card", 1, "1:0", &[]);
    let by_hand = Sale {
        kind: Kind::Hand,
        ..sale("A00004")
    };
    shop.commit(Body::Sale(by_hand));
    shop.commit(Body::Refund {
        sale: first,
        amt: 999,
        cur: "CNY",
        why: Why::Goodwill,
        r,
    });
    shop.commit(Body::Refund {
        sale: first,
        amt: 1000,
        cur: "CNY",
        why: Why::Bad,
        r,
    });
    let (out, slots) = (
        SlotList::parse("0:0").unwrap(),
        SlotList::parse("0:3").unwrap(),
    );
    shop.commit(Body::Replace {
        sale: first,
        out,
        slots,
        why: Why::Bad,
        r,
    });
    let slots = SlotList::parse("0:7").unwrap();
    shop.commit(Body::Void {
        slots,
        why: Why::Leaked,
        r,
    });
    shop.commit(Body::Audit {
        nonce: "auditor-2026_11",
        r,
    });
    shop.commit(Body::Admin {
        what: What::Payee,
        who: Hash([7; 32]),
    });
    shop.commit(Body::Erase { sale: first, r });
    shop.commit(Body::Clock { skew_ms: -2500, r });
    for number in 0..2 {
        shop.sell(
            &format!("B0000{number}"),
            "game-key",
            1,
            &format!("0:{}", 5 + number),
            &[],
        );
    }
    shop.import("game-key", 2);
    while shop.lines.len() < 24 {
        shop.beat();
    }
    shop
}

/// Receipt of the second sale of [`shop_of_24`]: three keys, one of them in a `slots` entry.
pub fn receipt_of_three() -> Receipt {
    shop_of_24().receipt(4, &[(0, 1), (0, 2), (0, 4)], &[5])
}

pub fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Verifies files in a folder of their own.
pub fn verified(files: &Files, vkeys: &[Vkey], known: &[String]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let known = known.iter().enumerate().map(|(number, text)| KnownFile {
        name: format!("known-{number}"),
        bytes: text.clone().into_bytes(),
    });
    let request = Request {
        vkeys: vkeys.to_vec(),
        known: known.collect(),
        ..Request::default()
    };
    verify::ledger(folder.path(), &request)
}
