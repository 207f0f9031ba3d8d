//! What the origin key signs, on a machine that is not the shop's (sections 6 and 10): the message of a rotation, and
//! the message of an `open` after a restore.

mod words;

use super::entry::{Body, natural, origin_is_valid};
use super::{Hash, Vkey};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest message in bytes: two origins, two numbers, a hash and a vkey need far less.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Context by which the seed of the origin key comes from the recovery secret.
pub const ORIGIN_KEY_CONTEXT: &str = "keystall 2026-11 origin key v1";

/// Context by which the seed of the key pair that backups are sealed to comes from the recovery secret.
pub const BACKUP_KEY_CONTEXT: &str = "keystall 2026-11 backup key v1";

/// A message for the origin key. Nothing else is ever signed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A new log key: section 6.
    Rotate {
        /// The log.
        origin: String,
        /// Seq of the `rotate` entry; the key signs from the size after it on.
        seq: u64,
        /// The new log key.
        vkey: Vkey,
    },
    /// A new generation after a restore: section 10.
    Open {
        /// The log that it continues.
        prior: String,
        /// Entries that the restored copy holds.
        size: u64,
        /// Chain hash of the last of them.
        head: Hash,
        /// Highest size that is known to have been signed; the entries between were lost.
        signed: u64,
        /// The new generation's log key; its name is the new origin.
        vkey: Vkey,
    },
}

/// Why a text is not a message for the origin key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// It begins with neither of the two first lines.
    #[error(
        "this is not what `keystall ledger rotate` printed, nor the message of a restore: the origin key (made from the recovery secret) signs nothing else"
    )]
    Kind,
    /// A line is missing, too many, or of another form.
    #[error("the message was not copied whole: {0}")]
    Form(&'static str),
    /// The new key is of another log than the message says.
    #[error("the new key's name is not the log's")]
    Name,
}

impl Message {
    /// Reads the message as the shop printed it; one line end after it is not part of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let form = MessageError::Form;
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::Kind);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| MessageError::Kind)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let lines: Vec<_> = text.split('\n').collect();
        let message = match lines.as_slice() {
            [ROTATE, origin, seq, vkey] => Self::Rotate {
                origin: valid_origin(origin)?,
                seq: natural(seq).filter(|seq| *seq > 0).ok_or(form("the seq"))?,
                vkey: Vkey::parse(vkey).map_err(|_| form("the new key"))?,
            },
            [OPEN, prior, size, head, signed, vkey] => Self::Open {
                prior: valid_origin(prior)?,
                size: natural(size).ok_or(form("the restored size"))?,
                head: Hash::from_hex(head).ok_or(form("the restored head"))?,
                signed: natural(signed).ok_or(form("the signed size"))?,
                vkey: Vkey::parse(vkey).map_err(|_| form("the new key"))?,
            },
            [ROTATE | OPEN, ..] => return Err(form("it has another number of lines")),
            _ => return Err(MessageError::Kind),
        };
        message.makes_sense().map(|()| message)
    }

    /// The bytes that are signed.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Rotate { origin, seq, vkey } => {
                Body::rotate_message(origin, *seq, &vkey.to_string())
            }
            Self::Open {
                prior,
                size,
                head,
                signed,
                vkey,
            } => Body::open_message(prior, *size, head, *signed, &vkey.to_string()),
        }
    }

    fn makes_sense(&self) -> Result<(), MessageError> {
        let sense = match self {
            Self::Rotate { origin, vkey, .. } => vkey.name() == origin,
            Self::Open { prior, vkey, .. } => vkey.name() != prior && origin_is_valid(vkey.name()),
        };
        sense.then_some(()).ok_or(MessageError::Name)
    }
}

/// In words, for whoever is about to sign it.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotate { origin, seq, vkey } => write!(
                f,
                "A new log key for {origin}.\n\
                 After entry {seq} the ledger is signed by this key, and no longer by the one before:\n\
                 {vkey}"
            ),
            Self::Open {
                prior,
                size,
                head,
                signed,
                vkey,
            } => {
                write!(
                    f,
                    "A new ledger {} after a restore.\n\
                     It continues {prior} at {size} entries, the last with the hash\n{head}\n",
                    vkey.name()
                )?;
                match signed.saturating_sub(*size) {
                    0 => write!(f, "No signed entry was lost.")?,
                    lost => write!(
                        f,
                        "It admits that {lost} signed entries were lost: sizes {} to {signed}.",
                        size + 1
                    )?,
                }
                write!(f, "\nIts log key:\n{vkey}")
            }
        }
    }
}

/// The secret of the recovery sheet, 256 bits. Never prints; wiped from memory when dropped.
pub struct RecoverySecret(Zeroizing<[u8; 32]>);

/// Why a text is not a recovery secret. Never holds what was typed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// Neither words nor digits.
    #[error("a recovery secret is 24 words, or 64 hex digits, as on the recovery sheet")]
    Form,
    /// Words, but not 24.
    #[error("the recovery secret has 24 words: here are {found}")]
    Count {
        /// So many.
        found: usize,
    },
    /// Words have numbers, and one has none.
    #[error("word {position} of the recovery secret's 24 is missing")]
    Missing {
        /// Counted from 1.
        position: usize,
    },
    /// A word is not on the list.
    #[error("word {position} of the recovery secret is not on the list of words{}", like(.nearest))]
    Word {
        /// Counted from 1.
        position: usize,
        /// Words of the list that are most like it; often one.
        nearest: Vec<&'static str>,
    },
    /// The words are no secret together.
    #[error(
        "each word is on the list, but together their checksum is wrong: one is another than on the recovery sheet, or two have changed places"
    )]
    Checksum,
}

impl SecretError {
    /// Whether more words may make a secret of it: a person may type them over several lines.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Count { found } => *found < RecoverySecret::WORDS,
            Self::Missing { .. } => true,
            _ => false,
        }
    }
}

impl RecoverySecret {
    /// Words of a secret.
    pub const WORDS: usize = words::WORDS;

    /// A new secret, from 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// The secret as 64 hex digits.
    pub fn expose_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_ref()))
    }

    /// The secret as 24 English words (BIP-39), in their order: to be shown once.
    pub fn words(&self) -> Vec<&'static str> {
        words::of(&self.0)
    }

    /// The text of the sheet's QR code: one that no camera takes for an address or a search.
    pub fn expose_qr_text(&self) -> Zeroizing<String> {
        // Capitals, for which a QR code has a shorter form.
        let hex = Zeroizing::new(self.expose_hex().to_ascii_uppercase());
        Zeroizing::new(format!("{QR_PREFIX}{}", *hex))
    }

    /// Whether `typed` is the word `word` of the list: in any case, its first four letters at least.
    pub fn is_word(word: &str, typed: &str) -> bool {
        words::known(typed.trim()) == Some(word)
    }

    /// Reads 24 words, 64 hex digits, the text of the sheet's QR code, or a sheet that was saved whole. Spaces, line ends and upper
    /// case are how people copy; so are words with their numbers, or with the first four letters alone.
    ///
    /// # Errors
    /// [`SecretError`], which names the word that is wrong.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let digits = text.chars().filter(|c| !c.is_ascii_whitespace());
        let mut digits = Zeroizing::new(digits.collect::<String>());
        let is_of_qr = digits.get(..QR_PREFIX.len());
        if is_of_qr.is_some_and(|begin| begin.eq_ignore_ascii_case(QR_PREFIX)) {
            digits.drain(..QR_PREFIX.len());
        }
        let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let digits = Some(digits).filter(|digits| is_hex(digits));
        let Some(digits) = digits.or_else(|| of_sheet(text)) else {
            return words::parse(text).map(Self);
        };
        let mut bytes = Zeroizing::new([0; 32]);
        let read = hex::decode_to_slice(digits.as_bytes(), bytes.as_mut());
        read.map_err(|_| SecretError::Form)?;
        Ok(Self(bytes))
    }

    /// Signs a message with the origin key.
    pub fn sign(&self, message: &Message) -> [u8; 64] {
        self.origin_key().sign(&message.bytes()).to_bytes()
    }

    /// The origin key's public half under this name.
    pub fn root_vkey(&self, name: &str) -> Vkey {
        Vkey::new(name, &self.origin_key().verifying_key())
    }

    /// Seed of the X25519 key pair that backups are sealed to.
    pub fn backup_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(BACKUP_KEY_CONTEXT, self.0.as_ref()))
    }

    /// Ed25519, from a seed of its own.
    fn origin_key(&self) -> SigningKey {
        let seed = Zeroizing::new(blake3::derive_key(ORIGIN_KEY_CONTEXT, self.0.as_ref()));
        SigningKey::from_bytes(&seed)
    }
}

impl fmt::Debug for RecoverySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoverySecret")
    }
}

fn like(nearest: &[&str]) -> String {
    match nearest {
        [] => String::new(),
        words => format!(": was it {}?", words.join(", or ")),
    }
}

/// The secret on a recovery sheet of hex digits that was saved whole: eight groups of eight digits, one after another.
fn of_sheet(text: &str) -> Option<Zeroizing<String>> {
    let is_group = |word: &&str| word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let groups = words.windows(8).find(|words| words.iter().all(is_group))?;
    Some(Zeroizing::new(groups.concat()))
}

fn valid_origin(text: &str) -> Result<String, MessageError> {
    match origin_is_valid(text) {
        true => Ok(text.to_owned()),
        false => Err(MessageError::Form("the log's name")),
    }
}

/// Before the digits in the sheet's QR code.
const QR_PREFIX: &str = "KEYSTALL-RECOVERY:";
const ROTATE: &str = "keystall 2026-11 rotate v1";
const OPEN: &str = "keystall 2026-11 open v1";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ORIGIN: &str = "shop.example/0123abcd";
    const NEXT: &str = "shop.example/89abcdef";

    fn vkey(name: &str) -> String {
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
        Vkey::new(name, &key).to_string()
    }

    fn secret() -> RecoverySecret {
        RecoverySecret::parse(&"5a".repeat(32)).unwrap()
    }

    #[test]
    fn a_rotation_is_signed_as_the_entry_wants_it() {
        let bytes = Body::rotate_message(ORIGIN, 120, &vkey(ORIGIN));
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.bytes(), bytes);
        let with_end = [&bytes[..], b"\n"].concat();
        assert_eq!(Message::parse(&with_end).as_ref(), Ok(&message));
        let root = secret().root_vkey(ORIGIN);
        assert!(root.verifies(&bytes, &secret().sign(&message)));
        assert!(message.to_string().contains("After entry 120"));
    }

    #[test]
    fn an_open_after_a_restore_says_what_was_lost() {
        let open = |signed| {
            Message::parse(&Body::open_message(
                ORIGIN,
                20,
                &Hash([9; 32]),
                signed,
                &vkey(NEXT),
            ))
        };
        let message = open(24).unwrap();
        assert!(message.to_string().contains("4 signed entries were lost"));
        assert!(open(20).unwrap().to_string().contains("No signed entry"));
        assert_eq!(message.bytes().len(), Message::bytes(&message).len());
        let root = secret().root_vkey(ORIGIN);
        assert!(root.verifies(&message.bytes(), &secret().sign(&message)));
    }

    #[test]
    fn nothing_else_is_signed() {
        let good = String::from_utf8(Body::rotate_message(ORIGIN, 120, &vkey(ORIGIN))).unwrap();
        let kind = [
            String::new(),
            "hello".into(),
            good.replace("rotate v1", "rotate v2"),
            format!("\n{good}"),
            "keystall 2026-11 ledger entry v1\nx".into(),
            "x".repeat(2000),
        ];
        for text in kind {
            let error = Message::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, MessageError::Kind, "{text}");
        }
        let form = [
            good.replace("\n120\n", "\n0120\n"),
            good.replace("\n120\n", "\n0\n"),
            good.replace("\n120\n", "\n"),
            format!("{good}\n\n"),
            format!("{good}\r\n"),
            good.replace(ORIGIN, "Shop.example/0123abcd"),
            good[..good.len() - 1].to_owned(),
        ];
        for text in form {
            let error = Message::parse(text.as_bytes()).unwrap_err();
            assert!(matches!(error, MessageError::Form(_)), "{text}");
        }
        let elsewhere = Body::rotate_message(ORIGIN, 120, &vkey(NEXT));
        assert_eq!(Message::parse(&elsewhere), Err(MessageError::Name));
        let same = Body::open_message(ORIGIN, 20, &Hash([9; 32]), 24, &vkey(ORIGIN));
        assert_eq!(Message::parse(&same), Err(MessageError::Name));
    }

    #[test]
    fn a_secret_is_read_from_a_sheet_that_was_saved_whole() {
        let hex = secret().expose_hex();
        let groups: Vec<&str> = (0..8).map(|at| &hex[8 * at..8 * at + 8]).collect();
        let (first, second) = (groups[..4].join(" "), groups[4..].join(" "));
        let sheet =
            format!("RECOVERY SHEET of x: write.\n\n    {first}\n    {second}\n\nRoot key: a+b\n");
        let read = RecoverySecret::parse(&sheet).unwrap();
        assert_eq!(*read.expose_hex(), *hex);
        assert!(RecoverySecret::parse("RECOVERY SHEET without it").is_err());
    }

    #[test]
    fn a_secret_is_read_as_people_copy_it_and_never_printed() {
        let spaced = "5A5a 5a5a ".repeat(8) + "\n";
        let read = RecoverySecret::parse(&spaced).unwrap();
        assert_eq!(read.root_vkey(ORIGIN), secret().root_vkey(ORIGIN));
        assert!(!format!("{read:?}").contains("5a"));
        for wrong in ["", "5a", &"5a".repeat(33), &"zz".repeat(32)] {
            assert_eq!(RecoverySecret::parse(wrong).unwrap_err(), SecretError::Form);
        }
    }

    #[test]
    fn words_digits_and_the_text_of_the_qr_code_are_one_secret() {
        let words = secret().words().join(" ");
        let qr = secret().expose_qr_text();
        for text in [
            words.as_str(),
            &qr,
            &qr.to_lowercase(),
            &secret().expose_hex(),
        ] {
            let read = RecoverySecret::parse(text).unwrap();
            assert_eq!(*read.expose_hex(), *secret().expose_hex(), "{text}");
        }
        assert!(RecoverySecret::is_word("abandon", " ABAN"));
        assert!(!RecoverySecret::is_word("abandon", "aba"));
        assert!(!RecoverySecret::is_word("abandon", "ability"));
        // Too long for a hex text, and no words.
        assert!(RecoverySecret::parse(&format!("{}00", *qr)).is_err());
    }

    #[test]
    fn eight_words_of_eight_letters_are_no_digits() {
        let list = bip39::Language::English.word_list();
        let long = list.iter().find(|word| word.len() == 8).unwrap();
        let begin = format!("{long} ").repeat(23);
        let whole = |last: &&&str| RecoverySecret::parse(&format!("{begin}{last}")).is_ok();
        // The last word holds eight bits of the checksum and three of the secret: eight of the list fit.
        assert_eq!(list.iter().filter(whole).count(), 8);
    }

    #[test]
    fn too_few_words_may_become_a_secret_and_others_may_not() {
        for (error, unfinished) in [
            (SecretError::Count { found: 23 }, true),
            (SecretError::Count { found: 24 }, false),
            (SecretError::Count { found: 25 }, false),
            (SecretError::Missing { position: 3 }, true),
            (SecretError::Checksum, false),
            (SecretError::Form, false),
        ] {
            assert_eq!(error.is_unfinished(), unfinished, "{error:?}");
        }
    }

    #[test]
    fn what_is_sealed_to_a_secret_opens_with_every_later_release() {
        let seed = |hex: &str| hex::encode(*RecoverySecret::parse(hex).unwrap().backup_seed());
        assert_eq!(
            seed(&"5a".repeat(32)),
            "44b3fced2d580f2bbbc325083df3b3fad12974aa8f046a9e86c6ac10cf42bc86"
        );
    }
}
