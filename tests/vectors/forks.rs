//! Fork proofs.

use super::*;

pub fn fork_exit(proof: &str, vkeys: &[Vkey]) -> u64 {
    let fork = ForkProof::parse(proof.as_bytes()).map_err(Into::into);
    let outcome = fork.and_then(|fork| fork.verify(vkeys));
    // A fork that is proven ends with 5; a proof of one that does not hold, with what is wrong with it.
    u64::from(outcome.map_or_else(|fault| fault.exit().code(), |_| 5))
}

/// Fork proofs, spelled here: what the two histories of one key have in common is their `open`.
pub fn forks() -> Vec<Value> {
    let ours = shop_of_24();
    let mut other = Shop::opened();
    while other.lines.len() < 24 {
        other.beat();
    }
    let (a, b) = (ours.newest_note(), other.newest_note());
    let (a9, b9) = (&ours.notes[&9], &other.notes[&9]);
    let base64 = |hash: &Hash| STANDARD.encode(hash);
    let root = Frontier::from_source(&ours.rows, 9).unwrap().root();
    let path: Vec<_> = tree::consistency_proof(&ours.rows, 9, 24).unwrap();
    let lines: String = path
        .iter()
        .map(|hash| format!("path {}\n", base64(hash)))
        .collect();
    let entry = |shop: &Shop, index: u64, hash: Option<Hash>| {
        let line = shop.lines[usize::try_from(index).unwrap()].as_bytes();
        format!(
            "leaf {}\n{}",
            hash.unwrap_or(hash_line(line)),
            shop.proof(index)
        )
    };
    let file =
        |kind: &str, parts: &[&str]| format!("keystall-fork/v1\nkind {kind}\n{}", parts.concat());
    let size = file("size", &[a, b]);
    let prefix = |older: &str, root: &Hash, lines: &str| {
        file(
            "prefix",
            &[older, a, &format!("root {}\n", base64(root)), lines],
        )
    };
    let of_prefix = prefix(b9, &root, &lines);
    let of_entry = file("entry", &[&entry(&ours, 3, None), &entry(&other, 3, None)]);
    let elsewhere = Shop::opened_with(log_key(), root_key(), "other.example/89abcdef");
    let stranger = vkey_of(&SigningKey::from_bytes(&[9; 32]), ORIGIN);
    let own = a.lines().next_back().unwrap();
    let mut all: Vec<(&str, u64, String)> = vec![
        ("size", 5, size.clone()),
        ("size, turned round", 5, file("size", &[b, a])),
        ("size, the same note twice", 3, file("size", &[a, a])),
        ("size, of two sizes", 3, file("size", &[a, b9])),
        (
            "size, of two logs",
            3,
            file("size", &[elsewhere.newest_note(), &ours.notes[&1]]),
        ),
        (
            "size, a note with two signatures",
            3,
            file("size", &[&format!("{a}{own}\n"), b]),
        ),
        ("size, one note alone", 3, file("size", &[a])),
        ("size, three notes", 3, file("size", &[a, b, b])),
        (
            "size, a changed signature",
            1,
            size.replacen(own, &own.replacen(&own[60..64], "AAAA", 1), 1),
        ),
        ("size, a changed root", 1, {
            let root = a.lines().nth(2).unwrap();
            size.replacen(root, &base64(&Hash([7; 32])), 1)
        }),
        ("prefix", 5, of_prefix.clone()),
        (
            "prefix, the root that was signed",
            3,
            prefix(a9, &root, &lines),
        ),
        (
            "prefix, a root of nothing",
            1,
            prefix(b9, &Hash([7; 32]), &lines),
        ),
        (
            "prefix, a hash too few",
            1,
            prefix(b9, &root, lines.split_once('\n').unwrap().1),
        ),
        (
            "prefix, a hash too many",
            1,
            prefix(b9, &root, &format!("{lines}path {}\n", base64(&root))),
        ),
        (
            "prefix, the larger one first",
            3,
            file(
                "prefix",
                &[a, b9, &format!("root {}\n", base64(&root)), &lines],
            ),
        ),
        ("entry", 5, of_entry.clone()),
        ("entry, of two sizes", 5, {
            let mut later = other.clone();
            later.beat();
            file("entry", &[&entry(&ours, 3, None), &entry(&later, 3, None)])
        }),
        (
            "entry, the same entry",
            3,
            file("entry", &[&entry(&ours, 0, None), &entry(&other, 0, None)]),
        ),
        (
            "entry, two positions",
            3,
            file("entry", &[&entry(&ours, 3, None), &entry(&other, 4, None)]),
        ),
        (
            "entry, a leaf that is not there",
            1,
            file(
                "entry",
                &[
                    &entry(&ours, 3, Some(Hash([7; 32]))),
                    &entry(&other, 3, None),
                ],
            ),
        ),
        (
            "an unknown kind",
            3,
            size.replacen("kind size", "kind date", 1),
        ),
        ("another version", 3, size.replacen("/v1", "/v2", 1)),
        ("an empty line at the end", 3, format!("{size}\n")),
        ("no end of the last line", 3, size.trim_end().to_owned()),
        ("carriage returns", 3, size.replace('\n', "\r\n")),
        ("an empty file", 3, String::new()),
    ];
    let vector = |(name, exit, proof): (&str, u64, String), vkey: &Vkey| json!({"name": name, "proof": proof, "vkeys": [vkey.to_string()], "exit": exit});
    let unpinned = vector(("size, another key pinned", 4, size), &stranger);
    let pinned = pinned();
    let mut all: Vec<_> = all.drain(..).map(|case| vector(case, &pinned)).collect();
    all.push(unpinned);
    all
}
