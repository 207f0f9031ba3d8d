use super::*;
use crate::domain::Tell;
use crate::testing::{TestShop, Till};

const DAY_MS: i64 = 24 * 3_600_000;

fn shop() -> TestShop {
    let mut till = Till::default();
    till.policy.tell = Tell {
        merchant_mail: true,
        auditor_mail: true,
        ..Tell::default()
    };
    TestShop::with(till)
}

#[tokio::test]
async fn a_failure_is_tried_again_later_and_three_periods_without_an_anchor_are_said() {
    let (this, kind) = (shop(), AnchorKind::TimeStamp);
    // The first look sets the way up.
    assert_eq!(
        this.shop.due_to_be_anchored(kind, DAY_MS).await.unwrap(),
        None
    );
    let newest = this
        .shop
        .due_to_be_anchored(kind, DAY_MS)
        .await
        .unwrap()
        .unwrap();
    this.shop
        .anchor_failed(&newest, kind, "down", DAY_MS)
        .await
        .unwrap();
    assert_eq!(
        this.shop.due_to_be_anchored(kind, DAY_MS).await.unwrap(),
        None
    );
    this.clock.advance_ms(WAIT_MS);
    assert!(
        this.shop
            .due_to_be_anchored(kind, DAY_MS)
            .await
            .unwrap()
            .is_some()
    );
    let age = this.shop.anchor_age(kind, DAY_MS).unwrap().unwrap();
    assert!(!age.is_overdue && age.last_error.as_deref() == Some("down"));
    this.clock.advance_ms(3 * DAY_MS);
    assert!(
        this.shop
            .anchor_age(kind, DAY_MS)
            .unwrap()
            .unwrap()
            .is_overdue
    );
    this.shop
        .keep_anchor(&newest, kind, b"stamp".to_vec(), DAY_MS)
        .await
        .unwrap();
    let age = this.shop.anchor_age(kind, DAY_MS).unwrap().unwrap();
    assert_eq!(
        (age.size, age.is_overdue, age.last_error),
        (Some(newest.size), false, None)
    );
    assert_eq!(
        this.shop.to_be_anchored(kind).unwrap(),
        None,
        "nothing grew"
    );
}

#[tokio::test]
async fn the_first_mail_waits_a_period_and_goes_to_merchant_and_auditor() {
    let (this, kind) = (shop(), AnchorKind::Mail);
    for _ in 0..2 {
        assert_eq!(
            this.shop.due_to_be_anchored(kind, DAY_MS).await.unwrap(),
            None
        );
    }
    this.clock.advance_ms(DAY_MS);
    let newest = this
        .shop
        .due_to_be_anchored(kind, DAY_MS)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        this.shop.promise_checkpoint(&newest, DAY_MS).await.unwrap(),
        2
    );
    assert_eq!(this.shop.to_be_anchored(kind).unwrap(), None);
    let effects = this.shop.effects(10).unwrap();
    let letter = this.shop.letter(&effects[0]).unwrap().unwrap();
    assert_eq!(letter.checkpoint, Some(newest));
}
