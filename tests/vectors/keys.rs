//! Verifier keys, the keys of recovery secrets, and what those sign.

use super::*;

pub fn verifier_keys() -> Vec<Value> {
    let good = pinned().to_string();
    let (rest, data) = good.rsplit_once('+').unwrap();
    let (name, hash) = rest.split_once('+').unwrap();
    let key_of = |algorithm: u8, key: &[u8]| {
        let data = [&[algorithm], key].concat();
        let digest = Sha256::digest([name.as_bytes(), b"\n", &data].concat());
        format!(
            "{name}+{}+{}",
            hex::encode(&digest[..4]),
            STANDARD.encode(data)
        )
    };
    let key = log_key().verifying_key().to_bytes();
    let mut one = [0; 32];
    one[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    // y = p + 1: the same point as y = 1 to a lax reader.
    let mut above_p = [0xff; 32];
    (above_p[0], above_p[31]) = (0xee, 0x7f);
    let all = [
        ("whole", good.clone(), true),
        ("another name", good.replacen("shop.", "shap.", 1), false),
        ("another hash", good.replacen(hash, "00000000", 1), false),
        (
            "an upper-case hash",
            good.replacen(hash, &hash.to_uppercase(), 1),
            false,
        ),
        (
            "without padding",
            good.trim_end_matches('=').to_owned(),
            false,
        ),
        (
            "URL-safe base64",
            good.replacen(data, &data.replace('+', "-").replace('/', "_"), 1),
            data == data.replace('+', "-").replace('/', "_"),
        ),
        ("a space at the end", format!("{good} "), false),
        ("no name", good[name.len()..].to_owned(), false),
        ("two parts", format!("{name}+{data}"), false),
        ("a key of a cosigner", key_of(4, &key), false),
        ("31 bytes of key", key_of(1, &key[..31]), false),
        ("a point of small order, y = 1", key_of(1, &one), false),
        ("a point of small order, y = 0", key_of(1, &[0; 32]), false),
        (
            "a point of small order, y above p",
            key_of(1, &above_p),
            false,
        ),
        ("no point of the curve", key_of(1, &off_curve), false),
    ];
    let all = all
        .into_iter()
        .filter(|(_, vkey, valid)| *valid || *vkey != good);
    all.map(|(name, vkey, valid)| json!({"name": name, "vkey": vkey, "valid": valid}))
        .collect()
}

/// Ed25519 from the seed that is derived from a recovery secret of 32 bytes.
pub fn origin_key(secret: &[u8]) -> SigningKey {
    SigningKey::from_bytes(&blake3::derive_key(
        "keystall 2026-11 origin key v1",
        secret,
    ))
}

pub fn origin_keys() -> Vec<Value> {
    let vector = |secret: [u8; 32]| {
        let vkey = vkey_of(&origin_key(&secret), ORIGIN).to_string();
        json!({"name": format!("{:02x} × 32", secret[0]), "secret": hex::encode(secret), "key_name": ORIGIN, "vkey": vkey})
    };
    [[0; 32], [0xa5; 32]].into_iter().map(vector).collect()
}

/// What the origin key signs: the messages of `rotate` and of an `open` after a restore.
pub fn statements() -> Vec<Value> {
    let shop = shop_of_24();
    let new = vkey_of(&SigningKey::from_bytes(&[4; 32]), ORIGIN).to_string();
    let next = vkey_of(&SigningKey::from_bytes(&[3; 32]), "shop.example/89abcdef").to_string();
    let rotate = Body::rotate_message(ORIGIN, 24, &new);
    let open = Body::open_message(ORIGIN, 24, &shop.head, 30, &next);
    let root = vkey_of(&root_key(), ORIGIN).to_string();
    let mut all = Vec::new();
    for (name, message) in [("rotate", rotate), ("open", open)] {
        let signature = root_key().sign(&message).to_bytes();
        let message = String::from_utf8(message).unwrap();
        let mut add = |what: &str, message: &str, signature: &[u8], valid: bool| {
            all.push(json!({
                "name": format!("{name}, {what}"), "message": message, "vkey": root,
                "signature": hex::encode(signature), "valid": valid,
            }));
        };
        add("as signed", &message, &signature, true);
        add(
            "with a line feed at its end",
            &format!("{message}\n"),
            &signature,
            false,
        );
        add(
            "of another seq or size",
            &message.replacen("\n24\n", "\n25\n", 1),
            &signature,
            false,
        );
        add(
            "by another key",
            &message,
            &log_key().sign(message.as_bytes()).to_bytes(),
            false,
        );
        add("with S + L", &message, &s_plus_l(&signature), false);
    }
    all
}

/// The same signature to a verifier that does not check S < L.
pub fn s_plus_l(signature: &[u8; 64]) -> [u8; 64] {
    // L = 2^252 + 27742317777372353535851937790883648493, little-endian.
    let l =
        hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let (mut sum, mut carry) = (*signature, 0_u16);
    for (byte, l) in sum[32..].iter_mut().zip(l) {
        let value = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (value as u8, value >> 8);
    }
    assert_eq!(carry, 0);
    sum
}
