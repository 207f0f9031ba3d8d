//! The way to the mail server: one connection for each mail, every step with its own meaning when it fails.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, TlsParameters, TlsVersion,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};

use super::message::Built;
use crate::domain::Secret;
use crate::words::format::plain;

/// The mail server, and how to reach it.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// The user there, with the password.
    pub login: Option<(String, Secret)>,
    /// An authority (PEM) that is trusted beside the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// How long one mail may take.
    pub timeout: Duration,
    /// How this machine names itself: the shop's host.
    pub hello: String,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Plain first, then upgraded; refused where the server cannot.
    StartTls,
    /// From the first byte.
    Wrapped,
    /// Not at all.
    None,
}

/// A mail was not accepted. The texts hold no address but the server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server is not there, or is not in order: this mail and every other waits.
    #[error("{0}")]
    Unreachable(String),
    /// The server does not take this mail now.
    #[error("{0}")]
    Later(String),
    /// The server will never take this mail.
    #[error("{0}")]
    Never(String),
    /// The server does not take mail from this shop as it is set up: somebody has to change a setting.
    #[error("{0}")]
    Settings(String),
}

/// What happened on the way, for the merchant's test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `connect`, `tls`, `login`, `sender`, `recipient` or `message`.
    pub name: &'static str,
    /// What came of it.
    pub said: String,
}

/// Takes mails. Implementations bound the time of each.
pub trait Mailer: Send + Sync {
    /// Hands a mail over; gives what the server said.
    fn send<'a>(
        &'a self,
        mail: &'a Built,
    ) -> Pin<Box<dyn Future<Output = Result<String, Refusal>> + Send + 'a>>;
}

/// A [`Mailer`] over SMTP (RFC 5321).
#[derive(Debug)]
pub struct Smtp {
    config: SmtpConfig,
    hello: ClientId,
}

/// The settings of the mail server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpSetup {
    /// The file of the authority.
    #[error("[mail] ca_file: not certificates in PEM form")]
    Authority,
}

impl Smtp {
    /// A way to the server of `config`.
    ///
    /// # Errors
    /// [`SmtpSetup`].
    pub fn new(config: SmtpConfig) -> Result<Self, SmtpSetup> {
        let hello = match config.hello.parse() {
            Ok(std::net::IpAddr::V4(v4)) => ClientId::Ipv4(v4),
            Ok(std::net::IpAddr::V6(v6)) => ClientId::Ipv6(v6),
            Err(_) => ClientId::Domain(config.hello.clone()),
        };
        let smtp = Self { config, hello };
        smtp.encryption(TlsVersion::Tlsv12)
            .map_err(|_| SmtpSetup::Authority)?;
        Ok(smtp)
    }

    /// Hands a mail over and tells each step. Where TLS 1.3 fails, 1.2 is tried, so that the version is known.
    ///
    /// # Errors
    /// [`Refusal`]; the steps until then are in `steps`.
    pub async fn send_told(&self, mail: &Built, steps: &mut Vec<Step>) -> Result<String, Refusal> {
        if self.config.tls == SmtpTls::None {
            return self.within(mail, TlsVersion::Tlsv12, steps).await;
        }
        let newest = self.within(mail, TlsVersion::Tlsv13, steps).await;
        // Nothing behind the handshake was done where TLS is not among the steps.
        if newest.is_ok() || steps.iter().any(|step| step.name == "tls") {
            return newest;
        }
        let mut again = Vec::new();
        let older = self.within(mail, TlsVersion::Tlsv12, &mut again).await;
        *steps = again;
        older
    }

    async fn within(
        &self,
        mail: &Built,
        least: TlsVersion,
        steps: &mut Vec<Step>,
    ) -> Result<String, Refusal> {
        let whole = tokio::time::timeout(self.config.timeout, self.exchange(mail, least, steps));
        whole.await.unwrap_or_else(|_| {
            Err(Refusal::Unreachable(format!(
                "the mail server did not answer within {:?}",
                self.config.timeout
            )))
        })
    }

    async fn exchange(
        &self,
        mail: &Built,
        least: TlsVersion,
        steps: &mut Vec<Step>,
    ) -> Result<String, Refusal> {
        let mut connection = self.connect(least, steps).await?;
        let handed = self.hand_over(&mut connection, mail, steps).await;
        // The answer counts already; a server that does not say goodbye changes nothing.
        match handed {
            Ok(_) => drop(connection.quit().await),
            Err(_) => connection.abort().await,
        }
        handed
    }

    async fn connect(
        &self,
        least: TlsVersion,
        steps: &mut Vec<Step>,
    ) -> Result<AsyncSmtpConnection, Refusal> {
        let config = &self.config;
        let encryption = self.encryption(least);
        let encryption =
            encryption.map_err(|error| unreachable(config, "TLS is not set up", &error))?;
        let wrapped = (config.tls == SmtpTls::Wrapped).then(|| encryption.clone());
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (config.host.as_str(), config.port),
            Some(config.timeout),
            &self.hello,
            wrapped,
            None,
        )
        .await
        .map_err(|error| unreachable(config, "no connection", &error))?;
        told(steps, "connect", format!("{}:{}", config.host, config.port));
        if config.tls == SmtpTls::StartTls {
            if !connection.can_starttls() {
                connection.abort().await;
                let said = "the mail server offers no STARTTLS: set [mail] tls = \"tls\" with port 465, or ask its operator";
                return Err(Refusal::Settings(said.to_owned()));
            }
            let upgraded = connection.starttls(encryption, &self.hello).await;
            upgraded.map_err(|error| unreachable(config, "TLS", &error))?;
        }
        if connection.is_encrypted() {
            let version = match least {
                TlsVersion::Tlsv13 => "1.3",
                _ => "1.2",
            };
            told(steps, "tls", format!("TLS {version}, certificate good"));
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &Built,
        steps: &mut Vec<Step>,
    ) -> Result<String, Refusal> {
        self.log_in(connection, steps).await?;
        let mut options = Vec::new();
        if !is_ascii(&mail.envelope) {
            if !connection
                .server_info()
                .supports_feature(Extension::SmtpUtfEight)
            {
                let said = "the mail server takes no addresses with letters beyond ASCII";
                return Err(Refusal::Never(said.to_owned()));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        let sender = Mail::new(mail.envelope.from().cloned(), options);
        let answer = connection.command(sender).await;
        let answer = answer.map_err(|error| refused(Stage::Sender, &error, mail))?;
        told(steps, "sender", line(&answer));
        for recipient in mail.envelope.to() {
            let answer = connection
                .command(Rcpt::new(recipient.clone(), vec![]))
                .await;
            let answer = answer.map_err(|error| refused(Stage::Recipient, &error, mail))?;
            told(steps, "recipient", line(&answer));
        }
        let begun = connection.command(Data).await;
        begun.map_err(|error| refused(Stage::Message, &error, mail))?;
        let answer = connection.message(&mail.bytes).await;
        let answer = answer.map_err(|error| refused(Stage::Message, &error, mail))?;
        let said = line(&answer);
        told(steps, "message", said.clone());
        Ok(said)
    }

    async fn log_in(
        &self,
        connection: &mut AsyncSmtpConnection,
        steps: &mut Vec<Step>,
    ) -> Result<(), Refusal> {
        let Some((user, password)) = &self.config.login else {
            return Ok(());
        };
        let password = password.expose_str().unwrap_or_default().to_owned();
        let credentials = Credentials::new(user.clone(), password);
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        if connection
            .server_info()
            .get_auth_mechanism(&mechanisms)
            .is_none()
        {
            let said = "the mail server offers no login by PLAIN or LOGIN: remove [mail] user, or ask its operator";
            return Err(Refusal::Settings(said.to_owned()));
        }
        let answer = connection.auth(&mechanisms, &credentials).await;
        // An answer to a login may repeat what was sent: only its code is told.
        let answer = answer.map_err(|error| match error.status().map(u16::from) {
            Some(code @ 500..) => Refusal::Settings(format!(
                "the mail server refuses the login ({code}): check [mail] user and password"
            )),
            Some(code) => {
                Refusal::Unreachable(format!("the mail server takes no login now ({code})"))
            }
            None => Refusal::Unreachable("the connection broke during the login".to_owned()),
        })?;
        told(
            steps,
            "login",
            format!("{} accepted", u16::from(answer.code())),
        );
        Ok(())
    }

    fn encryption(&self, least: TlsVersion) -> Result<TlsParameters, SmtpError> {
        let mut builder =
            TlsParameters::builder(self.config.host.clone()).set_min_tls_version(least);
        if let Some(pem) = &self.config.ca_pem {
            builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
        }
        builder.build()
    }
}

impl Mailer for Smtp {
    fn send<'a>(
        &'a self,
        mail: &'a Built,
    ) -> Pin<Box<dyn Future<Output = Result<String, Refusal>> + Send + 'a>> {
        Box::pin(async move {
            let mut steps = Vec::new();
            self.within(mail, TlsVersion::Tlsv12, &mut steps).await
        })
    }
}

/// Where a mail stood when the server said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Sender,
    Recipient,
    Message,
}

fn is_ascii(envelope: &lettre::address::Envelope) -> bool {
    let of = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    envelope.to().iter().all(of) && envelope.from().is_none_or(of)
}

fn told(steps: &mut Vec<Step>, name: &'static str, said: String) {
    steps.push(Step { name, said });
}

fn unreachable(config: &SmtpConfig, what: &str, error: &SmtpError) -> Refusal {
    let why = causes(error);
    let place = format!("{}:{}", config.host, config.port);
    // A certificate that is not trusted, or is another host's, stays so until somebody changes it.
    if error.is_tls() || why.contains("certificate") {
        return Refusal::Settings(format!(
            "{what} with {place}: {why}; check [mail] host, tls and ca_file"
        ));
    }
    Refusal::Unreachable(format!("{what} with {place}: {why}"))
}

fn refused(stage: Stage, error: &SmtpError, mail: &Built) -> Refusal {
    let Some(code) = error.status().map(u16::from) else {
        return Refusal::Unreachable(format!("the connection broke: {}", causes(error)));
    };
    let said = scrubbed(&causes(error), mail);
    verdict(stage, code, &said)
}

/// What a refusal means. 5xx is for good (RFC 5321, section 4.2.1), but who is meant depends on the stage; an enhanced code
/// 5.7.x at the recipient is a matter of policy, as relaying without a login (RFC 3463, section 3.8).
fn verdict(stage: Stage, code: u16, said: &str) -> Refusal {
    let said = format!("the mail server says {code} {said}");
    let policy = said.contains(" 5.7.") || matches!(code, 530 | 534 | 535 | 538);
    match (code, stage) {
        (421, _) => Refusal::Unreachable(said),
        (..=499, _) => Refusal::Later(said),
        (_, Stage::Sender) => Refusal::Settings(format!(
            "{said} (about the sender: check [mail] from and user)"
        )),
        (_, Stage::Recipient) if policy => Refusal::Settings(said),
        (_, Stage::Recipient) => Refusal::Never(format!("{said} (about the recipient's address)")),
        (_, Stage::Message) => Refusal::Never(format!("{said} (about the mail itself)")),
    }
}

/// An error with everything behind it, in one bounded line.
fn causes(error: &SmtpError) -> String {
    let mut said = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    if cause.is_none() {
        said = error.to_string();
    }
    while let Some(one) = cause {
        let text = one.to_string();
        if !said.contains(&text) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(&text);
        }
        cause = one.source();
    }
    bounded(&said)
}

fn line(answer: &lettre::transport::smtp::response::Response) -> String {
    let text: Vec<&str> = answer.message().collect();
    bounded(&format!("{} {}", u16::from(answer.code()), text.join(" ")))
}

fn bounded(text: &str) -> String {
    const SAID_CHARS_MAX: usize = 300;
    plain(text).trim().chars().take(SAID_CHARS_MAX).collect()
}

/// What a server said without the addresses that it repeats: it goes to logs and into the outbox.
fn scrubbed(said: &str, mail: &Built) -> String {
    let mut said = said.to_owned();
    for address in mail.envelope.to() {
        // Shorter names are parts of words.
        const NAME_BYTES_MIN: usize = 3;
        said = said.replace(AsRef::<str>::as_ref(address), "…");
        if address.user().len() >= NAME_BYTES_MIN {
            said = said.replace(address.user(), "…");
        }
    }
    let apart =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'' | ',' | ';');
    let mut out = String::with_capacity(said.len());
    for piece in said.split_inclusive(apart) {
        let word = piece.trim_end_matches(apart);
        out.push_str(if word.contains('@') { "…" } else { word });
        out.push_str(&piece[word.len()..]);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mail() -> Built {
        let address = |text: &str| text.parse().unwrap();
        Built {
            envelope: lettre::address::Envelope::new(
                Some(address("shop@shop.example")),
                vec![address("lilei@buyer.example")],
            )
            .unwrap(),
            bytes: b"Subject: x\r\n\r\ny\r\n".to_vec(),
        }
    }

    #[test]
    fn who_is_meant_by_a_no_depends_on_where_it_is_said() {
        let cases = [
            (Stage::Recipient, 550, "5.1.1 no such user", "never"),
            (Stage::Recipient, 550, "User unknown", "never"),
            (Stage::Recipient, 552, "5.2.2 mailbox full", "never"),
            (
                Stage::Recipient,
                554,
                "5.7.1 relay access denied",
                "settings",
            ),
            (Stage::Recipient, 530, "Authentication required", "settings"),
            (Stage::Recipient, 450, "4.2.1 greylisted", "later"),
            (Stage::Sender, 553, "5.7.1 not owned by user", "settings"),
            (Stage::Sender, 451, "4.3.0 try later", "later"),
            (Stage::Message, 554, "5.6.0 looks like spam", "never"),
            (Stage::Message, 452, "4.3.1 no space", "later"),
            (Stage::Message, 421, "4.7.0 going down", "unreachable"),
        ];
        for (stage, code, said, expected) in cases {
            let word = match verdict(stage, code, said) {
                Refusal::Never(_) => "never",
                Refusal::Settings(_) => "settings",
                Refusal::Later(_) => "later",
                Refusal::Unreachable(_) => "unreachable",
            };
            assert_eq!(word, expected, "{stage:?} {code} {said}");
        }
    }

    #[test]
    fn what_a_server_repeats_of_an_address_is_not_kept() {
        let said = "5.1.1 <lilei@buyer.example>: Recipient rejected: User unknown (lilei) other@x.example, ok";
        let clean = scrubbed(said, &mail());
        for private in ["lilei", "buyer.example", "other@"] {
            assert!(!clean.contains(private), "{clean}");
        }
        assert!(clean.contains("Recipient rejected: User unknown") && clean.ends_with("ok"));
    }

    fn config(port: u16) -> SmtpConfig {
        SmtpConfig {
            host: "127.0.0.1".into(),
            port,
            tls: SmtpTls::None,
            login: None,
            ca_pem: None,
            timeout: Duration::from_secs(5),
            hello: "shop.example".into(),
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let refusal = Smtp::new(config(port))
            .unwrap()
            .send(&mail())
            .await
            .unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Unreachable(said) if said.contains("no connection")),
            "{refusal:?}"
        );
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_left_after_the_time_that_a_mail_may_take() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = tokio::spawn(async move { listener.accept().await.unwrap() });
        let config = SmtpConfig {
            timeout: Duration::from_millis(50),
            ..config(port)
        };
        let refusal = Smtp::new(config).unwrap().send(&mail()).await.unwrap_err();
        assert!(refusal.to_string().contains("within 50ms"), "{refusal}");
        drop(silent);
    }

    #[test]
    fn an_authority_that_is_none_is_refused_with_its_setting() {
        let config = SmtpConfig {
            ca_pem: Some(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_vec()),
            ..config(25)
        };
        assert_eq!(Smtp::new(config).unwrap_err(), SmtpSetup::Authority);
    }
}
