//! What single values cannot show: bounds, and settings that need one another.

use std::net::IpAddr;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Problem, acme,
    settings::Settings,
    values::{MailTls, Period, TlsMode},
};
use crate::{domain::GitRemote, limits, words::Language};

/// Standard Webhooks wants 24 to 64 bytes of key.
const WEBHOOK_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Adds what is wrong with `settings` as a whole.
pub(super) fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let mut wrong = |key: &str, reason: &str| {
        let (key, reason) = (key.to_owned(), reason.to_owned());
        problems.push(Problem {
            key,
            origin: None,
            reason,
        });
    };
    shop(settings, &mut wrong);
    brand(settings, &mut wrong);
    listen(settings, &mut wrong);
    tls(settings, &mut wrong);
    store_and_limits(settings, &mut wrong);
    mail(settings, &mut wrong);
    webhook(settings, &mut wrong);
    witnesses(settings, &mut wrong);
    anchors(settings, &mut wrong);
    storage(settings, &mut wrong);
    backups(settings, &mut wrong);
}

/// Whether `text` is a host name in small letters (RFC 1123, section 2.1) or an address, without brackets.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'))
    };
    text.parse::<IpAddr>().is_ok()
        // A last label of digits alone would be read as an address by others.
        || text.len() <= 253
            && text.split('.').all(label)
            && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn shop(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let shop = &settings.shop;
    if !is_host(&shop.host) {
        wrong(
            "[shop] host",
            "a bare host name in small letters is needed, as \"shop.example.com\": no https://, no port, no path, \
             and other scripts in their xn-- form",
        );
    }
    if shop.port == 0 {
        wrong("[shop] port", "0 is no port that links can name");
    }
    if shop.title.len() > limits::TITLE_BYTES_MAX || shop.title.chars().any(char::is_control) {
        wrong("[shop] title", "at most 256 bytes in one line");
    }
    let language = &shop.language;
    if !(2..=35).contains(&language.len())
        || !language
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        wrong(
            "[shop] language",
            "a language tag is needed, as \"zh-CN\" or \"en\"",
        );
    } else if Language::parse(language).is_none() {
        let known: Vec<&str> = Language::all().map(|language| language.tag()).collect();
        let known = known.join(", ");
        wrong(
            "[shop] language",
            &format!("the shop has no texts in {language:?}: it has {known}"),
        );
    }
    if jiff::tz::TimeZone::get(&shop.time_zone).is_err() {
        wrong(
            "[shop] time_zone",
            "no such zone: take a name as \"Asia/Shanghai\" or \"UTC\"",
        );
    }
    let (second, week) = (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3_600));
    for (key, ttl) in [
        ("[shop] order_ttl", shop.order_ttl),
        ("[shop] scarce_order_ttl", shop.scarce_order_ttl),
    ] {
        if ttl.duration() < second || ttl.duration() > week {
            wrong(key, "an order is held between 1s and 7d");
        }
    }
}

fn brand(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let shop = &settings.shop;
    let is_colour = |text: &str| {
        text.strip_prefix('#').is_some_and(|digits| {
            digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    if !shop.colour.as_deref().is_none_or(is_colour) {
        wrong(
            "[shop] colour",
            "a colour is # and six hex digits, as \"#0b6e4f\"",
        );
    }
    if let Some(terms) = &shop.terms
        && terms.contains("://")
        && (!terms.starts_with("https://") || terms.contains(char::is_whitespace))
    {
        wrong(
            "[shop] terms",
            "a Markdown file or an https:// link is needed",
        );
    }
    let notice = shop.notice.as_deref().unwrap_or_default();
    if notice.len() > limits::NOTICE_TEXT_BYTES_MAX {
        let most = limits::NOTICE_TEXT_BYTES_MAX;
        wrong(
            "[shop] notice",
            &format!("at most {most} bytes: say the rest in the terms"),
        );
    }
    let fits = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        text.len() <= limits::SUPPORT_BYTES_MAX && !text.chars().any(char::is_control)
    };
    for (key, text) in [("[shop] support", &shop.support), ("[shop] icp", &shop.icp)] {
        if !fits(text) {
            let most = limits::SUPPORT_BYTES_MAX;
            wrong(key, &format!("at most {most} bytes in one line"));
        }
    }
}

fn listen(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let listen = &settings.listen;
    if listen.https.is_empty() && listen.http.is_empty() {
        wrong(
            "[listen] https",
            "name at least one address in https or http",
        );
    }
    let mut seen = Vec::new();
    for address in listen.https.iter().chain(&listen.http) {
        // Port 0 asks for any free port, which may be had more than once.
        if address.port() != 0 && seen.contains(&address) {
            wrong("[listen] http", &format!("{address} is listed twice"));
        }
        seen.push(address);
    }
    if listen.connections_max == 0 {
        wrong("[listen] connections_max", "0 would serve nobody");
    }
}

fn tls(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let tls = &settings.tls;
    match tls.mode {
        TlsMode::Acme => acme::check(settings, wrong),
        TlsMode::Files => {
            for (key, path) in [("[tls] cert", &tls.cert), ("[tls] key", &tls.key)] {
                if path.is_none() {
                    wrong(key, "mode = \"files\" needs cert and key");
                }
            }
        }
        TlsMode::SelfSigned if tls.cert.is_some() || tls.key.is_some() => {
            wrong(
                "[tls] mode",
                "cert and key are set: write mode = \"files\", or remove them",
            );
        }
        TlsMode::SelfSigned => {}
    }
}

fn store_and_limits(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let (store, limits) = (&settings.store, &settings.limits);
    if !(4..=65_536).contains(&store.cache_mib) {
        wrong("[store] cache_mib", "between 4 and 65536");
    }
    if !(1..=65_536).contains(&store.group_max) {
        wrong("[store] group_max", "between 1 and 65536");
    }
    if !(store.group_max..=1_048_576).contains(&store.queue_max) {
        wrong("[store] queue_max", "between group_max and 1048576");
    }
    if limits.held_share_percent > 100 {
        wrong("[limits] held_share_percent", "between 0 and 100");
    }
    if limits.order_quantity_max > limits::ORDER_QUANTITY_MAX {
        let most = limits::ORDER_QUANTITY_MAX;
        wrong(
            "[limits] order_quantity_max",
            &format!("at most {most}, or 0 for that"),
        );
    }
}

/// What fixes the ledger outside. Settings are shown and a commit's remote is exported, so neither holds a password.
fn anchors(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let ledger = &settings.ledger;
    if let Some(url) = &ledger.tsa
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        wrong("[ledger] tsa", "an https:// address is needed");
    }
    if ledger.tsa_ca_file.is_some() && ledger.tsa.is_none() {
        wrong("[ledger] tsa_ca_file", "it is for [ledger] tsa: set it too");
    }
    if let Some(auditor) = &ledger.auditor {
        if !is_mail_address(auditor) {
            wrong(
                "[ledger] auditor",
                "a bare mail address is needed, as \"auditor@example.com\"",
            );
        } else if settings.mail.host.is_none() {
            wrong(
                "[ledger] auditor",
                "no mail is sent without [mail] host: set it too",
            );
        }
    }
    if let Some(remote) = &ledger.anchor_git
        && let Err(error) = GitRemote::parse(remote)
    {
        wrong("[ledger] anchor_git", &error.to_string());
    }
    if ledger.anchor_every < Period::minutes(1) {
        wrong("[ledger] anchor_every", "at least \"1m\"");
    }
}

/// Copies in S3-compatible storage: all of it or nothing.
fn storage(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let backup = &settings.backup;
    let has_secret = backup.s3_secret_key.is_some();
    let given = [
        ("[backup] s3_endpoint", backup.s3_endpoint.is_some()),
        ("[backup] s3_bucket", backup.s3_bucket.is_some()),
        ("[backup] s3_access_key", backup.s3_access_key.is_some()),
        ("[backup] s3_secret_key", has_secret),
    ];
    let is_any = given.iter().any(|(_, is_there)| *is_there);
    for (key, _) in given.iter().filter(|(_, is_there)| is_any && !is_there) {
        wrong(
            key,
            "s3_endpoint, s3_bucket, s3_access_key and s3_secret_key (or s3_secret_key_file) belong together",
        );
    }
    if let Some(endpoint) = &backup.s3_endpoint {
        if !is_reachable(settings, endpoint) {
            wrong(
                "[backup] s3_endpoint",
                "an https:// address is needed; http:// only to a place of [net] allow_private",
            );
        } else if endpoint.contains(['?', '#', '@']) || endpoint.contains(char::is_whitespace) {
            wrong(
                "[backup] s3_endpoint",
                "an address alone is needed, as \"https://s3.example.com\": no user, no query",
            );
        }
    }
    let is_name = |text: &str, more: &[u8]| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        text.bytes().all(allowed)
    };
    if let Some(bucket) = &backup.s3_bucket
        && (!(3..=63).contains(&bucket.len()) || !is_name(bucket, b".-_"))
    {
        wrong(
            "[backup] s3_bucket",
            "a bucket's name has 3 to 63 letters, digits, dots and hyphens: no address, no path",
        );
    }
    let region = &backup.s3_region;
    if !(1..=64).contains(&region.len()) || !is_name(region, b"-_") {
        wrong(
            "[backup] s3_region",
            "a region's name is needed, as \"us-east-1\" or \"auto\"",
        );
    }
    let prefix = &backup.s3_prefix;
    if prefix.len() > 256
        || !is_name(prefix, b"./-_")
        || prefix.starts_with('/')
        || prefix.split('/').any(|part| part == "." || part == "..")
        || prefix.contains("//")
    {
        wrong(
            "[backup] s3_prefix",
            "at most 256 letters, digits, dots, hyphens and single slashes, none of them at its beginning",
        );
    }
    if let Some(key) = &backup.s3_access_key
        && (!(1..=128).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        wrong("[backup] s3_access_key", "one word of ASCII is needed");
    }
    let secret = backup.s3_secret_key.as_ref();
    if secret.is_some_and(|secret| secret.is_empty() || secret.expose_str().is_none()) {
        wrong("[backup] s3_secret_key", "the secret is empty, or no text");
    }
}

fn backups(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let every = settings.backup.every;
    let never = Period::minutes(0);
    if every != never && !(Period::minutes(1)..=Period::minutes(31 * 24 * 60)).contains(&every) {
        wrong(
            "[backup] every",
            "between \"1m\" and \"31d\", or \"0s\" for never",
        );
    }
}

fn mail(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let mail = &settings.mail;
    for (key, text) in [
        ("[mail] from", &mail.from),
        ("[mail] merchant", &mail.merchant),
    ] {
        if text.as_ref().is_some_and(|text| !is_mail_address(text)) {
            let reason = "a bare mail address is needed, as \"shop@example.com\": no name before it, no <>, no spaces, \
                          the domain in its xn-- form where it has other scripts";
            wrong(key, reason);
        }
    }
    if let Some(name) = &mail.from_name
        && (name.len() > limits::TITLE_BYTES_MAX || name.chars().any(char::is_control))
    {
        wrong("[mail] from_name", "at most 256 bytes in one line");
    }
    match &mail.host {
        Some(host) if !is_host(host) => wrong("[mail] host", "a bare host name is needed"),
        Some(host) if mail.tls == MailTls::None && !is_loopback(host) => wrong(
            "[mail] tls",
            "\"none\" would send passwords and links in the clear: it is only for a server on this machine \
             (localhost, 127.0.0.1 or ::1)",
        ),
        Some(_) if mail.from.is_none() => wrong("[mail] from", "mail needs a sender's address"),
        _ => {}
    }
    if mail.host.is_none() {
        for (key, text) in [
            ("[mail] from", &mail.from),
            ("[mail] merchant", &mail.merchant),
        ] {
            if text.is_some() {
                wrong(key, "no mail is sent without [mail] host: set it too");
            }
        }
    }
    match (mail.port, mail.tls) {
        (0, _) => wrong("[mail] port", "0 is no port"),
        (587, MailTls::Tls) => wrong(
            "[mail] tls",
            "\"tls\" is for port 465: write port = 465, or tls = \"starttls\" with port 587",
        ),
        (465, MailTls::StartTls) => wrong(
            "[mail] tls",
            "port 465 speaks TLS from the start: write tls = \"tls\", or port = 587 with tls = \"starttls\"",
        ),
        _ => {}
    }
    if mail.host.is_some() && mail.user.is_some() != mail.password.is_some() {
        wrong(
            "[mail] user",
            "user and password (or password_file) belong together",
        );
    }
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(10 * 60));
    if !(least..=most).contains(&mail.timeout.duration()) {
        wrong("[mail] timeout", "between 1s and 10m");
    }
}

/// Whether `text` is `local@host` as a mail's header and envelope take it without quoting (RFC 5321, section 4.1.2).
pub(super) fn is_mail_address(text: &str) -> bool {
    let local = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    text.rsplit_once('@').is_some_and(|(name, host)| {
        (1..=64).contains(&name.len())
            && name.bytes().all(local)
            && !name.starts_with('.')
            && !name.ends_with('.')
            && !name.contains("..")
            && is_host(&host.to_ascii_lowercase())
            && host.parse::<IpAddr>().is_err()
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn webhook(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let webhook = &settings.webhook;
    if webhook.url.is_some() != webhook.secret.is_some() {
        wrong(
            "[webhook] url",
            "url and secret (or secret_file) belong together",
        );
    }
    if let Some(url) = &webhook.url
        && !is_reachable(settings, url)
    {
        wrong(
            "[webhook] url",
            "an https:// address is needed; http:// only to a place of [net] allow_private",
        );
    }
    if let Some(secret) = &webhook.secret {
        let key = secret
            .expose_str()
            .and_then(|text| text.strip_prefix("whsec_"));
        let key = key.and_then(|text| STANDARD.decode(text).ok());
        if !key.is_some_and(|key| WEBHOOK_KEY_BYTES.contains(&key.len())) {
            wrong(
                "[webhook] secret",
                "whsec_ and the Base64 of 24 to 64 random bytes is needed",
            );
        }
    }
}

/// Whether the outbound client speaks to this address: over TLS, or in the clear to a place that the merchant allowed.
pub(super) fn is_reachable(settings: &Settings, url: &str) -> bool {
    let authority = url
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next());
    let is_private = |private: &super::HostPort| authority == Some(Some(&private.to_string()));
    let http_is_allowed = settings.net.allow_private.iter().any(is_private);
    url.starts_with("https://") || url.starts_with("http://") && http_is_allowed
}

fn witnesses(settings: &Settings, wrong: &mut impl FnMut(&str, &str)) {
    let ledger = &settings.ledger;
    if ledger.witness.len() > limits::WITNESSES_MAX {
        let most = limits::WITNESSES_MAX;
        wrong("[ledger] witness", &format!("at most {most} witnesses"));
    }
    let twice = ledger.witness.iter().enumerate().any(|(position, one)| {
        let before = &ledger.witness[..position];
        before.iter().any(|other| other.key == one.key)
    });
    if twice {
        wrong("[ledger] witness", "a witness is listed twice");
    }
    if !ledger
        .witness
        .iter()
        .all(|one| is_reachable(settings, &one.url))
    {
        wrong(
            "[ledger] witness",
            "an https:// address is needed; http:// only to a place of [net] allow_private",
        );
    }
    let (minute, week) = (Duration::from_secs(60), Duration::from_secs(7 * 24 * 3_600));
    if !(minute..=week).contains(&ledger.witness_every.duration()) {
        wrong("[ledger] witness_every", "between 1m and 7d");
    }
}
