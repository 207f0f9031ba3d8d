//! The merchant's colour, made readable on the shop's light and dark surfaces.

use std::fmt;

/// An sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb {
    red: u8,
    green: u8,
    blue: u8,
}

/// A text that is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a colour is # and six hex digits, for example #0b6e4f")]
pub struct NoColour;

impl Rgb {
    /// Takes `#0b6e4f`, in either case.
    ///
    /// # Errors
    /// [`NoColour`].
    pub fn parse(text: &str) -> Result<Self, NoColour> {
        let digits = text
            .strip_prefix('#')
            .filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or(NoColour)?;
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| NoColour);
        Ok(Self::new(part(0)?, part(2)?, part(4)?))
    }

    const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// `share` hundredths of `other` in this one, 0 to 100.
    fn mixed(self, other: Self, share: u16) -> Self {
        let mix = |a: u8, b: u8| {
            let sum = u16::from(a) * (100 - share) + u16::from(b) * share;
            // A weighted mean of two bytes is a byte.
            u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
        };
        Self::new(
            mix(self.red, other.red),
            mix(self.green, other.green),
            mix(self.blue, other.blue),
        )
    }

    /// Relative luminance (WCAG 2.2), 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// Contrast of two colours (WCAG 2.2), 1 to 21.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (a.luminance() + 0.05, b.luminance() + 0.05);
    if a > b { a / b } else { b / a }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// A colour as it is readable: on light surfaces under white text, and on dark ones under nearly black text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accents {
    /// On light surfaces.
    pub light: Rgb,
    /// On dark surfaces.
    pub dark: Rgb,
}

impl Accents {
    /// The merchant's colour, darkened and lightened as far as it must be.
    pub fn of(wanted: Rgb) -> Self {
        Self {
            light: LIGHT.fit(wanted).accent,
            dark: DARK.fit(wanted).accent,
        }
    }
}

impl Default for Accents {
    /// The shop's own green.
    fn default() -> Self {
        Self::of(Rgb::new(0x0b, 0x6e, 0x4f))
    }
}

/// The stylesheet that overrides the accent of `tokens.css` for light and dark. The colour is
/// darkened or lightened until texts in it and on it have a contrast of at least 4.5 (WCAG 2.2,
/// 1.4.3) with every surface.
pub fn css(accent: Rgb) -> String {
    let (light, dark) = (LIGHT.fit(accent), DARK.fit(accent));
    format!(":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
}

/// The surfaces of `tokens.css` under an accent.
struct Scheme {
    ground: Rgb,
    sheet: Rgb,
    /// What a colour is mixed with until it is readable.
    towards: Rgb,
    on_accent: Rgb,
}

const LIGHT: Scheme = Scheme {
    ground: Rgb::new(0xf6, 0xf7, 0xf5),
    sheet: Rgb::new(0xff, 0xff, 0xff),
    towards: Rgb::new(0, 0, 0),
    on_accent: Rgb::new(0xff, 0xff, 0xff),
};

const DARK: Scheme = Scheme {
    ground: Rgb::new(0x11, 0x15, 0x13),
    sheet: Rgb::new(0x1a, 0x20, 0x1d),
    towards: Rgb::new(0xff, 0xff, 0xff),
    on_accent: Rgb::new(0x08, 0x17, 0x12),
};

/// Least contrast of texts, with a little to spare for rounding.
const CONTRAST_MIN: f64 = 4.55;
/// Hundredths of the accent in its soft surface.
const SOFT_SHARE: u16 = 10;

struct Accent {
    accent: Rgb,
    on_accent: Rgb,
    soft: Rgb,
}

impl Scheme {
    fn fit(&self, wanted: Rgb) -> Accent {
        let readable = |share: &u16| {
            let accent = self.accent(wanted, *share);
            let grounds = [self.ground, self.sheet, accent.soft, self.on_accent];
            grounds
                .iter()
                .all(|ground| contrast(accent.accent, *ground) >= CONTRAST_MIN)
        };
        // Black and white themselves are readable, so a share is always found.
        let share = (0..=100).find(readable).unwrap_or(100);
        self.accent(wanted, share)
    }

    fn accent(&self, wanted: Rgb, share: u16) -> Accent {
        let accent = wanted.mixed(self.towards, share);
        Accent {
            accent,
            on_accent: self.on_accent,
            soft: self.sheet.mixed(accent, SOFT_SHARE),
        }
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accent,
            on_accent,
            soft,
        } = self;
        write!(
            f,
            "--accent:{accent};--on-accent:{on_accent};--accent-soft:{soft}"
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_hex_digits_after_a_hash() {
        assert_eq!(Rgb::parse("#0B6e4f").unwrap().to_string(), "#0b6e4f");
        for text in [
            "",
            "#",
            "0b6e4f",
            "#0b6e4",
            "#0b6e4f0",
            "#0b6e4g",
            "#+1+2+3",
            "red",
            "#é0e4f",
            "#fff;}body{",
        ] {
            assert_eq!(Rgb::parse(text), Err(NoColour), "{text}");
        }
    }

    #[test]
    fn any_colour_of_a_merchant_becomes_readable_in_light_and_dark() {
        let steps = [0u8, 0x33, 0x66, 0x99, 0xcc, 0xff];
        let grid = steps.iter().flat_map(|red| {
            steps
                .iter()
                .flat_map(move |green| steps.map(move |blue| Rgb::new(*red, *green, blue)))
        });
        let named = [
            "#ffff00", "#ffffff", "#000000", "#ff69b4", "#0b6e4f", "#808080",
        ];
        for wanted in grid.chain(named.map(|text| Rgb::parse(text).unwrap())) {
            for scheme in [LIGHT, DARK] {
                let Accent {
                    accent,
                    on_accent,
                    soft,
                } = scheme.fit(wanted);
                for ground in [scheme.ground, scheme.sheet, soft, on_accent] {
                    let found = contrast(accent, ground);
                    assert!(found >= 4.5, "{wanted} as {accent} on {ground}: {found}");
                }
            }
        }
    }

    #[test]
    fn a_colour_that_is_readable_already_stays_as_it_is() {
        let green = Rgb::parse("#0b6e4f").unwrap();
        assert_eq!(LIGHT.fit(green).accent, green);
        assert!(css(green).starts_with(":root{--accent:#0b6e4f;--on-accent:#ffffff;"));
    }

    #[test]
    fn the_surfaces_are_those_of_the_tokens() {
        let tokens = include_str!("../../assets/static/tokens.css");
        let (light, dark) = tokens.split_once("prefers-color-scheme: dark").unwrap();
        let value = |of: &str, name: &str| {
            let at = of.split_once(&format!("--{name}: ")).unwrap().1;
            Rgb::parse(&at[..7]).unwrap()
        };
        for (tokens, scheme) in [(light, LIGHT), (dark, DARK)] {
            assert_eq!(value(tokens, "ground"), scheme.ground);
            assert_eq!(value(tokens, "sheet"), scheme.sheet);
            assert_eq!(value(tokens, "on-accent"), scheme.on_accent);
            let own = scheme.fit(value(tokens, "accent"));
            assert_eq!(value(tokens, "accent-soft"), own.soft);
        }
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        let grey = Rgb::parse("#767676").unwrap();
        let found = contrast(grey, Rgb::new(255, 255, 255));
        assert!((found - 4.54).abs() < 0.01, "{found}");
    }
}
