//! The tree as files that anybody can follow: C2SP tlog-tiles, names and contents.
//!
//! A tile of level `L` and number `N` holds the nodes (level `8·L`, numbers `256·N …`) of the tree, 32 bytes each, 256 of
//! them when it is full. An entry bundle holds the data of the leaves, here the chain hashes `h_i`: as public as a skeleton.

use super::Hash;
use super::tree::NodeSource;
use std::fmt;

/// Nodes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// Levels of the tree in one tile.
const TILE_HEIGHT: u32 = 8;
/// Most groups of three digits in a number: eighteen digits stay within a u64.
const NUMBER_GROUPS_MAX: usize = 6;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileKind {
    /// Nodes of the tree at this level of tiles, 0 for leaf hashes.
    Nodes(u8),
    /// Entries: the data of the leaves.
    Entries,
}

/// A tile by its name. Not yet one that exists: see [`Tile::lies_within`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What it holds.
    pub kind: TileKind,
    /// Its number within its level.
    pub number: u64,
    /// Nodes or entries in it, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// Reads what follows `tile/` in the path of a log: `<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`, in its one spelling.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Nodes(decimal(level, 63)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, u16::from(decimal(width, 255)?)),
            None => (rest, 256),
        };
        let tile = Self {
            kind,
            number: number_of(number)?,
            width,
        };
        (width > 0).then_some(tile)
    }

    /// Whether it is full, so that its name will mean these bytes for ever whatever else is appended.
    pub const fn is_full(&self) -> bool {
        self.width as u64 == TILE_WIDTH
    }

    /// Whether the tree of `size` leaves has all of it.
    pub fn lies_within(&self, size: u64) -> bool {
        let nodes = size.checked_shr(self.height()).unwrap_or(0);
        let end = self.first().and_then(|first| {
            let width = u64::from(self.width);
            first.checked_add(width)
        });
        end.is_some_and(|end| end <= nodes)
    }

    /// Its bytes: a tile of nodes from the nodes of the tree, a bundle from the data of the leaves. The tile lies within the
    /// tree that the two know.
    ///
    /// # Errors
    /// Those of the source and of `entry`.
    pub fn bytes<S: NodeSource>(
        &self,
        nodes: &S,
        entry: impl Fn(u64) -> Result<Hash, S::Error>,
    ) -> Result<Vec<u8>, S::Error> {
        // A number that overflows lies within no tree.
        let first = self.first().unwrap_or(u64::MAX - TILE_WIDTH);
        let mut bytes = Vec::with_capacity(usize::from(self.width) * (2 + 32));
        for number in first..first + u64::from(self.width) {
            match self.kind {
                TileKind::Nodes(_) => {
                    // Invariant: a tree of u64 leaves has no level above 63.
                    let level = self.height().min(63) as u8;
                    bytes.extend_from_slice(nodes.node(level, number)?.as_bytes());
                }
                TileKind::Entries => {
                    bytes.extend_from_slice(&32_u16.to_be_bytes());
                    bytes.extend_from_slice(entry(number)?.as_bytes());
                }
            }
        }
        Ok(bytes)
    }

    /// Level in the tree of what it holds.
    const fn height(&self) -> u32 {
        match self.kind {
            TileKind::Nodes(level) => level as u32 * TILE_HEIGHT,
            TileKind::Entries => 0,
        }
    }

    /// Number, at its level of the tree, of the first that it holds.
    const fn first(&self) -> Option<u64> {
        self.number.checked_mul(TILE_WIDTH)
    }
}

/// What follows `tile/` in the path of a log.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Nodes(level) => write!(f, "{level}/")?,
            TileKind::Entries => f.write_str("entries/")?,
        }
        let mut groups = vec![format!("{:03}", self.number % 1_000)];
        let mut rest = self.number / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        match self.is_full() {
            true => Ok(()),
            false => write!(f, ".p/{}", self.width),
        }
    }
}

/// A number without leading zeros, at most `max`.
fn decimal(text: &str, max: u8) -> Option<u8> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    let number = text.parse().ok().filter(|number| *number <= max)?;
    (plain && !padded).then_some(number)
}

/// `x001/x234/067`: groups of three digits, all but the last with an `x` before them, and no group more than it takes.
fn number_of(text: &str) -> Option<u64> {
    let groups: Vec<&str> = text.split('/').collect();
    let last = groups.len() - 1;
    if groups.len() > NUMBER_GROUPS_MAX || last > 0 && groups[0] == "x000" {
        return None;
    }
    let mut number = 0_u64;
    for (position, group) in groups.into_iter().enumerate() {
        let digits = match position == last {
            true => group,
            false => group.strip_prefix('x')?,
        };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Invariant: six groups of three digits stay below 2^60.
        number = number * 1_000 + digits.parse::<u64>().ok()?;
    }
    Some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::{Frontier, MemoryTree, leaf_hash, node_hash};
    use super::*;

    fn data(index: u64) -> Hash {
        Hash([(index % 251) as u8; 32])
    }

    fn tree(size: u64) -> MemoryTree {
        let mut tree = MemoryTree::new();
        (0..size).for_each(|index| tree.append(data(index).as_ref()));
        tree
    }

    fn bytes(path: &str, tree: &MemoryTree) -> Option<Vec<u8>> {
        let tile = Tile::parse(path)?;
        tile.lies_within(tree.size())
            .then(|| tile.bytes(tree, |index| Ok(data(index))).unwrap())
    }

    #[test]
    fn a_tile_has_one_name() {
        for name in [
            "0/000",
            "0/000.p/1",
            "63/999.p/255",
            "entries/x001/x234/067",
            "2/x001/000.p/17",
        ] {
            let tile = Tile::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(tile.to_string(), name);
        }
        assert_eq!(
            Tile::parse("1/x001/x234/067"),
            Some(Tile {
                kind: TileKind::Nodes(1),
                number: 1_234_067,
                width: 256
            })
        );
        for name in [
            "",
            "0",
            "0/",
            "/000",
            "0/0",
            "0/00",
            "0/0000",
            "0/+01",
            "00/000",
            "64/000",
            "-1/000",
            "+1/000",
            "x/000",
            "0/x000/001",
            "0/x001",
            "0/001/001",
            "0/x1/001",
            "0/x001/x002",
            "0/000.p/0",
            "0/000.p/01",
            "0/000.p/256",
            "0/000.p/",
            "0/000.p",
            "0/000.p/1/2",
            "0/000/",
            "0//000",
            "0/000.p/1.p/1",
            "data/000",
            "Entries/000",
            "entries/",
            "0/x001/x001/x001/x001/x001/x001/001",
            "0/٠٠٠",
            "8/0/000",
        ] {
            assert_eq!(Tile::parse(name), None, "{name}");
        }
    }

    /// The example of the specification: a tree of 70,000.
    #[test]
    fn a_tree_has_its_full_tiles_and_one_partial_tile_at_each_level() {
        let within = |name: &str, size| Tile::parse(name).unwrap().lies_within(size);
        for name in [
            "0/272",
            "0/273.p/112",
            "1/000",
            "1/001.p/17",
            "2/000.p/1",
            "entries/273.p/112",
            "0/273.p/7",
            "0/000.p/3",
        ] {
            assert!(within(name, 70_000), "{name}");
        }
        for name in [
            "0/273",
            "0/273.p/113",
            "1/001",
            "1/001.p/18",
            "2/000",
            "2/000.p/2",
            "3/000.p/1",
            "63/000.p/1",
            "entries/273",
        ] {
            assert!(!within(name, 70_000), "{name}");
        }
        assert!(within("0/000", 256) && within("1/000.p/1", 256));
        assert!(!within("0/000", 255) && !within("1/000.p/1", 255));
        assert!(!within("0/000.p/1", 0) && !within("0/x999/x999/x999/x999/x999/999", u64::MAX));
    }

    #[test]
    fn tiles_hold_the_leaves_the_nodes_above_them_and_the_entries() {
        let tree = tree(600);
        let leaves = bytes("0/002.p/88", &tree).unwrap();
        assert_eq!(leaves.len(), 88 * 32);
        assert_eq!(leaves[..32], leaf_hash(data(512).as_ref()).0);
        let upper = bytes("1/000.p/2", &tree).unwrap();
        let mut frontier = Frontier::new();
        bytes("0/001", &tree)
            .unwrap()
            .chunks_exact(32)
            .for_each(|leaf| frontier.push(Hash(leaf.try_into().unwrap())));
        assert_eq!(upper[32..], frontier.root().0);
        let [left, right] = [&upper[..32], &upper[32..]].map(|node| Hash(node.try_into().unwrap()));
        assert_eq!(node_hash(&left, &right), tree.node(9, 0).unwrap());
        let entries = bytes("entries/001", &tree).unwrap();
        assert_eq!(entries.len(), 256 * 34);
        assert_eq!(entries[..2], [0, 32]);
        assert_eq!(entries[2..34], data(256).0);
        assert_eq!(bytes("0/002", &tree), None);
    }
}
