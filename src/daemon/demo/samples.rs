//! The demo's goods and ways to pay.

use std::collections::BTreeMap;

use crate::{
    actions::{
        ChannelSettings, ProductChange, Shop,
        import_keys::{
            ImportRequest,
            decode::{Format, Options},
        },
    },
    domain::{ChannelName, Money, Secret, Slug, seams::random},
};

/// The merchant's id at the cashier.
pub(super) const PID: &str = "1001";
/// Ways to pay: a channel's name, and what epay calls it.
const CHANNELS: [(&str, &str); 2] = [("sandbox", "alipay"), ("sandbox-wx", "wxpay")];
const KEYS_EACH: usize = 240;
/// Crockford's digits: none is taken for another.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct Sample {
    slug: &'static str,
    title: &'static str,
    title_en: &'static str,
    price: &'static str,
    text: &'static str,
    /// Each `#` becomes a random letter or digit.
    key: &'static str,
}

const SAMPLES: [Sample; 5] = [
    Sample {
        slug: "steam-50",
        title: "Steam 钱包充值码 50 元",
        title_en: "Steam wallet code, 50 CNY",
        price: "49.90",
        key: "#####-#####-#####",
        text: "## 使用方法\n\n1. 登录 Steam 客户端，打开 **游戏 → 激活 Steam 钱包充值码**。\n2. 输入卡密，余额立即到账。\n\n> 仅限国区账户使用。演示商品，卡密无效。\n\n---\n\n**How to use:** open *Games → Redeem a Steam Wallet code* and enter the key. For accounts in China only. *A sample: the code is not real.*\n",
    },
    Sample {
        slug: "music-month",
        title: "音乐会员月卡",
        title_en: "Music membership, one month",
        price: "12.00",
        key: "MUSIC-####-####-####",
        text: "- 有效期 **31 天**，从兑换时开始计算\n- 手机与电脑通用\n- 卡密请在 2027-12-31 前兑换\n\n---\n\n- Valid for **31 days** from the day it is redeemed\n- Phone and computer\n\n*演示商品 / a sample, not real.*\n",
    },
    Sample {
        slug: "editor-license",
        title: "代码编辑器专业版授权",
        title_en: "Code editor, professional licence",
        price: "199.00",
        key: "CE9-########-########-########",
        text: "一人一码，终身使用当前大版本，支持三台设备。\n\nOne licence for one person, for all of the current major version, on three devices.\n\n| 系统 / system | 支持 / supported |\n|---|---|\n| Windows | ✓ |\n| macOS | ✓ |\n| Linux | ✓ |\n\n*演示商品 / a sample, not real.*\n",
    },
    Sample {
        slug: "course-rust",
        title: "《Rust 入门到实战》课程兑换码",
        title_en: "Rust from first steps to practice, course code",
        price: "68.00",
        key: "COURSE-######-######",
        text: "共 **42 讲**，附源码与练习。在课程网站的「兑换」页输入卡密即可观看。\n\n**42 lessons** with source code and exercises. Enter the code on the course's *Redeem* page.\n\n*演示商品 / a sample, not real.*\n",
    },
    Sample {
        slug: "penny",
        title: "一分钱试买",
        title_en: "Try it for one fen",
        price: "0.01",
        key: "PENNY-####-####",
        text: "从下单到拿到卡密只要几秒。付款在沙盒收银台完成，不会真的扣款。\n\nFrom the order to the key in seconds. The sandbox cashier takes no real money.\n",
    },
];

/// Fills a new shop, and points its channels to the cashier. Gives the key that they share.
pub(super) fn fill(shop: &Shop, cashier_url: &str) -> Result<Secret, String> {
    for sample in &SAMPLES {
        let slug = Slug::parse(sample.slug).map_err(text)?;
        if shop.product(&slug).map_err(text)?.is_none() {
            put(shop, &slug, sample)?;
        }
    }
    let channels = shop.channels().map_err(text)?;
    let known = channels
        .iter()
        .find_map(|channel| channel.secrets.get("key"));
    let key = known.cloned().unwrap_or_else(|| {
        let key: [u8; 16] = random(shop.vault().entropy());
        Secret::from(hex::encode(key))
    });
    for (name, kind) in CHANNELS {
        let name = ChannelName::parse(name).map_err(text)?;
        let wanted = channel(name.clone(), kind, cashier_url, &key);
        match channels.iter().find(|channel| channel.name == name) {
            Some(found) if found.settings == wanted.settings => continue,
            Some(_) => shop.remove_channel(&name).map_err(|error| {
                format!("{error}; or start the demo with the --cashier that it had before")
            })?,
            None => {}
        }
        shop.add_channel(&wanted).map_err(text)?;
    }
    Ok(key)
}

fn put(shop: &Shop, slug: &Slug, sample: &Sample) -> Result<(), String> {
    let change = ProductChange {
        title: Some(sample.title.to_owned()),
        title_en: Some(sample.title_en.to_owned()),
        price: Some(Money::parse(sample.price, shop.policy().currency).map_err(text)?),
        text: Some(sample.text.to_owned()),
        visible: Some(true),
    };
    shop.add_product(slug.clone(), change).map_err(text)?;
    let request = ImportRequest {
        product: slug.clone(),
        options: Options {
            format: Format::Txt,
            column: None,
        },
        pattern: None,
        dry_run: false,
    };
    let keys: String = (0..KEYS_EACH)
        .map(|_| key(shop, sample.key) + "\n")
        .collect();
    let imported = shop.import_keys(&request, keys.as_bytes(), |_, _| {});
    imported.map(drop).map_err(text)
}

fn key(shop: &Shop, pattern: &str) -> String {
    let drawn = |c: char| match c {
        '#' => {
            let [byte] = random::<1>(shop.vault().entropy());
            char::from(DIGITS[usize::from(byte) % DIGITS.len()])
        }
        c => c,
    };
    pattern.chars().map(drawn).collect()
}

fn channel(name: ChannelName, kind: &str, cashier_url: &str, key: &Secret) -> ChannelSettings {
    let settings = [("gateway", cashier_url), ("pid", PID), ("type", kind)];
    ChannelSettings {
        name,
        kind: "epay".to_owned(),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        secrets: BTreeMap::from([("key".to_owned(), key.clone())]),
        enabled: true,
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
