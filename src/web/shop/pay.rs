//! `GET /o/SECRET/pay`: the buyer is sent to the provider. No state changes by it.

use axum::extract::State;

use super::order::{can_pay, order_of};
use crate::web::{
    answer::{Answer, see_other},
    state::WebState,
    view::Problem,
    visit::{Segment, Visit},
};

pub(in crate::web) async fn begin(
    State(web): State<WebState>,
    visit: Visit,
    Segment(secret): Segment,
) -> Answer {
    let id = order_of(&web, &secret)?;
    let order = web
        .shop
        .order(id)
        .map_err(|fault| web.fault(fault))?
        .ok_or(Problem::NotFound)?;
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
