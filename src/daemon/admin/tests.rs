//! Commands on a real shop, here and through the socket.

use std::{collections::BTreeMap, io::Cursor, path::Path};

use serde_json::json;

use super::*;
use crate::{
    daemon::{Ending, telemetry::Metrics},
    domain::Currency,
    net::{self, Listener, ServeLimits, Timeouts},
    testing::{TestShop, Till},
};

struct Desk {
    context: Context,
    shop: TestShop,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    fn new() -> Self {
        Self::over(TestShop::new())
    }

    fn over(shop: TestShop) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let context = Context {
            shop: shop.shop.clone(),
            settings: Arc::default(),
            dir: std::env::temp_dir(),
            runtime: runtime.handle().clone(),
            in_daemon: true,
        };
        Self {
            context,
            shop,
            runtime,
        }
    }

    fn ask(&self, command: Command, body: &str) -> Result<Value, CommandError> {
        let mut body = Cursor::new(body.as_bytes().to_vec());
        execute(&self.context, command, &mut body, &mut |_| Ok(()))
    }

    fn import(&self, dry_run: bool, body: &str) -> Result<Value, CommandError> {
        self.ask(import(dry_run), body)
    }
}

fn import(dry_run: bool) -> Command {
    Command::KeyImport(KeyImport {
        product: "steam".into(),
        dry_run,
        format: "auto".into(),
        ..KeyImport::default()
    })
}

#[test]
fn keys_are_counted_then_imported_listed_masked_found_and_withdrawn() {
    let desk = Desk::new();
    let text = "AAAA-1111-XXXX\nBBBB-2222-YYYY\nAAAA-1111-XXXX\n";
    let dry = desk.import(true, text).unwrap();
    assert_eq!(
        (&dry["imported"], &dry["duplicate_in_file"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        desk.ask(Command::ProductList, "").unwrap()["products"][0]["available"],
        0
    );

    let done = desk.import(false, text).unwrap();
    assert_eq!(done["imported"], 2);
    let list = Command::KeyList {
        product: "steam".into(),
        after: None,
        max: 1,
    };
    let listed = desk.ask(list, "").unwrap();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert_eq!(listed["next"], "0:1");
    assert!(!listed.to_string().contains("AAAA-1111"));

    let found = desk.ask(Command::KeyFind, "BBBB-2222-YYYY\n").unwrap();
    assert_eq!(found["found"]["slot"], "0:1");
    assert!(desk.ask(Command::KeyFind, "nothing").unwrap()["found"].is_null());

    let void = || Command::KeyVoid {
        slots: vec!["0:1".into()],
        why: "leaked".into(),
    };
    desk.ask(void(), "").unwrap();
    assert_eq!(desk.ask(void(), "").unwrap_err().code, "state");
    assert_eq!(
        desk.ask(Command::ProductList, "").unwrap()["products"][0]["available"],
        1
    );
}

#[test]
fn a_refused_import_names_lines_and_never_a_key() {
    let desk = Desk::new();
    let mut command = import(false);
    if let Command::KeyImport(import) = &mut command {
        import.pattern = Some("[A-Z]{4}-[0-9]{4}".into());
    }
    let error = desk.ask(command, "GOOD-1234\nbad text\n").unwrap_err();
    assert_eq!(error.code, "bad_lines");
    assert!(error.message.contains("line 2") && !error.message.contains("bad text"));
}

#[test]
fn a_setting_edited_after_the_start_is_told_and_the_marks_show_no_value() {
    let desk = Desk::new();
    let salt = || "9f".to_owned();
    let served = desk.ask(Command::Settings { salt: salt() }, "").unwrap();
    assert!(!served.to_string().contains("localhost"));
    let mut file = Settings::default();
    let differing = |file: &Settings| -> Vec<String> {
        let marks = file.marks(salt().as_bytes()).into_iter();
        marks
            .filter(|(key, mark)| served["marks"][key] != mark.as_str())
            .map(|(key, _)| key)
            .collect()
    };
    assert_eq!(differing(&file), [""; 0]);
    file.shop.title = "Another".to_owned();
    file.mail.password = Some("pa55".to_owned().into());
    assert_eq!(differing(&file), ["[mail] password", "[shop] title"]);
    assert_ne!(file.marks(b"1"), file.marks(b"2"));
}

#[test]
fn a_channels_secret_goes_in_and_never_comes_out() {
    let desk = Desk::new();
    let secret = "4f2b9d1c7e8a4b6f9c3d5e7a1b2c8d90";
    let settings = [
        ("gateway", "https://pay.example/"),
        ("pid", "1"),
        ("type", "alipay"),
    ];
    let add = |gateway: &str| {
        let mut settings: BTreeMap<String, String> = settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        settings.insert("gateway".into(), gateway.into());
        Command::ChannelAdd(ChannelAdd {
            name: "second".into(),
            kind: "epay".into(),
            settings,
            secrets: BTreeMap::from([("key".to_owned(), Hidden(secret.to_owned()))]),
        })
    };
    let plain = desk.ask(add("http://pay.example/"), "").unwrap_err();
    assert!(plain.message.contains("TLS"), "{plain}");
    let added = desk.ask(add("https://pay.example/"), "").unwrap();
    assert_eq!(added["notify_url"], "https://localhost/pay/second/notify");
    let listed = desk.ask(Command::ChannelList, "").unwrap();
    assert!(!format!("{added}{listed}").contains(secret));
    let remove = Command::ChannelRemove {
        name: "second".into(),
    };
    desk.ask(remove.clone(), "").unwrap();
    assert_eq!(desk.ask(remove, "").unwrap_err().code, "unknown");
}

#[test]
fn a_channel_that_takes_other_money_than_the_shops_is_not_added() {
    let mut till = Till::default();
    till.policy.currency = Currency::parse("USD").unwrap();
    let desk = Desk::over(TestShop::with(till));
    let settings = [("gateway", "https://pay.example/"), ("pid", "1")];
    let add = Command::ChannelAdd(ChannelAdd {
        name: "second".into(),
        kind: "epay".into(),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        secrets: BTreeMap::from([(
            "key".to_owned(),
            Hidden("4f2b9d1c7e8a4b6f9c3d5e7a1b2c8d90".to_owned()),
        )]),
    });
    let refused = desk.ask(add, "").unwrap_err();
    assert!(
        refused.message.contains("takes CNY") && refused.message.contains("in USD"),
        "{refused}"
    );
}

#[test]
fn an_order_is_shown_without_its_keys_and_decided_with_a_reason() {
    let desk = Desk::new();
    desk.shop.stock("steam", "KEY", 2);
    let order = desk.runtime.block_on(desk.shop.order("steam"));
    let number = order.id.to_string();
    let decide = |decision, reason: &str| Command::OrderDecide {
        order: number.clone(),
        decision,
        reason: reason.to_owned(),
    };
    let no_reason = desk.ask(decide(Decision::Deliver, " "), "").unwrap_err();
    assert_eq!(no_reason.code, "invalid");
    let delivered = desk.ask(decide(Decision::Deliver, "a gift"), "").unwrap();
    assert_eq!(delivered["state"], "delivered");
    let show = Command::OrderShow {
        order: number.clone(),
    };
    let shown = desk.ask(show, "").unwrap();
    assert_eq!(shown["note"], "a gift");
    assert!(!shown.to_string().contains("KEY"), "{shown}");
    assert_eq!(
        desk.ask(decide(Decision::Cancel, "late"), "")
            .unwrap_err()
            .code,
        "state"
    );

    let list = |state: &str| Command::OrderList {
        state: Some(state.to_owned()),
        since: None,
        owed: false,
        max: 10,
    };
    assert_eq!(
        desk.ask(list("delivered"), "").unwrap()["orders"][0]["order"],
        number
    );
    assert!(
        desk.ask(list("nonsense"), "")
            .unwrap_err()
            .message
            .contains("pending")
    );
}

#[test]
fn an_order_that_nobody_opened_is_on_the_list_and_doctor_says_so() {
    let mut till = Till::default();
    till.policy.tell.buyer_mail = true;
    let desk = Desk::over(TestShop::with(till));
    desk.shop.stock("steam", "KEY", 2);
    let order = desk.runtime.block_on(desk.shop.order("steam"));
    desk.context.shop.give_by_hand(order.id, "a gift").unwrap();
    let unread = || desk.ask(Command::OrderUnread { max: 5 }, "").unwrap();
    let finding = || {
        let found = desk.ask(Command::Doctor, "").unwrap();
        let mut findings = found["findings"].as_array().unwrap().clone();
        findings.retain(|finding| finding["check"] == "unread orders");
        findings[0]["level"].clone()
    };
    assert_eq!(unread()["orders"], json!([]));
    assert_eq!(finding(), "ok");
    desk.shop.clock.advance_ms(3_600_000);
    for _ in 0..2 {
        let round = desk.context.shop.remind_unread();
        assert_eq!(desk.runtime.block_on(round).unwrap(), 1);
    }
    let listed = unread();
    assert_eq!(listed["orders"][0]["order"], order.id.to_string());
    assert_eq!(listed["orders"][0]["contact"], "b…@example.com");
    assert_eq!((&listed["more"], finding()), (&json!(false), "warn".into()));
}

#[test]
fn the_doctor_reads_the_books_and_names_what_does_not_add_up() {
    use crate::{domain::OrderId, store::WriteError};
    let desk = Desk::new();
    desk.import(false, "KEY-A\nKEY-B\n").unwrap();
    let finding = || {
        let found = desk.ask(Command::Doctor, "").unwrap();
        let findings = found["findings"].as_array().unwrap();
        let books = findings.iter().find(|one| one["check"] == "books").unwrap();
        let text = |name: &str| books[name].as_str().unwrap().to_owned();
        (text("level"), text("message"))
    };
    let books = desk.context.shop.check_books().unwrap();
    let keys = books.slots;
    assert!(keys >= 2 && books.entries >= 2, "{books:?}");
    let (level, message) = finding();
    assert_eq!(level, "ok", "{message}");
    let counts = format!("0 orders, {keys} keys and {} ledger entries", books.entries);
    assert!(message.starts_with(&counts), "{message}");
    let write =
        desk.context
            .shop
            .store()
            .write(|tx| -> Result<(), WriteError<std::convert::Infallible>> {
                Ok(tx.put_contact(&[7; 16], OrderId(7), true)?)
            });
    write.wait().unwrap();
    let (level, message) = finding();
    assert!(
        level == "fail" && message.contains("not there") && message.contains("stop selling"),
        "{message}"
    );
}

#[test]
fn the_export_comes_in_frames_and_stops_when_nobody_takes_them() {
    let desk = Desk::new();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut take = |frame: Frame| {
        if let Frame::File { path, bytes } = frame {
            files.entry(path).or_default().extend(bytes);
        }
        Ok(())
    };
    let command = Command::LedgerExport(LedgerExport::default());
    execute(
        &desk.context,
        command.clone(),
        &mut std::io::empty(),
        &mut take,
    )
    .unwrap();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["README.txt", "gen-0/entries.ndjson", "gen-0/marks.ndjson"]
    );
    assert!(files["gen-0/entries.ndjson"].ends_with(b"\n"));

    let mut leave = |_: Frame| Err(Gone);
    let left = execute(&desk.context, command, &mut std::io::empty(), &mut leave);
    assert_eq!(left.unwrap_err().code, "export");
}

#[test]
fn the_socket_gives_the_same_json_as_the_files() {
    let desk = Desk::new();
    desk.shop.stock("steam", "KEY", 3);
    desk.runtime.block_on(desk.shop.order("steam"));
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let (end, ending) = Ending::new();
    let service = socket::service(desk.context.clone(), Arc::new(Metrics::new()));
    let listener = desk.runtime.block_on(Listener::unix(&socket)).unwrap();
    let told = ending.clone();
    let serving = desk.runtime.spawn(async move {
        let (limits, times) = (ServeLimits::default(), Timeouts::default());
        net::serve(vec![listener], service, limits, times, async move {
            told.wait().await
        })
        .await
    });
    let through = |command: &Command, body: &str| {
        let body = body.as_bytes().to_vec();
        send(&socket, command, body)
    };
    let unknown = Command::ProductShow {
        slug: "none".into(),
    };
    let list = Command::OrderList {
        state: None,
        since: None,
        owed: false,
        max: 5,
    };
    let commands = [
        (Command::ProductList, ""),
        (Command::ChannelList, ""),
        (list, ""),
        (Command::LedgerVkey, ""),
        (Command::LedgerCheckpoint, ""),
        (Command::OutboxList, ""),
        (Command::NoticeList { max: 5 }, ""),
        (Command::Doctor, ""),
        (Command::KeyFind, "KEY-1"),
        (import(true), "NEW-1\nNEW-2\n"),
        (unknown, ""),
    ];
    for (command, body) in commands {
        assert_eq!(
            through(&command, body),
            desk.ask(command.clone(), body),
            "{command:?}"
        );
    }
    let imported = through(&import(false), "NEW-1\nNEW-2\n").unwrap();
    assert_eq!(imported["imported"], 2);
    end.tell();
    desk.runtime.block_on(serving).unwrap();
}

/// The command line's side, as far as this room may know it.
fn send(socket: &Path, command: &Command, body: Vec<u8>) -> Result<Value, CommandError> {
    use http_body_util::{BodyExt, Full};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut sent = serde_json::to_vec(command).unwrap();
    sent.push(b'\n');
    sent.extend(body);
    let request =
        http::Request::post(socket::COMMAND_PATH).body(Full::new(bytes::Bytes::from(sent)));
    let answer = runtime.block_on(async {
        let answer = net::admin_client::request(socket, request.unwrap())
            .await
            .unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    });
    let last = answer
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty())
        .unwrap();
    match serde_json::from_slice(last).unwrap() {
        Frame::Done(value) => Ok(value),
        Frame::Error(error) => Err(error),
        frame => panic!("the last frame is {frame:?}"),
    }
}
