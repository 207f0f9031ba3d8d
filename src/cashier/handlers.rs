//! The cashier's routes: what a real gateway answers under the same names.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::orders::{Order, Request, beijing, yuan};
use super::sign::{self, Fields, fields};
use super::{Cashier, CashierConfig, notices, pages};

pub(super) fn router(cashier: Cashier) -> Router {
    Router::new()
        .route("/", get(|| async { html(StatusCode::OK, pages::index()) }))
        .route("/cashier.css", get(style))
        .route("/submit.php", get(submit_by_address).post(submit_by_form))
        .route("/mapi.php", post(create))
        .route("/api.php", get(query))
        .route("/pay/{trade_no}", get(pay_page).post(pay))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(cashier)
}

async fn submit_by_address(State(cashier): State<Cashier>, RawQuery(query): RawQuery) -> Response {
    submit(&cashier, query.unwrap_or_default().as_bytes())
}

async fn submit_by_form(State(cashier): State<Cashier>, form: Bytes) -> Response {
    submit(&cashier, &form)
}

fn submit(cashier: &Cashier, encoded: &[u8]) -> Response {
    match request(cashier.config(), encoded) {
        Ok((request, _)) => {
            let order = cashier.orders().submit(request, cashier.now_ms());
            order_page(cashier, &order)
        }
        Err(Refusal(chinese, english)) => {
            html(StatusCode::BAD_REQUEST, pages::refused(chinese, english))
        }
    }
}

/// `mapi.php`: the same as JSON, for the server of the shop.
async fn create(State(cashier): State<Cashier>, form: Bytes) -> Response {
    let (request, fields) = match request(cashier.config(), &form) {
        Ok(read) => read,
        Err(Refusal(chinese, _)) => return answer(json!({"code": -1, "msg": chinese})),
    };
    if fields.get("clientip").is_none_or(String::is_empty) {
        return answer(json!({"code": -1, "msg": "用户IP地址(clientip)不能为空"}));
    }
    let order = cashier.orders().submit(request, cashier.now_ms());
    if order.paid_at_ms.is_some() {
        return answer(json!({"code": -1, "msg": "该订单已支付"}));
    }
    // A screen (`pc`, also where nothing is said) shows a code to scan, a phone opens a page: one of both, never both.
    let kind = match fields.get("device").map_or("", String::as_str) {
        "" | "pc" => "qrcode",
        _ => "payurl",
    };
    let page = format!("{}/pay/{}", cashier.config().base_url, order.trade_no);
    answer(json!({"code": 1, "trade_no": order.trade_no, kind: page}))
}

/// `api.php?act=order`.
async fn query(State(cashier): State<Cashier>, RawQuery(query): RawQuery) -> Response {
    let fields = fields(query.unwrap_or_default().as_bytes());
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let config = cashier.config();
    if field("act") != "order" {
        return answer(json!({"code": -5, "msg": "No Act!"}));
    }
    let key_known =
        !config.key.is_empty() && sign::same(field("key").as_bytes(), config.key.expose());
    if field("pid") != config.pid || !key_known {
        return answer(json!({"code": -3, "msg": "商户密钥错误"}));
    }
    let orders = cashier.orders();
    let found = match field("trade_no") {
        "" => orders.by_out_trade_no(field("out_trade_no")),
        trade_no => orders.by_trade_no(trade_no),
    };
    match found {
        Some(order) => answer(as_json(&order, &config.pid)),
        None => answer(json!({"code": -1, "msg": "订单号不存在"})),
    }
}

async fn pay_page(State(cashier): State<Cashier>, Path(trade_no): Path<String>) -> Response {
    let order = cashier.orders().by_trade_no(&trade_no);
    match order {
        Some(order) => order_page(&cashier, &order),
        None => unknown_order(),
    }
}

/// Pays. The notice goes out at once and is waited for a moment, so that the buyer usually comes back to a settled order;
/// it goes on alone when the shop is slow or the buyer leaves.
async fn pay(
    State(cashier): State<Cashier>,
    Path(trade_no): Path<String>,
    form: Bytes,
) -> Response {
    let given = fields(&form);
    let known = cashier.orders().by_trade_no(&trade_no);
    let matches = |order: &Order| given.get("out_trade_no") == Some(&order.request.out_trade_no);
    if !known.is_some_and(|order| matches(&order)) {
        return unknown_order();
    }
    let paid = cashier.orders().pay(&trade_no, cashier.now_ms());
    let Some((order, first)) = paid else {
        return unknown_order();
    };
    let back = notices::with_signed_query(&cashier, &order, &order.request.return_url);
    if first {
        let sending = tokio::spawn(async move { notices::send(&cashier, &order).await });
        // Too late or panicked alike: the schedule repeats the notice.
        let _ = tokio::time::timeout(NOTICE_WAIT, sending).await;
    }
    let headers = [
        (header::LOCATION, back),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn order_page(cashier: &Cashier, order: &Order) -> Response {
    if order.paid_at_ms.is_none() {
        return html(StatusCode::OK, pages::pay(order));
    }
    let back = notices::with_signed_query(cashier, order, &order.request.return_url);
    html(StatusCode::OK, pages::paid(&back))
}

fn unknown_order() -> Response {
    let page = pages::refused(
        "订单号不存在，请回到商店重新支付。",
        "No such order: go back to the shop and pay again.",
    );
    html(StatusCode::NOT_FOUND, page)
}

/// What is wrong with a merchant's request, in Chinese and English.
struct Refusal(&'static str, &'static str);

/// Checks what a merchant signed, as gateways do, before anything is kept of it.
fn request(config: &CashierConfig, encoded: &[u8]) -> Result<(Request, Fields), Refusal> {
    if encoded.len() > FORM_BYTES_MAX {
        return Err(Refusal("参数过长", "The request is too long."));
    }
    let fields = fields(encoded);
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    if field("pid") != config.pid {
        return Err(Refusal("商户不存在(pid)", "No such merchant: check pid."));
    }
    if !sign::is_signed(&fields, &config.key) {
        return Err(Refusal(
            "签名校验失败(sign)",
            "The signature does not match: check the key.",
        ));
    }
    let number = |byte: u8| byte.is_ascii_alphanumeric() || b"._-|".contains(&byte);
    let out_trade_no = field("out_trade_no");
    if !(1..=64).contains(&out_trade_no.len()) || !out_trade_no.bytes().all(number) {
        return Err(Refusal(
            "订单号(out_trade_no)格式不正确",
            "out_trade_no is letters, digits and . _ - |",
        ));
    }
    let web = |name: &str| {
        let text = field(name);
        let visible =
            text.len() <= ADDRESS_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        let scheme = text.starts_with("http://") || text.starts_with("https://");
        (visible && scheme).then_some(text)
    };
    let notify_url = web("notify_url").ok_or(Refusal(
        "通知地址(notify_url)不正确",
        "notify_url is not a web address.",
    ))?;
    let return_url = web("return_url").ok_or(Refusal(
        "回调地址(return_url)不正确",
        "return_url is not a web address.",
    ))?;
    let amount = fen(&field("money")).ok_or(Refusal(
        "金额(money)不合法",
        "money is yuan above 0 with at most 2 decimals.",
    ))?;
    let name = cut(&field("name"), NAME_BYTES_MAX);
    if name.trim().is_empty() {
        return Err(Refusal("商品名称(name)不能为空", "name is missing."));
    }
    let kind = Some(cut(&field("type"), 32)).filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or_else(|| "alipay".to_owned());
    let param = cut(&field("param"), PARAM_BYTES_MAX);
    Ok((
        Request {
            out_trade_no,
            kind,
            name,
            amount,
            notify_url,
            return_url,
            param,
        },
        fields,
    ))
}

/// Yuan with at most two decimals, up to a million.
fn fen(text: &str) -> Option<u64> {
    let (yuan, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if yuan.is_empty() || yuan.len() > 7 || rest.len() > 2 || !digits(yuan) || !digits(rest) {
        return None;
    }
    let amount = format!("{yuan}{rest:0<2}").parse().ok()?;
    (1..=100_000_000).contains(&amount).then_some(amount)
}

/// The text up to `most` bytes, between characters.
fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn as_json(order: &Order, pid: &str) -> Value {
    let time = |at_ms| beijing(at_ms, "%Y-%m-%d %H:%M:%S");
    json!({
        "code": 1, "msg": "查询订单号成功！", "trade_no": order.trade_no, "out_trade_no": order.request.out_trade_no,
        "api_trade_no": order.trade_no, "type": order.request.kind, "pid": pid, "addtime": time(order.made_at_ms),
        "endtime": order.paid_at_ms.map(time), "name": order.request.name, "money": yuan(order.request.amount),
        "status": i32::from(order.paid_at_ms.is_some()), "param": order.request.param, "buyer": "",
    })
}

fn html(status: StatusCode, page: String) -> Response {
    // No `form-action`: browsers hold it against the redirect to the shop that follows the form.
    const POLICY: &str =
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, page).into_response()
}

fn answer(value: Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, value.to_string()).into_response()
}

async fn style() -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/css; charset=utf-8"),
    );
    (headers, pages::STYLE).into_response()
}

const FORM_BYTES_MAX: usize = 16 * 1024;
const ADDRESS_BYTES_MAX: usize = 1024;
const PARAM_BYTES_MAX: usize = 512;
const NAME_BYTES_MAX: usize = 127;
const NOTICE_WAIT: Duration = Duration::from_secs(3);

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
