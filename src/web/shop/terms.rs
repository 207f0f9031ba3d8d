//! `GET /terms`: the merchant's terms, where they are a text of the shop's own.

use axum::extract::State;
use http::StatusCode;

use crate::web::{
    answer::{Answer, FRESH, page},
    state::WebState,
    view::{Language, Problem, TermsPage},
    visit::Visit,
};

pub(in crate::web) async fn show(State(web): State<WebState>, visit: Visit) -> Answer {
    let terms = web.settings.brand.terms.as_deref();
    let terms = terms.map(without_title).ok_or(Problem::NotFound)?;
    let shown = TermsPage {
        text: web.texts.safe_html(terms),
        frame: web.frame(visit.language),
    };
    page(StatusCode::OK, FRESH, shown.render())
}

/// The text without a heading that only says again what the page is called.
fn without_title(text: &str) -> &str {
    let trimmed = text.trim_start_matches(['\u{feff}', '\n', '\r']);
    let (first, rest) = trimmed.split_once('\n').unwrap_or((trimmed, ""));
    let heading = first.strip_prefix("# ").map(str::trim);
    let mut titles = Language::all().map(|language| language.text("terms"));
    match heading {
        Some(heading) if titles.any(|title| title.eq_ignore_ascii_case(heading)) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_that_is_the_pages_title_is_not_said_twice() {
        assert_eq!(without_title("# 服务条款\n\n一、"), "\n一、");
        assert_eq!(without_title("\u{feff}\r\n# terms \r\nOne"), "One");
        for text in [
            "# 退款条款\n一",
            "服务条款\n一",
            "#服务条款",
            "",
            "## Terms\nx",
        ] {
            assert_eq!(without_title(text), text);
        }
    }
}
