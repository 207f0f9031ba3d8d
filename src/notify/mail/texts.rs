//! The shop's own texts of each mail, from the folder of each language.

use super::kind::MailKind;
use super::template::{Template, TemplateError, split};
use crate::words::Language;

/// The text that comes with the shop, as subject and body; English's where the language has none.
///
/// # Errors
/// [`TemplateError`], which a test keeps from happening for every text in the binary.
pub fn own_text(kind: MailKind, language: Language) -> Result<(String, String), TemplateError> {
    let file = language.file(&format!("mail/{}.txt", kind.as_str()));
    split(&file.unwrap_or_default())
}

/// [`own_text`], read.
///
/// # Errors
/// [`TemplateError`].
pub fn own_template(kind: MailKind, language: Language) -> Result<Template, TemplateError> {
    let (subject, body) = own_text(kind, language)?;
    Template::parse(kind, &subject, &body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn placeholders(kind: MailKind, language: Language) -> BTreeSet<&'static str> {
        let template = own_template(kind, language)
            .unwrap_or_else(|error| panic!("{} in {language:?}: {error}", kind.as_str()));
        let found = template.placeholders();
        found.into_iter().map(|one| one.names()[0]).collect()
    }

    #[test]
    fn every_language_has_every_mail_with_the_same_values() {
        for kind in MailKind::ALL {
            let english = placeholders(kind, Language::english());
            for language in Language::all() {
                let path = format!(
                    "{}/assets/locales/{}/mail/{}.txt",
                    env!("CARGO_MANIFEST_DIR"),
                    language.tag(),
                    kind.as_str()
                );
                assert!(std::fs::exists(&path).unwrap(), "{path}");
                assert_eq!(placeholders(kind, language), english, "{path}");
            }
        }
    }

    #[test]
    fn no_file_of_a_mail_belongs_to_no_kind() {
        for language in Language::all() {
            let folder = format!(
                "{}/assets/locales/{}/mail",
                env!("CARGO_MANIFEST_DIR"),
                language.tag()
            );
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let kind = name.strip_suffix(".txt").map(MailKind::parse);
                assert!(name == "words.ftl" || kind.flatten().is_some(), "{name}");
            }
        }
    }

    #[test]
    fn every_mail_to_a_buyer_has_a_button_and_every_mail_names_its_order_or_shop() {
        for kind in MailKind::ALL {
            let found = placeholders(kind, Language::english());
            assert!(!kind.is_to_buyer() || found.contains("link"), "{kind:?}");
            assert!(
                ["order", "shop", "product"]
                    .iter()
                    .any(|name| found.contains(name))
            );
        }
    }
}
