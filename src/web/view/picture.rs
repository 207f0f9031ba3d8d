//! A product's picture in the sizes that the shop stores.

use crate::domain::product::PICTURE_WIDTHS as WIDTHS;

/// A stored picture; `width` and `height` are those of its largest form, in pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its name, hex digits.
    pub id: String,
    /// Pixels, at least 1.
    pub width: u32,
    /// Pixels, at least 1.
    pub height: u32,
}

impl Picture {
    /// Where one of its forms is served: `/pic/ID-480.jpg`.
    pub fn path(&self, width: u32) -> String {
        format!("/pic/{}-{width}.jpg", self.id)
    }

    /// The form for browsers that choose none: the middle one where it exists.
    pub fn src(&self) -> String {
        let middle = self.stored().filter(|width| *width <= WIDTHS[1]).max();
        self.path(middle.unwrap_or(WIDTHS[0]))
    }

    /// All forms, for the attribute `srcset`.
    pub fn srcset(&self) -> String {
        let forms: Vec<String> = self
            .stored()
            .map(|width| format!("{} {width}w", self.path(width)))
            .collect();
        forms.join(", ")
    }

    fn stored(&self) -> impl Iterator<Item = u32> {
        let largest = self.width.max(WIDTHS[0]);
        WIDTHS.into_iter().filter(move |width| *width <= largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32) -> Picture {
        Picture {
            id: "ab12".to_owned(),
            width,
            height: 100,
        }
    }

    #[test]
    fn a_picture_offers_the_sizes_that_exist_and_always_the_smallest() {
        assert_eq!(picture(100).srcset(), "/pic/ab12-240.jpg 240w");
        assert_eq!(picture(479).src(), "/pic/ab12-240.jpg");
        assert_eq!(
            picture(960).srcset(),
            "/pic/ab12-240.jpg 240w, /pic/ab12-480.jpg 480w, /pic/ab12-960.jpg 960w"
        );
        assert_eq!(picture(960).src(), "/pic/ab12-480.jpg");
    }
}
