//! An order from its names to its certificate.

use std::{net::IpAddr, sync::Arc, time::Duration};

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::{
    board::{Board, Posted},
    error::{AcmeError, AcmeErrorKind, short_type},
    http::Way,
    renewal_info::{self, RenewalInfo},
};
use crate::{
    domain::Secret,
    net::{
        Client,
        certificate::{CertificateFacts, RenewalId},
        tls,
    },
};

/// An authority, known by its directory.
#[derive(Clone, Debug)]
pub struct Authority {
    client: Client,
    directory: String,
    contact: Option<String>,
}

/// What is ordered.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Host names in small letters, and addresses.
    pub names: Vec<String>,
    /// The kind of certificate.
    pub profile: Profile,
    /// How the shop can prove itself, the preferred way first.
    pub methods: Vec<Method>,
    /// The certificate that this one takes the place of, where the same authority signed it (RFC 9773, section 5).
    pub replaces: Option<RenewalId>,
}

/// A kind of certificate, by the authority's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The authority's own choice.
    Default,
    /// This one where the authority offers it, else its own choice.
    IfOffered(String),
    /// This one or none.
    Exactly(String),
}

/// A way to prove that a name leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A file over HTTP on port 80 (RFC 8555, section 8.3).
    Http01,
    /// A certificate in a handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

/// A certificate with its key, both in PEM; they were held against each other and against what was ordered.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The chain, the shop's certificate first.
    pub chain: String,
    /// The private key.
    pub key: Secret,
    /// What the certificate says of itself.
    pub facts: CertificateFacts,
    /// How the names were proved; none where the authority remembered them.
    pub proved_by: Option<Method>,
}

/// How long an authority may take to look at all names, and then to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

impl Method {
    /// Its name in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// The method of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Http01, Self::TlsAlpn01];
        all.into_iter().find(|method| method.as_str() == name)
    }

    fn challenge(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }
}

impl Authority {
    /// The authority whose directory is at `directory`, asked through `client`. `contact` is a mail address.
    pub fn new(client: Client, directory: &str, contact: Option<&str>) -> Self {
        Self {
            client,
            directory: directory.to_owned(),
            contact: contact.map(|contact| format!("mailto:{contact}")),
        }
    }

    /// Makes an account, agreeing to the authority's terms. What it gives opens the account again: the account's key is in it.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn register(&self) -> Result<Secret, AcmeError> {
        let way = Way::new(self.client.clone());
        let contact: Vec<&str> = self.contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = Account::builder_with_http(Box::new(way.clone()))
            .create(&wanted, self.directory.clone(), None)
            .await;
        let (_, credentials) = made.map_err(|error| refused(&way, &error, "an account"))?;
        let bytes = serde_json::to_vec(&credentials)
            .map_err(|error| failed(&way, &error.into(), "an account"))?;
        Ok(Secret::new(bytes))
    }

    /// Orders a certificate, proves its names with answers on `board`, and gives it. Takes seconds to minutes; dropped on the way,
    /// it takes its answers down.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn issue(
        &self,
        account: &Secret,
        wanted: &Wanted,
        board: &Arc<Board>,
    ) -> Result<Issued, AcmeError> {
        let way = Way::new(self.client.clone());
        let names = listed(&wanted.names);
        let because = |error: &Error| failed(&way, error, &names);
        let account = self.open(&way, account).await?;
        let mut order = self.order(&way, &account, wanted).await?;
        let mut proved_by = None;
        if order.state().status == OrderStatus::Pending {
            // Posted until the authority has looked, whatever comes of it.
            let mut posted = Vec::new();
            let proof = prove(&way, &mut order, wanted, board, &mut posted).await;
            proved_by = proof?;
        }
        let (csr, key) = request(&wanted.names)?;
        order.finalize_csr(&csr).await.map_err(|e| because(&e))?;
        let chain = order.poll_certificate(&PATIENCE).await;
        checked(chain.map_err(|e| because(&e))?, key, wanted, proved_by)
    }

    /// When the authority wants the certificate `id` renewed; none where it gives no such information.
    ///
    /// # Errors
    /// [`AcmeError`]; the certificate is as good as before.
    pub async fn renewal_info(&self, id: &RenewalId) -> Result<Option<RenewalInfo>, AcmeError> {
        renewal_info::ask(&self.client, &self.directory, id).await
    }

    async fn open(&self, way: &Way, account: &Secret) -> Result<Account, AcmeError> {
        let credentials: AccountCredentials =
            serde_json::from_slice(account.expose()).map_err(|_| {
                AcmeError::new(AcmeErrorKind::Account, "the kept account is unreadable")
            })?;
        Account::builder_with_http(Box::new(way.clone()))
            .from_credentials(credentials)
            .await
            .map_err(|error| failed(way, &error, "the account"))
    }

    async fn order(
        &self,
        way: &Way,
        account: &Account,
        wanted: &Wanted,
    ) -> Result<Order, AcmeError> {
        let names = listed(&wanted.names);
        let identifiers: Vec<Identifier> = wanted.names.iter().map(|n| identifier(n)).collect();
        let profile = profile(account, &wanted.profile)?;
        let new = || {
            let order = NewOrder::new(&identifiers);
            match profile {
                Some(profile) => order.profile(profile),
                None => order,
            }
        };
        if let Some(id) = &wanted.replaces {
            let id = CertificateIdentifier {
                authority_key_identifier: id.authority.as_str().into(),
                serial: id.serial.as_str().into(),
            };
            match account.new_order(&new().replaces(id)).await {
                Ok(order) => return Ok(order),
                // Naming the predecessor is a courtesy: what stands against it does not stand against the order.
                Err(error) if is_about_replacing(&error) => {}
                Err(error) => return Err(refused(way, &error, &names)),
            }
        }
        let made = account.new_order(&new()).await;
        made.map_err(|error| refused(way, &error, &names))
    }
}

/// Proves each name that the authority does not remember, and waits until it has looked.
async fn prove(
    way: &Way,
    order: &mut Order,
    wanted: &Wanted,
    board: &Arc<Board>,
    posted: &mut Vec<Posted>,
) -> Result<Option<Method>, AcmeError> {
    let names = listed(&wanted.names);
    let mut proved_by = None;
    if order.state().authorizations.len() > wanted.names.len() {
        return Err(AcmeError::new(
            AcmeErrorKind::Other,
            format!(
                "the authority wants more proofs than there are names ({names}): take another [tls] acme_directory"
            ),
        ));
    }
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| failed(way, &error, &names))?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string().to_ascii_lowercase();
        if !wanted.names.contains(&name) {
            return Err(AcmeError::new(
                AcmeErrorKind::Other,
                format!(
                    "the authority wants proof of {name}, which was not ordered: take another [tls] acme_directory"
                ),
            ));
        }
        let offered = |method: &&Method| {
            let wanted = method.challenge();
            authorization.challenges.iter().any(|c| c.r#type == wanted)
        };
        let Some(&method) = wanted.methods.iter().find(offered) else {
            let ways: Vec<_> = wanted.methods.iter().map(|one| one.as_str()).collect();
            return Err(AcmeError::new(
                AcmeErrorKind::Other,
                format!(
                    "the authority takes no {} for {name}: add an address with port 80 to [listen] http, or with port 443 to https",
                    ways.join(" and no ")
                ),
            ));
        };
        let Some(mut challenge) = authorization.challenge(method.challenge()) else {
            // Invariant: it was among them just now.
            continue;
        };
        let answer = challenge.key_authorization();
        posted.push(match method {
            Method::Http01 => board.post_answer(&challenge.token, answer.as_str()),
            Method::TlsAlpn01 => board
                .post_handshake(&name, answer.digest().as_ref())
                .map_err(|error| AcmeError::new(AcmeErrorKind::Other, error.to_string()))?,
        });
        let ready = challenge.set_ready().await;
        ready.map_err(|error| failed(way, &error, &name))?;
        proved_by = Some(method);
    }
    let looked = order.poll_ready(&PATIENCE).await;
    match looked {
        Ok(OrderStatus::Ready) => Ok(proved_by),
        // The order says only that; its authorizations say why.
        Ok(_) | Err(Error::Api(_)) => Err(why_not(way, order, &names, looked.err()).await),
        Err(error) => Err(failed(way, &error, &names)),
    }
}

/// The reason of the first name that was not proved.
async fn why_not(way: &Way, order: &mut Order, names: &str, error: Option<Error>) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            break;
        }
        let name = authorization.identifier().to_string();
        let failed = authorization
            .challenges
            .iter()
            .find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = failed {
            return AcmeError::of_problem(problem, &name).after(way.retry_after());
        }
    }
    match error {
        Some(error) => failed(way, &error, names),
        None => AcmeError::new(
            AcmeErrorKind::Identifier,
            format!("the authority did not see that {names} leads here, and does not say why"),
        ),
    }
}

fn identifier(name: &str) -> Identifier {
    match name.parse::<IpAddr>() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(name.to_owned()),
    }
}

/// The profile's name to ask for, as far as the authority offers it.
fn profile<'a>(account: &Account, wanted: &'a Profile) -> Result<Option<&'a str>, AcmeError> {
    let offers = |name: &str| account.profiles().any(|profile| profile.name == name);
    match wanted {
        Profile::Default => Ok(None),
        Profile::IfOffered(name) => Ok(offers(name).then_some(name)),
        Profile::Exactly(name) if offers(name) => Ok(Some(name)),
        Profile::Exactly(name) => {
            let mut known: Vec<&str> = account.profiles().map(|profile| profile.name).collect();
            known.sort_unstable();
            let known = match known.is_empty() {
                true => "none".to_owned(),
                false => known.join(", "),
            };
            Err(AcmeError::new(
                AcmeErrorKind::Other,
                format!(
                    "the authority has no profile {name:?}: [tls] acme_profile can be one of its own ({known}), or be left out"
                ),
            ))
        }
    }
}

/// A request for `names` with a new key: PKCS#10, and the key.
fn request(names: &[String]) -> Result<(Vec<u8>, Secret), AcmeError> {
    let failed = |error: rcgen::Error| AcmeError::new(AcmeErrorKind::Other, error.to_string());
    let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    let pair = KeyPair::generate().map_err(failed)?;
    let csr = params.serialize_request(&pair).map_err(failed)?;
    Ok((csr.der().to_vec(), Secret::from(pair.serialize_pem())))
}

/// Nothing is kept that could not be served.
fn checked(
    chain: String,
    key: Secret,
    wanted: &Wanted,
    proved_by: Option<Method>,
) -> Result<Issued, AcmeError> {
    let wrong = |why: &str| {
        AcmeError::new(
            AcmeErrorKind::Other,
            format!("what the authority signed cannot be used: {why}"),
        )
    };
    tls::certified(chain.as_bytes(), key.expose()).map_err(|error| wrong(&error.to_string()))?;
    let facts = CertificateFacts::of_pem(chain.as_bytes()).map_err(|e| wrong(&e.to_string()))?;
    if !facts.covers(&wanted.names) {
        return Err(wrong("it is not for all names"));
    }
    Ok(Issued {
        chain,
        key,
        facts,
        proved_by,
    })
}

fn is_about_replacing(error: &Error) -> bool {
    match error {
        // Also that the predecessor is another account's (403 unauthorized): what stands against the order is said of it, too.
        Error::Api(problem) => short_type(problem) != "rateLimited",
        // The library's own word that the authority did not repeat it, or knows nothing of it.
        Error::Unsupported(_) | Error::Other(_) => {
            !matches!(AcmeError::of(error, "").kind, AcmeErrorKind::Unreachable)
        }
        _ => false,
    }
}

/// Names for one line: some of many.
fn listed(names: &[String]) -> String {
    match names {
        [a, b, c, rest @ ..] if rest.len() > 1 => format!("{a}, {b}, {c} and {} more", rest.len()),
        _ => names.join(", "),
    }
}

/// An answer to what is asked in the name of the account alone, before any name is looked at.
fn refused(way: &Way, error: &Error, names: &str) -> AcmeError {
    AcmeError::of_account(error, names).after(way.retry_after())
}

fn failed(way: &Way, error: &Error, names: &str) -> AcmeError {
    AcmeError::of(error, names).after(way.retry_after())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_against_the_predecessor_does_not_stand_against_the_order() {
        let refused = |kind: &str| {
            let problem = serde_json::json!({"type": format!("urn:ietf:params:acme:error:{kind}")});
            Error::Api(serde_json::from_value(problem).unwrap())
        };
        // The predecessor was another account's: 403 unauthorized.
        for kind in ["unauthorized", "alreadyReplaced", "malformed", "new"] {
            assert!(is_about_replacing(&refused(kind)), "{kind}");
        }
        assert!(!is_about_replacing(&refused("rateLimited")));
    }
}
