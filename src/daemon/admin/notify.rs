//! Mails: their texts, and whether they arrive.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CommandError, Context};
use crate::{
    config::Settings,
    daemon::post,
    notify::mail::{
        MailKind, MessageError, Refusal, Step, Template, own_text, preview, split, test_mail,
    },
    notify::sender::{self, Question, Resolver},
    store,
    words::Language,
};

/// A command about mails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Notify {
    /// Sends a mail and looks at the sender's domain.
    Test {
        /// To whom; the merchant without it.
        to: Option<String>,
        /// The DKIM selector, where it is known.
        dkim_selector: Option<String>,
        /// A DNS server other than the machine's.
        dns: Option<String>,
    },
    /// All texts, with where each comes from.
    TemplateList,
    /// One text.
    TemplateShow {
        /// The mail.
        kind: String,
        /// The language; the shop's without it.
        language: Option<String>,
    },
    /// A text of the merchant's own.
    TemplateSet {
        /// The mail.
        kind: String,
        /// The language.
        language: Option<String>,
        /// `subject: …` and the body.
        text: String,
    },
    /// Back to the shop's own text.
    TemplateReset {
        /// The mail.
        kind: String,
        /// The language.
        language: Option<String>,
    },
    /// How a mail looks.
    TemplatePreview {
        /// The mail.
        kind: String,
        /// The language.
        language: Option<String>,
        /// A text to try; the one in use without it.
        text: Option<String>,
    },
}

/// How long the look at the sender's domain may take.
const DNS_TIME: Duration = Duration::from_secs(30);

pub(super) fn run(context: &Context, command: Notify) -> Result<Value, CommandError> {
    match command {
        Notify::Test {
            to,
            dkim_selector,
            dns,
        } => test(context, to, dkim_selector.as_deref(), dns.as_deref()),
        Notify::TemplateList => list(context),
        Notify::TemplateShow { kind, language } => {
            show(context, mail(&kind)?, of(context, language)?)
        }
        Notify::TemplateSet {
            kind,
            language,
            text,
        } => set(context, mail(&kind)?, of(context, language)?, &text),
        Notify::TemplateReset { kind, language } => {
            reset(context, mail(&kind)?, of(context, language)?)
        }
        Notify::TemplatePreview {
            kind,
            language,
            text,
        } => previewed(context, mail(&kind)?, of(context, language)?, text),
    }
}

fn test(
    context: &Context,
    to: Option<String>,
    selector: Option<&str>,
    dns: Option<&str>,
) -> Result<Value, CommandError> {
    let settings = &context.settings;
    let smtp = post::smtp(settings).map_err(|error| CommandError::new("config", error))?;
    let (Some(smtp), Some(from)) = (smtp, settings.mail.from.as_deref()) else {
        let message = "no mail is sent: set [mail] host and from, and merchant for your own mails";
        return Err(CommandError::new("no_mail", message));
    };
    let to = to
        .or_else(|| settings.mail.merchant.clone())
        .ok_or_else(|| {
            CommandError::invalid("to whom? give --to ADDRESS, or set [mail] merchant")
        })?;
    let at: Option<SocketAddr> = dns
        .map(str::parse)
        .transpose()
        .map_err(|_| CommandError::invalid("--dns takes an address and port, as 127.0.0.1:53"))?;
    let selector = selector.map(label).transpose()?;
    let policy = post::mail_policy(settings);
    let now_ms = context.shop.now_ms();
    let nonce = u64::from_le_bytes(crate::domain::seams::random(context.shop.vault().entropy()));
    let mail = test_mail(&policy, &context.shop, &to, nonce).map_err(|error| match error {
        crate::notify::mail::ComposeError::Message(MessageError::Address) => {
            CommandError::invalid("--to is no mail address that can be written to")
        }
        error => CommandError::new("mail", error),
    })?;
    let mut steps = Vec::new();
    let (sent, findings) = context.runtime.block_on(async {
        let sent = smtp.send_told(&mail, &mut steps).await;
        // Where no mail server answers, that comes first.
        let findings = match steps.is_empty() {
            true => Ok(Vec::new()),
            false => domain(settings, from, selector, at).await,
        };
        (sent, findings)
    });
    let steps: Vec<Value> = steps.iter().map(step).collect();
    Ok(json!({
        "sent": sent.is_ok(),
        "at": super::times::shown(context, now_ms),
        "to": to,
        "steps": steps,
        "error": sent.as_ref().err().map(refusal),
        "domain": domain_of(from),
        "dns_error": findings.as_ref().err().map(ToString::to_string),
        "findings": findings.unwrap_or_default(),
    }))
}

async fn domain(
    settings: &Settings,
    from: &str,
    selector: Option<&str>,
    at: Option<SocketAddr>,
) -> Result<Vec<sender::Finding>, sender::DnsError> {
    let dns = Resolver::new(at)?;
    let question = Question {
        domain: domain_of(from),
        from,
        server: settings.mail.host.as_deref().unwrap_or_default(),
        shop: &settings.shop.host,
        selector,
    };
    let look = tokio::time::timeout(DNS_TIME, sender::look(&dns, &question));
    look.await.map_err(|_| sender::DnsError {
        name: question.domain.to_owned(),
        why: format!("the look at it took longer than {} s", DNS_TIME.as_secs()),
    })
}

fn domain_of(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or(address, |(_, domain)| domain)
}

/// A DKIM selector: labels of a host name.
fn label(text: &str) -> Result<&str, CommandError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=63).contains(&text.len()) && text.bytes().all(known) {
        return Ok(text);
    }
    Err(CommandError::invalid(
        "--dkim-selector is a short name as \"s1\" or \"default\"",
    ))
}

fn step(step: &Step) -> Value {
    json!({"step": step.name, "said": step.said})
}

fn refusal(refusal: &Refusal) -> Value {
    let code = match refusal {
        Refusal::Unreachable(_) => "unreachable",
        Refusal::Later(_) => "later",
        Refusal::Never(_) => "never",
        Refusal::Policy(_) | Refusal::Settings(_) => "settings",
    };
    json!({"code": code, "message": refusal.to_string()})
}

fn list(context: &Context) -> Result<Value, CommandError> {
    let own = context.shop.templates()?;
    let mut rows = Vec::new();
    for kind in MailKind::ALL {
        for language in Language::all() {
            let stored = own.iter().find(|(known, tag, _)| {
                (known.as_str(), tag.as_str()) == (kind.as_str(), language.tag())
            });
            let subject = match stored {
                Some((_, _, stored)) => stored.subject.clone(),
                None => shipped(kind, language)?.0,
            };
            rows.push(json!({
                "kind": kind.as_str(),
                "to": if kind.is_to_buyer() { "buyer" } else { "merchant" },
                "language": language.tag(),
                "own": stored.is_some(),
                "subject": subject,
            }));
        }
    }
    Ok(json!({"templates": rows}))
}

fn show(context: &Context, kind: MailKind, language: Language) -> Result<Value, CommandError> {
    let stored = context.shop.template(kind.as_str(), language.tag())?;
    let own = stored.is_some();
    let (subject, body) = match stored {
        Some(stored) => (stored.subject, stored.body),
        None => shipped(kind, language)?,
    };
    let placeholders: Vec<[&str; 2]> = kind.placeholders().iter().map(|one| one.names()).collect();
    Ok(json!({
        "kind": kind.as_str(),
        "language": language.tag(),
        "own": own,
        "text": format!("subject: {subject}\n\n{body}\n"),
        "placeholders": placeholders,
    }))
}

fn set(
    context: &Context,
    kind: MailKind,
    language: Language,
    text: &str,
) -> Result<Value, CommandError> {
    let (subject, body) = split(text).map_err(CommandError::invalid)?;
    Template::parse(kind, &subject, &body).map_err(CommandError::invalid)?;
    let template = store::Template { subject, body };
    context
        .shop
        .set_template(kind.as_str(), language.tag(), Some(template))?;
    Ok(json!({"kind": kind.as_str(), "language": language.tag(), "own": true}))
}

fn reset(context: &Context, kind: MailKind, language: Language) -> Result<Value, CommandError> {
    context
        .shop
        .set_template(kind.as_str(), language.tag(), None)?;
    Ok(json!({"kind": kind.as_str(), "language": language.tag(), "own": false}))
}

fn previewed(
    context: &Context,
    kind: MailKind,
    language: Language,
    text: Option<String>,
) -> Result<Value, CommandError> {
    let tried = text.map(|text| {
        let (subject, body) = split(&text)?;
        Template::parse(kind, &subject, &body)
    });
    let tried = tried.transpose().map_err(CommandError::invalid)?;
    let policy = post::mail_policy(&context.settings);
    let mail = preview(&policy, &context.shop, kind, language, tried.as_ref())
        .map_err(|error| CommandError::new("mail", error))?;
    Ok(json!({
        "kind": kind.as_str(),
        "language": language.tag(),
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    }))
}

fn shipped(kind: MailKind, language: Language) -> Result<(String, String), CommandError> {
    own_text(kind, language).map_err(|error| CommandError::new("mail", error))
}

fn mail(word: &str) -> Result<MailKind, CommandError> {
    MailKind::parse(word).ok_or_else(|| {
        let words: Vec<&str> = MailKind::ALL.iter().map(|kind| kind.as_str()).collect();
        CommandError::unknown(format!(
            "{word:?} is no mail of the shop; there are {}",
            words.join(", ")
        ))
    })
}

/// The language of a tag, exactly; the shop's without one.
fn of(context: &Context, tag: Option<String>) -> Result<Language, CommandError> {
    let Some(tag) = tag else {
        return Ok(post::mail_policy(&context.settings).language);
    };
    Language::parse(&tag).ok_or_else(|| {
        let tags: Vec<&str> = Language::all().map(|language| language.tag()).collect();
        CommandError::unknown(format!(
            "{tag:?} is no language of the shop; there are {}",
            tags.join(", ")
        ))
    })
}
