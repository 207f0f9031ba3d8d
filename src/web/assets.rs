//! The static files inside the binary: one style sheet, two scripts, one icon, and those of `/verify` and of printed receipts.
//!
//! Their addresses carry the hash of their content, so browsers may keep them for ever.

use std::sync::LazyLock;

/// A file that browsers load.
pub struct Asset {
    /// Its name in addresses, like `shop.css`.
    pub name: String,
    /// `/static/NAME?v=HASH`.
    pub url: String,
    /// 16 hex digits of the BLAKE3 hash of the content.
    pub hash: String,
    /// For the header `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub body: &'static [u8],
}

/// Where the files are served: `GET /static/NAME`.
pub const PREFIX: &str = "/static/";

/// The file of that name, if there is one. Names are compared as they are: no path leads out.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The address of a file, with its hash; without one where no such file exists (a test finds that).
pub fn url(name: &str) -> &str {
    asset(name).map_or(PREFIX, |asset| asset.url.as_str())
}

impl Asset {
    /// The header `Cache-Control` for a request that carried `v`: a year where the hash is right,
    /// a question each time where it is missing or of another release.
    pub fn cache_control(&self, v: Option<&str>) -> &'static str {
        if v == Some(self.hash.as_str()) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        }
    }
}

#[derive(rust_embed::Embed)]
#[folder = "assets/static/"]
struct Files;

/// Served at the head of [`STYLE`], so that a first visit loads one style sheet.
const TOKENS: &str = "tokens.css";
const STYLE: &str = "shop.css";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    Files::iter()
        .filter(|name| name != TOKENS)
        .filter_map(|name| {
            let mut body = Files::get(&name)?.data.into_owned();
            if name == STYLE {
                body.splice(..0, Files::get(TOKENS)?.data.iter().copied());
                body = packed(&String::from_utf8_lossy(&body)).into_bytes();
            }
            let body: &'static [u8] = Vec::leak(body);
            let hash = blake3::hash(body).to_hex()[..16].to_owned();
            Some(Asset {
                url: format!("{PREFIX}{name}?v={hash}"),
                content_type: content_type(&name),
                name: name.into_owned(),
                hash,
                body,
            })
        })
        .collect()
});

/// A style sheet without its comments and the spaces that only people need. Our own sheets have no
/// text in quotes that this would change; a space before a colon or around `+` means something and stays.
fn packed(css: &str) -> String {
    let mut rest = css;
    let mut bare = String::with_capacity(css.len());
    while let Some((before, comment)) = rest.split_once("/*") {
        bare.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let mut packed: String = bare.lines().map(str::trim).collect();
    for mark in ["{", "}", ";", ","] {
        packed = packed.replace(&format!("{mark} "), mark);
        packed = packed.replace(&format!(" {mark}"), mark);
    }
    packed.replace(": ", ":").replace(";}", "}")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_for_ever_only_under_its_own_hash() {
        let css = asset("shop.css").unwrap();
        assert_eq!(css.url, format!("/static/shop.css?v={}", css.hash));
        assert!(css.cache_control(Some(&css.hash)).contains("immutable"));
        assert_eq!(css.cache_control(Some("0123456789abcdef")), "no-cache");
        assert_eq!(css.cache_control(None), "no-cache");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in [
            "../locales/en/shop.ftl",
            "",
            "/etc/passwd",
            "SHOP.CSS",
            "..%2fshop.css",
        ] {
            assert!(asset(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_first_visit_is_light() {
        let css = asset("shop.css").unwrap();
        assert!(
            css.body
                .starts_with(b":root{color-scheme:light dark;--ground:#")
        );
        assert!(asset("tokens.css").is_none());
        assert!(css.body.len() <= 17 * 1024, "{}", css.body.len());
        // The verifier is loaded on its own page only, and the slip's sheet for those who print.
        let on_the_way =
            |file: &&Asset| !file.name.starts_with("verify.") && file.name != "slip.css";
        let all: usize = ASSETS
            .iter()
            .filter(on_the_way)
            .map(|file| file.body.len())
            .sum();
        assert!(all <= 40 * 1024, "{all}");
    }

    #[test]
    fn a_packed_sheet_says_the_same() {
        let css = "/* why */\na:hover, b + c {\n  width: calc(1px + 2px); /* x */\n}\n@media (min-width: 1px) { p { margin: 0 auto; } }\n";
        assert_eq!(
            packed(css),
            "a:hover,b + c{width:calc(1px + 2px)}@media (min-width:1px){p{margin:0 auto}}"
        );
    }

    #[test]
    fn every_file_has_a_known_type() {
        assert!(ASSETS.len() >= 3);
        for file in ASSETS.iter() {
            assert_ne!(
                file.content_type, "application/octet-stream",
                "{}",
                file.name
            );
        }
    }
}
