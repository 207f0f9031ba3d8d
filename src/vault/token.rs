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

pub(super) fn same(left: &[u8; 20], right: &[u8; 20]) -> bool {
    left.ct_eq(right).into()
}
