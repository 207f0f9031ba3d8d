//! Finding products by words: what was typed is folded, so that case and width do not matter, and every word must be there.

use crate::{
    domain::{Category, Product},
    limits,
};

/// What was searched.
pub(in crate::web) struct Search {
    /// As it was typed, cut to [`limits::SEARCH_BYTES_MAX`].
    pub(in crate::web) typed: String,
    words: Vec<String>,
}

impl Search {
    /// What `typed` asks for; nothing where it has no words.
    pub(in crate::web) fn parse(typed: &str) -> Option<Self> {
        let mut end = typed.len().min(limits::SEARCH_BYTES_MAX);
        while !typed.is_char_boundary(end) {
            end -= 1;
        }
        let typed = typed[..end].trim().to_owned();
        let words = folded(&typed);
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(Self { typed, words })
    }

    /// Whether every word is in the product's titles, slug, scope or its category's titles.
    pub(in crate::web) fn finds(&self, product: &Product, category: Option<&Category>) -> bool {
        let mut text = String::new();
        let of_category = category.map(|category| (&category.title, category.title_en.as_ref()));
        let (title, title_en) = of_category.unzip();
        let parts = [
            Some(product.title.as_str()),
            product.title_en.as_deref(),
            Some(product.slug.as_str()),
            product.scope.as_deref(),
            title.map(String::as_str),
            title_en.flatten().map(String::as_str),
        ];
        for part in parts.into_iter().flatten() {
            text.push_str(&folded(part));
            // No word reaches from one part into the next.
            text.push('\n');
        }
        self.words.iter().all(|word| text.contains(word))
    }
}

/// Small letters, full-width forms as plain ones (a part of NFKC, Unicode UAX #15).
fn folded(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    text.chars()
        .map(plain)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{Currency, Money, ProductKind, Slug};

    fn product() -> Product {
        Product {
            slug: Slug::parse("wallet-50").unwrap(),
            kind: ProductKind::Pool,
            title: "Ｓｔｅａｍ 钱包充值码 50 元".into(),
            title_en: Some("Wallet Code".into()),
            price: Money::new(1, Currency::CNY),
            text: "secret word".into(),
            instructions: String::new(),
            scope: Some("国区 Windows".into()),
            questions: vec![],
            support: None,
            category: None,
            position: 0,
            picture: None,
            visible: true,
            created_at_ms: 0,
        }
    }

    #[test]
    fn words_are_found_in_any_case_width_and_order() {
        let games = Category {
            slug: Slug::parse("g").unwrap(),
            title: "游戏".into(),
            title_en: Some("Games".into()),
            position: 0,
        };
        let finds = |typed: &str| {
            let search = Search::parse(typed).unwrap();
            search.finds(&product(), Some(&games))
        };
        for typed in [
            "steam",
            "STEAM",
            "ｓｔｅａｍ",
            "充值",
            "充值　steam",
            "wallet-50",
            "wallet CODE",
            "国区 games",
            "游戏",
            " windows ",
        ] {
            assert!(finds(typed), "{typed}");
        }
        for typed in ["steam xbox", "secret", "codesteam", "%", "元wallet"] {
            assert!(!finds(typed), "{typed}");
        }
    }

    #[test]
    fn a_long_search_is_cut_between_characters_and_an_empty_one_is_none() {
        let long = Search::parse(&"钥".repeat(1_000)).unwrap();
        assert_eq!(long.typed, "钥".repeat(33));
        for typed in ["", "  ", "\u{3000}"] {
            assert!(Search::parse(typed).is_none());
        }
    }
}
