//! The cashier's pages, in Chinese and English, without any script.

use super::orders::{Order, yuan};

/// The page whose first form pays.
pub(super) fn pay(order: &Order) -> String {
    let [trade_no, out_trade_no, name, kind] = [
        &order.trade_no,
        &order.request.out_trade_no,
        &order.request.name,
        &order.request.kind,
    ]
    .map(|text| escape(text));
    let amount = yuan(order.request.amount);
    page(
        "沙箱收银台 Sandbox cashier",
        &format!(
            r#"<p class="note" role="note">沙箱，不会真正扣款。<span lang="en">This is a sandbox: no money moves.</span></p>
<p class="amount">¥ {amount}</p>
<dl>
<dt>商品 <span lang="en">Goods</span></dt><dd>{name}</dd>
<dt>商户订单号 <span lang="en">Order</span></dt><dd>{out_trade_no}</dd>
<dt>平台订单号 <span lang="en">Transaction</span></dt><dd>{trade_no}</dd>
<dt>支付方式 <span lang="en">Method</span></dt><dd>{kind}</dd>
</dl>
<form method="post" action="/pay/{trade_no}">
<input type="hidden" name="trade_no" value="{trade_no}">
<input type="hidden" name="out_trade_no" value="{out_trade_no}">
<button type="submit">支付 ¥ {amount} <span lang="en">Pay</span></button>
</form>"#
        ),
    )
}

/// The page of an order that is paid already.
pub(super) fn paid(return_address: &str) -> String {
    let link = escape(return_address);
    page(
        "已支付 Paid",
        &format!(
            r#"<p>该订单已支付。<span lang="en">This order is paid.</span></p>
<p><a href="{link}">返回商户 <span lang="en">Back to the shop</span></a></p>"#
        ),
    )
}

/// A page that says what is wrong.
pub(super) fn refused(chinese: &str, english: &str) -> String {
    let (chinese, english) = (escape(chinese), escape(english));
    page(
        "无法支付 Cannot pay",
        &format!(r#"<p role="alert">{chinese} <span lang="en">{english}</span></p>"#),
    )
}

/// What someone sees who opens the cashier itself.
pub(super) fn index() -> String {
    page(
        "沙箱收银台 Sandbox cashier",
        r#"<p>请从商店下单。<span lang="en">Place an order in the shop; its payment leads here. No money moves.</span></p>"#,
    )
}

pub(super) const STYLE: &str = "body{font:1rem/1.6 system-ui,sans-serif;max-width:26rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.25rem}.note{background:#fff4ce;padding:.5rem .75rem;border-radius:.5rem}.amount{font-size:2.25rem;margin:.5rem 0}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dt{color:#595959}dd{margin:0;overflow-wrap:anywhere}
button{font:inherit;width:100%;padding:.75rem;border:0;border-radius:.5rem;background:#0b5cad;color:#fff;cursor:pointer}
span[lang=en]{opacity:.8}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}.note{background:#4a3b00}dt{color:#b0b0b0}}
";

fn page(title: &str, content: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/cashier.css">
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"#
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
