//! Lines of entries, canonical and spoiled, and commitments to fields.

use super::*;

pub fn lines() -> Vec<Value> {
    let mut shop = shop_of_24();
    shop.rotate(root_key());
    let later = shop.restored("shop.example/89abcdef", 30);
    let lines = shop.lines.iter().chain(&later.lines[..1]);
    let vector = |(number, line): (usize, &String)| {
        let entry = Entry::parse(line.as_bytes()).unwrap();
        json!({
            "name": format!("line {number}"), "type": entry.body.name(),
            "line": line, "hash": hash_line(line.as_bytes()).to_string(),
        })
    };
    lines.enumerate().map(vector).collect()
}

pub fn bad_lines() -> Vec<Value> {
    let shop = shop_of_24();
    let sale = &shop.lines[4];
    let changes = [
        ("white space after the brace", "{", "{ "),
        ("white space after a comma", ",\"buyer\"", ", \"buyer\""),
        ("a leading zero", "\"qty\":3", "\"qty\":03"),
        ("minus zero", "\"amt\":1999", "\"amt\":-0"),
        ("a float", "\"qty\":3", "\"qty\":3.0"),
        ("an exponent", "\"qty\":3", "\"qty\":3e0"),
        (
            "an integer of 2^53",
            "\"amt\":1999",
            "\"amt\":9007199254740992",
        ),
        ("money as text", "\"amt\":1999", "\"amt\":\"1999\""),
        ("null", "\"amt\":1999", "\"amt\":null"),
        ("a key twice", "\"amt\":1999", "\"amt\":1999,\"amt\":1999"),
        ("a key missing", "\"amt\":1999,", ""),
        ("an unknown key", "\"amt\":1999", "\"abc\":1,\"amt\":1999"),
        ("keys not sorted", "\"amt\":1999,", "\"zz\":1,\"amt\":1999,"),
        ("an escape", "game-key", "game\\u002dkey"),
        ("text that is not ASCII", "game-key", "gäme-key"),
        ("an upper-case sku", "game-key", "Game-key"),
        ("an empty sku", "game-key", ""),
        ("a lower-case currency", "\"CNY\"", "\"cny\""),
        ("an order number too short", "A00002", "A0002"),
        ("an order number with a dash", "A00002", "A-0002"),
        ("a quantity of zero", "\"qty\":3", "\"qty\":0"),
        ("an unknown kind", "\"pool\"", "\"pond\""),
        ("slots without a pool", "\"pool\"", "\"hand\""),
        ("another version", "\"v\":1", "\"v\":2"),
        ("an unknown type", "\"sale\"", "\"gift\""),
        ("seq 0 without open", "\"seq\":4", "\"seq\":0"),
        ("slots not merged", "0:1-2", "0:1,0:2"),
        ("slots not ascending", "0:1-2", "0:2,0:0"),
        ("a slot twice", "0:1-2", "0:1,0:1"),
        ("a range of one", "0:1-2", "0:1-1"),
        ("a range turned round", "0:1-2", "0:2-1"),
        ("a leading zero in a slot", "0:1-2", "0:01-2"),
        ("no slots", "0:1-2", ""),
        ("a carriage return at the end", "\"v\":1}", "\"v\":1}\r"),
        ("bytes after the object", "\"v\":1}", "\"v\":1}}"),
        ("no closing brace", "\"v\":1}", "\"v\":1"),
    ];
    let mut all: Vec<_> = changes
        .into_iter()
        .map(|(name, from, to)| {
            assert!(sale.contains(from), "{from}");
            let line = sale.replacen(from, to, 1);
            json!({"name": name, "line_hex": hex::encode(line)})
        })
        .collect();
    let upper = sale.replacen(&sale[22..40], &sale[22..40].to_uppercase(), 1);
    assert_ne!(&upper, sale);
    let long = shop.lines[6].replacen("drand 4242", &"x".repeat(1024), 1);
    let free = |text: &str| shop.lines[6].replacen("drand 4242", text, 1);
    let open = shop.lines[0].replacen("\"seq\":0", "\"seq\":5", 1);
    let prior = shop.restored("shop.example/89abcdef", 30).lines[0].clone();
    let partial = prior.replacen(",\"prior_size\":24", "", 1);
    assert_ne!(partial, prior);
    for (name, line) in [
        ("upper-case hex", upper),
        ("longer than 1024 bytes", long),
        ("a control character in free text", free("\u{7}")),
        ("free text that is not ASCII", free("\u{e9}")),
        ("a backslash in free text", free("\\")),
        ("an open that is not seq 0", open),
        ("an open with a part of prior", partial),
        ("an empty line", String::new()),
        ("an empty object", "{}".to_owned()),
    ] {
        all.push(json!({"name": name, "line_hex": hex::encode(line)}));
    }
    all.extend(each_type_spoiled());
    all.push(json!({"name": "bytes that are not UTF-8", "line_hex": "7b22ff223a317d"}));
    all
}

/// One line of each type, each key left out, of the other kind, in another place, and with one key more.
pub fn each_type_spoiled() -> Vec<Value> {
    let mut shop = shop_of_24();
    shop.rotate(root_key());
    let later = shop.restored("shop.example/89abcdef", 30);
    let mut seen = BTreeMap::new();
    for line in shop.lines.iter().chain(&later.lines) {
        let entry: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let optional = entry.contains_key("prior") || entry.contains_key("beacon");
        let name = format!(
            "{}{}",
            text(&entry["type"]),
            if optional {
                " with its optional keys"
            } else {
                ""
            }
        );
        seen.entry(name).or_insert((line.clone(), entry));
    }
    assert_eq!(seen.len(), 15);
    let mut all = Vec::new();
    for (name, (line, entry)) in seen {
        let mut add = |what: String, spelled: String| {
            assert!(
                Entry::parse(spelled.as_bytes()).is_err(),
                "{name}, {what}: {spelled}"
            );
            all.push(json!({"name": format!("{name}, {what}"), "line_hex": hex::encode(spelled)}));
        };
        for key in entry.keys() {
            // Some keys are optional; the rest of `prior` is not when one of it is there.
            if key != "beacon" {
                let mut less = entry.clone();
                less.remove(key);
                add(format!("without {key}"), json!(less).to_string());
            }
            let mut other = entry.clone();
            other[key] = if entry[key].is_number() {
                json!(entry[key].to_string())
            } else {
                json!(1)
            };
            add(format!("{key} of the other kind"), json!(other).to_string());
        }
        let mut more = entry.clone();
        more.insert("zzz".to_owned(), json!(1));
        add("a key more".to_owned(), json!(more).to_string());
        let (first, rest) = line[1..line.len() - 1].split_once(',').unwrap();
        add(
            "its first key last".to_owned(),
            format!("{{{rest},{first}}}"),
        );
        add("white space at its end".to_owned(), format!("{line} "));
    }
    all
}

pub fn field_commitments() -> Vec<Value> {
    let values = [
        (Field::Buyer, "买家@example.org"),
        (Field::Pay, "epay\n20261121000001"),
        (Field::Who, "li"),
        (Field::Buyer, ""),
    ];
    let vector = |(field, value): (Field, &str)| {
        json!({
            "name": format!("{} of {} bytes", field.name(), value.len()), "field": field.name(),
            "salt": "02".repeat(32), "value_hex": hex::encode(value),
            "commitment": commitment::field(&[2; 32], field, value.as_bytes()).to_string(),
        })
    };
    values.into_iter().map(vector).collect()
}
