//! What witnesses are sent, and what of their answers stays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;

use super::{CosignatureError, WitnessPlace, WitnessPlaceError};
use crate::domain::EntryAt;
use crate::ledger::cosignature::{Cosigned, CountersignError, WitnessKey, cosign};
use crate::ledger::note::Checkpoint;
use crate::ledger::tree::verify_consistency;
use crate::ledger::{Hash, note::SignedBy, note::Vkey};
use crate::store::Rows;
use crate::testing::TestShop;

const NAME: &str = "witness.example/w1";
const DAY_MS: i64 = 24 * 3_600_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn place() -> WitnessPlace {
    let key = WitnessKey::new(NAME, &key().verifying_key());
    WitnessPlace::parse(&format!("{key} https://witness.example/w1/")).unwrap()
}

fn now_s(till: &TestShop) -> u64 {
    u64::try_from(till.shop.now_ms() / 1_000).unwrap()
}

fn answer(note: &str, at_s: u64) -> String {
    cosign(&key(), NAME, &Checkpoint::parse(note).unwrap(), at_s)
}

fn story<F: Future<Output = ()>>(till: TestShop, story: impl FnOnce(TestShop) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(story(till));
}

async fn grow(till: &TestShop) {
    till.clock.advance_ms(DAY_MS);
    assert!(till.shop.heartbeat().await.unwrap());
}

#[test]
fn a_witness_is_named_by_its_key_and_its_address() {
    let place = place();
    assert_eq!(place.url, "https://witness.example/w1");
    assert_eq!(WitnessPlace::parse(&place.to_string()), Ok(place.clone()));
    let key = &place.key;
    for (text, error) in [
        (key.to_string(), WitnessPlaceError::Form),
        (format!("{key} ftp://w.example"), WitnessPlaceError::Url),
        (format!("{key} https://"), WitnessPlaceError::Url),
        (
            format!("{key} https://w.example/?x"),
            WitnessPlaceError::Url,
        ),
        (format!("{key} https://a@w.example"), WitnessPlaceError::Url),
    ] {
        assert_eq!(WitnessPlace::parse(&text), Err(error), "{text}");
    }
    let log = Vkey::new("shop.example/0123abcd", &self::key().verifying_key());
    let refused = WitnessPlace::parse(&format!("{log} https://w.example"));
    assert!(matches!(refused, Err(WitnessPlaceError::Key(_))));
}

#[test]
fn a_submission_proves_that_the_checkpoint_continues_what_the_witness_saw() {
    story(TestShop::new(), |till| async move {
        let seen = till.shop.published(None).unwrap().unwrap();
        for _ in 0..5 {
            grow(&till).await;
        }
        let submission = till.shop.submission(seen.size).unwrap().unwrap();
        let (head, note) = submission.body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some(&*format!("old {}", seen.size)));
        let proof: Vec<Hash> = lines
            .map(|line| Hash(STANDARD.decode(line).unwrap().try_into().unwrap()))
            .collect();
        let checkpoint = Checkpoint::parse(note).unwrap();
        let vkey = Vkey::parse(&till.shop.chain().vkey()).unwrap();
        assert_eq!(checkpoint.signed_by(&vkey), SignedBy::Yes);
        let (old, new) = (seen.size, checkpoint.size);
        assert!(verify_consistency(
            old,
            new,
            &proof,
            &seen.root,
            &checkpoint.root
        ));
        let first = till.shop.submission(0).unwrap().unwrap();
        assert!(first.body.starts_with("old 0\n\nshop."));
        assert!(till.shop.submission(new + 1).unwrap().is_none());
    });
}

#[test]
fn a_cosignature_stays_with_its_checkpoint_and_is_shown_with_it() {
    story(TestShop::new(), |till| async move {
        let submission = till.shop.submission(0).unwrap().unwrap();
        let line = answer(&submission.latest.note, now_s(&till));
        let stranger = cosign(
            &SigningKey::from_bytes(&[3; 32]),
            "other.example",
            &Checkpoint::parse(&submission.latest.note).unwrap(),
            1,
        );
        let kept = till
            .shop
            .keep_cosignature(&submission, &place(), &format!("{stranger}{line}"))
            .await;
        assert_eq!(kept.unwrap(), now_s(&till));
        let shown = till.shop.published(None).unwrap().unwrap();
        assert_eq!(shown.note, format!("{}{line}", submission.latest.note));
        let state = till.shop.witness_state(&place()).unwrap();
        assert_eq!(state.size, shown.size);
        assert_eq!(state.cosigned_at_s, Some(now_s(&till)));

        // An hour that has passed is kept with it; what is newer is shown without it.
        grow(&till).await;
        let at = EntryAt::new(0, shown.size);
        let kept = till.shop.store().read().unwrap().mark(at).unwrap();
        assert_eq!(kept, Some(shown.note.clone()));
        let newer = till.shop.published(None).unwrap().unwrap();
        assert!(newer.size > shown.size && !newer.note.contains(NAME));

        // A second witness joins the first, also where the ledger has grown meanwhile.
        let late = answer(&shown.note, now_s(&till) - 5);
        let again = till
            .shop
            .keep_cosignature(&submission, &place(), &late)
            .await;
        again.unwrap();
        let kept = till.shop.store().read().unwrap().mark(at).unwrap().unwrap();
        let kept = Checkpoint::parse(&kept).unwrap();
        assert_eq!(
            kept.cosigned_by(&place().key),
            Cosigned::At(now_s(&till) - 5)
        );
    });
}

#[test]
fn a_lie_of_a_witness_is_not_kept() {
    story(TestShop::new(), |till| async move {
        let before = till.shop.published(None).unwrap().unwrap();
        grow(&till).await;
        let submission = till.shop.submission(before.size).unwrap().unwrap();
        let keep = |answer: String| {
            let (shop, submission) = (till.shop.clone(), submission.clone());
            async move { shop.keep_cosignature(&submission, &place(), &answer).await }
        };
        let elsewhere = keep(answer(&before.note, now_s(&till))).await;
        assert!(matches!(
            elsewhere,
            Err(CosignatureError::Forged(CountersignError::Forged))
        ));
        for at_s in [now_s(&till) - 3_601, now_s(&till) + 3_601, 0] {
            let kept = keep(answer(&submission.latest.note, at_s)).await;
            assert!(matches!(kept, Err(CosignatureError::Time { .. })), "{at_s}");
        }
        assert!(keep("<html>".into()).await.is_err());
        let shown = till.shop.published(None).unwrap().unwrap();
        assert_eq!(shown.note, submission.latest.note);
        assert_eq!(
            till.shop.witness_state(&place()).unwrap(),
            Default::default()
        );
    });
}

#[test]
fn what_is_known_of_a_witness_outlives_a_restart() {
    let till = TestShop::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let place = place();
    let failed = till
        .shop
        .witness_failed(&place, "it answered 403".into(), true);
    runtime.block_on(failed).unwrap();
    let till = till.reopen();
    let state = till.shop.witness_state(&place).unwrap();
    assert_eq!(state.failure.as_deref(), Some("it answered 403"));
    assert!(state.contradicts && state.size == 0);
}
