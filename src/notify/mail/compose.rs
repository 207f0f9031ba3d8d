//! From a promise to a message: whom it goes to, in which words, with what in it.

use jiff::tz::TimeZone;

use super::kind::{MailKind, Placeholder};
use super::message::{Attached, Built, Draft, MessageError, Sender, address};
use super::template::Template;
use super::texts::own_template;
use super::written::{Frame, Values, Written, write};
use crate::actions::{INBOX_LINK_MS, Letter, Shop};
use crate::domain::{Effect, EffectKind, Money, Order, OrderState, Reason, Via};
use crate::store::Fault;
use crate::words::language::id;
use crate::words::{Language, format, theme::Accents};

/// What the merchant decided about mails.
#[derive(Clone, Debug)]
pub struct MailPolicy {
    /// The shop's address in links, `https://HOST`.
    pub origin: String,
    /// The shop's name.
    pub title: String,
    /// The sender's address.
    pub from: String,
    /// The sender's name.
    pub from_name: String,
    /// Where the merchant reads mail.
    pub merchant: Option<String>,
    /// Where an auditor keeps checkpoints of the ledger.
    pub auditor: Option<String>,
    /// How buyers reach the merchant.
    pub support: Option<String>,
    /// The merchant's language, and that of buyers whose own is not known.
    pub language: Language,
    /// In which times are shown.
    pub zone: TimeZone,
    /// Whether mails hold the keys themselves.
    pub keys: bool,
    /// The shop's colour.
    pub accents: Accents,
}

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The store.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The text.
    #[error(
        "the text of \"{0}\" cannot be used: `keystall notify template reset` takes the shop's own"
    )]
    Text(&'static str),
}

/// Buyers in a row that could not be told before the alarm.
pub const NOT_TOLD_AT: usize = 10;

/// The message of `effect`; none where nobody is to be told, or nothing any more.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(
    policy: &MailPolicy,
    shop: &Shop,
    effect: &Effect,
) -> Result<Option<Built>, ComposeError> {
    let Some(kind) = MailKind::of(effect.kind, effect.via) else {
        return Ok(None);
    };
    let Some(letter) = shop.letter(effect)? else {
        return Ok(None);
    };
    if is_past(shop, effect, &letter)? {
        return Ok(None);
    }
    let to = match effect.via {
        Via::BuyerMail => letter.to.as_ref().map(|to| to.expose().to_owned()),
        Via::AuditorMail => policy.auditor.clone(),
        _ => policy.merchant.clone(),
    };
    let Some(to) = to.filter(|to| to.contains('@')) else {
        return Ok(None);
    };
    let tag = letter.language.as_deref();
    let language = tag.and_then(Language::parse).unwrap_or(policy.language);
    let written = letter_written(policy, shop, kind, language, effect, &letter)?;
    let from = Sender::new(&policy.from, &policy.from_name, reply_to(policy, &letter))?;
    let draft = Draft {
        from: &from,
        to: &to,
        written: &written,
        id: &message_id(&shop.chain().origin(), effect.id),
        at_ms: shop.now_ms(),
        attached: attached(letter),
    };
    Ok(Some(draft.build()?))
}

/// The text of a kind: the merchant's own where there is one that can be used, else the shop's.
///
/// # Errors
/// [`ComposeError`].
pub fn text_of(shop: &Shop, kind: MailKind, language: Language) -> Result<Template, ComposeError> {
    if let Some(stored) = shop.template(kind.as_str(), language.tag())? {
        match Template::parse(kind, &stored.subject, &stored.body) {
            Ok(template) => return Ok(template),
            Err(error) => {
                tracing::warn!(kind = kind.as_str(), language = language.tag(), %error, "a mail's own text cannot be used: the shop's is taken");
            }
        }
    }
    own_template(kind, language).map_err(|_| ComposeError::Text(kind.as_str()))
}

/// Writes `values` into the text of `kind`.
///
/// # Errors
/// [`ComposeError`].
pub fn written(
    policy: &MailPolicy,
    shop: &Shop,
    kind: MailKind,
    language: Language,
    values: &Values,
) -> Result<Written, ComposeError> {
    let template = text_of(shop, kind, language)?;
    Ok(write(&template, values, &frame(policy, kind, language)))
}

/// What stands around a mail of `kind`.
pub fn frame(policy: &MailPolicy, kind: MailKind, language: Language) -> Frame<'_> {
    Frame {
        shop: &policy.title,
        language,
        to_buyer: kind.is_to_buyer(),
        accents: policy.accents,
    }
}

/// The id of an effect's mails without `<>`: the same in every attempt, also after the shop moved to another host, and
/// another in every shop.
pub fn message_id(chain: &str, effect: u64) -> String {
    let shop = hex::encode(&blake3::hash(chain.as_bytes()).as_bytes()[..8]);
    format!("e{effect}.{shop}@{}", id_host(chain))
}

/// The right side of a message id: the host that the chain began under. An address of the network stands in brackets
/// (RFC 5322, section 3.6.4).
pub fn id_host(chain: &str) -> String {
    let host = chain.split_once('/').map_or(chain, |(host, _)| host);
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    }
}

/// Values that every mail has.
pub fn common(policy: &MailPolicy, at_ms: i64) -> Values {
    let mut values = Values::default();
    values.set(Placeholder::Shop, policy.title.as_str());
    values.set(Placeholder::Time, format::time(at_ms, &policy.zone).shown);
    if let Some(support) = &policy.support {
        values.set(Placeholder::Support, support.as_str());
    }
    values
}

/// Values of an order, in `language`.
pub fn of_order(values: &mut Values, kind: MailKind, language: Language, order: &Order) {
    values.set(Placeholder::Order, order.id.to_string());
    values.set(Placeholder::Product, order.title.as_str());
    values.set(Placeholder::Quantity, order.quantity.to_string());
    values.set(Placeholder::Amount, format::money(order.told(), language));
    values.set(Placeholder::Channel, order.channel.as_str());
    if order.owed() > 0 {
        let owed = Money::new(order.owed(), order.total.currency);
        values.set(Placeholder::Refund, format::money(owed, language));
    }
    if let Some(reason) = order.reason {
        values.set(Placeholder::Reason, self::reason(reason, kind, language));
    }
}

fn letter_written(
    policy: &MailPolicy,
    shop: &Shop,
    kind: MailKind,
    language: Language,
    effect: &Effect,
    letter: &Letter,
) -> Result<Written, ComposeError> {
    let order = letter.order.as_ref();
    let at_ms = order
        .filter(|_| kind != MailKind::NotTold)
        .map(|order| order.paid_at_ms.unwrap_or(order.created_at_ms()));
    let mut values = common(policy, at_ms.unwrap_or(effect.promised_at_ms));
    values.set(Placeholder::Count, NOT_TOLD_AT.to_string());
    if let Some(checkpoint) = &letter.checkpoint {
        values.set(Placeholder::Entries, checkpoint.size.to_string());
    }
    if let Some(alarm) = &letter.certificate {
        values.set(Placeholder::Reason, alarm.reason.as_str());
        if let Some(until_ms) = alarm.until_ms {
            values.set(
                Placeholder::Until,
                format::time(until_ms, &policy.zone).shown,
            );
        }
    }
    if let Some(alarm) = &letter.backup {
        values.set(Placeholder::Reason, alarm.reason.as_str());
    }
    if let Some(path) = &letter.path {
        values.set(Placeholder::Link, format!("{}{path}", policy.origin));
    }
    if let Some(product) = &letter.product {
        values.set(Placeholder::Product, product.title.as_str());
        values.set(Placeholder::Amount, format::money(product.price, language));
        values.set(Placeholder::Instructions, product.instructions.as_str());
        if let Some(scope) = &product.scope {
            values.set(Placeholder::Scope, scope.as_str());
        }
        if let Some(support) = &product.support {
            values.set(Placeholder::Support, support.as_str());
        }
    }
    if let Some(order) = order {
        of_order(&mut values, kind, language, order);
    }
    // An order keeps the title under which it was bought, unless that has an English form still.
    if let Some(product) = &letter.product
        && let Some(english) = &product.title_en
        && language == Language::english()
        && order.is_none_or(|order| order.title == product.title)
    {
        values.set(Placeholder::Product, english.as_str());
    }
    if policy.keys && kind.is_to_buyer() {
        let keys: Vec<&str> = letter
            .keys
            .iter()
            .filter_map(|key| key.expose_str())
            .collect();
        values.set(Placeholder::Keys, keys.join("\n"));
    }
    written(policy, shop, kind, language, &values)
}

/// Whether what was to be told is not so any more: nothing worthless is sent.
fn is_past(shop: &Shop, effect: &Effect, letter: &Letter) -> Result<bool, Fault> {
    let state = letter.order.as_ref().map(|order| order.state);
    Ok(match effect.kind {
        EffectKind::OrderQueued => state != Some(OrderState::Paid),
        EffectKind::OrderReminder | EffectKind::OrderUnread => state != Some(OrderState::Delivered),
        EffectKind::RefundDue => letter.order.as_ref().is_none_or(|order| order.owed() == 0),
        EffectKind::InboxLink => {
            // The link in it would not open any more.
            letter.path.is_none() || shop.now_ms() >= effect.promised_at_ms + INBOX_LINK_MS
        }
        EffectKind::BackInStock => match &letter.product {
            Some(product) => !product.visible || shop.stock(&product.slug)?.available == 0,
            None => true,
        },
        _ => false,
    })
}

fn attached(letter: Letter) -> Option<Attached> {
    if let Some(checkpoint) = letter.checkpoint {
        return Some(Attached {
            name: "checkpoint.txt".to_owned(),
            bytes: checkpoint.note.into_bytes(),
        });
    }
    let order = letter.order?;
    Some(Attached {
        name: format!("keystall-receipt-{}.txt", order.id),
        bytes: letter.receipt?.into_bytes(),
    })
}

/// Where answers go: to who helps with the product, else to who helps in the shop, where that is a mail address.
fn reply_to<'a>(policy: &'a MailPolicy, letter: &'a Letter) -> Option<&'a str> {
    let product = letter
        .product
        .as_ref()
        .and_then(|product| product.support.as_deref());
    let known = [product, policy.support.as_deref()];
    let mut known = known.into_iter().flatten().map(str::trim);
    known.find(|text| address(text).is_ok())
}

fn reason(reason: Reason, kind: MailKind, language: Language) -> String {
    let [buyer, merchant] = match reason {
        Reason::NoStock => [id("mail-buyer-no-stock"), id("mail-merchant-no-stock")],
        Reason::Review => [id("mail-buyer-review"), id("mail-merchant-review")],
        Reason::Late => [id("mail-buyer-late"), id("mail-merchant-late")],
        Reason::Short => [id("mail-buyer-short"), id("mail-merchant-short")],
        Reason::Over => [id("mail-buyer-over"), id("mail-merchant-over")],
        Reason::Surplus => [id("mail-buyer-surplus"), id("mail-merchant-surplus")],
        Reason::ProviderDisagrees => [id("mail-buyer-disagrees"), id("mail-merchant-disagrees")],
        Reason::ByHand | Reason::Given => [id("mail-buyer-by-hand"), id("mail-merchant-by-hand")],
    };
    language.text(if kind.is_to_buyer() { buyer } else { merchant })
}
