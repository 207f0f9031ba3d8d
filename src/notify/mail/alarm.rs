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
    let mib = |free_mib: u64| i64::try_from(free_mib).unwrap_or(i64::MAX);
    match alarm {
        Alarm::ReadOnly => language.text(id("mail-machine-read-only")),
        Alarm::Writable => language.text(id("mail-machine-writable")),
        Alarm::Damaged => language.text(id("mail-machine-damaged")),
        Alarm::DiskLow { percent, free_mib } => language
            .with(id("mail-machine-disk-low"))
            .num("percent", mib(percent))
            .num("mib", mib(free_mib))
            .to_string(),
        Alarm::DiskFull { free_mib } => language
            .with(id("mail-machine-disk-full"))
            .num("mib", mib(free_mib))
            .to_string(),
    }
}
