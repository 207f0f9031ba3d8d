//! Signatures that pad as no signer does, made with keys whose private half lies beside the vectors.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::Value;

const DIGEST: DigestAlgorithm = DigestAlgorithm::Sha256;
const HASH: [u8; 32] = [7; 32];
const SALT: [u8; 32] = [9; 32];

/// A key with its private half, as tests alone have it.
struct Pair {
    public: Vec<u8>,
    bits: usize,
    modulus: BoxedMontyParams,
    private: BoxedUint,
}

fn pairs() -> Vec<Pair> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/timestamps/rsa-keys.json"
    );
    let keys: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let pair = |key: &Value| {
        let bytes = |name: &str| hex::decode(key[name].as_str().unwrap()).unwrap();
        let modulus = bytes("modulus");
        let odd = Odd::new(BoxedUint::from_be_slice_vartime(&modulus)).into_option();
        Pair {
            public: public(&modulus, &[1, 0, 1]),
            bits: usize::try_from(key["bits"].as_u64().unwrap()).unwrap(),
            modulus: BoxedMontyParams::new_vartime(odd.unwrap()),
            private: BoxedUint::from_be_slice_vartime(&bytes("private_exponent")),
        }
    };
    keys.iter().map(pair).collect()
}

fn public(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    der::sequence(&[der::unsigned(modulus), der::unsigned(exponent)])
}

impl Pair {
    /// The signature that opens to these bytes, as many as the modulus has.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let precision = self.modulus.modulus().as_ref().bits_precision();
        let number = BoxedUint::from_be_slice(message, precision).unwrap();
        assert!(number < *self.modulus.modulus().as_ref());
        let signed = BoxedMontyForm::new(number, &self.modulus).pow(&self.private);
        let bytes = signed.retrieve().to_be_bytes();
        bytes[bytes.len() - message.len()..].to_vec()
    }

    /// RFC 8017, 9.1.1, as many bytes as the modulus; `change` is made before the mask.
    fn pss(&self, salt: [u8; 32], change: impl Fn(&mut [u8])) -> Vec<u8> {
        let bits = self.bits - 1;
        let length = bits.div_ceil(8);
        let stated = DIGEST.of(&[&[0; 8][..], &HASH, &salt].concat());
        let mut block = vec![0; length - 32 - 1];
        let one = block.len() - salt.len() - 1;
        block[one] = 1;
        block[one + 1..].copy_from_slice(&salt);
        change(&mut block);
        let mask = mask(DIGEST, &stated, block.len());
        block
            .iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        block[0] &= 0xff >> (8 * length - bits);
        let message = [block, stated, vec![0xbc]].concat();
        [vec![0; self.bits.div_ceil(8) - length], message].concat()
    }

    fn holds(&self, message: &[u8]) -> Option<bool> {
        pss_holds(&self.public, DIGEST, &HASH, &self.sign(message))
    }
}

#[test]
fn pss_pads_the_bits_that_are_left_of_the_modulus() {
    for pair in pairs() {
        let sound = pair.pss(SALT, |_| ());
        assert_eq!(pair.holds(&sound), Some(true), "{} bits", pair.bits);
        for other in [[8; 32], [0; 32]] {
            let signature = pair.sign(&sound);
            let outcome = pss_holds(&pair.public, DIGEST, &other, &signature);
            assert_eq!(outcome, Some(false), "another digest");
        }
    }
}

#[test]
fn pss_that_is_padded_otherwise_does_not_hold() {
    for pair in pairs() {
        let one = |block: &[u8]| block.len() - SALT.len() - 1;
        let wrong = [
            pair.pss(SALT, |block| block[one(block)] = 2),
            pair.pss(SALT, |block| block[one(block) - 1] = 1),
            pair.pss(SALT, |block| block[1] = 1),
            pair.pss(SALT, |block| *block.last_mut().unwrap() ^= 1),
        ];
        for message in wrong {
            assert_eq!(pair.holds(&message), Some(false), "{} bits", pair.bits);
        }
        let sound = pair.pss(SALT, |_| ());
        let mut trailer = sound.clone();
        *trailer.last_mut().unwrap() = 0xcc;
        assert_eq!(pair.holds(&trailer), Some(false), "another trailer");
        let mut stated = sound.clone();
        let at = stated.len() - 33;
        stated[at] ^= 1;
        assert_eq!(pair.holds(&stated), Some(false), "another hash");
    }
}

#[test]
fn pss_leaves_no_bit_above_its_message() {
    for pair in pairs() {
        let modulus = pair.modulus.modulus().as_ref().to_be_bytes();
        let modulus = &modulus[modulus.len() - pair.bits.div_ceil(8)..];
        // The message has one bit less than the modulus; with 8n + 1 bits the one above has a byte of its own.
        let with_a_bit_above = |salt: u8| {
            let mut message = pair.pss([salt; 32], |_| ());
            message[0] |= 1 << ((pair.bits - 1) % 8);
            message
        };
        let mut messages = (0..=u8::MAX).map(with_a_bit_above);
        let above = messages.find(|message| message.as_slice() < modulus);
        assert_eq!(
            pair.holds(&above.unwrap()),
            Some(false),
            "{} bits",
            pair.bits
        );
    }
}

#[test]
fn pkcs1_compares_the_message_whole() {
    for pair in pairs() {
        let algorithm = der::sequence(&[der::oid(&oid::SHA_256), der::NULL.to_vec()]);
        let info = der::sequence(&[algorithm, der::tlv(0x04, &HASH)]);
        let length = pair.bits.div_ceil(8);
        let filled = |fill: usize| {
            let padding = [vec![0, 1], vec![0xff; fill], vec![0]].concat();
            let rest = vec![0; length - padding.len() - info.len()];
            [padding, info.clone(), rest].concat()
        };
        let due = length - info.len() - 3;
        let holds = |message: &[u8]| pkcs1_holds(&pair.public, DIGEST, &HASH, &pair.sign(message));
        assert_eq!(holds(&filled(due)), Some(true));
        // Less padding, and what follows is not looked at: the forgery of 2006.
        assert_eq!(holds(&filled(8)), Some(false));
        let short = pair.sign(&filled(due))[1..].to_vec();
        assert_eq!(pkcs1_holds(&pair.public, DIGEST, &HASH, &short), None);
    }
}

#[test]
fn keys_have_2048_to_8192_bits_and_an_exponent_that_hides() {
    let key = |bits: usize, exponent: &[u8]| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = 0xff >> (8 * modulus.len() - bits);
        PublicKey::parse(&public(&modulus, exponent)).map(|key| (key.bits, key.bytes()))
    };
    let e = [1, 0, 1];
    assert_eq!(key(2048, &e), Some((2048, 256)));
    assert_eq!(key(2049, &e), Some((2049, 257)));
    assert_eq!(key(8192, &e), Some((8192, 1024)));
    assert_eq!(key(2047, &e), None);
    assert_eq!(key(8193, &e), None);
    assert_eq!(key(2048, &[1]), None, "a signature would be its message");
    assert_eq!(key(2048, &[2]), None, "even");
    assert_eq!(key(2048, &[3]), Some((2048, 256)));
    assert_eq!(key(2048, &[0xff, 0xff, 0xff, 0xff]), Some((2048, 256)));
    assert_eq!(key(2048, &[1, 0, 0, 0, 1]), None, "above 33 bits");
}
