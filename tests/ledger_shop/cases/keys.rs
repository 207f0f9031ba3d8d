//! Exports with other log keys, and with several generations.

use super::*;

pub fn keys_and_generations() -> Vec<ExportCase> {
    let new = || SigningKey::from_bytes(&[4; 32]);
    let rotated = {
        let mut shop = shop_of_24();
        shop.rotate(new());
        shop.t_ms += HOUR_MS;
        shop.beat();
        shop
    };
    let mut retired = rotated.clone();
    retired.key = log_key();
    retired.beat();
    let mut too_early = rotated.clone();
    let note = sign_checkpoint(
        &new(),
        ORIGIN,
        25,
        &Frontier::from_source(&rotated.rows, 25).unwrap().root(),
    );
    too_early.notes.insert(25, note);
    let mut unvouched = shop_of_24();
    unvouched.root = SigningKey::from_bytes(&[9; 32]);
    unvouched.rotate(new());
    unvouched.beat();
    let mut usurped = shop_of_24();
    usurped.rotate_by(&SigningKey::from_bytes(&[9; 32]), new());
    usurped.beat();
    let later = "shop.example/89abcdef";
    let generations = |first: &Shop, second: &Shop| {
        let mut files = first.files(0);
        files.extend(second.files(1));
        files
    };
    let first = shop_of_24();
    let mut second = first.restored(later, 26);
    second.sell("C00001", "game-key", 1, "2:0", &[]);
    let mut sold_again = first.restored(later, 26);
    sold_again.sell("C00001", "game-key", 1, "0:1", &[]);
    let mut lost = first.clone();
    lost.beat();
    let note_25 = lost.newest_note().to_owned();
    lost.beat();
    lost.beat();
    let note_27 = lost.newest_note().to_owned();
    let mut shorter = Shop::opened();
    shorter.import("game-key", 8);
    let mut wrong_root = first.clone();
    wrong_root.root = SigningKey::from_bytes(&[9; 32]);
    let root = vkey_of(&root_key(), ORIGIN);
    vec![
        case("a rotated key", 0, rotated.files(0)),
        case("a rotated key, a note by it known", 0, rotated.files(0)).known(rotated.newest_note()),
        case("a checkpoint by a retired key", 1, retired.files(0)),
        case("a checkpoint by a key too early", 1, too_early.files(0)),
        case(
            "a rotation that the origin key did not sign",
            1,
            unvouched.files(0),
        ),
        case(
            "only the root key pinned, which did not sign the first key",
            4,
            shop_of_24().files(0),
        )
        .pinned([root]),
        case("two generations", 0, generations(&first, &second)),
        case(
            "two generations, a lost note known",
            0,
            generations(&first, &second),
        )
        .known(note_25),
        case(
            "two generations, a note above what was admitted known",
            1,
            generations(&first, &second),
        )
        .known(note_27),
        case(
            "two generations, a slot sold in both",
            1,
            generations(&first, &sold_again),
        ),
        case(
            "two generations, the first one cut",
            1,
            generations(&shorter, &second),
        ),
        case(
            "a rotation that the old key did not sign",
            1,
            usurped.files(0),
        ),
        case(
            "two generations, the second not signed by the origin key",
            1,
            {
                let second = first.restored_by(&SigningKey::from_bytes(&[9; 32]), later, 26);
                generations(&first, &second)
            },
        ),
        case("two generations, opened by a stranger", 1, {
            let second = wrong_root.restored(later, 26);
            generations(&first, &second)
        }),
        case("the second generation alone", 4, second.files(1)),
        case(
            "two generations of one origin",
            1,
            generations(&first, &first.restored(ORIGIN, 24)),
        ),
        case("a third generation of the first one's origin", 1, {
            let mut files = generations(&first, &second);
            files.extend(second.restored(ORIGIN, 2).files(2));
            files
        }),
        case("a rotation back to a key that was used before", 1, {
            let mut back = rotated.clone();
            back.rotate(log_key());
            back.files(0)
        }),
        cut_with_a_mark_of_another_log(),
    ]
}

/// The last note of a cut generation is known, and a mark of the same size of the next generation stands among its marks:
/// both are genuine and differ, but they are of two logs.
pub fn cut_with_a_mark_of_another_log() -> ExportCase {
    let first = shop_of_24();
    let mut second = first.restored("shop.example/89abcdef", 24);
    while second.lines.len() < 24 {
        second.beat();
    }
    let mut marks = first.marked();
    marks.retain(|size, _| *size <= 20);
    marks.insert(20, first.notes[&20].clone());
    marks.insert(24, second.newest_note().to_owned());
    case(
        "entries cut, a mark of another generation appended, the cut one's newest note known",
        1,
        parts::whole(0, &first.lines[..20], &marks),
    )
    .pinned([pinned(), vkey_of(&second.key, &second.origin)])
    .known(first.newest_note())
}
