//! The demo's goods and ways to pay.

use std::collections::BTreeMap;

use crate::{
    actions::{
        CategoryChange, ChannelSettings, ProductChange, Shop,
        import_keys::{
            ImportRequest,
            decode::{Format, Options},
        },
        read_questions, render_picture,
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

/// Slug, title, English title, in the order of display.
const CATEGORIES: [(&str, &str, &str); 4] = [
    ("games", "游戏", "Games"),
    ("memberships", "会员", "Memberships"),
    ("software", "软件", "Software"),
    ("courses", "课程", "Courses"),
];

struct Sample {
    slug: &'static str,
    title: &'static str,
    title_en: &'static str,
    price: &'static str,
    category: Option<&'static str>,
    scope: &'static str,
    text: &'static str,
    instructions: &'static str,
    /// As [`read_questions`] takes them.
    questions: &'static str,
    support: &'static str,
    picture: Option<&'static [u8]>,
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
        category: Some("games"),
        scope: "国区 · China region",
        instructions: "1. 登录 Steam 客户端，打开 **游戏 → 激活 Steam 钱包充值码**。\n2. 输入卡密，余额立即到账。\n\n*In the client: Games → Redeem a Steam Wallet code, then enter the key.*\n",
        questions: "## 付款后多久到账？ How soon does it come?\n\n付款后几秒，卡密就在订单页面上。\n\nThe key is on the order's page seconds after the payment.\n\n## 外区账户能用吗？ Does it work for accounts elsewhere?\n\n不能，仅限国区账户。\n\nNo, for accounts in China only.\n",
        support: "",
        picture: Some(include_bytes!("../../../assets/demo/games.png")),
        text: "为 Steam 账户的钱包充值 **50 元**，可购买游戏、DLC 与市场物品。\n\n> 仅限国区账户使用。演示商品，卡密无效。\n\n---\n\nAdds **50 CNY** to a Steam wallet, for games, add-ons and the market. For accounts in China only. *A sample: the code is not real.*\n",
    },
    Sample {
        slug: "music-month",
        title: "音乐会员月卡",
        title_en: "Music membership, one month",
        price: "12.00",
        key: "MUSIC-####-####-####",
        category: Some("memberships"),
        scope: "手机 · 电脑 / phone, computer",
        instructions: "在应用的「我的 → 兑换中心」输入卡密，会员立即生效。\n\n*In the app: Me → Redeem, enter the key.*\n",
        questions: "## 已经是会员，时间会叠加吗？ I am a member already: is a month added?\n\n会，在原到期日之后延长 31 天。\n\nYes, 31 days after your present membership ends.\n",
        support: "music@demo.example",
        picture: Some(include_bytes!("../../../assets/demo/music.png")),
        text: "- 有效期 **31 天**，从兑换时开始计算\n- 手机与电脑通用\n- 卡密请在 2027-12-31 前兑换\n\n---\n\n- Valid for **31 days** from the day it is redeemed\n- Phone and computer\n\n*演示商品 / a sample, not real.*\n",
    },
    Sample {
        slug: "editor-license",
        title: "代码编辑器专业版授权",
        title_en: "Code editor, professional licence",
        price: "199.00",
        key: "CE9-########-########-########",
        category: Some("software"),
        scope: "Windows · macOS · Linux",
        instructions: "打开 **帮助 → 输入授权码**，粘贴卡密，重新启动。\n\n*Help → Enter licence, paste the key, restart.*\n",
        questions: "## 换电脑怎么办？ What if I change computers?\n\n在旧电脑上选择「帮助 → 停用」，再到新电脑上输入。\n\nChoose *Help → Deactivate* on the old one, then enter the key on the new one.\n\n## 能开发票吗？ Is there an invoice?\n\n演示商店不能。\n\nNot from a demo.\n",
        support: "",
        picture: Some(include_bytes!("../../../assets/demo/editor.png")),
        text: "一人一码，终身使用当前大版本，支持三台设备。\n\nOne licence for one person, for all of the current major version, on three devices.\n\n| 系统 / system | 支持 / supported |\n|---|---|\n| Windows | ✓ |\n| macOS | ✓ |\n| Linux | ✓ |\n\n*演示商品 / a sample, not real.*\n",
    },
    Sample {
        slug: "course-rust",
        title: "《Rust 入门到实战》课程兑换码",
        title_en: "Rust from first steps to practice, course code",
        price: "68.00",
        key: "COURSE-######-######",
        category: Some("courses"),
        scope: "网页 · 手机 / web, phone",
        instructions: "在课程网站登录后，打开「兑换」页输入卡密。\n\n*Sign in on the course's site, open Redeem, enter the code.*\n",
        questions: "## 课程会过期吗？ Does it expire?\n\n不会，买一次一直能看。\n\nNo. Buy once, watch as long as you like.\n",
        support: "",
        picture: Some(include_bytes!("../../../assets/demo/course.png")),
        text: "共 **42 讲**，附源码与练习。在课程网站的「兑换」页输入卡密即可观看。\n\n**42 lessons** with source code and exercises. Enter the code on the course's *Redeem* page.\n\n*演示商品 / a sample, not real.*\n",
    },
    Sample {
        slug: "penny",
        title: "一分钱试买",
        title_en: "Try it for one fen",
        price: "0.01",
        key: "PENNY-####-####",
        category: None,
        scope: "",
        instructions: "打开订单页面，复制卡密，就是这样。\n\n*Copy the key from the order's page: that is all.*\n",
        questions: "",
        support: "",
        picture: None,
        text: "从下单到拿到卡密只要几秒。付款在沙盒收银台完成，不会真的扣款。\n\nFrom the order to the key in seconds. The sandbox cashier takes no real money.\n",
    },
];

/// Fills a new shop, and points its channels to the cashier. Gives the key that they share.
pub(super) fn fill(shop: &Shop, cashier_url: &str) -> Result<Secret, String> {
    let known = shop.categories().map_err(text)?;
    for (at, (slug, title, title_en)) in (1..).zip(CATEGORIES) {
        let slug = Slug::parse(slug).map_err(text)?;
        if known.iter().any(|category| category.slug == slug) {
            continue;
        }
        let change = CategoryChange {
            title: Some(title.to_owned()),
            title_en: Some(title_en.to_owned()),
            position: Some(at),
        };
        shop.add_category(slug, change).map_err(text)?;
    }
    for (at, sample) in (1..).zip(&SAMPLES) {
        let slug = Slug::parse(sample.slug).map_err(text)?;
        if shop.product(&slug).map_err(text)?.is_none() {
            put(shop, &slug, sample, at)?;
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

fn put(shop: &Shop, slug: &Slug, sample: &Sample, position: i32) -> Result<(), String> {
    let category = sample.category.map(Slug::parse).transpose().map_err(text)?;
    let picture = sample
        .picture
        .map(render_picture)
        .transpose()
        .map_err(text)?;
    let change = ProductChange {
        title: Some(sample.title.to_owned()),
        title_en: Some(sample.title_en.to_owned()),
        price: Some(Money::parse(sample.price, shop.policy().currency).map_err(text)?),
        text: Some(sample.text.to_owned()),
        instructions: Some(sample.instructions.to_owned()),
        scope: Some(sample.scope.to_owned()),
        questions: Some(read_questions(sample.questions).map_err(text)?),
        support: Some(sample.support.to_owned()),
        category: Some(category),
        position: Some(position),
        picture: Some(picture),
        visible: Some(true),
    };
    shop.add_product(slug.clone(), change).map_err(text)?;
    let request = ImportRequest {
        product: slug.clone(),
        options: Options {
            format: Format::Txt,
            column: None,
            named_table: false,
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
