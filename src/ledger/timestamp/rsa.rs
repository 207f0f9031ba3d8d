//! RSA signatures, verified only (RFC 8017): PKCS#1 v1.5 by encoding anew and comparing whole, PSS with a salt of the
//! digest's length. No private key comes near, so timing does not matter here.

use super::der::Values;
use super::signature::DigestAlgorithm;
use super::{der, oid};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

/// RSASSA-PKCS1-v1_5 (8.2.2). `None` where key or signature have another form.
pub(super) fn pkcs1_holds(
    public_key: &[u8],
    digest: DigestAlgorithm,
    hash: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let key = PublicKey::parse(public_key)?;
    let message = key.open(signature)?;
    // 9.2: 0x00 ‖ 0x01 ‖ 0xff … ‖ 0x00 ‖ DigestInfo.
    let name = match digest {
        DigestAlgorithm::Sha256 => oid::SHA_256,
        DigestAlgorithm::Sha384 => oid::SHA_384,
        DigestAlgorithm::Sha512 => oid::SHA_512,
    };
    let algorithm = der::sequence(&[der::oid(&name), der::NULL.to_vec()]);
    let info = der::sequence(&[algorithm, der::tlv(0x04, hash)]);
    let padding = key.bytes().checked_sub(info.len() + 3)?;
    let mut encoded = vec![0x00, 0x01];
    encoded.extend(std::iter::repeat_n(0xff, padding));
    encoded.push(0x00);
    encoded.extend_from_slice(&info);
    Some(padding >= 8 && encoded == message)
}

/// RSASSA-PSS (8.1.2 and 9.1.2) with MGF1 over the same digest.
pub(super) fn pss_holds(
    public_key: &[u8],
    digest: DigestAlgorithm,
    hash: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let key = PublicKey::parse(public_key)?;
    let message = key.open(signature)?;
    // The encoded message has one bit less than the modulus, so a modulus of 8n + 1 bits has one byte more than it.
    let bits = key.bits - 1;
    let skipped = message.len() - bits.div_ceil(8);
    let (zero, encoded) = message.split_at_checked(skipped)?;
    let (masked, rest) = encoded.split_at_checked(encoded.len().checked_sub(hash.len() + 1)?)?;
    let (stated, trailer) = rest.split_at_checked(hash.len())?;
    let unused = 8 * encoded.len() - bits;
    // At most 7 bits: `encoded` is the least number of bytes that hold `bits`.
    let used = 0xff_u8 >> unused;
    if zero.iter().any(|byte| *byte != 0) || trailer != [0xbc] || masked.first()? & !used != 0 {
        return Some(false);
    }
    let mut block: Vec<u8> = masked
        .iter()
        .zip(mask(digest, stated, masked.len()))
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    *block.first_mut()? &= used;
    let (padding, salt) = block.split_at_checked(block.len().checked_sub(hash.len())?)?;
    let (one, zeros) = padding.split_last()?;
    let due = digest.of(&[&[0; 8], hash, salt].concat());
    Some(*one == 0x01 && zeros.iter().all(|byte| *byte == 0) && due == stated)
}

/// MGF1 (B.2.1).
fn mask(digest: DigestAlgorithm, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0_u32..).map(|counter| digest.of(&[seed, &counter.to_be_bytes()].concat()));
    blocks.flatten().take(length).collect()
}

struct PublicKey {
    modulus: BoxedMontyParams,
    exponent: BoxedUint,
    exponent_bits: u32,
    bits: usize,
}

impl PublicKey {
    /// `RSAPublicKey ::= SEQUENCE { modulus, publicExponent }` of 2048 to 8192 bits and an odd exponent of at most 33.
    fn parse(der: &[u8]) -> Option<Self> {
        let mut outer = Values::new(der, "an RSA key").ok()?;
        let mut parts = outer.sequence().ok()?;
        outer.end().ok()?;
        let (modulus, exponent) = (parts.unsigned().ok()?, parts.unsigned().ok()?);
        parts.end().ok()?;
        let bits = 8 * modulus.len() - usize::try_from(modulus.first()?.leading_zeros()).ok()?;
        let fits = (BITS_MIN..=BITS_MAX).contains(&bits) && exponent.len() <= EXPONENT_BYTES_MAX;
        if !fits || exponent == [1] || exponent.last()? % 2 == 0 {
            return None;
        }
        let modulus = Odd::new(BoxedUint::from_be_slice_vartime(modulus)).into_option()?;
        Some(Self {
            modulus: BoxedMontyParams::new_vartime(modulus),
            exponent: BoxedUint::from_be_slice_vartime(exponent),
            exponent_bits: 8 * u32::try_from(exponent.len()).ok()?,
            bits,
        })
    }

    const fn bytes(&self) -> usize {
        self.bits.div_ceil(8)
    }

    /// RSAVP1 (5.2.2): signature^e mod n, as many bytes as the modulus.
    fn open(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if signature.len() != self.bytes() {
            return None;
        }
        let modulus = self.modulus.modulus();
        let precision = modulus.as_ref().bits_precision();
        let number = BoxedUint::from_be_slice(signature, precision).ok()?;
        if number >= *modulus.as_ref() {
            return None;
        }
        let form = BoxedMontyForm::new(number, &self.modulus);
        let opened = form
            .pow_bounded_exp(&self.exponent, self.exponent_bits)
            .retrieve();
        let bytes = opened.to_be_bytes();
        bytes
            .get(bytes.len().checked_sub(self.bytes())?..)
            .map(<[u8]>::to_vec)
    }
}

const BITS_MIN: usize = 2048;
const BITS_MAX: usize = 8192;
/// 65537 has three; larger ones only cost time.
const EXPONENT_BYTES_MAX: usize = 4;

#[cfg(test)]
mod tests;
