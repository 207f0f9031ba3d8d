//! R11: folders of shops of every schema before this one (`tests/golden`) are brought up, whole and cut off at every step.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{Shop, ShopError};
use crate::domain::OrderId;
use crate::store::{Options, Rows, SCHEMA, Store, Tx, WriteError, copy_name};
use crate::testing::{SeededEntropy, TestClock, TestShop, Till};

struct Golden {
    schema: u32,
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    said: Value,
}

impl Golden {
    fn new(schema: u32) -> Self {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(format!("schema-{schema}"));
        let dir = tempfile::tempdir().unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            let to = dir.path().join(file.file_name());
            fs::copy(file.path(), &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let said: Value =
            serde_json::from_slice(&fs::read(dir.path().join("said.json")).unwrap()).unwrap();
        let clock = Arc::new(TestClock::at(said["now_ms"].as_i64().unwrap()));
        Self {
            schema,
            dir,
            clock,
            said,
        }
    }

    fn options(&self) -> impl Fn(&Path) -> Options + use<> {
        let clock = self.clock.clone();
        move |path| Options::file(path, 16 << 20, clock.clone())
    }

    fn open(&self) -> Result<Shop, ShopError> {
        let policy = Till::default().policy;
        let entropy = Arc::new(SeededEntropy::new(7));
        Shop::open(self.dir.path(), policy, self.options(), entropy)
    }

    /// Writes into the database as it lies there.
    fn write(&self, change: impl Fn(&mut Tx<'_>) + Send + 'static) {
        let path = self.dir.path().join("shop.redb");
        let store = Store::open(self.options()(&path), Box::new(|_| ())).unwrap();
        let write = store.write(move |tx| -> Result<(), WriteError<Infallible>> {
            change(tx);
            Ok(())
        });
        write.wait().unwrap();
        store.close();
    }

    fn copy(&self) -> PathBuf {
        self.dir.path().join("backups").join(copy_name(self.schema))
    }

    /// Everything that the shop said when it was of its schema it says now.
    fn assert_same(&self, shop: &Shop) {
        assert_eq!(shop.check_books().unwrap().wrong, Vec::<String>::new());
        let latest = shop.chain().latest();
        assert_eq!(Value::from(latest.size), self.said["size"]);
        assert_eq!(Value::from(latest.note), self.said["note"]);
        for order in self.said["orders"].as_array().unwrap() {
            let id = OrderId::parse(order["order"].as_str().unwrap()).unwrap();
            let link = order["link"].as_str().unwrap();
            assert_eq!(shop.vault().link_secret(id.0), link);
            let view = shop.view_order(id).unwrap().unwrap();
            assert_eq!(Value::from(view.contact.expose()), order["contact"]);
            let keys: Vec<&str> = view
                .keys
                .iter()
                .map(|key| key.expose_str().unwrap())
                .collect();
            assert_eq!(Value::from(keys), order["keys"]);
            let state = shop.order(id).unwrap().unwrap().state;
            assert_eq!(Value::from(format!("{state:?}")), order["state"]);
            let receipt = shop.receipt(id).ok();
            assert_eq!(receipt.map_or(Value::Null, Value::from), order["receipt"]);
        }
        let channel = shop.channels().unwrap().remove(0);
        let secret = channel.secrets["key"].expose_str();
        assert_eq!(secret, Some("kq3V8sW0zD5hT1yNfR7uB2mX"));
        let rows = shop.store().read().unwrap();
        assert_eq!(rows.meta("schema").unwrap().unwrap(), SCHEMA.to_le_bytes());
        assert_eq!(rows.meta("upgrading").unwrap(), None);
    }
}

#[test]
fn a_shop_of_every_schema_is_brought_up_and_says_what_it_said_also_with_a_new_root_key() {
    for schema in 1..SCHEMA {
        let golden = Golden::new(schema);
        for _ in 0..2 {
            let shop = golden.open().unwrap();
            golden.assert_same(&shop);
            shop.close();
        }
        let shop = golden.open().unwrap();
        // The row of keys was made just now: what the root key sealed itself follows, and a new root key opens all the same.
        assert_eq!(shop.key_status().unwrap().older_sealing_keys, 1);
        shop.finish_keys_alone().unwrap();
        assert_eq!(shop.key_status().unwrap().older_sealing_keys, 0);
        golden.assert_same(&shop);
        shop.replace_pool_keys(None).unwrap();
        shop.replace_root_key().unwrap();
        shop.finish_keys_alone().unwrap();
        shop.close();
        let shop = golden.open().unwrap();
        let order = OrderId::parse(golden.said["orders"][0]["order"].as_str().unwrap()).unwrap();
        let view = shop.view_order(order).unwrap().unwrap();
        assert_eq!(view.keys[0].expose(), b"KEY-000000");
        assert_eq!(
            shop.vault().link_secret(order.0),
            golden.said["orders"][0]["link"].as_str().unwrap()
        );
        assert_eq!(shop.check_books().unwrap().wrong, Vec::<String>::new());
        shop.close();
    }
}

#[tokio::test]
async fn a_shop_that_was_brought_up_sells_on() {
    for schema in 1..SCHEMA {
        let golden = Golden::new(schema);
        let shop = golden.open().unwrap();
        let pending = golden.said["orders"][3]["order"].as_str().unwrap();
        let order = shop
            .order(OrderId::parse(pending).unwrap())
            .unwrap()
            .unwrap();
        let helper = TestShop::new();
        shop.settle(helper.claim(&order, "T9")).await.unwrap();
        let request = helper.request("steam", 1, 50);
        let order = shop.checkout(request).await.unwrap();
        shop.settle(helper.claim(&order, "T10")).await.unwrap();
        let view = shop.view_order(order.id).unwrap().unwrap();
        assert_eq!(view.keys.len(), 1, "schema {schema}");
        assert_eq!(shop.check_books().unwrap().wrong, Vec::<String>::new());
    }
}

#[test]
fn an_upgrade_that_a_kill_cut_off_before_or_after_any_step_goes_on_where_it_was() {
    for schema in 1..SCHEMA {
        // Before the step from this schema: what the steps before it left, and the number of this version.
        let golden = Golden::new(schema);
        golden.write(move |tx| tx.begin_upgrade(schema).unwrap());
        let shop = golden.open().unwrap();
        golden.assert_same(&shop);
        shop.close();
        assert!(
            !golden.copy().exists(),
            "that was made before the first step"
        );
        // After the work of each step and before it was written down: it is done again.
        for from in schema..SCHEMA {
            golden.write(move |tx| tx.begin_upgrade(from).unwrap());
            let shop = golden.open().unwrap();
            golden.assert_same(&shop);
            shop.close();
        }
    }
}

#[test]
fn the_copy_made_before_an_upgrade_is_the_shop_as_it_was_and_goes_a_day_later() {
    for schema in 1..SCHEMA {
        let golden = Golden::new(schema);
        golden.open().unwrap().close();
        let mode = fs::metadata(golden.copy()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Put back, it is brought up again: the way back to the version before, should this one not do.
        let before = Golden::new(schema);
        fs::copy(golden.copy(), before.dir.path().join("shop.redb")).unwrap();
        let path = before.dir.path().join("shop.redb");
        let store = Store::open(before.options()(&path), Box::new(|_| ())).unwrap();
        let found = store.read().unwrap().meta("schema").unwrap().unwrap();
        assert_eq!(found, schema.to_le_bytes());
        store.close();
        let shop = before.open().unwrap();
        before.assert_same(&shop);
        shop.close();
        let shop = golden.open().unwrap();
        golden.clock.advance_ms(24 * 3_600_000 - 1);
        assert_eq!(shop.drop_upgrade_copies().unwrap(), 0);
        golden.clock.advance_ms(1);
        assert_eq!(shop.drop_upgrade_copies().unwrap(), 1);
        assert_eq!(shop.drop_upgrade_copies().unwrap(), 0);
    }
}

#[test]
fn an_upgrade_without_its_copy_is_no_upgrade() {
    let golden = Golden::new(SCHEMA - 1);
    let before = fs::read(golden.dir.path().join("shop.redb")).unwrap();
    // Where the folder of backups should be, something else lies.
    fs::write(golden.dir.path().join("backups"), b"").unwrap();
    let refused = golden.open().err().unwrap();
    assert!(matches!(refused, ShopError::Upgrade(_)), "{refused}");
    assert!(
        refused.to_string().contains("nothing was changed"),
        "{refused}"
    );
    fs::remove_file(golden.dir.path().join("backups")).unwrap();
    let path = golden.dir.path().join("shop.redb");
    assert_eq!(fs::read(&path).unwrap().len(), before.len());
    let store = Store::open(golden.options()(&path), Box::new(|_| ())).unwrap();
    let found = store.read().unwrap().meta("schema").unwrap().unwrap();
    assert_eq!(found, (SCHEMA - 1).to_le_bytes());
    store.close();
    let shop = golden.open().unwrap();
    golden.assert_same(&shop);
}
