//! The recovery secret as people keep it: 24 English words (BIP-39), the last of which holds a checksum of 8 bits. The first four
//! letters of a word tell it from all others.

use super::SecretError;
use bip39::{Language, Mnemonic};
use std::collections::BTreeMap;
use zeroize::{Zeroize, Zeroizing};

/// Words of a secret of 256 bits.
pub(super) const WORDS: usize = 24;
/// Letters that tell a word from all others.
const LETTERS: usize = 4;
/// Words that are named beside one that is not on the list.
const NEAREST_MAX: usize = 3;

/// The words of a secret.
pub(super) fn of(secret: &[u8; 32]) -> Vec<&'static str> {
    // Of 256 bits BIP-39 always makes 24 words.
    let mnemonic = Mnemonic::from_entropy_in(Language::English, secret);
    let mut mnemonic = mnemonic.expect("256 bits are an entropy of BIP-39");
    let words = mnemonic.words().collect();
    mnemonic.zeroize();
    words
}

/// Reads 24 words as people write them down: in any case, over any lines, with numbers or commas, the first four letters of each.
/// Of a sheet that was saved whole, the numbered words.
pub(super) fn parse(text: &str) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    // Never grows, so no copy is left behind.
    let mut words = Zeroizing::new(String::with_capacity(WORDS * 9));
    for (position, typed) in (1..).zip(typed(text)?) {
        let word = known(typed).ok_or_else(|| SecretError::Word {
            position,
            nearest: nearest(typed),
        })?;
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    let mut mnemonic = match Mnemonic::parse_in_normalized(Language::English, &words) {
        Ok(mnemonic) => mnemonic,
        Err(bip39::Error::InvalidChecksum) => return Err(SecretError::Checksum),
        Err(_) => return Err(SecretError::Form),
    };
    let (mut entropy, length) = mnemonic.to_entropy_array();
    let mut secret = Zeroizing::new([0; 32]);
    let whole = entropy.get(..length).filter(|bytes| bytes.len() == 32);
    if let Some(bytes) = whole {
        secret.copy_from_slice(bytes);
    }
    let outcome = whole.map(|_| secret).ok_or(SecretError::Form);
    entropy.zeroize();
    mnemonic.zeroize();
    outcome
}

/// The word that was meant, where there is no doubt.
pub(super) fn known(typed: &str) -> Option<&'static str> {
    let typed = Zeroizing::new(typed.to_ascii_lowercase());
    let mut begin = Language::English.words_by_prefix_iter(&typed);
    match typed.len() >= LETTERS {
        true => begin.next(),
        // Shorter words are whole: "act" is one, beside "action".
        false => begin.find(|word| **word == *typed),
    }
}

/// Exactly 24 texts, in the order of the secret.
fn typed(text: &str) -> Result<Vec<&str>, SecretError> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '，' | '、' | '；');
    let parts: Vec<&str> = text
        .split(is_between)
        .filter(|part| !part.is_empty())
        .collect();
    for is_marked in [true, false] {
        let numbered = numbered(&parts, is_marked);
        if numbered.is_empty() {
            continue;
        }
        let missing = (1..=WORDS).find(|position| !numbered.contains_key(position));
        return match missing {
            None => Ok(numbered.into_values().collect()),
            Some(position) => Err(SecretError::Missing { position }),
        };
    }
    let words: Vec<&str> = parts.into_iter().filter(|part| is_word(part)).collect();
    match words.len() {
        WORDS => Ok(words),
        // Not one word of the list: rather a damaged text of hex digits.
        found if found < 2 || !words.iter().any(|word| known(word).is_some()) => {
            Err(SecretError::Form)
        }
        found => Err(SecretError::Count { found }),
    }
}

/// Words after a number from 1 to 24, by that number; `is_marked`: only after numbers as `7.`, `7)` or `7:`.
fn numbered<'a>(parts: &[&'a str], is_marked: bool) -> BTreeMap<usize, &'a str> {
    let mut words = BTreeMap::new();
    let mut parts = parts.iter().peekable();
    while let Some(part) = parts.next() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        // ASCII digits: `digits` is where a character begins.
        let (number, rest) = part.split_at(digits);
        let Some(number) = number.parse().ok().filter(|n| (1..=WORDS).contains(n)) else {
            continue;
        };
        let after = rest.strip_prefix(['.', ')', ':', '）', '：', '．']);
        let word = match after {
            Some("") => parts.peek().copied().copied(),
            Some(word) => Some(word),
            None if rest.is_empty() && !is_marked => parts.peek().copied().copied(),
            None => None,
        };
        if let Some(word) = word.filter(|word| is_word(word)) {
            words.entry(number).or_insert(word);
        }
    }
    words
}

fn is_word(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The words that are most like one that is none.
fn nearest(typed: &str) -> Vec<&'static str> {
    /// Letters typed wrong, left out, put in or exchanged.
    const AWAY_MAX: usize = 3;
    let typed = Zeroizing::new(typed.to_ascii_lowercase());
    let away = |word: &&'static str| (strsim::osa_distance(&typed, word), *word);
    let mut words: Vec<_> = Language::English.word_list().iter().map(away).collect();
    words.sort_unstable();
    let least = words.first().map_or(usize::MAX, |(away, _)| *away);
    let near = words.into_iter();
    let near = near.take_while(|(away, _)| *away == least && least <= AWAY_MAX);
    near.map(|(_, word)| word).take(NEAREST_MAX).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Of the vectors that BIP-39 names (Trezor's), those of 256 bits.
    const VECTORS: &[(&str, &str)] = &[
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple dilemma loan word shrug inflict delay length",
        ),
        (
            "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation flash devote level hobby quick inner drive ghost inside",
        ),
    ];

    fn hex_of(text: &str) -> String {
        hex::encode(parse(text).unwrap().as_ref())
    }

    #[test]
    fn words_are_those_of_the_standard_both_ways() {
        for (hex_text, words) in VECTORS {
            let secret: [u8; 32] = hex::decode(hex_text).unwrap().try_into().unwrap();
            assert_eq!(of(&secret).join(" "), *words);
            assert_eq!(hex_of(words), *hex_text);
        }
    }

    #[test]
    fn words_are_read_as_people_write_them() {
        let (hex_text, words) = VECTORS[2];
        let list: Vec<&str> = words.split(' ').collect();
        let each = |write: &dyn Fn(usize, &str) -> String| {
            let written = list
                .iter()
                .enumerate()
                .map(|(at, word)| write(at + 1, word));
            written.collect::<String>()
        };
        // The sheet's rows, cut into columns and read column by column: the numbers say the order.
        let columns: String = (0..6)
            .flat_map(|row| (0..4).map(move |column| column * 6 + row))
            .map(|at| format!("{}. {} ", at + 1, list[at]))
            .collect();
        for written in [
            words.to_uppercase(),
            each(&|_, word| format!("{word}\r\n")),
            each(&|_, word| format!("{},", &word[..word.len().min(4)])),
            each(&|at, word| format!("{at}. {word}\n")),
            each(&|at, word| format!("{at}.{word} ")),
            each(&|at, word| format!("{at}) {word}、")),
            each(&|at, word| format!("{at} {word}  ")),
            columns,
            format!(
                "RECOVERY SHEET of 10.0.0.1: keep it.\n\n24 words, any 4 letters:\n{}\nRoot key: a+b+c\n\x1b[38;5;16;48;5;231m  ▀▄█ \x1b[0m\n",
                each(&|at, word| format!("{at:>2}. {word:<8} "))
            ),
        ] {
            assert_eq!(hex_of(&written), hex_text, "{written}");
        }
    }

    #[test]
    fn a_mistyped_word_is_named_with_what_is_like_it() {
        let words = VECTORS[2].1;
        let said = |from: &str, to: &str| parse(&words.replacen(from, to, 1)).unwrap_err();
        let word = |position, nearest: &[&'static str]| SecretError::Word {
            position,
            nearest: nearest.to_vec(),
        };
        assert_eq!(said("dutch", "dutsh"), word(4, &["dutch"]));
        assert_eq!(said("gospel", "gopsel"), word(15, &["gospel"]));
        assert_eq!(said("book", "xqzwvvjk"), word(12, &[]));
        let text = said("dutch", "dutsh").to_string();
        assert!(
            text.contains("word 4") && text.contains("dutch") && !text.contains("dutsh"),
            "{text}"
        );
        // Three letters that begin more than one word are not one of them.
        assert!(matches!(
            said("hamster", "abs"),
            SecretError::Word { position: 1, .. }
        ));
    }

    #[test]
    fn words_that_do_not_fit_together_are_told_from_a_wrong_word() {
        let words = VECTORS[2].1;
        for (from, to) in [("dutch", "dust"), ("hamster diagram", "diagram hamster")] {
            let error = parse(&words.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error, SecretError::Checksum);
            assert!(error.to_string().contains("checksum"), "{error}");
        }
    }

    #[test]
    fn missing_words_are_counted() {
        let words = VECTORS[2].1;
        let few = words.rsplit_once(' ').unwrap().0;
        assert_eq!(parse(few).unwrap_err(), SecretError::Count { found: 23 });
        assert_eq!(
            parse(&format!("{words} zoo")).unwrap_err(),
            SecretError::Count { found: 25 }
        );
        let second_is_gone = "1. hamster 3. private";
        assert_eq!(
            parse(second_is_gone).unwrap_err(),
            SecretError::Missing { position: 2 }
        );
        for (text, error) in [
            ("hamster", SecretError::Form),
            ("hamster private", SecretError::Count { found: 2 }),
            ("1 hamster 3 private", SecretError::Missing { position: 2 }),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        for text in [
            "",
            "5a5a",
            "zzzz",
            "bonjour le xmonde qqq",
            "RECOVERY SHEET",
        ] {
            assert_eq!(parse(text).unwrap_err(), SecretError::Form, "{text}");
        }
    }
}
