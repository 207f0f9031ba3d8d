//! What the vectors in `ledger.json` are made by, a file for each subject, and how their values are read.

pub mod exports;
pub mod forks;
pub mod keys;
pub mod lines;
pub mod notes;
pub mod trees;

use super::ledger_shop::parts::Witness;
use super::ledger_shop::{
    ORIGIN, Rows, Shop, cases, log_key, pinned, root_key, shop_of_24, vkey_of,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use keystall::ledger::Hash;
use keystall::ledger::commitment::{self, Field};
use keystall::ledger::entry::{Body, Entry, hash_line};
use keystall::ledger::fork::ForkProof;
use keystall::ledger::note::{Checkpoint, SignedBy, Vkey};
use keystall::ledger::tree::{self, Frontier};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub fn spelled<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(T::to_string).collect()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| text(v).to_owned())
        .collect()
}

pub fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

pub fn hash(value: &Value) -> Hash {
    Hash::from_hex(text(value)).unwrap()
}

pub fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub fn vkeys(value: &Value) -> Vec<Vkey> {
    let texts = texts(&value["vkeys"]);
    texts
        .iter()
        .map(|text| Vkey::parse(text).unwrap())
        .collect()
}
