//! `compare`: two views of one log.

use crate::ledger_shop::{
    Files, HOUR_MS, ORIGIN, Shop, edges, log_key, receipt_of_three, root_key, shop_of_24, vkey_of,
};
use crate::{Desk, went_on};
use ed25519_dalek::SigningKey;
use keystall::ledger::entry::hash_line;
use keystall::ledger::export::mark_line;
use serde_json::json;
use std::io::Write;

/// The shop of 24 with its last entries told otherwise, from entry 21 on.
fn liar() -> Shop {
    let mut liar = liar_prefix(&shop_of_24(), 21);
    liar.t_ms += HOUR_MS;
    liar
}

/// The first entries of a shop, as it was when it had them.
fn liar_prefix(shop: &Shop, entries: usize) -> Shop {
    let mut prefix = Shop::empty(shop.key.clone(), shop.root.clone(), &shop.origin);
    for line in &shop.lines[..entries] {
        prefix.head = hash_line(line.as_bytes());
        prefix
            .rows
            .0
            .push(prefix.frontier.append(prefix.head.as_ref()));
        prefix.lines.push(line.clone());
    }
    let notes = shop.notes.range(..=entries as u64);
    prefix.notes = notes.map(|(size, note)| (*size, note.clone())).collect();
    prefix.t_ms = shop.t_ms;
    prefix.batches = shop.batches.clone();
    prefix
}

#[test]
fn a_note_and_a_newer_export_of_one_history_agree() {
    let desk = Desk::new();
    let note = desk.put("kept.note", &shop_of_24().notes[&9]);
    let export = desk.put_export("export", &shop_of_24().files(0));
    for pair in [[&note, &export], [&export, &note]] {
        let said = desk.pinned(&["compare", pair[0], pair[1]]);
        assert_eq!(said.exit, 0, "{}", said.out);
        assert!(
            said.out
                .contains("the root signed at size 9 is that of the entries"),
            "{}",
            said.out
        );
    }
    let (exit, json) = desk.json(&["compare", &note, &export]);
    assert_eq!((exit, &json["verdict"]), (0, &"verified".into()));
    assert_eq!(json["fork"], serde_json::Value::Null);
}

#[test]
fn two_exports_of_one_history_agree_as_far_as_the_shorter_goes() {
    let desk = Desk::new();
    let old = desk.put_export("old", &shop_of_24().files(0));
    let new = desk.put_export("new", &went_on(&shop_of_24(), 30).files(0));
    let said = desk.pinned(&["compare", &old, &new]);
    assert_eq!(said.exit, 0, "{}", said.out);
    assert!(said.out.contains("size 54 of"), "{}", said.out);
}

#[test]
fn two_notes_of_one_size_with_two_roots_are_a_fork_and_the_proof_stands_alone() {
    let desk = Desk::new();
    let (mut one, mut other) = (liar(), liar());
    one.beat();
    other.t_ms += 1;
    other.beat();
    let a = desk.put("a.note", one.newest_note());
    let b = desk.put("b.note", other.newest_note());
    let said = desk.pinned(&["compare", &a, &b, "--out", "fork.txt"]);
    assert_eq!(said.exit, 5, "{}{}", said.out, said.err);
    let proof = std::fs::read_to_string(desk.path("fork.txt")).unwrap();
    assert!(
        proof.starts_with("keystall-fork/v1\nkind size\n"),
        "{proof}"
    );
    assert_eq!(desk.pinned(&["compare", "fork.txt"]).exit, 5);
    // Nobody else's key makes it a proof.
    let other_key = vkey_of(&root_key(), ORIGIN).to_string();
    assert_eq!(
        desk.says(&["compare", "fork.txt", "--vkey", &other_key])
            .exit,
        4
    );
    // And it is never written over.
    let again = desk.pinned(&["compare", &a, &b, "--out", "fork.txt"]);
    assert_eq!(again.exit, 2, "{}", again.out);
    assert_eq!(
        std::fs::read_to_string(desk.path("fork.txt")).unwrap(),
        proof
    );
}

#[test]
fn a_note_that_an_export_does_not_continue_is_a_fork() {
    let desk = Desk::new();
    let export = desk.put_export("export", &went_on(&liar(), 5).files(0));
    let note = desk.put("kept.note", shop_of_24().newest_note());
    for (number, pair) in [[&note, &export], [&export, &note]].iter().enumerate() {
        let out = format!("fork-{number}.txt");
        let said = desk.pinned(&["compare", pair[0], pair[1], "--out", &out]);
        assert_eq!(said.exit, 5, "{}", said.out);
        let proof = std::fs::read_to_string(desk.path(&out)).unwrap();
        assert!(
            proof.starts_with("keystall-fork/v1\nkind prefix\n"),
            "{proof}"
        );
        let verified = desk.pinned(&["compare", &out]);
        assert_eq!(verified.exit, 5, "{}", verified.out);
    }
    // A kept receipt does the same: its checkpoint is of size 24 too.
    let receipt = desk.put("receipt.txt", receipt_of_three().to_string());
    assert_eq!(desk.pinned(&["compare", &receipt, &export]).exit, 5);
}

#[test]
fn two_exports_of_two_histories_are_a_fork() {
    let desk = Desk::new();
    let one = desk.put_export("one", &shop_of_24().files(0));
    let other = desk.put_export("other", &went_on(&liar(), 9).files(0));
    let said = desk.pinned(&["compare", &one, &other, "--out", "fork.txt"]);
    assert_eq!(said.exit, 5, "{}", said.out);
    assert_eq!(desk.pinned(&["compare", "fork.txt"]).exit, 5);
}

#[test]
fn a_receipt_above_the_export_is_held_against_its_entry() {
    let desk = Desk::new();
    let longer = went_on(&shop_of_24(), 8);
    let receipt = longer.receipt(4, &[(0, 1)], &[]);
    let receipt = desk.put("receipt.txt", receipt.to_string());
    let export = desk.put_export("export", &shop_of_24().files(0));
    let said = desk.pinned(&["compare", &receipt, &export]);
    assert_eq!(said.exit, 0, "{}", said.out);
    assert!(
        said.out.contains("entries 4, 1 are the same"),
        "{}",
        said.out
    );
    assert!(said.out.contains("lies above"), "{}", said.out);

    // The same order in a history that sold it otherwise.
    let mut other = Shop::opened();
    other.import("game-key", 8);
    other.import("gift-card", 1);
    other.sell("A00001", "game-key", 1, "0:0", &[]);
    other.sell("A00009", "game-key", 1, "0:1", &[]);
    let other = desk.put_export("other", &other.files(0));
    let said = desk.pinned(&["compare", &receipt, &other, "--out", "fork.txt"]);
    assert_eq!(said.exit, 5, "{}", said.out);
    let proof = std::fs::read_to_string(desk.path("fork.txt")).unwrap();
    assert!(
        proof.starts_with("keystall-fork/v1\nkind entry\n"),
        "{proof}"
    );
    assert_eq!(desk.pinned(&["compare", "fork.txt"]).exit, 5);
}

#[test]
fn two_receipts_of_one_entry_agree_or_prove_a_fork() {
    let desk = Desk::new();
    let early = desk.put("early.txt", receipt_of_three().to_string());
    let longer = went_on(&shop_of_24(), 8);
    let late = longer.receipt(4, &[(0, 1), (0, 2), (0, 4)], &[5]);
    let late = desk.put("late.txt", late.to_string());
    let said = desk.pinned(&["compare", &early, &late]);
    assert_eq!(said.exit, 0, "{}", said.out);
    let mut other = Shop::opened();
    other.import("game-key", 8);
    other.import("gift-card", 1);
    other.sell("A00001", "game-key", 1, "0:0", &[]);
    let sale = other.sell("A00009", "game-key", 1, "0:1", &[]);
    let other = desk.put("other.txt", other.receipt(sale, &[(0, 1)], &[]).to_string());
    assert_eq!(desk.pinned(&["compare", &early, &other]).exit, 5);
}

#[test]
fn nothing_that_can_be_held_together_is_never_0() {
    let desk = Desk::new();
    let shop = shop_of_24();
    let (nine, newest) = (
        desk.put("nine.note", &shop.notes[&9]),
        desk.put("newest.note", shop.newest_note()),
    );
    let elsewhere = Shop::opened_with(log_key(), root_key(), "other.example/89abcdef");
    let elsewhere = desk.put("elsewhere.note", elsewhere.newest_note());
    let stranger = Shop::opened_with(SigningKey::from_bytes(&[9; 32]), root_key(), ORIGIN);
    let stranger = desk.put("stranger.note", stranger.newest_note());
    let above = desk.put("above.note", went_on(&shop, 1).newest_note());
    let export = desk.put_export("export", &shop.files(0));
    for (pair, why) in [
        ([&nine, &newest], "sizes 9 and 24 of"),
        ([&nine, &elsewhere], "of different logs"),
        ([&nine, &stranger], "is signed by a pinned key"),
        ([&above, &export], "lies above"),
    ] {
        let said = desk.pinned(&["compare", pair[0], pair[1]]);
        assert_eq!(said.exit, 4, "{}", said.out);
        assert!(said.out.contains(why), "{}", said.out);
    }
    // The same note twice is a comparison, if a small one.
    assert_eq!(desk.pinned(&["compare", &nine, &nine]).exit, 0);
    // A pin of another log is told.
    let other = vkey_of(&log_key(), "other.example/89abcdef").to_string();
    let said = desk.says(&["compare", &nine, &export, "--vkey", &other]);
    assert_eq!(said.exit, 4);
    assert!(
        said.out.contains("of another log: other.example/89abcdef"),
        "{}",
        said.out
    );
}

#[test]
fn what_is_forged_cut_or_no_file_at_all_has_its_own_exit() {
    let desk = Desk::new();
    let shop = shop_of_24();
    let note = desk.put("good.note", shop.newest_note());
    let mut lines: Vec<_> = shop.newest_note().lines().map(str::to_owned).collect();
    lines[1] = "23".into();
    let forged = desk.put("forged.note", lines.join("\n") + "\n");
    assert_eq!(desk.pinned(&["compare", &note, &forged]).exit, 1);
    let cut = desk.put("cut.note", shop.newest_note().trim_end());
    assert_eq!(desk.pinned(&["compare", &note, &cut]).exit, 3);
    assert_eq!(desk.pinned(&["compare", &note, "missing.note"]).exit, 2);
    assert_eq!(desk.pinned(&["compare", &note]).exit, 2);
    assert_eq!(desk.says(&["compare", &note, &note]).exit, 2);
    // Entries that are not those signed, and entries that end below a signed size.
    let mut files = shop.files(0);
    let entries = files.get_mut("gen-0/entries.ndjson").unwrap();
    let half = entries.len() / 2;
    let end = half + entries[half..].iter().position(|b| *b == b'\n').unwrap() + 1;
    let mut changed = entries.clone();
    entries.truncate(end);
    let short = desk.put_export("short", &files);
    assert_eq!(desk.pinned(&["compare", &note, &short]).exit, 1);
    changed[100] ^= 1;
    files.insert("gen-0/entries.ndjson".into(), changed);
    let wrong = desk.put_export("wrong", &files);
    assert_eq!(desk.pinned(&["compare", &note, &wrong]).exit, 1);
}

#[test]
fn after_a_rotation_the_keys_of_both_times_are_pinned() {
    let desk = Desk::new();
    let mut shop = shop_of_24();
    let before = shop.newest_note().to_owned();
    let new = SigningKey::from_bytes(&[4; 32]);
    shop.rotate(new.clone());
    shop.beat();
    let export = desk.put_export("export", &shop.files(0));
    let note = desk.put("before.note", before);
    let after = desk.put("after.note", shop.newest_note());
    assert_eq!(desk.pinned(&["compare", &note, &export]).exit, 0);
    let said = desk.pinned(&["compare", &after, &export]);
    assert_eq!(said.exit, 4, "{}", said.out);
    let newer = vkey_of(&new, ORIGIN).to_string();
    let said = desk.pinned(&["compare", &after, &export, "--vkey", &newer]);
    assert_eq!(said.exit, 0, "{}", said.out);
}

/// The shop from entry `from` on, as far as a comparison reads it.
fn range(shop: &Shop, from: usize) -> Files {
    let before = liar_prefix(shop, from);
    let subtrees = before.frontier.subtrees().iter();
    let hashes: Vec<_> = subtrees.map(ToString::to_string).collect();
    let prefix = json!({"hashes": hashes, "prev": before.head.to_string(), "size": from});
    let lines = shop.lines[from..].iter();
    let notes = shop.notes.range(from as u64 + 1..);
    Files::from([
        (
            "gen-0/prefix.json".to_owned(),
            format!("{prefix}\n").into_bytes(),
        ),
        ("gen-0/carried.ndjson".to_owned(), Vec::new()),
        (
            "gen-0/entries.ndjson".to_owned(),
            lines
                .flat_map(|line| [line.as_bytes(), b"\n"].concat())
                .collect(),
        ),
        (
            "gen-0/marks.ndjson".to_owned(),
            notes
                .map(|(size, note)| mark_line(note, *size))
                .collect::<String>()
                .into_bytes(),
        ),
    ])
}

fn skeleton(shop: &Shop) -> Files {
    let hashes = shop
        .lines
        .iter()
        .flat_map(|line| hash_line(line.as_bytes()).0);
    let mut files = shop.files(0);
    files.remove("gen-0/entries.ndjson");
    files.insert("gen-0/skeleton.bin".to_owned(), hashes.collect());
    files
}

fn archive(files: &Files) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, path, bytes.as_slice())
            .unwrap();
    }
    let mut packed = zstd::Encoder::new(Vec::new(), 3).unwrap();
    packed.include_checksum(true).unwrap();
    packed.write_all(&tar.into_inner().unwrap()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn archives_ranges_and_skeletons_are_compared_like_whole_folders() {
    let desk = Desk::new();
    let (honest, liar) = (went_on(&shop_of_24(), 6), went_on(&liar(), 6));
    let kept = desk.put("kept.note", shop_of_24().newest_note());
    let early = desk.put("early.note", &shop_of_24().notes[&9]);
    let forms = |name: &str, shop: &Shop| {
        [
            desk.put(&format!("{name}.tar.zst"), archive(&shop.files(0))),
            desk.put_export(&format!("{name}-skeleton"), &skeleton(shop)),
            desk.put_export(&format!("{name}-range"), &range(shop, 13)),
            desk.put_export(&format!("{name}-short"), &range(shop, 23)),
        ]
    };
    for export in forms("honest", &honest) {
        let said = desk.pinned(&["compare", &kept, &export]);
        assert_eq!(said.exit, 0, "{}", said.out);
    }
    for (number, export) in forms("liar", &liar).iter().enumerate() {
        let out = format!("fork-{number}.txt");
        let said = desk.pinned(&["compare", export, &kept, "--out", &out]);
        assert_eq!(said.exit, 5, "{export}: {}", said.out);
        assert_eq!(desk.pinned(&["compare", &out]).exit, 5);
    }
    // A checkpoint before the range cannot be held against it.
    let said = desk.pinned(&["compare", &early, &desk.at("honest-range")]);
    assert_eq!(said.exit, 4, "{}", said.out);
    assert!(said.out.contains("which begin at 13"), "{}", said.out);
    // A receipt of an entry within the range can, even where its checkpoint is unknown there.
    let receipt = went_on(&honest, 3).receipt(18, &[], &[]);
    let receipt = desk.put("receipt.txt", receipt.to_string());
    let said = desk.pinned(&["compare", &receipt, &desk.at("honest-range")]);
    assert_eq!(said.exit, 0, "{}", said.out);
    // Damage is not read over.
    let mut packed = std::fs::read(desk.path("honest.tar.zst")).unwrap();
    packed.pop();
    let cut = desk.put("cut.tar.zst", packed);
    assert_eq!(desk.pinned(&["compare", &kept, &cut]).exit, 3);
}

#[test]
fn a_fork_within_one_export_is_proven_too() {
    let desk = Desk::new();
    let shop = went_on(&liar(), 6);
    let mut files = shop.files(0);
    let marks = String::from_utf8(files["gen-0/marks.ndjson"].clone()).unwrap();
    let mut marks: Vec<_> = marks.lines().map(str::to_owned).collect();
    let newest = marks.pop().unwrap();
    let told_before = mark_line(shop_of_24().newest_note(), 24);
    marks.retain(|line| !line.ends_with("\"size\":24}"));
    marks.extend([told_before.trim_end().to_owned(), newest]);
    files.insert(
        "gen-0/marks.ndjson".into(),
        (marks.join("\n") + "\n").into_bytes(),
    );
    let export = desk.put_export("export", &files);
    let note = desk.put("newest.note", shop.newest_note());
    let said = desk.pinned(&["compare", &note, &export, "--out", "fork.txt"]);
    assert_eq!(said.exit, 5, "{}", said.out);
    assert_eq!(desk.pinned(&["compare", "fork.txt"]).exit, 5);
}

#[test]
fn entries_that_no_signature_covers_are_held_against_nothing() {
    let desk = Desk::new();
    let mut shop = went_on(&shop_of_24(), 2);
    let sale = shop.sell("C00001", "game-key", 1, "2:0", &[]);
    let receipt = desk.put("receipt.txt", shop.receipt(sale, &[], &[]).to_string());
    // The sale is entry 26: signed are those before 25, and then those before 26.
    for (signed, name) in [(1, "export"), (2, "next")] {
        let mut files = shop.files(0);
        let marks = went_on(&shop_of_24(), signed).files(0)["gen-0/marks.ndjson"].clone();
        files.insert("gen-0/marks.ndjson".into(), marks);
        let export = desk.put_export(name, &files);
        let said = desk.pinned(&["compare", &receipt, &export]);
        assert_eq!(said.exit, 4, "{}", said.out);
    }
}

#[test]
fn two_checkpoints_of_one_size_in_one_export_are_a_fork() {
    let desk = Desk::new();
    let (honest, liar) = (shop_of_24(), went_on(&liar(), 1));
    let size = liar.lines.len() as u64;
    let mut told = went_on(&honest, 1);
    while (told.lines.len() as u64) < size {
        told.beat();
    }
    let (one, other) = (&told.notes[&size], &liar.notes[&size]);
    let note = desk.put("kept.note", &honest.notes[&9]);
    for (number, pair) in [[one, other], [other, one]].into_iter().enumerate() {
        let mut files = told.files(0);
        let mut marks = mark_line(&honest.notes[&9], 9);
        marks.extend(pair.map(|note| mark_line(note, size)));
        files.insert("gen-0/marks.ndjson".into(), marks.into_bytes());
        let export = desk.put_export(&format!("export-{number}"), &files);
        let said = desk.pinned(&["compare", &note, &export]);
        assert_eq!(said.exit, 5, "{}", said.out);
    }
}

#[test]
fn an_export_of_another_form_is_malformed() {
    let desk = Desk::new();
    let shop = shop_of_24();
    let note = desk.put("kept.note", shop.newest_note());
    let judged = |name: &str, files: &Files| {
        let export = desk.put_export(name, files);
        desk.pinned(&["compare", &note, &export]).exit
    };
    let cut = |mut files: Files, name: &str| {
        files.get_mut(name).unwrap().pop();
        files
    };
    let named = |name: &str| {
        let mut all = edges::exports().into_iter();
        all.find(|case| case.name == name).unwrap().files
    };
    assert_eq!(judged("longest", &named("a line of 1024 bytes")), 0);
    assert_eq!(judged("longer", &named("a line of 1025 bytes")), 3);
    let line = cut(shop.files(0), "gen-0/entries.ndjson");
    assert_eq!(judged("line", &line), 3);
    let mark = cut(shop.files(0), "gen-0/marks.ndjson");
    assert_eq!(judged("mark", &mark), 3);
    let hash = cut(skeleton(&shop), "gen-0/skeleton.bin");
    assert_eq!(judged("hash", &hash), 3);
    // A fork proof has its place alone.
    let (mut one, mut other) = (liar(), liar());
    one.beat();
    other.t_ms += 1;
    other.beat();
    let [a, b] = [(&one, "a.note"), (&other, "b.note")]
        .map(|(shop, name)| desk.put(name, shop.newest_note()));
    let said = desk.pinned(&["compare", &a, &b, "--out", "fork.txt"]);
    assert_eq!(said.exit, 5, "{}", said.out);
    assert_eq!(desk.pinned(&["compare", &note, "fork.txt"]).exit, 2);
}

#[test]
fn a_forged_receipt_is_tampering_and_no_fork() {
    let desk = Desk::new();
    let export = desk.put_export("export", &shop_of_24().files(0));
    let forged = receipt_of_three().to_string().replace("A00002", "A00009");
    let forged = desk.put("forged.txt", forged);
    let said = desk.pinned(&["compare", &forged, &export]);
    assert_eq!(said.exit, 1, "{}", said.out);
}
