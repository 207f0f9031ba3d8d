//! Exports and receipts as they stand in the file, and back.

use super::*;

/// Texts that several exports have are kept once, under a name from their hash.
pub fn share(exports: &mut [Value]) -> Value {
    let mut times = BTreeMap::new();
    for text in exports
        .iter()
        .flat_map(|export| export["files"].as_object().unwrap().values())
    {
        *times.entry(text.to_string()).or_insert(0) += 1;
    }
    let mut shared = json!({});
    for export in exports {
        let files = export["files"].as_object_mut().unwrap();
        let often = |text: &Value| text.to_string().len() > 100 && times[&text.to_string()] > 1;
        let paths: Vec<_> = files
            .iter()
            .filter(|(_, text)| often(text))
            .map(|(path, _)| path.clone())
            .collect();
        let mut named = json!({});
        for path in paths {
            let text = files.remove(&path).unwrap();
            let name = hex::encode(&Sha256::digest(super::text(&text))[..4]);
            assert!(shared[&name].is_null() || shared[&name] == text);
            shared[&name] = text;
            named[&path] = json!(name);
        }
        if named != json!({}) {
            export["shared"] = named;
        }
    }
    shared
}

pub fn export(case: cases::ExportCase) -> Value {
    let mut vector = json!({
        "name": case.name, "kind": case.kind, "vkeys": spelled(&case.vkeys), "known": case.known, "exit": case.exit,
        "files": {},
    });
    for (path, bytes) in &case.files {
        match path.ends_with(".bin") {
            true => vector["binary"][path] = json!(STANDARD.encode(bytes)),
            false => vector["files"][path] = json!(std::str::from_utf8(bytes).unwrap()),
        }
    }
    let time = |t_ms| jiff::Timestamp::from_millisecond(t_ms).unwrap().to_string();
    for (flag, value) in [
        ("nonce", case.nonce.map(|nonce| json!(nonce))),
        ("since", case.since_ms.map(|t_ms| json!(time(t_ms)))),
        ("until", case.until_ms.map(|t_ms| json!(time(t_ms)))),
        (
            "witnesses",
            Some(json!(case.witnesses)).filter(|_| !case.witnesses.is_empty()),
        ),
    ] {
        if let Some(value) = value {
            vector[flag] = value;
        }
    }
    if case.exit == 0 {
        vector["expect"] = expected(&case);
    }
    vector
}

/// What a verifier that passes must have seen: each generation's first seq, its entries and its newest signed size.
pub fn expected(case: &cases::ExportCase) -> Value {
    let mut all = Vec::new();
    for number in 0.. {
        let lines = |file: &str| {
            let bytes = case.files.get(&format!("gen-{number}/{file}"));
            let text = bytes.map(|bytes| std::str::from_utf8(bytes).unwrap());
            text.map(|text| {
                text.lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .collect::<Vec<_>>()
            })
        };
        let Some(marks) = lines("marks.ndjson") else {
            break;
        };
        let skeleton = case.files.get(&format!("gen-{number}/skeleton.bin"));
        let prefix = lines("prefix.json").map_or(0, |prefix| super::number(&prefix[0]["size"]));
        let entries = match skeleton {
            Some(hashes) => hashes.len() / 32,
            None => lines("entries.ndjson").unwrap().len(),
        };
        let signed = marks.last().unwrap()["size"].clone();
        all.push(json!({"first": prefix, "entries": entries, "signed": signed}));
    }
    let mut expected = json!({"generations": all});
    if case.kind != "skeleton" {
        expected["stock"] = serde_json::to_value(case.report().stock).unwrap();
    }
    expected
}

/// An export case as it stands in the file.
pub fn export_of(v: &Value, shared: &Value) -> cases::ExportCase {
    let object = |name: &str| v[name].as_object().into_iter().flatten();
    let texts_of = |name: &str| {
        v[name]
            .as_array()
            .map_or_else(Vec::new, |_| texts(&v[name]))
    };
    let plain =
        object("files").map(|(path, text)| (path.clone(), super::text(text).as_bytes().to_vec()));
    let binary = object("binary")
        .map(|(path, text)| (path.clone(), STANDARD.decode(super::text(text)).unwrap()));
    let common = object("shared").map(|(path, name)| {
        let text = super::text(&shared[text(name)]);
        (path.clone(), text.as_bytes().to_vec())
    });
    let leak = |value: &Value| &*text(value).to_owned().leak();
    let time = |name: &str| {
        let time = v[name]
            .as_str()
            .map(|time| time.parse::<jiff::Timestamp>().unwrap());
        time.map(|time| time.as_millisecond())
    };
    cases::ExportCase {
        name: leak(&v["name"]),
        kind: leak(&v["kind"]),
        files: plain.chain(binary).chain(common).collect(),
        vkeys: vkeys(v),
        known: texts(&v["known"]),
        nonce: v["nonce"].as_str().map(|_| leak(&v["nonce"])),
        since_ms: time("since"),
        until_ms: time("until"),
        witnesses: texts_of("witnesses"),
        exit: u8::try_from(number(&v["exit"])).unwrap(),
    }
}

pub fn receipt(case: cases::ReceiptCase) -> Value {
    json!({
        "name": case.name, "vkeys": spelled(&case.vkeys), "known": case.known, "exit": case.exit,
        "receipt": String::from_utf8(case.receipt).unwrap(),
    })
}
