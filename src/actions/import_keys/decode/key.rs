//! What may be a key, and what may be shown of one.

use super::DecodeError;
use crate::domain::secret::Secret;
use crate::limits;

/// Takes a key without the white space around it.
pub(super) fn check(text: &str, line: u64) -> Result<Secret, DecodeError> {
    let key = text.trim();
    if key.is_empty() {
        return Err(DecodeError::NoKey { line });
    }
    if key.len() > limits::KEY_BYTES_MAX {
        return Err(DecodeError::KeyTooLong { line });
    }
    for character in key.chars() {
        let code = u32::from(character);
        if character.is_control() {
            return Err(DecodeError::Control { line, code });
        }
        if is_invisible(character) {
            return Err(DecodeError::Invisible { line, code });
        }
    }
    Ok(Secret::from(key))
}

/// A key for previews: its first two and last four characters, fewer of a short one, never more than a third of it. How long
/// it is does not show.
pub fn mask(key: &Secret) -> String {
    let characters: Vec<char> = key.expose_str().unwrap_or("").chars().collect();
    let shown = (characters.len() / 3).min(6);
    let head = shown.div_ceil(2).min(2);
    let tail = shown - head;
    let mut out: String = characters[..head].iter().collect();
    out.push('…');
    out.extend(&characters[characters.len() - tail..]);
    out
}

/// Characters without width, of direction, of formatting, and the replacement character (Unicode, general category Cf and
/// separators; UAX #9 and #14).
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{115F}'..='\u{1160}'
        | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFD}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_never_shows_more_than_a_third() {
        let cases = [
            ("", "…"),
            ("ab", "…"),
            ("abc", "a…"),
            ("abcdef", "a…f"),
            ("abcdefghi", "ab…i"),
            ("abcdefghijkl", "ab…kl"),
            ("STEAM-1234-5678-9ABC", "ST…9ABC"),
            ("卡密卡密卡密", "卡…密"),
        ];
        for (key, masked) in cases {
            assert_eq!(mask(&key.into()), masked);
        }
    }

    #[test]
    fn invisible_characters_are_refused_by_their_number() {
        for code in [
            0x200B, 0x200E, 0x200F, 0x202E, 0x2066, 0x2060, 0xFEFF, 0xAD, 0x61C, 0x2028, 0xFFFD,
            0xE0041,
        ] {
            let text = format!("KEY{}1", char::from_u32(code).unwrap());
            assert_eq!(
                check(&text, 7).unwrap_err(),
                DecodeError::Invisible { line: 7, code }
            );
        }
        for code in [0, 9, 0x1B, 0x7F, 0x85] {
            let text = format!("KEY{}1", char::from_u32(code).unwrap());
            assert_eq!(
                check(&text, 7).unwrap_err(),
                DecodeError::Control { line: 7, code }
            );
        }
    }
}
