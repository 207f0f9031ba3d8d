//! Golden vectors of each released record: never edited, only added to. A change that breaks one needs a new record version.

use super::*;
use crate::domain::{
    AddressPrefix, AfterSale, Category, Effect, EffectKind, EntryAt, Holder, HostPrefix, Notice,
    Order, OrderId, OrderState, Payment, PaymentOutcome, Picture, Pool, Product, ProductKind,
    Question, Reason, Refund, Replacement, SlotRef, Span, Verdict, Via,
};
use crate::store::Head;
use crate::store::codec::{Record, decode, encode};

const VECTORS: &str = include_str!("golden.txt");

/// Holds `record` against the vector of its name, and the vector against its reading.
fn check<R: Record>(name: &str, record: &R) {
    let bytes = encode(record);
    let vector = VECTORS
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert_eq!(Some(hex::encode(&bytes).as_str()), vector, "{name}");
    let again: R = decode(&bytes).unwrap();
    assert_eq!(encode(&again), bytes, "{name} reads back");
    assert!(
        decode::<R>(&[bytes.as_slice(), &[0]].concat()).is_err(),
        "{name}: nothing may follow"
    );
    assert!(
        decode::<R>(&bytes[..bytes.len() - 1]).is_err(),
        "{name}: nothing may be missing"
    );
    assert!(
        decode::<R>(&[&[99], &bytes[1..]].concat()).is_err(),
        "{name}: an unknown version"
    );
}

fn order() -> Order {
    Order {
        id: OrderId(7_529_536_413_696_001_234),
        product: slug("steam-20").unwrap(),
        title: "Steam 充值卡 20".into(),
        quantity: 2,
        total: money(3_980, "CNY").unwrap(),
        channel: channel("main").unwrap(),
        state: OrderState::Delivered,
        reason: Some(Reason::Over),
        clear_note: Some("by hand".into()),
        expires_at_ms: 1_795_235_400_000,
        paid_at_ms: Some(1_795_233_700_000),
        delivered_at_ms: Some(1_795_233_700_001),
        slots: vec![
            SlotRef { batch: 0, index: 3 },
            SlotRef {
                batch: 1,
                index: 300,
            },
        ],
        holder: Holder {
            contact: [1; 16],
            address: AddressPrefix([2; 8]),
            host: HostPrefix([3; 8]),
        },
        payments: vec![Payment {
            channel: channel("main").unwrap(),
            fingerprint: [4; 16],
            amount: 4_000,
            at_ms: 1_795_233_700_000,
            outcome: PaymentOutcome::Settled { surplus: 20 },
            returned: 20,
            refunded: 1_990,
        }],
        sale: Some(EntryAt::new(0, 42)),
        after: AfterSale {
            refunds: vec![Refund {
                amount: 1_990,
                why: "bad".into(),
                at_ms: 1_795_233_800_000,
                entry: Some(EntryAt::new(0, 43)),
            }],
            replacements: vec![Replacement {
                entry: EntryAt::new(0, 44),
                out: vec![SlotRef { batch: 0, index: 2 }],
                why: "leaked".into(),
                at_ms: 1_795_233_900_000,
            }],
        },
        month: "2026-11".into(),
        wrapped_key: vec![5; 8],
        private: vec![6; 8],
        delivery: vec![7; 8],
    }
}

#[test]
fn records_of_orders_lie_on_disk_as_they_were_released() {
    check("order/2", &OrderV2::from(&order()));
    let again =
        Order::try_from(decode::<OrderV2>(&encode(&OrderV2::from(&order()))).unwrap()).unwrap();
    assert_eq!(again, order());
    let transactions = vec![([4; 16], "main".into(), "2016080622555342651".into())];
    let password = Some(([8; 16], [9; 32]));
    check(
        "order_private/3",
        &OrderPrivate {
            contact: "li@example.com".into(),
            second: Some("13800138000".into()),
            password,
            language: "zh-CN".into(),
            transactions,
            note: Some("by hand".into()),
        },
    );
    let keys = vec![DeliveredKey {
        slot: (0, 3),
        salt: [10; 32],
        key: b"KEY-1".to_vec(),
    }];
    check(
        "delivery/2",
        &DeliveryContent {
            keys,
            buyer_salt: [11; 32],
            pay_salt: [12; 32],
            pay: "main\n1".into(),
            more: 0,
            replaced: vec![DeliveredKey {
                slot: (0, 2),
                salt: [24; 32],
                key: b"KEY-0".to_vec(),
            }],
        },
    );
}

/// The bytes of a record of an earlier version.
fn earlier(name: &str) -> Vec<u8> {
    let found = VECTORS
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    hex::decode(found.unwrap()).unwrap()
}

#[test]
fn records_of_earlier_versions_are_read_as_what_they_said() {
    let product = Product::try_from(decode::<ProductV2>(&earlier("product/1")).unwrap()).unwrap();
    assert_eq!(product.title, "Steam 充值卡 20");
    assert_eq!((product.questions, product.picture), (vec![], None));
    let effect = Effect::try_from(decode::<EffectV2>(&earlier("effect/1")).unwrap()).unwrap();
    assert_eq!((effect.via, effect.order), (Via::Webhook, Some(OrderId(7))));
    let private = decode::<OrderPrivate>(&earlier("order_private/1")).unwrap();
    assert_eq!(private.contact, "li@example.com");
    assert_eq!((private.second, private.note), (None, None));
    let private = decode::<OrderPrivate>(&earlier("order_private/2")).unwrap();
    assert_eq!(private.second.as_deref(), Some("13800138000"));
    assert_eq!((private.transactions.len(), private.note), (1, None));
    let old = Order::try_from(decode::<OrderV2>(&earlier("order/1")).unwrap()).unwrap();
    assert_eq!((old.payments[0].returned, old.payments[0].refunded), (0, 0));
    assert_eq!((old.sale, old.after), (order().sale, AfterSale::default()));
    let content = decode::<DeliveryContent>(&earlier("delivery/1")).unwrap();
    assert_eq!((content.keys.len(), content.replaced.len()), (1, 0));
    let pool = Pool::try_from(decode::<PoolV2>(&earlier("pool/1")).unwrap()).unwrap();
    assert_eq!((pool.available, pool.sold, pool.withheld), (496, 3, 0));
    let head = decode::<Head>(&earlier("head/1")).unwrap();
    assert_eq!((head.commit, head.size), (9, 3));
    assert_eq!((head.generation, head.signs_above), (0, 0));
    for name in [
        "product/1",
        "effect/1",
        "order_private/1",
        "order_private/2",
        "pool/1",
        "head/1",
    ] {
        let bytes = earlier(name);
        assert!(decode::<PoolV2>(&[&bytes[..], &[0]].concat()).is_err());
        assert!(decode::<Head>(&[&bytes[..], &[0]].concat()).is_err());
        assert!(decode::<ProductV2>(&[&bytes[..], &[0]].concat()).is_err());
        assert!(decode::<EffectV2>(&[&bytes[..], &[0]].concat()).is_err());
        assert!(decode::<OrderPrivate>(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn records_of_messages_and_the_window_lie_on_disk_as_they_were_released() {
    check(
        "category/1",
        &CategoryV1::from(&Category {
            slug: slug("games").unwrap(),
            title: "游戏".into(),
            title_en: Some("Games".into()),
            position: 1,
        }),
    );
    check(
        "wish/1",
        &Wish {
            contact: "li@example.com".into(),
            language: "zh-CN".into(),
            made_at_ms: 1_795_233_600_000,
        },
    );
    check(
        "letter/1",
        &LetterContent {
            contact: "li@example.com".into(),
            language: "zh-CN".into(),
            product: Some("steam-20".into()),
        },
    );
    check(
        "told/1",
        &ToldV1::from(Told {
            kind: EffectKind::OrderReminder,
            via: Via::BuyerMail,
            at_ms: 1_795_233_600_000,
        }),
    );
    check(
        "template/1",
        &Template {
            subject: "发货".into(),
            body: "{卡密}".into(),
        },
    );
}

#[test]
fn records_of_goods_lie_on_disk_as_they_were_released() {
    let product = Product {
        slug: slug("steam-20").unwrap(),
        kind: ProductKind::Pool,
        title: "Steam 充值卡 20".into(),
        title_en: Some("Steam card 20".into()),
        price: money(1_990, "CNY").unwrap(),
        text: "# 说明".into(),
        instructions: "1. 打开".into(),
        scope: Some("中国大陆".into()),
        questions: vec![Question {
            question: "能退吗？".into(),
            answer: "未使用可退。".into(),
        }],
        support: Some("help@example.com".into()),
        category: Some(slug("games").unwrap()),
        position: -3,
        picture: Some(Picture {
            id: [23; 16],
            width: 960,
            height: 540,
        }),
        visible: true,
        created_at_ms: 1_795_233_600_000,
    };
    check("product/2", &ProductV2::from(&product));
    let spans = vec![Span {
        batch: 0,
        next: 4,
        count: 500,
    }];
    let pool = Pool {
        slug: slug("steam-20").unwrap(),
        available: 496,
        reserved: 1,
        sold: 3,
        void: 0,
        spans,
        withheld: 7,
        withheld_spans: vec![Span {
            batch: 1,
            next: 2,
            count: 9,
        }],
        wrapped_key: vec![13; 8],
    };
    check("pool/2", &PoolV2::from(&pool));
    check(
        "batch/1",
        &Batch {
            slug: "steam-20".into(),
            count: 500,
            root: [14; 32],
            seq: 1,
            imported_at_ms: 1_795_233_600_000,
        },
    );
    check(
        "staging/1",
        &Staging {
            batch: 1,
            count: 1_000,
        },
    );
    check(
        "slot/1",
        &SlotRow {
            fingerprint: [15; 16],
            sealed: vec![16; 8],
        },
    );
    check("held/1", &Held::Reserved(7));
    check(
        "channel/1",
        &Channel {
            kind: "epay".into(),
            settings: vec![("pid".into(), "1001".into())],
            secrets: vec![("key".into(), vec![17; 8])],
            enabled: true,
            created_at_ms: 1_795_233_600_000,
        },
    );
}

#[test]
fn records_of_the_ledger_and_the_outbox_lie_on_disk_as_they_were_released() {
    check(
        "entry/1",
        &EntryRow {
            line: b"{}".to_vec(),
            nodes: vec![[18; 32]],
        },
    );
    let head = Head {
        commit: 9,
        size: 3,
        hash: [19; 32],
        t_ms: 1_795_233_600_000,
        peaks: vec![[20; 32]],
        ..Head::default()
    };
    check("head/2", &head);
    check(
        "generation/1",
        &Generation {
            origin: "shop.example/0123abcd".into(),
            root_vkey: "root".into(),
            keys: vec![(0, "first".into()), (300, "second".into())],
            ended: Some(Ended {
                size: 300,
                hash: [17; 32],
                signed: 310,
                at_ms: 1_795_233_600_000,
            }),
        },
    );
    check(
        "opening/1",
        &Opening {
            salt: [25; 32],
            who: "owner".into(),
            text: "channel main added".into(),
        },
    );
    let months = vec![MonthDue {
        label: "2026-11.1".into(),
        since_ms: 1_795_233_600_000,
    }];
    check("months_due/1", &MonthsDue { months });
    check(
        "anchoring/1",
        &Anchoring {
            since_ms: 1_795_233_600_000,
            asked: Some((1, 310)),
            done: Some((0, 300)),
            done_at_ms: 1_795_233_600_001,
            attempts: 2,
            due_at_ms: 1_795_233_700_000,
            last_error: Some("503".into()),
        },
    );
    let effect = Effect {
        id: 5,
        kind: EffectKind::RefundDue,
        via: Via::MerchantMail,
        order: Some(OrderId(7)),
        content: vec![22; 4],
        promised_at_ms: 1_795_233_600_000,
        attempts: 2,
        due_at_ms: Some(1_795_233_700_000),
        last_error: Some("503".into()),
    };
    check("effect/2", &EffectV2::from(&effect));
    let notice = Notice {
        channel: channel("main").unwrap(),
        order: Some(OrderId(7)),
        received_at_ms: 1_795_233_600_000,
        verdict: Verdict::Short,
        why: "refused: 0.01 paid, 19.90 expected".into(),
        raw: vec![21; 8],
    };
    check("notice/1", &NoticeV1::from(&notice));
}
