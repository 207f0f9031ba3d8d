//! `GET /o/SECRET/pay` and `/o/SECRET/pay.svg`: the buyer is sent to the provider, by this device or by another one that scans.
//! No state changes by either.

use axum::extract::State;

use super::order::{can_pay, order_of};
use crate::{
    domain::Order,
    web::{
        answer::{Answer, see_other, svg},
        state::{Shared, WebState},
        view::Problem,
        visit::{Segment, Visit},
    },
    words::qr,
};

pub(in crate::web) async fn begin(
    State(web): State<WebState>,
    visit: Visit,
    Segment(secret): Segment,
) -> Answer {
    let order = order(&web, &secret)?;
    if !can_pay(&web, &order) {
        return see_other(&format!("/o/{secret}"));
    }
    match web.desk.begin(&order, visit.address).await {
        Ok(url) => see_other(&url),
        Err(error) => {
            tracing::warn!(order = %order.id, channel = %order.channel, %error, "a payment cannot begin");
            Err(Problem::ProviderDown)
        }
    }
}

/// A drawing of the provider's own code; without one, of the absolute link to [`begin`]. Not found where nothing can be paid, so
/// that no page keeps showing a code that asks for money again.
pub(in crate::web) async fn code(
    State(web): State<WebState>,
    visit: Visit,
    Segment(secret): Segment,
) -> Answer {
    let payable = || {
        let order = order(&web, &secret)?;
        Some(order)
            .filter(|order| can_pay(&web, order))
            .ok_or(Problem::NotFound)
    };
    let given = web.desk.code(&payable()?, visit.address).await;
    // The provider may have taken seconds, and the payment may have come meanwhile.
    payable()?;
    let drawn = given.and_then(|code| qr::svg(code.as_str()));
    let link = || format!("{}/o/{secret}/pay", web.settings.base_url);
    let Some(drawn) = drawn.or_else(|| qr::svg(&link())) else {
        // Only for a host of thousands of letters, which no name server knows.
        tracing::error!("the link to pay is too long for a code");
        return Err(Problem::Internal);
    };
    Ok(svg(drawn))
}

fn order(web: &Shared, secret: &str) -> Result<Order, Problem> {
    let id = order_of(web, secret)?;
    let order = web.shop.order(id).map_err(|fault| web.fault(fault))?;
    order.ok_or(Problem::NotFound)
}
