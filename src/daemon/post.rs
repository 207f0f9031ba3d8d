//! From `[mail]` to the way that mail goes.

use std::{path::PathBuf, sync::Arc};

use jiff::tz::TimeZone;

use crate::{
    config::{MailTls, Settings},
    notify::Post,
    notify::mail::{MailPolicy, Smtp, SmtpConfig, SmtpSetup, SmtpTls},
    words::{
        Language,
        theme::{Accents, Rgb},
    },
};

/// Why mail cannot go out as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The file of the authority.
    #[error("[mail] ca_file: cannot read {}: {source}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The rest.
    #[error(transparent)]
    Setup(#[from] SmtpSetup),
}

/// Whether mail can go out as it is set up, as far as this machine tells: nothing is asked of the mail server.
///
/// # Errors
/// `PostError`.
pub fn check_mail(settings: &Settings) -> Result<(), PostError> {
    smtp(settings).map(|_| ())
}

/// Whether the mail server can be reached and lets the shop in; nothing is sent. None where there is no such server.
///
/// # Errors
/// What went wrong, with what to do where that is known.
pub async fn reach_mail(settings: &Settings) -> Option<Result<(), String>> {
    let smtp = match smtp(settings) {
        Ok(smtp) => smtp?,
        Err(error) => return Some(Err(error.to_string())),
    };
    let greeted = smtp.greet().await;
    Some(greeted.map_err(|refusal| refusal.to_string()))
}

/// How mail goes out; none where there is no mail server.
///
/// # Errors
/// [`PostError`].
pub(super) fn post(settings: &Settings) -> Result<Option<Post>, PostError> {
    Ok(smtp(settings)?.map(|smtp| Post {
        mailer: Arc::new(smtp),
        policy: mail_policy(settings),
    }))
}

/// The way to the mail server; none where there is no such server.
///
/// # Errors
/// [`PostError`].
pub(super) fn smtp(settings: &Settings) -> Result<Option<Smtp>, PostError> {
    let mail = &settings.mail;
    let Some(host) = mail.host.clone() else {
        return Ok(None);
    };
    let ca_pem = mail.ca_file.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| PostError::Authority {
            path: path.clone(),
            source,
        })
    });
    let config = SmtpConfig {
        host,
        port: mail.port,
        tls: match mail.tls {
            MailTls::StartTls => SmtpTls::StartTls,
            MailTls::Tls => SmtpTls::Wrapped,
            MailTls::None => SmtpTls::None,
        },
        login: mail.user.clone().zip(mail.password.clone()),
        ca_pem: ca_pem.transpose()?,
        timeout: mail.timeout.duration(),
        hello: settings.shop.host.clone(),
    };
    Ok(Some(Smtp::new(config)?))
}

/// What the merchant decided about mails.
pub(super) fn mail_policy(settings: &Settings) -> MailPolicy {
    let (shop, mail) = (&settings.shop, &settings.mail);
    MailPolicy {
        origin: settings.origin(),
        title: shop.title.clone(),
        // A host without a sender was refused with the settings.
        from: mail.from.clone().unwrap_or_default(),
        from_name: mail.from_name.clone().unwrap_or_else(|| shop.title.clone()),
        merchant: mail.merchant.clone(),
        auditor: settings.ledger.auditor.clone(),
        support: shop.support.clone(),
        language: Language::parse(&shop.language).unwrap_or_else(Language::english),
        zone: TimeZone::get(&shop.time_zone).unwrap_or(TimeZone::UTC),
        keys: mail.keys,
        // The settings were checked when they were read.
        accents: shop
            .colour
            .as_deref()
            .and_then(|text| Rgb::parse(text).ok())
            .map_or_else(Accents::default, Accents::of),
    }
}
