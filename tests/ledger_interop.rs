//! What others wrote reads our bytes: Cloudflare's `signed_note` and `tlog_tiles` open our checkpoints, read our tiles, and agree with
//! us about every proof. (Go's packages do the same with a running shop: tests/interop.)
#![allow(clippy::unwrap_used, missing_docs)]

use ed25519_dalek::SigningKey;
use keystall::ledger::cosignature::{WitnessKey, cosign};
use keystall::ledger::note::{self, Vkey, sign_checkpoint};
use keystall::ledger::tiles::{Tile, TileKind};
use keystall::ledger::tree::{
    MemoryTree, consistency_proof, inclusion_proof, root_from, verify_consistency, verify_inclusion,
};
use keystall::ledger::{Hash, tree};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, HashReader, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, tree_hash,
};

const ORIGIN: &str = "shop.example/0123abcd";
/// Two levels of full tiles, and a partial one at each of the three.
const SIZE: u64 = 66_000;

fn data(index: u64) -> Hash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&index.to_be_bytes());
    Hash(bytes)
}

fn log() -> MemoryTree {
    let mut tree = MemoryTree::new();
    (0..SIZE).for_each(|index| tree.append(data(index).as_ref()));
    tree
}

fn theirs(hash: &Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

/// Our tiles under the names that they ask for.
struct Served<'a> {
    tree: &'a MemoryTree,
    size: u64,
}

impl Served<'_> {
    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let tile = Tile::parse(path.strip_prefix("tile/")?)?;
        let bytes = || tile.bytes(self.tree, |index| Ok(data(index))).unwrap();
        tile.lies_within(self.size).then(bytes)
    }
}

impl TileReader for Served<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(
        &self,
        tiles: &[tlog_tiles::Tile],
    ) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        // Their paths have the height of the tiles in them.
        let path = |tile: &tlog_tiles::Tile| tile.path().replace("tile/8/", "tile/");
        Ok(tiles
            .iter()
            .map(|tile| {
                self.get(&path(tile))
                    .unwrap_or_else(|| panic!("{}", tile.path()))
            })
            .collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn their_reader_opens_our_note_also_with_a_witnesss_line_and_refuses_a_flipped_one() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let vkey = Vkey::new(ORIGIN, &key.verifying_key());
    let root = Hash([3; 32]);
    let plain = sign_checkpoint(&key, ORIGIN, 24, &root);
    let parsed = note::Checkpoint::parse(&plain).unwrap();
    let witness = SigningKey::from_bytes(&[9; 32]);
    let line = cosign(&witness, "witness.example/w1", &parsed, 1_795_000_000);
    let verifier = || StandardVerifier::new(&vkey.to_string()).unwrap();
    for text in [plain.clone(), note::with_lines(&plain, &line).unwrap()] {
        let opened = Note::from_bytes(text.as_bytes()).unwrap();
        let (good, _) = opened
            .verify(&VerifierList::new(vec![Box::new(verifier())]))
            .unwrap();
        assert_eq!(good.len(), 1);
        let checkpoint = Checkpoint::from_bytes(opened.text()).unwrap();
        assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, 24));
        assert_eq!(*checkpoint.hash(), theirs(&root));
    }
    let forged = plain.replacen("\n24\n", "\n25\n", 1);
    let opened = Note::from_bytes(forged.as_bytes()).unwrap();
    let refused = opened.verify(&VerifierList::new(vec![Box::new(verifier())]));
    assert!(refused.is_err());
    // A witness's key is of another kind, and is not taken for a log's.
    let witness = WitnessKey::new("witness.example/w1", &witness.verifying_key());
    assert!(StandardVerifier::new(&witness.to_string()).is_err());
}

#[test]
fn their_tiled_reader_rebuilds_our_tree_and_agrees_about_every_proof() {
    let tree = log();
    let root = root_from(&tree, SIZE).unwrap();
    let served = Served {
        tree: &tree,
        size: SIZE,
    };
    let reader = TileHashReader::new(SIZE, theirs(&root), &served);
    assert_eq!(tree_hash(SIZE, &reader).unwrap(), theirs(&root));
    for index in [0, 1, 255, 256, 32_767, 65_535, 65_536, SIZE - 1] {
        let leaf = tree::leaf_hash(data(index).as_ref());
        assert_eq!(record_hash(data(index).as_ref()), theirs(&leaf));
        let from_tiles = prove_record(SIZE, index, &reader).unwrap();
        let own = inclusion_proof(&tree, index, SIZE).unwrap();
        assert_eq!(ours(&from_tiles), own, "{index}");
        assert!(verify_inclusion(&leaf, index, SIZE, &own, &root));
        check_record(&from_tiles, SIZE, theirs(&root), index, theirs(&leaf)).unwrap();
    }
    for old in [1, 2, 255, 256, 257, 40_000, 65_536, 65_537, SIZE - 1] {
        let old_root = root_from(&tree, old).unwrap();
        let from_tiles = prove_tree(SIZE, old, &reader).unwrap();
        let own = consistency_proof(&tree, old, SIZE).unwrap();
        assert_eq!(ours(&from_tiles), own, "{old}");
        assert!(verify_consistency(old, SIZE, &own, &old_root, &root));
        check_tree(&from_tiles, SIZE, theirs(&root), old, theirs(&old_root)).unwrap();
    }
}

#[test]
fn they_name_every_tile_of_a_tree_as_we_do_and_refuse_a_flipped_one() {
    for tile in tlog_tiles::Tile::new_tiles(8, 0, 70_000) {
        let path = tile.path().replace("tile/8/", "");
        let own = Tile::parse(&path).unwrap();
        assert_eq!(own.kind, TileKind::Nodes(tile.level()), "{path}");
        assert_eq!(
            (own.number, u32::from(own.width)),
            (tile.level_index(), tile.width())
        );
        assert_eq!(own.to_string(), path);
        assert!(own.lies_within(70_000) && !own.lies_within(255));
    }

    struct Liar<'a>(Served<'a>);
    impl TileReader for Liar<'_> {
        fn height(&self) -> u8 {
            8
        }
        fn read_tiles(
            &self,
            tiles: &[tlog_tiles::Tile],
        ) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
            let mut data = self.0.read_tiles(tiles)?;
            data.iter_mut().for_each(|tile| tile[0] ^= 1);
            Ok(data)
        }
        fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
    }
    let tree = log();
    let root = root_from(&tree, SIZE).unwrap();
    let liar = Liar(Served {
        tree: &tree,
        size: SIZE,
    });
    let reader = TileHashReader::new(SIZE, theirs(&root), &liar);
    assert!(reader.read_hashes(&[0]).is_err());
}
