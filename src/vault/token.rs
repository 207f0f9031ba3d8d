//! The text of an order's link: Base64url of the order's id (8 bytes) and a MAC (20 bytes), no padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Characters of a link's secret.
pub const LINK_TEXT_LEN: usize = 38;

pub(super) fn encode(order: u64, mac: &[u8; 20]) -> String {
    let mut bytes = [0; 28];
    bytes[..8].copy_from_slice(&order.to_be_bytes());
    bytes[8..].copy_from_slice(mac);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<(u64, [u8; 20])> {
    if text.len() != LINK_TEXT_LEN {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (order, mac) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*order), <[u8; 20]>::try_from(mac).ok()?))
}

/// Characters of the secret of an inbox's link: fingerprint (16 bytes), end (8), MAC (20).
const INBOX_TEXT_LEN: usize = 59;

/// What the secret of an inbox's link claims.
pub(super) fn inbox_claim(contact: &[u8; 16], until_ms: i64) -> [u8; 24] {
    let mut claim = [0; 24];
    claim[..16].copy_from_slice(contact);
    claim[16..].copy_from_slice(&until_ms.to_be_bytes());
    claim
}

pub(super) fn read_claim(claim: &[u8; 24]) -> ([u8; 16], i64) {
    let (mut contact, mut until) = ([0; 16], [0; 8]);
    contact.copy_from_slice(&claim[..16]);
    until.copy_from_slice(&claim[16..]);
    (contact, i64::from_be_bytes(until))
}

pub(super) fn encode_inbox(claim: &[u8; 24], mac: &[u8; 20]) -> String {
    let mut bytes = [0; 44];
    bytes[..24].copy_from_slice(claim);
    bytes[24..].copy_from_slice(mac);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode_inbox(text: &str) -> Option<([u8; 24], [u8; 20])> {
    if text.len() != INBOX_TEXT_LEN {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (claim, mac) = bytes.split_first_chunk::<24>()?;
    Some((*claim, <[u8; 20]>::try_from(mac).ok()?))
}

pub(super) fn same(left: &[u8; 20], right: &[u8; 20]) -> bool {
    left.ct_eq(right).into()
}
