//! The ledger as monitors read it.

use super::Web;
use crate::{
    ledger::{
        Hash,
        note::Checkpoint,
        tree::{Frontier, leaf_hash},
    },
    testing::Till,
    web::WebSettings,
};

const DAY_MS: i64 = 24 * 3_600_000;

impl Web {
    /// Lets days pass, each with its mark in the ledger, until it has at least so many entries. Gives how many it has.
    async fn grown_to(&self, least: u64) -> u64 {
        loop {
            let size = self.till.shop.chain().latest().size;
            if size >= least {
                return size;
            }
            self.till.clock.advance_ms(DAY_MS);
            assert!(self.till.shop.heartbeat().await.unwrap());
        }
    }
}

#[test]
fn a_monitor_rebuilds_the_root_from_the_tiles_alone() {
    Web::story(|web| async move {
        let size = web.grown_to(300).await;
        let last = usize::try_from(size - 256).unwrap();
        let checkpoint = web.get("/ledger/checkpoint").await.text();
        let checkpoint = Checkpoint::parse(&checkpoint).unwrap();
        assert_eq!(checkpoint.size, size);
        let mut leaves = Frontier::new();
        let mut entries = Frontier::new();
        for (name, width) in [("000".to_owned(), 256), (format!("001.p/{last}"), last)] {
            let tile = web.get(&format!("/ledger/tile/0/{name}")).await;
            assert_eq!((tile.status, tile.body.len()), (200, width * 32));
            for leaf in tile.body.chunks_exact(32) {
                leaves.push(Hash(leaf.try_into().unwrap()));
            }
            let bundle = web.get(&format!("/ledger/tile/entries/{name}")).await;
            assert_eq!((bundle.status, bundle.body.len()), (200, width * 34));
            for entry in bundle.body.chunks_exact(34) {
                assert_eq!(entry[..2], [0, 32]);
                entries.push(leaf_hash(&entry[2..]));
            }
        }
        assert_eq!(leaves.root(), checkpoint.root);
        assert_eq!(entries.root(), checkpoint.root);
        let upper = web.get("/ledger/tile/1/000.p/1").await;
        assert_eq!(upper.body, leaves.subtrees()[0].0);
    });
}

#[test]
fn only_full_tiles_of_a_numbered_generation_are_kept_for_ever() {
    Web::story(|web| async move {
        let last = web.grown_to(257).await - 256;
        let full = web.get("/ledger/gen-0/tile/0/000").await;
        assert_eq!(full.header("content-type"), "application/octet-stream");
        assert_eq!(
            full.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        for shortly in [
            // After a restore it is a tile of another tree.
            "/ledger/tile/0/000",
            "/ledger/tile/entries/000",
            &*format!("/ledger/tile/0/001.p/{last}"),
            &*format!("/ledger/gen-0/tile/0/001.p/{last}"),
            "/ledger/tile/entries/000.p/255",
            "/ledger/tile/1/000.p/1",
        ] {
            let shortly = web.get(shortly).await;
            assert_eq!(shortly.status, 200);
            assert_eq!(shortly.header("cache-control"), "public, max-age=60");
        }
        assert_eq!(
            web.get("/ledger/checkpoint").await.header("cache-control"),
            "public, max-age=5"
        );
        for unknown in [
            "0/001",
            &*format!("0/001.p/{}", last + 1),
            "1/000",
            "1/000.p/2",
            "2/000.p/1",
            "0/000.p/256",
            "0/x000/000",
            "0/0",
            "8/0/000",
            "data/000",
            "0/000/",
            "entries/002.p/1",
            "0%2F000",
            "0/%30%30%30",
        ] {
            let answered = web.get(&format!("/ledger/tile/{unknown}")).await;
            assert_eq!(answered.status, 404, "{unknown}");
        }
    });
}

#[test]
fn a_generation_is_also_found_by_its_number() {
    Web::story(|web| async move {
        for rest in ["checkpoint", "tile/0/000.p/2", "tile/entries/000.p/1"] {
            let newest = web.get(&format!("/ledger/{rest}")).await;
            let numbered = web.get(&format!("/ledger/gen-0/{rest}")).await;
            assert_eq!((newest.status, numbered.status), (200, 200));
            assert_eq!(newest.body, numbered.body);
            for wrong in ["gen-1", "gen-00", "gen-+0", "gen-", "gen-65536", "gen", "0"] {
                let answered = web.get(&format!("/ledger/{wrong}/{rest}")).await;
                assert_eq!(answered.status, 404, "{wrong}/{rest}");
            }
        }
    });
}

#[test]
fn a_merchant_who_shows_no_checkpoint_shows_no_tile() {
    let hidden = |settings| WebSettings {
        public_checkpoint: false,
        ..settings
    };
    Web::story_with(Till::default(), hidden, |web| async move {
        for path in [
            "tile/0/000.p/1",
            "tile/entries/000.p/1",
            "gen-0/checkpoint",
            "gen-0/tile/0/000.p/1",
        ] {
            assert_eq!(web.get(&format!("/ledger/{path}")).await.status, 404);
        }
    });
}
