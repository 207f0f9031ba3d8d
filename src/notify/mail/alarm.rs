//! The mail of an alarm about the machine.

use super::compose::{ComposeError, MailPolicy, common, id_host, written};
use super::kind::{MailKind, Placeholder};
use super::message::{Built, Draft, MessageError, Sender};
use crate::actions::Shop;
use crate::notify::Alarm;
use crate::words::Language;
use crate::words::language::id;

/// An alarm and when it was raised, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarmed {
    /// What is wrong.
    pub alarm: Alarm,
    /// Since when.
    pub at_ms: i64,
}

/// The mail to the merchant; the same id in every attempt.
///
/// # Errors
/// [`ComposeError`]; also where no merchant's address is set up.
pub fn alarm_mail(
    policy: &MailPolicy,
    shop: &Shop,
    alarmed: &Alarmed,
) -> Result<Built, ComposeError> {
    let to = policy.merchant.as_deref().ok_or(MessageError::Address)?;
    let mut values = common(policy, alarmed.at_ms);
    values.set(
        Placeholder::Reason,
        sentence(alarmed.alarm, policy.language),
    );
    let written = written(policy, shop, MailKind::Machine, policy.language, &values)?;
    let from = Sender::new(&policy.from, &policy.from_name, None)?;
    let draft = Draft {
        from: &from,
        to,
        written: &written,
        id: &format!(
            "{}.{}@{}",
            alarmed.alarm.as_str(),
            alarmed.at_ms,
            id_host(&shop.chain().origin())
        ),
        at_ms: alarmed.at_ms,
        attached: None,
    };
    Ok(draft.build()?)
}

/// The alarm in one sentence.
pub(super) fn sentence(alarm: Alarm, language: Language) -> String {
    let num = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    match alarm {
        Alarm::ReadOnly => language.text(id("mail-machine-read-only")),
        Alarm::Writable { failures } => language
            .with(id("mail-machine-writable"))
            .num("failures", num(failures))
            .to_string(),
        Alarm::Damaged => language.text(id("mail-machine-damaged")),
        Alarm::Unreadable => language.text(id("mail-machine-unreadable")),
        Alarm::DiskLow { percent, free_mib } => language
            .with(id("mail-machine-disk-low"))
            .num("percent", num(percent))
            .num("mib", num(free_mib))
            .to_string(),
        Alarm::DiskFull { free_mib } => language
            .with(id("mail-machine-disk-full"))
            .num("mib", num(free_mib))
            .to_string(),
    }
}
