//! The seam behind which an authority stands.

use std::sync::Arc;

use crate::{
    domain::Secret,
    net::{
        acme::{self, AcmeError, Authority, Issued, RenewalInfo, Wanted},
        certificate::RenewalId,
    },
    pay::BoxFuture,
};

/// Gives certificates.
pub(in crate::daemon) trait Ca: Send + Sync {
    /// Makes an account.
    fn register(&self) -> BoxFuture<'_, Result<Secret, AcmeError>>;

    /// Orders a certificate and proves its names.
    fn issue<'a>(
        &'a self,
        account: &'a Secret,
        wanted: &'a Wanted,
    ) -> BoxFuture<'a, Result<Issued, AcmeError>>;

    /// When to renew.
    fn renewal_info<'a>(
        &'a self,
        id: &'a RenewalId,
    ) -> BoxFuture<'a, Result<Option<RenewalInfo>, AcmeError>>;
}

/// An authority over the network, with the board that it looks at.
pub(super) struct Board(pub(super) Authority, pub(super) Arc<acme::Board>);

impl Ca for Board {
    fn register(&self) -> BoxFuture<'_, Result<Secret, AcmeError>> {
        Box::pin(self.0.register())
    }

    fn issue<'a>(
        &'a self,
        account: &'a Secret,
        wanted: &'a Wanted,
    ) -> BoxFuture<'a, Result<Issued, AcmeError>> {
        Box::pin(self.0.issue(account, wanted, &self.1))
    }

    fn renewal_info<'a>(
        &'a self,
        id: &'a RenewalId,
    ) -> BoxFuture<'a, Result<Option<RenewalInfo>, AcmeError>> {
        Box::pin(self.0.renewal_info(id))
    }
}
