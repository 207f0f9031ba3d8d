//! Witness cosignatures: C2SP tlog-cosignature, `cosignature/v1` with Ed25519 (type 0x04).
//!
//! A witness that cosigns a checkpoint says that, at that second, it was the largest consistent one which it had seen
//! of this log. So a split view needs the witness's help.

use super::note::{self, Checkpoint, NamedKey, NoteError, VkeyError};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use std::fmt;
use thiserror::Error;

/// A witness's public key with its name: `name+hash+base64`, type 0x04.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey(NamedKey<0x04>);

impl WitnessKey {
    /// The verifier key of a witness's signing key under this name.
    pub fn new(name: &str, key: &VerifyingKey) -> Self {
        Self(NamedKey::new(name, key))
    }

    /// Reads the C2SP form, strictly.
    pub fn parse(text: &str) -> Result<Self, VkeyError> {
        NamedKey::parse(text).map(Self)
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a note says about one witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cosigned {
    /// The witness cosigned it at this time, Unix seconds.
    At(u64),
    /// No signature line names the witness's key.
    No,
    /// A line names the key, and is no cosignature of it.
    Forged,
}

impl Checkpoint {
    /// Whether this witness cosigned the note; of several lines the latest time. Lines of other keys are ignored.
    pub fn cosigned_by(&self, witness: &WitnessKey) -> Cosigned {
        let mut verdict = Cosigned::No;
        for line in self.lines_of(&witness.0.name, witness.0.id) {
            let Some(time_s) = time_of(self, witness, &line.bytes) else {
                return Cosigned::Forged;
            };
            verdict = match verdict {
                Cosigned::At(other_s) => Cosigned::At(other_s.max(time_s)),
                _ => Cosigned::At(time_s),
            };
        }
        verdict
    }
}

/// Why a witness's answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CountersignError {
    /// The note or the answer is malformed, or the note would get too large.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The answer holds no line of the witness's key.
    #[error("the answer holds no cosignature of this witness's key")]
    Missing,
    /// The line of the witness's key is wrong for this checkpoint.
    #[error("the cosignature does not verify for this checkpoint")]
    Forged,
}

/// The note with this witness's cosignature out of `lines` (what it answers to `add-checkpoint`: signature lines, each
/// ending in `\n`), and the cosignature's time in Unix seconds. Verified first; lines of other keys in the answer are
/// left out, and an older line of the same key gives way.
pub fn countersigned(
    note: &str,
    lines: &str,
    witness: &WitnessKey,
) -> Result<(String, u64), CountersignError> {
    let checkpoint = Checkpoint::parse(note)?;
    let mut newest: Option<(u64, String)> = None;
    for line in note::signature_lines(lines)? {
        if line.name != witness.0.name || line.id != witness.0.id {
            continue;
        }
        let time_s = time_of(&checkpoint, witness, &line.bytes).ok_or(CountersignError::Forged)?;
        if newest.as_ref().is_none_or(|(other_s, _)| time_s > *other_s) {
            newest = Some((time_s, note::line_of(&line.name, line.id, &line.bytes)));
        }
    }
    let (time_s, line) = newest.ok_or(CountersignError::Missing)?;
    Ok((note::with_lines(note, &line)?, time_s))
}

/// The signature line, with its `\n`, by which a witness of this name cosigns a checkpoint at this time (Unix seconds,
/// below 2^63).
pub fn cosign(key: &SigningKey, name: &str, checkpoint: &Checkpoint, time_s: u64) -> String {
    let witness = WitnessKey::new(name, &key.verifying_key());
    let signature = key.sign(message(checkpoint, time_s).as_bytes()).to_bytes();
    let bytes = [&time_s.to_be_bytes()[..], &signature].concat();
    note::line_of(name, witness.0.id, &bytes)
}

/// The time of a cosignature, Unix seconds, if it verifies.
fn time_of(checkpoint: &Checkpoint, witness: &WitnessKey, bytes: &[u8]) -> Option<u64> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let signature = <&[u8; 64]>::try_from(signature).ok()?;
    let time_s = u64::from_be_bytes(*time);
    let message = message(checkpoint, time_s);
    let valid = time_s < TIME_S_END && witness.0.verifies(message.as_bytes(), signature);
    valid.then_some(time_s)
}

fn message(checkpoint: &Checkpoint, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{}", checkpoint.body())
}

/// C2SP: a time does not exceed 2^63 − 1.
const TIME_S_END: u64 = 1 << 63;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ledger::Hash;
    use crate::ledger::note::{SignedBy, Vkey, sign_checkpoint};

    const ORIGIN: &str = "shop.example/0123abcd";
    const NAME: &str = "witness.example/w1";
    const TIME_S: u64 = 1_795_000_000;

    fn log_key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    fn witness() -> WitnessKey {
        WitnessKey::new(NAME, &key().verifying_key())
    }

    fn note() -> String {
        sign_checkpoint(&log_key(), ORIGIN, 24, &Hash([3; 32]))
    }

    fn cosignature(time_s: u64) -> String {
        cosign(&key(), NAME, &Checkpoint::parse(&note()).unwrap(), time_s)
    }

    #[test]
    fn the_example_of_the_specification_has_its_key_id_and_its_time() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let note = Checkpoint::parse(text).unwrap();
        let id = [0x8d, 0x66, 0xcf, 0x3f];
        let line = note.lines_of("witness.example.com/w1", id).next().unwrap();
        assert_eq!(line.bytes.len(), 72);
        assert_eq!(line.bytes[..8], 1_679_315_147_u64.to_be_bytes());
        assert!(message(&note, 1_679_315_147).starts_with(
            "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUY"
        ));
    }

    #[test]
    fn a_cosigned_note_is_still_the_logs_and_tells_the_witnesss_time() {
        let (cosigned, time_s) = countersigned(&note(), &cosignature(TIME_S), &witness()).unwrap();
        assert_eq!(time_s, TIME_S);
        assert_eq!(cosigned, format!("{}{}", note(), cosignature(TIME_S)));
        let checkpoint = Checkpoint::parse(&cosigned).unwrap();
        let vkey = Vkey::new(ORIGIN, &log_key().verifying_key());
        assert_eq!(checkpoint.signed_by(&vkey), SignedBy::Yes);
        assert_eq!(checkpoint.cosigned_by(&witness()), Cosigned::At(TIME_S));
        let stranger = WitnessKey::new(NAME, &log_key().verifying_key());
        assert_eq!(checkpoint.cosigned_by(&stranger), Cosigned::No);
    }

    #[test]
    fn a_newer_cosignature_takes_the_older_ones_place() {
        let once = note::with_lines(&note(), &cosignature(TIME_S)).unwrap();
        let other = cosign(
            &log_key(),
            "other.example",
            &Checkpoint::parse(&once).unwrap(),
            5,
        );
        let both = note::with_lines(&once, &other).unwrap();
        let again = note::with_lines(&both, &cosignature(TIME_S + 60)).unwrap();
        assert_eq!(
            again,
            format!("{}{other}{}", note(), cosignature(TIME_S + 60))
        );
        let twice = format!("{}{}", cosignature(TIME_S + 9), cosignature(TIME_S));
        let (_, time_s) = countersigned(&note(), &twice, &witness()).unwrap();
        assert_eq!(time_s, TIME_S + 9);
    }

    #[test]
    fn an_answer_that_is_not_this_witnesss_is_not_taken() {
        let refused = |lines: &str| countersigned(&note(), lines, &witness()).unwrap_err();
        let elsewhere = sign_checkpoint(&log_key(), ORIGIN, 25, &Hash([3; 32]));
        let elsewhere = Checkpoint::parse(&elsewhere).unwrap();
        assert_eq!(
            refused(&cosign(&key(), NAME, &elsewhere, TIME_S)),
            CountersignError::Forged
        );
        assert_eq!(refused(&cosignature(TIME_S_END)), CountersignError::Forged);
        let own = note().split_once("\n\n").unwrap().1.to_owned();
        assert_eq!(refused(&own), CountersignError::Missing);
        for lines in ["", "\n", "x\n", cosignature(TIME_S).trim_end()] {
            assert!(
                matches!(refused(lines), CountersignError::Note(_)),
                "{lines:?}"
            );
        }
        assert!(note::with_lines(&note(), &own).is_err());
        let many = (0..64).map(|number| {
            let checkpoint = Checkpoint::parse(&note()).unwrap();
            cosign(&key(), &format!("w{number}"), &checkpoint, TIME_S)
        });
        assert!(note::with_lines(&note(), &many.collect::<String>()).is_err());
    }

    #[test]
    fn every_flip_and_cut_of_a_cosigned_note_loses_the_log_or_the_witness() {
        let note = note::with_lines(&note(), &cosignature(TIME_S)).unwrap();
        let vkey = Vkey::new(ORIGIN, &log_key().verifying_key());
        let passes = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap_or_default();
            Checkpoint::parse(&text).is_ok_and(|checkpoint| {
                checkpoint.signed_by(&vkey) == SignedBy::Yes
                    && matches!(checkpoint.cosigned_by(&witness()), Cosigned::At(_))
            })
        };
        assert!(passes(note.clone().into_bytes()));
        for position in 0..note.len() {
            for mask in [0x01, 0x04, 0x20, 0x80] {
                let mut bytes = note.clone().into_bytes();
                bytes[position] ^= mask;
                assert!(!passes(bytes), "byte {position} mask {mask:#x}");
            }
            let mut bytes = note.clone().into_bytes();
            bytes.remove(position);
            assert!(!passes(bytes), "without byte {position}");
            assert!(!passes(note.as_bytes()[..position].to_vec()), "{position}");
        }
    }

    #[test]
    fn the_keys_of_logs_and_witnesses_are_not_taken_for_each_other() {
        let text = witness().to_string();
        assert_eq!(WitnessKey::parse(&text), Ok(witness()));
        assert_eq!(Vkey::parse(&text), Err(VkeyError::Witness));
        let log = Vkey::new(ORIGIN, &log_key().verifying_key()).to_string();
        assert_eq!(WitnessKey::parse(&log), Err(VkeyError::Log));
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 0x01;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(WitnessKey::parse(&text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn of_several_lines_of_a_witness_the_latest_counts() {
        let lines: String = [3, 5, 4]
            .map(|late_s| cosignature(TIME_S + late_s))
            .concat();
        let (_, time_s) = countersigned(&note(), &lines, &witness()).unwrap();
        assert_eq!(time_s, TIME_S + 5);
        let all = Checkpoint::parse(&format!("{}{lines}", note())).unwrap();
        assert_eq!(all.cosigned_by(&witness()), Cosigned::At(TIME_S + 5));
    }

    #[test]
    fn a_line_with_another_name_or_number_is_another_keys() {
        let own = cosignature(TIME_S);
        let renamed = own.replacen(NAME, "witness.example/w2", 1);
        let blob = note::signature_lines(&own).unwrap().remove(0).bytes;
        let renumbered = note::line_of(NAME, [1, 2, 3, 4], &blob);
        for other in [renamed, renumbered] {
            let (note, time_s) = countersigned(&note(), &(other + &own), &witness()).unwrap();
            assert_eq!((note, time_s), (format!("{}{own}", self::note()), TIME_S));
        }
    }
}
