//! bincode behind one door: a version byte, then the record, nothing after it.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

use crate::limits::RECORD_BYTES_MAX;

/// Why bytes are not a record. The bytes themselves are never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No bytes at all.
    #[error("an empty record")]
    Empty,
    /// A version that this program does not know.
    #[error("record version {0} is not known to this version of keystall: upgrade it")]
    Version(u8),
    /// Not decodable, or with bytes left over.
    #[error("a record is damaged")]
    Damaged,
}

const CONFIG: Configuration<LittleEndian, Varint, Limit<RECORD_BYTES_MAX>> =
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>();

/// A record as it is stored: its version and its form.
pub(super) trait Record: Encode + Decode<()> {
    const VERSION: u8;

    /// Reads the record's whole bytes, which are of another version: an older one is converted.
    fn of_version(version: u8, _bytes: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::Version(version))
    }
}

pub(super) fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut out = vec![R::VERSION];
    // Encoding into memory fails only above the limit, which every field's own limit stays under.
    #[allow(clippy::expect_used)]
    bincode::encode_into_std_write(record, &mut out, CONFIG).expect("a record within its limits");
    out
}

pub(super) fn decode<R: Record>(bytes: &[u8]) -> Result<R, CodecError> {
    let (&version, rest) = bytes.split_first().ok_or(CodecError::Empty)?;
    if version != R::VERSION {
        return R::of_version(version, bytes);
    }
    let (record, used) =
        bincode::decode_from_slice(rest, CONFIG).map_err(|_| CodecError::Damaged)?;
    if used == rest.len() {
        Ok(record)
    } else {
        Err(CodecError::Damaged)
    }
}

/// The bytes of a record that is sealed before it is stored.
#[allow(private_bounds)]
pub fn encode_sealed<R: Record>(record: &R) -> Vec<u8> {
    encode(record)
}

/// Reads a record that was sealed.
///
/// # Errors
/// [`CodecError`].
#[allow(private_bounds)]
pub fn decode_sealed<R: Record>(bytes: &[u8]) -> Result<R, CodecError> {
    decode(bytes)
}
