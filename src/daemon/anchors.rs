//! From `[ledger]` to what anchors checkpoints.

use std::{path::Path, sync::Arc};

use super::{front, open::tell};
use crate::{
    actions::Shop,
    anchor::{AnchorConfig, Anchorer},
    config::Settings,
    net::{Client, TlsSetup},
    vault::SystemEntropy,
};

/// Why nothing can be anchored as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum AnchorSetup {
    /// The file of the authority.
    #[error("[ledger] tsa_ca_file: cannot read {}: {source}", path.display())]
    Authority {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The way out.
    #[error("[ledger] tsa_ca_file: {0}")]
    Tls(#[from] TlsSetup),
}

/// What anchors the checkpoints of the shop in `dir`.
///
/// # Errors
/// [`AnchorSetup`].
pub(super) fn anchorer(
    shop: &Arc<Shop>,
    dir: &Path,
    settings: &Settings,
) -> Result<Anchorer, AnchorSetup> {
    let client = client(settings)?;
    let config = config(dir, settings);
    Ok(Anchorer::new(
        shop.clone(),
        client,
        Arc::new(SystemEntropy),
        config,
    ))
}

/// Which ways there are, as the settings say.
pub(super) fn config(dir: &Path, settings: &Settings) -> AnchorConfig {
    let (ledger, tell) = (&settings.ledger, tell(settings));
    AnchorConfig {
        every_ms: ledger.anchor_every.ms(),
        tsa: ledger.tsa.clone(),
        git: ledger.anchor_git.clone(),
        mail: ledger.anchor_mail && (tell.merchant_mail || tell.auditor_mail),
        dir: dir.to_owned(),
    }
}

fn client(settings: &Settings) -> Result<Client, AnchorSetup> {
    let Some(path) = &settings.ledger.tsa_ca_file else {
        return Ok(front::client(settings)?);
    };
    let pem = std::fs::read(path).map_err(|source| AnchorSetup::Authority {
        path: path.clone(),
        source,
    })?;
    Ok(Client::trusting(front::policy(settings), &pem)?)
}
