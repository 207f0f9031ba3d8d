//! The certificate as the merchant sees it: how it is, and a new one now.

use serde_json::{Value, json};

use super::{
    CommandError, Context,
    doctor::{Finding, Level},
    times::shown,
};
use crate::{
    actions::Renewal, config::TlsMode, daemon::certificates::names, domain::renewal::hsts_max_age_s,
};

/// Everything that is known of it.
pub(super) fn show(context: &Context) -> Result<Value, CommandError> {
    let tls = &context.settings.tls;
    let renewal = renewal(context)?;
    let is_kept = tls.mode != TlsMode::SelfSigned;
    let is_overdue = is_kept && renewal.is_overdue(context.shop.now_ms());
    let served = renewal.served.as_ref().filter(|_| is_kept);
    let time = |at_ms: i64| shown(context, at_ms);
    let good = if is_kept { renewal.good_renewals } else { 0 };
    Ok(json!({
        "mode": mode(tls.mode),
        "names": served.map_or_else(|| names(&context.settings), |served| served.names.clone()),
        "wanted_names": names(&context.settings),
        // Nobody asks for a self-signed one.
        "is_as_wanted": is_kept.then(|| served.is_some() && renewal.fitting().is_some()),
        "authority": (tls.mode == TlsMode::Acme).then_some(&tls.acme_directory),
        "serial": served.map(|served| &served.serial),
        "good_from": served.map(|served| time(served.life.not_before_ms)),
        "good_until": served.map(|served| time(served.life.not_after_ms)),
        "next_attempt": next_ms(context, &renewal).map(|at_ms| match at_ms {
            ..=0 => "now".to_owned(),
            at_ms => time(at_ms),
        }),
        "under_way": renewal.asking_since_ms.is_some(),
        "failures": renewal.failures,
        "last_error": renewal.last_error,
        "overdue": is_overdue,
        "good_renewals": good,
        "hsts_max_age_s": hsts_max_age_s(served.and(renewal.fitting()).is_some(), good, is_overdue),
    }))
}

/// Asks for a new one now; the daemon fetches it.
pub(super) fn renew(context: &Context) -> Result<Value, CommandError> {
    if context.settings.tls.mode != TlsMode::Acme {
        return Err(CommandError::new(
            "mode",
            "the shop fetches no certificate: set [tls] mode = \"acme\"; files that changed are read again after `systemctl reload keystall`",
        ));
    }
    context
        .runtime
        .block_on(context.shop.ask_for_certificate())?;
    Ok(json!({"asked": true, "daemon": context.in_daemon}))
}

/// How it is, and what to do. None where the shop's own is all that is wanted: the command line says that.
pub(super) fn examine(context: &Context) -> Result<Option<Finding>, CommandError> {
    let tls = &context.settings.tls;
    if tls.mode == TlsMode::SelfSigned {
        return Ok(None);
    }
    let renewal = renewal(context)?;
    let now_ms = context.shop.now_ms();
    let until_ms = renewal
        .served
        .as_ref()
        .map(|served| served.life.not_after_ms);
    let mut message = match until_ms {
        None if tls.mode == TlsMode::Files => {
            return Ok(None);
        }
        None => "none of an authority yet: the self-signed one is served".to_owned(),
        Some(until_ms) if until_ms <= now_ms => {
            format!(
                "has run out at {} and is served still",
                shown(context, until_ms)
            )
        }
        Some(until_ms) => format!("good until {}", shown(context, until_ms)),
    };
    let wanted = names(&context.settings).join(", ");
    let names = match &renewal.served {
        Some(served) => served.names.join(", "),
        None => wanted.clone(),
    };
    message.push_str(&format!(" ({}, {names}", mode(tls.mode)));
    if tls.mode == TlsMode::Acme {
        message.push_str(&format!(", {}", tls.acme_directory));
    }
    message.push(')');
    let is_other = renewal.served.is_some() && renewal.fitting().is_none();
    if is_other {
        message.push_str(&format!(
            "; it is for other names, or of another authority, than those of the settings: one for {wanted} is to come"
        ));
    }
    match next_ms(context, &renewal) {
        Some(..=0) => message.push_str("; the next attempt is due"),
        Some(at_ms) => message.push_str(&format!("; next attempt {}", shown(context, at_ms))),
        None => {}
    }
    let is_overdue = renewal.is_overdue(now_ms);
    if let Some(error) = &renewal.last_error {
        let failures = renewal.failures;
        message.push_str(&format!(
            "; {failures} attempts failed, the last: {error}. Then `keystall certificate renew`"
        ));
    } else if is_overdue && tls.mode == TlsMode::Files {
        message.push_str("; renew the files, then `systemctl reload keystall`");
    }
    let level = match until_ms {
        _ if is_overdue => Level::Fail,
        Some(_) if renewal.failures == 0 && !is_other => Level::Ok,
        _ => Level::Warn,
    };
    Ok(Some(Finding::new("certificate", level, message)))
}

fn next_ms(context: &Context, renewal: &Renewal) -> Option<i64> {
    (context.settings.tls.mode == TlsMode::Acme).then(|| renewal.next_at_ms())
}

/// What is known of renewals, as far as it is of what the settings want.
fn renewal(context: &Context) -> Result<Renewal, CommandError> {
    let (mut renewal, tls) = (context.shop.renewal()?, &context.settings.tls);
    match tls.mode {
        TlsMode::Acme => {
            renewal.want(&tls.acme_directory, &names(&context.settings));
        }
        _ => renewal.wanted = None,
    }
    Ok(renewal)
}

fn mode(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Acme => "acme",
        TlsMode::Files => "files",
        TlsMode::SelfSigned => "self-signed",
    }
}
