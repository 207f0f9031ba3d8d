//! QR codes, as SVG and for terminals.

use qrcodegen::{Mask, QrCode, QrCodeEcc, QrSegment, Version};

/// A QR code of `text` as an `svg` element without script, style or outer reference; `None` where
/// the text is too long for one (2,953 bytes).
pub fn svg(text: &str) -> Option<String> {
    Some(drawn(&code(text, Some(Mask::new(MASK_OF_LINKS)))?))
}

/// A QR code of `text` for a terminal that shows 256 colours, a line of it for two rows: dark on light whatever the terminal's own
/// colours are, with the margin that readers want (ISO/IEC 18004, section 6.3.8). Each line ends with the colours taken back.
/// `None` as in [`svg`].
pub fn blocks(text: &str) -> Option<Vec<String>> {
    /// Of 256 colours, the black and the white that no theme changes.
    const COLOURS: &str = "\x1b[38;5;16;48;5;231m";
    let code = code(text, None)?;
    let side = code.size() + 2 * MARGIN;
    // Outside of the code all is light.
    let is_dark = |row: i32, column: i32| code.get_module(column - MARGIN, row - MARGIN);
    let line = |row: i32| {
        let block = |column| match (is_dark(row, column), is_dark(row + 1, column)) {
            (false, false) => ' ',
            (true, false) => '▀',
            (false, true) => '▄',
            (true, true) => '█',
        };
        let blocks: String = (0..side).map(block).collect();
        format!("{COLOURS}{blocks}\x1b[0m")
    };
    Some((0..side).step_by(2).map(line).collect())
}

/// As small as it can be with level M, and then with the highest level that is not larger; the longest texts with less.
fn code(text: &str, mask: Option<Mask>) -> Option<QrCode> {
    let segments = QrSegment::make_segments(text);
    let of_level = |level| {
        let (least, most) = (Version::MIN, Version::MAX);
        QrCode::encode_segments_advanced(&segments, level, least, most, mask, true).ok()
    };
    of_level(QrCodeEcc::Medium).or_else(|| of_level(QrCodeEcc::Low))
}

/// Light modules around a code.
const MARGIN: i32 = 4;

/// Of eight masks (ISO/IEC 18004, section 7.8) the one that is best for two links of three. Readers take each of them, and weighing
/// all takes ten times as long as drawing.
const MASK_OF_LINKS: u8 = 2;

/// One path, in which dark modules side by side are one rectangle.
fn drawn(code: &QrCode) -> String {
    let size = code.size();
    let side = size + 2 * MARGIN;
    // A line of the smaller codes has some ten rectangles, and each takes some 16 bytes.
    let mut svg = String::with_capacity(256 + 192 * size.unsigned_abs() as usize);
    svg.push_str(r#"<svg viewBox="0 0 "#);
    push(&mut svg, side);
    svg.push(' ');
    push(&mut svg, side);
    svg.push_str(r#"" xmlns="http://www.w3.org/2000/svg"><rect width=""#);
    push(&mut svg, side);
    svg.push_str(r#"px" height=""#);
    push(&mut svg, side);
    svg.push_str(r##"px" fill="#ffffff"/><path d=""##);
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let mut width = 0;
            while code.get_module(x + width, y) {
                width += 1;
            }
            if width > 0 {
                for (step, number) in [("M", x + MARGIN), (",", y + MARGIN), ("h", width)] {
                    svg.push_str(step);
                    push(&mut svg, number);
                }
                svg.push_str("v1h-");
                push(&mut svg, width);
            }
            // What ends a rectangle is light.
            x += width + 1;
        }
    }
    svg.push_str(r##"" fill="#000000"/></svg>"##);
    svg
}

/// A number below a thousand in decimal: no code has a side of more than 177 modules.
fn push(text: &mut String, number: i32) {
    // Each is a digit.
    let digit = |power| char::from(b'0' + (number / power % 10) as u8);
    if number >= 100 {
        text.push(digit(100));
    }
    if number >= 10 {
        text.push(digit(10));
    }
    text.push(digit(1));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_a_code_dark_on_light_within_its_margin() {
        let lines = blocks(&format!("KEYSTALL-RECOVERY:{}", "5A".repeat(32))).unwrap();
        let bare: Vec<String> = lines
            .iter()
            .map(|line| {
                let line = line.strip_prefix("\x1b[38;5;16;48;5;231m").unwrap();
                line.strip_suffix("\x1b[0m").unwrap().to_owned()
            })
            .collect();
        // Version 4: 33 modules and the margin, two rows on a line.
        assert_eq!(bare.len(), 21);
        assert!(bare.iter().all(|line| line.chars().count() == 41));
        for empty in [0, 1, 19, 20] {
            assert_eq!(bare[empty].trim(), "");
        }
        // The corner that finds a code begins with seven dark modules.
        assert!(bare[2].starts_with("    █▀▀▀▀▀█ "), "{:?}", bare[2]);
    }

    #[test]
    fn a_link_becomes_one_svg_element_that_a_strict_policy_allows() {
        let drawn = svg("https://shop.example/o/abcdef").unwrap();
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>"));
        for forbidden in ["style", "script", "href", "abcdef"] {
            assert!(!drawn.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn a_drawing_has_the_modules_of_the_code_and_no_others() {
        let short = "https://shop.example/o/abcdef";
        for text in [short, &short.repeat(9), "HTTPS://SHOP.EXAMPLE"] {
            let code = code(text, Some(Mask::new(MASK_OF_LINKS))).unwrap();
            let drawn = svg(text).unwrap();
            let side = code.size() + 2 * MARGIN;
            let frame = format!(
                r##"<svg viewBox="0 0 {side} {side}" xmlns="http://www.w3.org/2000/svg"><rect width="{side}px" height="{side}px" fill="#ffffff"/><path d="M"##
            );
            let path = drawn.strip_prefix(&frame).unwrap();
            let path = path.strip_suffix(r##"" fill="#000000"/></svg>"##).unwrap();
            let mut dark = std::collections::BTreeSet::new();
            for rectangle in path.split('M') {
                let (x, rest) = rectangle.split_once(',').unwrap();
                let (y, rest) = rest.split_once('h').unwrap();
                let (width, back) = rest.split_once("v1h-").unwrap();
                assert_eq!(width, back);
                let [x, y, width] = [x, y, width].map(|number| number.parse::<i32>().unwrap());
                for x in x..x + width {
                    assert!(dark.insert((x - MARGIN, y - MARGIN)), "drawn twice");
                }
            }
            for y in 0..code.size() {
                for x in 0..code.size() {
                    let due = code.get_module(x, y);
                    assert_eq!(dark.contains(&(x, y)), due, "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_text_too_long_for_a_code_has_none() {
        assert!(svg(&"a".repeat(4000)).is_none());
    }
}
