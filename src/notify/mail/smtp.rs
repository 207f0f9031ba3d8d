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
use tokio::net::TcpStream;

mod answers;
mod one_byte;

use super::message::Built;
use crate::domain::Secret;
use answers::{Stage, line, refused, unreachable};
use one_byte::OneByte;

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
    /// The server does not take this mail by its policy: the recipient's, or where every recipient gets it, one against
    /// this shop.
    #[error("{0}")]
    Policy(String),
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
    /// A file of something else.
    #[error(
        "[mail] ca_file holds no certificate: it must hold lines \"-----BEGIN CERTIFICATE-----\", not a key"
    )]
    NoCertificate,
}

/// How long a server may take to say goodbye.
const GOODBYE_TIME: Duration = Duration::from_secs(2);

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
        if config
            .ca_pem
            .as_deref()
            .is_some_and(|pem| certificates(pem) == 0)
        {
            return Err(SmtpSetup::NoCertificate);
        }
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

    /// Greets the server and logs in, and leaves again: nothing is sent.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn greet(&self) -> Result<(), Refusal> {
        let mut steps = Vec::new();
        let greeting = async {
            let mut connection = self.connect(TlsVersion::Tlsv12, &mut steps).await?;
            let logged_in = self.log_in(&mut connection, &mut Vec::new()).await;
            tokio::spawn(async move {
                // Closed either way.
                let _ = tokio::time::timeout(GOODBYE_TIME, connection.abort()).await;
            });
            logged_in
        };
        let whole = tokio::time::timeout(self.config.timeout, greeting);
        whole.await.unwrap_or_else(|_| {
            Err(Refusal::Unreachable(format!(
                "the mail server did not answer within {:?}",
                self.config.timeout
            )))
        })
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
        // Nobody waits for the goodbye: the answer counts already, and a server that is slow to part must not lose it.
        tokio::spawn(async move {
            // Closed either way.
            let _ = tokio::time::timeout(GOODBYE_TIME, connection.abort()).await;
        });
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
        let mut connection = match config.tls {
            SmtpTls::StartTls => self.connect_plain_first().await,
            SmtpTls::Wrapped => self.connect_by_library(Some(encryption.clone())).await,
            SmtpTls::None => self.connect_by_library(None).await,
        }?;
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

    async fn connect_by_library(
        &self,
        encryption: Option<TlsParameters>,
    ) -> Result<AsyncSmtpConnection, Refusal> {
        let place = (self.config.host.as_str(), self.config.port);
        let timeout = Some(self.config.timeout);
        AsyncSmtpConnection::connect_tokio1(place, timeout, &self.hello, encryption, None)
            .await
            .map_err(|error| unreachable(&self.config, "no connection", &error))
    }

    /// A connection of which the library never holds more than it has read: see [`OneByte`].
    async fn connect_plain_first(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let config = &self.config;
        let stream = TcpStream::connect((config.host.as_str(), config.port)).await;
        let stream = stream.map_err(|error| answers::no_connection(config, &error))?;
        AsyncSmtpConnection::connect_with_transport(Box::new(OneByte::new(stream)), &self.hello)
            .await
            .map_err(|error| unreachable(config, "no connection", &error))
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
        told(steps, "sender", line(&answer, mail));
        for recipient in mail.envelope.to() {
            let answer = connection
                .command(Rcpt::new(recipient.clone(), vec![]))
                .await;
            let answer = answer.map_err(|error| refused(Stage::Recipient, &error, mail))?;
            told(steps, "recipient", line(&answer, mail));
        }
        let begun = connection.command(Data).await;
        begun.map_err(|error| refused(Stage::Message, &error, mail))?;
        let answer = connection.message(&mail.bytes).await;
        let answer = answer.map_err(|error| refused(Stage::Message, &error, mail))?;
        let said = line(&answer, mail);
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

fn is_ascii(envelope: &lettre::address::Envelope) -> bool {
    let of = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    envelope.to().iter().all(of) && envelope.from().is_none_or(of)
}

fn certificates(pem: &[u8]) -> usize {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).filter(|at| *at == BEGIN).count()
}

fn told(steps: &mut Vec<Step>, name: &'static str, said: String) {
    steps.push(Step { name, said });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
