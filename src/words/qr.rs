//! QR codes, as SVG and for terminals.

use fast_qr::{
    ECL, QRBuilder,
    convert::{Builder, svg::SvgBuilder},
};

/// A QR code of `text` as an `svg` element without script, style or outer reference; `None` where
/// the text is too long for one (2,953 bytes).
pub fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).build().ok()?;
    Some(SvgBuilder::default().margin(4).to_str(&code))
}

/// A QR code of `text` for a terminal that shows 256 colours, a line of it for two rows: dark on light whatever the terminal's own
/// colours are, with the margin that readers want (ISO/IEC 18004, section 6.3.8). Each line ends with the colours taken back.
/// `None` as in [`svg`].
pub fn blocks(text: &str) -> Option<Vec<String>> {
    /// Of 256 colours, the black and the white that no theme changes.
    const COLOURS: &str = "\x1b[38;5;16;48;5;231m";
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let size = code.size;
    let side = size + 2 * MARGIN;
    let is_dark = |row: usize, column: usize| {
        let inside = MARGIN..size + MARGIN;
        inside.contains(&row)
            && inside.contains(&column)
            && code[row - MARGIN][column - MARGIN].value()
    };
    let line = |row: usize| {
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

/// Light modules around a code.
const MARGIN: usize = 4;

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
    fn a_text_too_long_for_a_code_has_none() {
        assert!(svg(&"a".repeat(4000)).is_none());
    }
}
