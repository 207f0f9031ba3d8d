//! QR codes as SVG.

use fast_qr::{
    QRBuilder,
    convert::{Builder, svg::SvgBuilder},
};

/// A QR code of `text` as an `svg` element without script, style or outer reference; `None` where
/// the text is too long for one (2,953 bytes).
pub fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).build().ok()?;
    Some(SvgBuilder::default().margin(4).to_str(&code))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
