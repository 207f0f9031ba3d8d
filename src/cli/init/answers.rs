//! What flags and the file of answers say, and what follows from it.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};

use super::{Init, Setting, Tls};
use crate::{
    cli::{Failure, files, session::environment},
    config::{Draft, Settings},
    domain::Secret,
};

/// Where a shop behind a proxy of the same machine listens.
pub(super) const BEHIND_PROXY: &str = "127.0.0.1:8080";
/// The port of mail with TLS from the start, as most providers have it.
pub(super) const MAIL_PORT: u16 = 465;
const SECRET_BYTES_MAX: usize = 4 * 1024;

/// All answers, and what becomes of them.
pub(super) struct Answers {
    pub(super) settings: Settings,
    /// What stands, or will stand, in the file of settings.
    pub(super) draft: Draft,
    /// That file's text, where it is to be written: one that is there stays as it is.
    pub(super) written: Option<String>,
    /// Files in the shop's folder with a secret each, by their name.
    pub(super) secrets: Vec<(String, Secret)>,
}

impl Answers {
    /// Of a shop without settings yet.
    pub(super) fn new(at: &Setting<'_>, mut draft: Draft) -> Result<Self, Failure> {
        needed(&draft)?;
        completed(&mut draft, &Around::here());
        let settings = settings(at, &draft)?;
        let secrets = draft.take_secrets();
        let text = format!(
            "# Keystall's settings. `keystall config example` shows all with their defaults.\n\n{}",
            draft.toml()
        );
        Ok(Self {
            settings,
            draft,
            written: Some(text),
            secrets,
        })
    }

    /// Of a shop whose settings are there: nothing that is `given` may say otherwise, and nothing is put into them.
    pub(super) fn kept(at: &Setting<'_>, given: &Draft, existing: Draft) -> Result<Self, Failure> {
        let unlike = given.unlike(&existing, at.dir);
        if !unlike.is_empty() {
            let message = format!(
                "{} is there already and says otherwise, or nothing, of {}: nothing was changed; change that file, or remove it",
                at.file.display(),
                unlike.join(", ")
            );
            return Err(Failure::new("config", message));
        }
        needed(&existing)?;
        // With the secrets whose files are yet to be made.
        let whole = existing.with_secrets_of(given);
        let settings = settings(at, &whole)?;
        Ok(Self {
            settings,
            secrets: given.secrets_for(&existing),
            draft: existing,
            written: None,
        })
    }
}

/// The answers of the file, the flags over them.
pub(super) fn given(init: &Init) -> Result<Draft, Failure> {
    let mut draft = match &init.answers {
        Some(file) => from_file(file)?,
        None => Draft::default(),
    };
    let texts = [
        ("shop", "host", init.host.clone()),
        ("shop", "title", init.title.clone()),
        ("shop", "currency", init.currency.clone()),
        ("tls", "acme_contact", init.acme_contact.clone()),
        ("tls", "cert", init.cert.as_deref().map(whole)),
        ("tls", "key", init.key.as_deref().map(whole)),
        ("mail", "host", init.mail_host.clone()),
        ("mail", "user", init.mail_user.clone()),
        ("mail", "from", init.mail_from.clone()),
        ("mail", "merchant", init.mail_merchant.clone()),
    ];
    for (section, key, text) in texts {
        if let Some(text) = text {
            draft.set(section, key, &text);
        }
    }
    if let Some(port) = init.mail_port {
        draft.set_number("mail", "port", port);
        draft.set("mail", "tls", mail_tls(port));
    }
    if let Some(file) = &init.mail_password_file {
        let mut password = files::text(file, SECRET_BYTES_MAX)?;
        password.truncate(password.trim_end_matches(['\r', '\n']).len());
        draft.set("mail", "password", &password);
    }
    if let Some(tls) = init.tls {
        set_tls(&mut draft, tls);
    }
    for (key, addresses) in [("https", &init.listen_https), ("http", &init.listen_http)] {
        if !addresses.is_empty() {
            let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            draft.set_list("listen", key, &texts);
        }
    }
    if let Some(host) = draft.text("shop", "host").map(bare_host) {
        draft.set("shop", "host", &host);
    }
    if draft.text("shop", "currency") == Some("RMB") {
        let message =
            "the code of the Chinese yuan is CNY: --currency CNY; it cannot be changed later";
        return Err(Failure::new("currency", message));
    }
    let acme = draft.text("tls", "mode") == Some("acme");
    if acme && !init.agree_tos && (init.yes || !crate::cli::terminal::is_there()) {
        return Err(terms_are_needed());
    }
    Ok(draft)
}

/// Nobody can be asked whether he agrees.
pub(super) fn terms_are_needed() -> Failure {
    Failure::usage(
        "--agree-tos is needed with an ACME certificate: it says that you agree to the authority's terms, for Let's Encrypt those at https://letsencrypt.org/repository/",
    )
}

/// Refuses answers without those that have no default.
fn needed(draft: &Draft) -> Result<(), Failure> {
    let all = [("--host", "host"), ("--title", "title")];
    let missing = all.iter().filter(|(_, key)| !draft.has("shop", key));
    let missing: Vec<&str> = missing.map(|(flag, _)| *flag).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let verb = if missing.len() == 1 { "is" } else { "are" };
    Err(Failure::usage(format!(
        "{} {verb} needed: see `keystall init --help`",
        missing.join(" and ")
    )))
}

/// What the answers stand in: it decides what follows from them.
struct Around {
    /// Variables of the environment: as settings they win over the file, so nothing is written beside them.
    variables: Vec<String>,
    /// Whether nobody has port 80, and this user may.
    port_80_is_free: bool,
}

impl Around {
    fn here() -> Self {
        Self {
            variables: environment().map(|(name, _)| name).collect(),
            port_80_is_free: everywhere(80)
                .iter()
                .all(|at| TcpListener::bind(at).is_ok()),
        }
    }

    /// Whether the environment says something of `[section] key`.
    fn says(&self, section: &str, key: &str) -> bool {
        let name = format!("KEYSTALL_{section}__{key}").to_uppercase();
        self.variables.contains(&name)
    }
}

/// Puts in what follows from the other answers.
fn completed(draft: &mut Draft, around: &Around) {
    if !draft.has("shop", "currency") {
        draft.set("shop", "currency", "CNY");
    }
    let own_https = !draft.has("listen", "https");
    let says_where = around.says("listen", "https") || around.says("listen", "http");
    let redirects = match draft.text("tls", "mode") {
        // The authority asks on port 80.
        Some("acme") => true,
        // Buyers who type no https:// are sent on from there.
        Some("files") => own_https,
        // The same, where that keeps no other program out: it may be a try.
        _ => own_https && !says_where && around.port_80_is_free,
    };
    if redirects && !draft.has("listen", "http") {
        draft.set_list("listen", "http", &everywhere(80));
        if own_https {
            draft.set_list("listen", "https", &everywhere(443));
        }
    }
    let links_say = draft.has("shop", "port") || around.says("shop", "port");
    if let Some(port) = own_port(draft).filter(|_| !links_say) {
        draft.set_number("shop", "port", port);
    }
    if draft.has("mail", "host") {
        if !draft.has("mail", "port") {
            draft.set_number("mail", "port", MAIL_PORT);
            draft.set("mail", "tls", mail_tls(MAIL_PORT));
        }
        let user = draft.text("mail", "user").map(str::to_owned);
        if let Some(user) = user.filter(|user| user.contains('@') && !draft.has("mail", "from")) {
            draft.set("mail", "from", &user);
        }
        let from = draft.text("mail", "from").map(str::to_owned);
        if let Some(from) = from.filter(|_| !draft.has("mail", "merchant")) {
            draft.set("mail", "merchant", &from);
        }
    }
}

/// The port that links have to name, where no address that the shop takes buyers at is at 443.
fn own_port(draft: &Draft) -> Option<u16> {
    // An authority looks at 443, so something there passes buyers on.
    if draft.text("tls", "mode") == Some("acme") {
        return None;
    }
    let addresses = draft.list("listen", "https").iter();
    let ports: Vec<u16> = addresses
        .filter_map(|at| Some(at.parse::<SocketAddr>().ok()?.port()))
        .collect();
    match ports.contains(&443) {
        true => None,
        // Which port 0 becomes is only known once it is taken.
        false => ports.into_iter().find(|port| *port != 0),
    }
}

/// Where the certificate comes from, and what has to be listened to for that.
pub(super) fn set_tls(draft: &mut Draft, tls: Tls) {
    match tls {
        Tls::Acme => draft.set("tls", "mode", "acme"),
        Tls::Files => draft.set("tls", "mode", "files"),
        Tls::SelfSigned => draft.set("tls", "mode", "self-signed"),
        Tls::Proxy => {
            draft.set_list("listen", "https", &[]);
            if !draft.has("listen", "http") {
                draft.set_list("listen", "http", &[BEHIND_PROXY.to_owned()]);
            }
            if !draft.has("listen", "trusted_proxies") {
                let near = ["127.0.0.1", "::1"].map(str::to_owned);
                draft.set_list("listen", "trusted_proxies", &near);
            }
        }
    }
}

/// A host as a person types or pastes it, with what is certainly not of it taken away: capitals, the scheme, the last slash and an
/// IPv6 address's brackets.
pub(super) fn bare_host(typed: &str) -> String {
    let host = typed.trim().to_ascii_lowercase();
    let schemes = ["https://", "http://"];
    let bare = schemes.iter().find_map(|scheme| host.strip_prefix(scheme));
    let bare = bare.unwrap_or(&host);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let address = bare.strip_prefix('[').and_then(|v6| v6.strip_suffix(']'));
    address.unwrap_or(bare).to_owned()
}

/// How mail is encrypted on a port.
pub(super) fn mail_tls(port: u16) -> &'static str {
    match port {
        465 => "tls",
        _ => "starttls",
    }
}

/// All addresses of this machine, of IPv6 too where it has that.
pub(super) fn everywhere(port: u16) -> Vec<String> {
    let mut all = vec![format!("0.0.0.0:{port}")];
    if TcpListener::bind("[::1]:0").is_ok() {
        all.push(format!("[::]:{port}"));
    }
    all
}

fn settings(at: &Setting<'_>, draft: &Draft) -> Result<Settings, Failure> {
    let settings = draft.settings(at.dir, environment());
    settings.map_err(|error| Failure::new("config", error))
}

fn from_file(file: &Path) -> Result<Draft, Failure> {
    let read = Draft::read(file).map_err(|error| Failure::new("answers", error))?;
    read.ok_or_else(|| Failure::new("answers", format!("there is no {}", file.display())))
}

/// A path as it is meant here: in the settings a relative one begins at the shop's folder.
pub(super) fn whole(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.display().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn around(variables: &[&str], port_80_is_free: bool) -> Around {
        Around {
            variables: variables.iter().map(|name| (*name).to_owned()).collect(),
            port_80_is_free,
        }
    }

    #[test]
    fn a_certificate_of_an_authority_needs_port_80_and_all_addresses() {
        let mut draft = Draft::default();
        set_tls(&mut draft, Tls::Acme);
        completed(&mut draft, &around(&[], false));
        let toml = draft.toml();
        assert!(toml.contains("http = [\"0.0.0.0:80\""), "{toml}");
        assert!(toml.contains("https = [\"0.0.0.0:443\""), "{toml}");
        let mut own = Draft::default();
        set_tls(&mut own, Tls::Files);
        own.set_list("listen", "http", &["192.0.2.1:80".to_owned()]);
        completed(&mut own, &around(&[], false));
        assert!(
            own.toml().contains("http = [\"192.0.2.1:80\"]"),
            "{}",
            own.toml()
        );
    }

    #[test]
    fn a_shop_that_is_tried_out_takes_port_80_only_where_nobody_has_it_and_nothing_was_said() {
        let listeners = |flags: &[&str], around: &Around| {
            let mut draft = Draft::default();
            set_tls(&mut draft, Tls::SelfSigned);
            if !flags.is_empty() {
                let flags: Vec<String> = flags.iter().map(|at| (*at).to_owned()).collect();
                draft.set_list("listen", "https", &flags);
            }
            completed(&mut draft, around);
            let list = |key| draft.list("listen", key).first().cloned();
            (list("https"), list("http"))
        };
        let all = |port| Some(format!("0.0.0.0:{port}"));
        assert_eq!(listeners(&[], &around(&[], true)), (all(443), all(80)));
        assert_eq!(listeners(&[], &around(&[], false)), (None, None));
        for variable in ["KEYSTALL_LISTEN__HTTPS", "KEYSTALL_LISTEN__HTTP"] {
            assert_eq!(listeners(&[], &around(&[variable], true)), (None, None));
        }
        let own = listeners(&["192.0.2.1:443"], &around(&[], true));
        assert_eq!(own, (Some("192.0.2.1:443".to_owned()), None));
    }

    #[test]
    fn a_host_that_was_pasted_from_a_browser_is_understood() {
        for (typed, host) in [
            ("SHOP.Example.com", "shop.example.com"),
            (" https://shop.example.com/ ", "shop.example.com"),
            ("HTTP://shop.example.com", "shop.example.com"),
            ("https://[2001:DB8::1]/", "2001:db8::1"),
            // Not certain: the check says what is needed.
            ("https://shop.example.com/a", "shop.example.com/a"),
            ("shop.example.com:8443", "shop.example.com:8443"),
        ] {
            assert_eq!(bare_host(typed), host);
        }
    }

    #[test]
    fn links_name_the_port_at_which_the_shop_takes_buyers() {
        let toml = |addresses: &[&str], mode: &str, around: &Around| {
            let mut draft = Draft::default();
            draft.set("tls", "mode", mode);
            let addresses: Vec<String> = addresses.iter().map(|at| (*at).to_owned()).collect();
            draft.set_list("listen", "https", &addresses);
            completed(&mut draft, around);
            draft.toml()
        };
        let nothing = around(&[], true);
        let own = toml(&["127.0.0.1:9443"], "self-signed", &nothing);
        assert!(own.contains("port = 9443\n"), "{own}");
        // At 443, of any free port, behind what the authority looks at, and where it is said elsewhere: nothing.
        let variable = around(&["KEYSTALL_SHOP__PORT"], true);
        for said in [
            toml(&["[::1]:9443", "127.0.0.1:443"], "files", &nothing),
            toml(&["127.0.0.1:0"], "self-signed", &nothing),
            toml(&["127.0.0.1:9443"], "acme", &nothing),
            toml(&["127.0.0.1:9443"], "self-signed", &variable),
            toml(&[], "self-signed", &nothing),
        ] {
            assert!(!said.contains("port = "), "{said}");
        }
    }

    #[test]
    fn behind_a_proxy_only_this_machine_reaches_the_shop() {
        let mut draft = Draft::default();
        set_tls(&mut draft, Tls::Proxy);
        draft.set("shop", "host", "shop.example.com");
        let settings = draft.settings(Path::new("/nowhere"), std::iter::empty());
        let settings = settings.unwrap();
        assert!(settings.listen.https.is_empty());
        assert_eq!(settings.listen.http, ["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!(settings.listen.trusted_proxies.len(), 2);
    }

    #[test]
    fn a_mailbox_is_enough_to_know_who_sends_and_who_is_told() {
        let mut draft = Draft::default();
        draft.set("mail", "host", "smtp.example.com");
        draft.set("mail", "user", "me@example.com");
        draft.set("mail", "password", "hunter2");
        completed(&mut draft, &around(&[], false));
        let settings = draft.settings(Path::new("/nowhere"), std::iter::empty());
        let mail = settings.unwrap().mail;
        assert_eq!(mail.port, 465);
        assert_eq!(mail.from.as_deref(), Some("me@example.com"));
        assert_eq!(mail.merchant.as_deref(), Some("me@example.com"));
    }
}
