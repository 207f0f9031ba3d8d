//! How a receipt or a ledger is checked: in this page, with a saved copy of it, or on the command line.

use askama::Template;

use super::{Frame, RenderError, format::plain, frame::Chrome, language::Language};
use crate::web::assets;

/// `GET /verify`.
pub struct VerifyPage {
    /// What all pages share.
    pub frame: Frame,
    /// The log's verifier keys.
    pub keys: LogKeys,
    /// The verifier to keep.
    pub saved: SavedVerifier,
}

/// The ledger's verifier keys, as people note them.
#[derive(Clone, Debug, Default)]
pub struct LogKeys {
    /// The one to pin, as `keystall ledger vkey` prints it: the ledger proves from it which ones came after.
    pub first: String,
    /// Those that came after it, oldest first.
    pub later: Vec<LaterKey>,
}

/// A log key that followed another.
#[derive(Clone, Debug)]
pub struct LaterKey {
    /// As auditors give it.
    pub vkey: String,
    /// The first entry that it signs.
    pub since: u64,
    /// Of this generation of the ledger.
    pub generation: u16,
}

impl LogKeys {
    /// All of them, the first first.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let later = self.later.iter().map(|key| key.vkey.as_str());
        [self.first.as_str()].into_iter().chain(later)
    }

    /// With the texts that a merchant or a stranger chose made plain.
    pub(super) fn plain(&self) -> Self {
        let later = self.later.iter().map(|key| LaterKey {
            vkey: plain(&key.vkey),
            ..key.clone()
        });
        Self {
            first: plain(&self.first),
            later: later.collect(),
        }
    }
}

/// The verifier as one file.
#[derive(Clone, Debug)]
pub struct SavedVerifier {
    /// 64 hex digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u32,
}

impl VerifyPage {
    /// The page as HTML.
    ///
    /// # Errors
    /// [`RenderError`] for a defect of this program.
    pub fn render(&self) -> Result<String, RenderError> {
        let keys = self.keys.plain();
        let shown = Shown {
            t: self.frame.language,
            c: self.frame.chrome(),
            one_a_line: keys.all().collect::<Vec<_>>().join("\n"),
            flags: keys.all().map(|vkey| format!(" --vkey {vkey}")).collect(),
            keys: &keys,
            checkpoint: self.frame.link("/ledger/checkpoint"),
            sha256: &self.saved.sha256,
            kib: self.saved.bytes.div_ceil(1024),
            script: assets::url("verify.js"),
            css: assets::url("verify.css"),
        };
        Ok(shown.render()?)
    }
}

#[derive(Template)]
#[template(path = "verify.html")]
struct Shown<'a> {
    t: Language,
    c: Chrome,
    keys: &'a LogKeys,
    one_a_line: String,
    flags: String,
    checkpoint: String,
    sha256: &'a str,
    kib: u32,
    script: &'static str,
    css: &'static str,
}
