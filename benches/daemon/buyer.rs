//! What a buyer and the provider send: an order, a signed notice, the page that shows the key.

use http::StatusCode;
use md5::{Digest, Md5};

use super::client::{Connection, form, get};

/// What the channel `main` signs with.
pub const CHANNEL_KEY: &str = "kq3V8sW0zD5hT1yNfR7uB2mX";

/// The product's page.
pub const PRODUCT: &str = "/p/steam";

/// An order that waits for its payment.
#[derive(Clone, Debug)]
pub struct Placed {
    /// As notices name it.
    pub number: String,
    /// Its page.
    pub path: String,
}

/// The key in stock of that number.
pub fn key(number: usize) -> String {
    format!("STEAM-{number:08}-{:04X}", number * 7 % 65_536)
}

/// What a buyer fills in.
pub fn order_form(buyer: usize) -> String {
    format!("quantity=1&contact=buyer{buyer}%40example.com&channel=main")
}

/// Orders one `steam`, and looks at the order's page; none where an answer was not as it should be.
pub async fn order(connection: &mut Connection, buyer: usize) -> Option<Placed> {
    let answer = connection.send(form(PRODUCT, order_form(buyer))).await;
    if answer.status != StatusCode::SEE_OTHER {
        return None;
    }
    let path = answer.location;
    let page = connection.send(get(&path)).await;
    let number = order_number(&page.body)?.to_owned();
    Some(Placed { number, path })
}

/// The whole flow: order, page, notice, page with the key. Gives the key.
pub async fn buy(connection: &mut Connection, buyer: usize) -> Option<String> {
    let placed = order(connection, buyer).await?;
    let notice = notice_path(&placed.number, buyer);
    let answer = connection.send(get(&notice)).await;
    if answer.body != "success" {
        return None;
    }
    read_key(connection, &placed).await
}

/// The key that an order's page shows.
pub async fn read_key(connection: &mut Connection, placed: &Placed) -> Option<String> {
    let page = connection.send(get(&placed.path)).await;
    key_on(&page.body)
}

/// Where the provider sends the notice that `order` was paid, by a transaction of that number.
pub fn notice_path(order: &str, transaction: usize) -> String {
    let fields = format!(
        "money=19.9&name=product&out_trade_no={order}&pid=1001&trade_no=20261121{transaction:011}&trade_status=TRADE_SUCCESS&type=alipay"
    );
    let sign = hex::encode(Md5::digest(format!("{fields}{CHANNEL_KEY}")));
    format!("/pay/main/notify?{fields}&sign={sign}&sign_type=MD5")
}

/// The key on a page.
pub fn key_on(page: &str) -> Option<String> {
    let at = page.find("STEAM-")?;
    page.get(at..at + 19).map(str::to_owned)
}

/// The order number as the order's page shows it: 13 characters of Crockford's base 32, first in its title.
pub fn order_number(page: &str) -> Option<&str> {
    let title = page.get(page.find("<title>")?..page.find("</title>")?)?;
    let word = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
    let mut words = title.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(|part| {
        let begins = part.starts_with(|c: char| c.is_ascii_digit());
        part.len() == 13 && begins && part.chars().all(word)
    })
}
