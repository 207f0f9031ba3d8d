//! `/find`: an order is found again by its number and password, or all of a contact's by a link mailed to it. Wrong and unknown
//! are one answer.

use axum::extract::State;
use http::{StatusCode, Uri};

use crate::{
    actions::FindError,
    domain::{AddressPrefix, Contact, Secret},
    limits,
    web::{
        answer::{Answer, NO_STORE, page, see_other},
        form::Form,
        limiter::{LINKS_OF_CONTACT, LINKS_OF_CONTACT_DAILY, Pace, contact_name},
        state::{Shared, WebState},
        view::{FieldError, FindPage, Problem},
        visit::{Visit, query},
    },
};

/// Longest text that is shown again in the field of the order's number.
const NUMBER_BYTES_MAX: usize = 64;

pub(in crate::web) async fn form(State(web): State<WebState>, visit: Visit, uri: Uri) -> Answer {
    let by_mail = web.shop.policy().tell.buyer_mail;
    let shown = FindPage {
        sent: by_mail && query(&uri, "sent").is_some(),
        ..empty(&web, &visit)
    };
    page(StatusCode::OK, NO_STORE, shown.render())
}

pub(in crate::web) async fn find(State(web): State<WebState>, visit: Visit, form: Form) -> Answer {
    let (number, password) = (form.field("order")?, form.field("password")?);
    let now_ms = web.shop.now_ms();
    let admitted = web.lookups.admit(visit.address, number, now_ms);
    admitted.map_err(too_early)?;
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
                order,
                failed: true,
                ..empty(&web, &visit)
            };
            page(StatusCode::UNPROCESSABLE_ENTITY, NO_STORE, shown.render())
        }
        Err(FindError::Busy) => Err(Problem::TooMany { retry_s: 5 }),
        Err(FindError::Fault(fault)) => Err(web.fault(fault)),
    }
}

/// `POST /find/contact`: the answer is made before anybody looks whether the contact has orders, and is the same for all.
pub(in crate::web) async fn mail_link(
    State(web): State<WebState>,
    visit: Visit,
    form: Form,
) -> Answer {
    if !web.shop.policy().tell.buyer_mail {
        return Err(Problem::NotFound);
    }
    let typed = form.field("contact")?;
    let contact = match mail_address(typed) {
        Ok(contact) => contact,
        Err(error) => {
            let shown = FindPage {
                contact: typed.chars().take(limits::CONTACT_BYTES_MAX).collect(),
                contact_error: Some(error),
                ..empty(&web, &visit)
            };
            return page(StatusCode::UNPROCESSABLE_ENTITY, NO_STORE, shown.render());
        }
    };
    let (line, now_ms) = (visit.address, web.shop.now_ms());
    let admitted = web
        .links_of_line
        .admit(AddressPrefix::of(line), Pace::mails_of(line), now_ms);
    admitted.map_err(too_early)?;
    // A contact that was asked for often gets no further mail, and nobody sees that.
    let (name, pace) = (contact_name(&contact), LINKS_OF_CONTACT);
    let daily = |name| {
        let pace = LINKS_OF_CONTACT_DAILY;
        web.links_of_contact_daily.admit(name, pace, now_ms)
    };
    if web.links_of_contact.admit(name, pace, now_ms).is_ok() && daily(name).is_ok() {
        web.shop.ask_for_inbox(&contact);
    }
    // An address of its own: the language can be changed there, and it can be loaded again.
    see_other("/find?sent")
}

/// A contact that mail reaches.
pub(super) fn mail_address(typed: &str) -> Result<Contact, FieldError> {
    let contact = Contact::parse(typed).ok();
    contact
        .filter(Contact::is_mail)
        .ok_or(FieldError::MailNeeded)
}

/// What a limit of the line says.
pub(super) fn too_early(early_ms: i64) -> Problem {
    Problem::TooMany {
        retry_s: u32::try_from((early_ms + 999) / 1_000).unwrap_or(u32::MAX),
    }
}

fn empty(web: &Shared, visit: &Visit) -> FindPage {
    FindPage {
        frame: web.frame(visit.language),
        order: String::new(),
        failed: false,
        by_mail: web.shop.policy().tell.buyer_mail,
        sent: false,
        contact: String::new(),
        contact_error: None,
    }
}
