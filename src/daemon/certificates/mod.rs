//! The certificate, from the settings to the listeners: ordered, renewed, told about, and never let go before there is a better one.
//!
//! A shop without an authority's certificate yet serves its self-signed one; one whose certificate has run out goes on serving it.
//! What must survive an end at any moment (the account, the certificate with its key, the attempts that failed) is in the store
//! before anything follows from it.

mod authority;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod hostile_tests;
mod keeper;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::{net::IpAddr, path::Path, sync::Arc};

pub(super) use authority::Ca;
pub(super) use keeper::{Keeper, Order};

use super::{ServeError, front, telemetry::Metrics};
use crate::{
    actions::{Shop, ShopError},
    config::{Settings, TlsMode},
    net::{
        Client, ClientPolicy, TlsServer, TlsSetup,
        acme::{Authority, Board, Method, Profile},
    },
    web::Hsts,
};

/// Why no certificate can be ordered as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum CertificateSetup {
    /// The file of the directory's own authority.
    #[error("[tls] acme_ca_file: cannot read {}: {source}", path.display())]
    Authority {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The way out.
    #[error("[tls] acme_ca_file: {0}")]
    Tls(#[from] TlsSetup),
}

/// What a certificate for an address is ordered as (Let's Encrypt's name): authorities sign for addresses for some days only.
const ADDRESS_PROFILE: &str = "shortlived";
/// An authority may think for long over an order.
const ANSWER_TIME: std::time::Duration = std::time::Duration::from_secs(45);

/// An order with all its names, looked at and signed.
const ORDER_TIME: std::time::Duration = std::time::Duration::from_secs(600);

/// The server's side of TLS, as `[tls]` says.
///
/// # Errors
/// [`ServeError`] when there is no certificate to begin with.
pub(super) fn server(
    dir: &Path,
    shop: &Shop,
    settings: &Settings,
    board: &Arc<Board>,
) -> Result<TlsServer, ServeError> {
    let tls = &settings.tls;
    if let (TlsMode::Files, Some(cert), Some(key)) = (tls.mode, &tls.cert, &tls.key) {
        return Ok(TlsServer::from_files(cert, key)?);
    }
    // Without both files the settings were refused.
    let server = TlsServer::self_signed(dir, &settings.shop.host)?;
    if tls.mode != TlsMode::Acme {
        return Ok(server);
    }
    // One that cannot be served is seen by the keeper, which orders another.
    if let Some(kept) = shop.certificate().map_err(ShopError::from)?
        && let Err(error) = server.install(&kept.chain, &kept.key)
    {
        tracing::error!(%error, "the kept certificate is not served: another is ordered");
    }
    Ok(server.answering(board.clone()))
}

/// What keeps the certificate of `tls` good from now on.
///
/// # Errors
/// [`CertificateSetup`].
pub(super) fn keeper(
    shop: &Arc<Shop>,
    settings: &Settings,
    tls: TlsServer,
    board: Arc<Board>,
    hsts: Arc<Hsts>,
    metrics: Arc<Metrics>,
) -> Result<Keeper, CertificateSetup> {
    let order = match settings.tls.mode {
        TlsMode::Acme => Some(order(settings, board)?),
        _ => None,
    };
    Ok(Keeper {
        shop: shop.clone(),
        tls,
        hsts,
        metrics,
        order,
        files: settings.tls.mode == TlsMode::Files,
    })
}

/// The names that a certificate is ordered for.
pub(super) fn names(settings: &Settings) -> Vec<String> {
    let mut names = vec![canonical(&settings.shop.host)];
    for name in settings.tls.acme_names.iter().map(|name| canonical(name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// An address as a certificate's is shown.
fn canonical(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_owned(),
    }
}

fn order(settings: &Settings, board: Arc<Board>) -> Result<Order, CertificateSetup> {
    let tls = &settings.tls;
    let policy = ClientPolicy {
        timeout: ANSWER_TIME,
        ..front::policy(settings)
    };
    let client = match &tls.acme_ca_file {
        None => Client::new(policy)?,
        Some(path) => {
            let pem = std::fs::read(path).map_err(|source| CertificateSetup::Authority {
                path: path.clone(),
                source,
            })?;
            Client::trusting(policy, &pem)?
        }
    };
    let authority = Authority::new(client, &tls.acme_directory, tls.acme_contact.as_deref());
    let names = names(settings);
    let has_address = names.iter().any(|name| name.parse::<IpAddr>().is_ok());
    Ok(Order {
        ca: Arc::new(authority::Board(authority, board)),
        directory: tls.acme_directory.clone(),
        profile: match &tls.acme_profile {
            Some(profile) => Profile::Exactly(profile.clone()),
            None if has_address => Profile::IfOffered(ADDRESS_PROFILE.to_owned()),
            None => Profile::Default,
        },
        names,
        methods: methods(settings),
        patience: ORDER_TIME,
    })
}

/// Ways of proof that the listeners can carry. Which of their ports are reached as 80 and 443 from outside is not known here.
fn methods(settings: &Settings) -> Vec<Method> {
    let mut methods = Vec::new();
    if !settings.listen.http.is_empty() {
        methods.push(Method::Http01);
    }
    methods.push(Method::TlsAlpn01);
    methods
}
