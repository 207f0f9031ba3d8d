//! Mails with invented content, for the merchant to look at, and the mail of the test.

use super::alarm::sentence;
use super::compose::{ComposeError, MailPolicy, common, frame, id_host, of_order, written};
use super::kind::{MailKind, Placeholder};
use super::message::{Built, Draft, Sender};
use super::template::Template;
use super::written::{Values, Written, write};
use crate::actions::Shop;
use crate::domain::{
    AddressPrefix, AfterSale, ChannelName, Currency, Holder, HostPrefix, Money, Order, OrderId,
    OrderState, Payment, PaymentOutcome, Reason, Slug,
};
use crate::notify::Alarm;
use crate::words::{Language, format};

/// How a mail of `kind` looks in `language`, with an invented order; by `template`, or the text that is in use now.
///
/// # Errors
/// [`ComposeError`].
pub fn preview(
    policy: &MailPolicy,
    shop: &Shop,
    kind: MailKind,
    language: Language,
    template: Option<&Template>,
) -> Result<Written, ComposeError> {
    let values = samples(policy, kind, language, shop.now_ms());
    match template {
        Some(template) => Ok(write(template, &values, &frame(policy, kind, language))),
        None => written(policy, shop, kind, language, &values),
    }
}

/// The mail that tells `to` that mail works. `nonce` makes its id one of its own.
///
/// # Errors
/// [`ComposeError`].
pub fn test_mail(
    policy: &MailPolicy,
    shop: &Shop,
    to: &str,
    nonce: u64,
) -> Result<Built, ComposeError> {
    let mut values = common(policy, shop.now_ms());
    values.set(Placeholder::Link, policy.origin.as_str());
    let written = written(policy, shop, MailKind::Test, policy.language, &values)?;
    let from = Sender::new(&policy.from, &policy.from_name, None)?;
    let draft = Draft {
        from: &from,
        to,
        written: &written,
        id: &format!(
            "t{}.{nonce:016x}@{}",
            shop.now_ms(),
            id_host(&shop.chain().origin())
        ),
        at_ms: shop.now_ms(),
        attached: None,
    };
    Ok(draft.build()?)
}

fn samples(policy: &MailPolicy, kind: MailKind, language: Language, now_ms: i64) -> Values {
    let mut values = common(policy, now_ms);
    let english = language == Language::english();
    let in_words = |english_words: &'static str, chinese: &'static str| {
        if english { english_words } else { chinese }
    };
    let path = match kind {
        MailKind::BackInStock => "/p/steam-50",
        MailKind::InboxLink => "/inbox/EXAMPLE",
        MailKind::Test => "",
        _ => "/o/EXAMPLE",
    };
    values.set(Placeholder::Link, format!("{}{path}", policy.origin));
    values.set(Placeholder::Count, super::compose::NOT_TOLD_AT.to_string());
    values.set(Placeholder::Entries, "1234");
    if kind == MailKind::Backup {
        values.set(
            Placeholder::Reason,
            "/mnt/backup: No such file or directory (os error 2)",
        );
    }
    if kind == MailKind::Certificate {
        let until_ms = now_ms + 48 * 3_600_000;
        values.set(
            Placeholder::Until,
            format::time(until_ms, &policy.zone).shown,
        );
        values.set(
            Placeholder::Reason,
            "the authority cannot connect to shop.example: let ports 80 and 443 through the firewall",
        );
    }
    if kind == MailKind::Machine {
        let alarm = Alarm::DiskLow {
            percent: 9,
            free_mib: 2_200,
        };
        values.set(Placeholder::Reason, sentence(alarm, language));
    }
    values.set(
        Placeholder::Scope,
        in_words("China region, Windows and macOS", "国区，Windows 与 macOS"),
    );
    values.set(
        Placeholder::Instructions,
        in_words(
            "1. Open **Steam** and sign in\n2. *Add funds*, then *Redeem a gift card*\n3. Enter the key as it is",
            "1. 打开 **Steam** 并登录\n2. 选择“账户”→“兑换 Steam 钱包充值码”\n3. 原样输入卡密",
        ),
    );
    if policy.keys {
        values.set(Placeholder::Keys, "EXMPL-8K2QF-N3V7T\nEXMPL-5WD9H-P6R4X");
    }
    if policy.support.is_none() {
        values.set(Placeholder::Support, "help@example.com");
    }
    if let Some(order) = sample_order(
        kind,
        in_words("Steam card 50", "Steam 充值卡 50 元"),
        now_ms,
    ) {
        of_order(&mut values, kind, language, &order);
        // That mail names the price of one, not an order's.
        let shown = match kind {
            MailKind::BackInStock => Money::new(order.total.amount / 2, order.total.currency),
            _ => order.total,
        };
        values.set(Placeholder::Amount, format::money(shown, language));
    }
    values
}

fn sample_order(kind: MailKind, title: &str, now_ms: i64) -> Option<Order> {
    let reason = match kind {
        MailKind::Queued | MailKind::MerchantQueued => Some(Reason::NoStock),
        MailKind::RefundDue | MailKind::MerchantRefundDue => Some(Reason::Surplus),
        MailKind::Disputed => Some(Reason::ProviderDisagrees),
        _ => None,
    };
    let channel = ChannelName::parse("alipay").ok()?;
    let total = Money::new(9_960, Currency::CNY);
    let payment = Payment {
        channel: channel.clone(),
        fingerprint: [0; 16],
        amount: total.amount,
        at_ms: now_ms,
        outcome: PaymentOutcome::Surplus,
        returned: 0,
        refunded: 0,
    };
    Some(Order {
        id: OrderId::at(now_ms, 7),
        product: Slug::parse("steam-50").ok()?,
        title: title.to_owned(),
        quantity: 2,
        total,
        channel,
        state: OrderState::Delivered,
        reason,
        clear_note: None,
        expires_at_ms: now_ms,
        paid_at_ms: Some(now_ms),
        delivered_at_ms: Some(now_ms),
        slots: Vec::new(),
        holder: Holder {
            contact: [0; 16],
            address: AddressPrefix([0; 8]),
            host: HostPrefix([0; 8]),
        },
        payments: reason
            .filter(|reason| *reason == Reason::Surplus)
            .map(|_| payment)
            .into_iter()
            .collect(),
        sale: None,
        after: AfterSale::default(),
        month: String::new(),
        wrapped_key: Vec::new(),
        private: Vec::new(),
        delivery: Vec::new(),
    })
}
