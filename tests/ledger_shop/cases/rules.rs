//! Exports whose entries break a rule, or are silent for too long.

use super::*;

pub fn rules() -> Vec<ExportCase> {
    let r = R;
    vec![
        after(1, "a slot sold twice", |shop| {
            shop.sell("C00001", "game-key", 1, "0:1", &[]);
        }),
        after(1, "a void slot sold", |shop| {
            shop.sell("C00001", "game-key", 1, "0:7", &[]);
        }),
        after(1, "a slot of a batch never imported", |shop| {
            shop.sell("C00001", "game-key", 1, "3:0", &[]);
        }),
        after(1, "a slot above its batch's count", |shop| {
            shop.sell("C00001", "game-key", 1, "2:2", &[]);
        }),
        after(1, "a range of slots far above its batch's count", |shop| {
            shop.sell("C00001", "game-key", 1, "2:0-9007199254740991", &[]);
        }),
        after(1, "a slot of another sku", |shop| {
            shop.sell("C00001", "gift-card", 1, "2:0", &[]);
        }),
        after(1, "fewer slots than qty", |shop| {
            shop.sell("C00001", "game-key", 2, "2:0", &[]);
        }),
        after(1, "more slots than qty", |shop| {
            shop.sell("C00001", "game-key", 1, "2:0", &["2:1"]);
        }),
        after(1, "slots that do not follow their sale", |shop| {
            shop.commit(Body::Slots {
                sale: 4,
                slots: slots("2:0"),
                r,
            });
        }),
        after(1, "a batch number left out", |shop| {
            let keys = Hash([1; 32]);
            shop.commit(Body::Stock {
                batch: 4,
                count: 1,
                keys,
                sku: "game-key",
                r,
            });
        }),
        after(1, "refunds above the sale", |shop| {
            shop.commit(Body::Refund {
                sale: 3,
                amt: 1,
                cur: "CNY",
                why: Why::Other,
                r,
            });
        }),
        after(1, "a refund in another currency", |shop| {
            shop.commit(Body::Refund {
                sale: 4,
                amt: 1,
                cur: "USD",
                why: Why::Other,
                r,
            });
        }),
        after(1, "a refund of what is no sale", |shop| {
            shop.commit(Body::Refund {
                sale: 1,
                amt: 1,
                cur: "CNY",
                why: Why::Other,
                r,
            });
        }),
        after(1, "a refund of a sale to come", |shop| {
            shop.commit(Body::Refund {
                sale: 25,
                amt: 1,
                cur: "CNY",
                why: Why::Other,
                r,
            });
            shop.sell("C00001", "game-key", 1, "2:0", &[]);
        }),
        after(0, "a replaced slot replaced in its turn", |shop| {
            let (out, slots) = (slots("0:3"), slots("2:0"));
            shop.commit(Body::Replace {
                sale: 3,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "a slot replaced twice", |shop| {
            let (out, slots) = (slots("0:0"), slots("2:0"));
            shop.commit(Body::Replace {
                sale: 3,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "a replaced slot of another sale", |shop| {
            let (out, slots) = (slots("0:1"), slots("2:0"));
            shop.commit(Body::Replace {
                sale: 3,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "more slots handed out than replaced", |shop| {
            let (out, slots) = (slots("0:1"), slots("2:0-1"));
            shop.commit(Body::Replace {
                sale: 4,
                out,
                slots,
                why: Why::Bad,
                r,
            });
        }),
        after(1, "an erasure of what is no sale", |shop| {
            shop.commit(Body::Erase { sale: 1, r });
        }),
        after(1, "a time before the last", |shop| {
            shop.t_ms -= 10 * MINUTE_MS;
            shop.beat();
        }),
        after(0, "a time equal to the last", |shop| {
            shop.t_ms -= 5 * MINUTE_MS;
            shop.beat();
        }),
    ]
}

pub fn silences() -> Vec<ExportCase> {
    let silent = |exit, name, hours: i64, down_ms| {
        after(exit, name, |shop| {
            shop.t_ms += hours * HOUR_MS - 5 * MINUTE_MS;
            shop.commit(Body::Mark {
                beacon: None,
                down_ms,
                r: R,
            });
        })
    };
    vec![
        silent(0, "a heartbeat after exactly 26 hours", 26, None),
        silent(4, "a missing heartbeat", 27, None),
        silent(
            0,
            "a missing heartbeat that the next one admits",
            72,
            Some(72 * HOUR_MS),
        ),
        silent(4, "an outage admitted only in part", 72, Some(HOUR_MS)),
        after(4, "no heartbeat up to the last entry", |shop| {
            shop.t_ms += 27 * HOUR_MS;
            shop.sell("C00001", "game-key", 1, "2:0", &[]);
        }),
    ]
}
