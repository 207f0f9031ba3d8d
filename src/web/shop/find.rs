//! `/find`: an order is found again by its number and password. Wrong and unknown are one answer.

use axum::extract::State;
use http::StatusCode;

use crate::{
    actions::FindError,
    domain::Secret,
    web::{
        answer::{Answer, NO_STORE, page, see_other},
        form::Form,
        state::WebState,
        view::{FindPage, Problem},
        visit::Visit,
    },
};

/// Longest text that is shown again in the field of the order's number.
const NUMBER_BYTES_MAX: usize = 64;

pub(in crate::web) async fn form(State(web): State<WebState>, visit: Visit) -> Answer {
    let shown = FindPage {
        frame: web.frame(visit.language),
        order: String::new(),
        failed: false,
        by_mail: false,
        sent: false,
        contact: String::new(),
        contact_error: None,
    };
    page(StatusCode::OK, NO_STORE, shown.render())
}

pub(in crate::web) async fn find(State(web): State<WebState>, visit: Visit, form: Form) -> Answer {
    let (number, password) = (form.field("order")?, form.field("password")?);
    let now_ms = web.shop.now_ms();
    let admitted = web.lookups.admit(visit.address, number, now_ms);
    admitted.map_err(|early_ms| Problem::TooMany {
        retry_s: u32::try_from((early_ms + 999) / 1_000).unwrap_or(u32::MAX),
    })?;
    match web.shop.find_order(number, Secret::from(password)).await {
        Ok(id) => {
            web.lookups.right(number);
            see_other(&format!("/o/{}", web.shop.vault().link_secret(id.0)))
        }
        Err(FindError::Unknown) => {
            let order = if number.len() > NUMBER_BYTES_MAX {
                String::new()
            } else {
                number.to_owned()
            };
            let shown = FindPage {
                frame: web.frame(visit.language),
                order,
                failed: true,
                by_mail: false,
                sent: false,
                contact: String::new(),
                contact_error: None,
            };
            page(StatusCode::UNPROCESSABLE_ENTITY, NO_STORE, shown.render())
        }
        Err(FindError::Busy) => Err(Problem::TooMany { retry_s: 5 }),
        Err(FindError::Fault(fault)) => Err(web.fault(fault)),
    }
}
