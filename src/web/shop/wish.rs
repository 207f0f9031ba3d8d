//! `POST /p/SLUG/wish`: a visitor wants to hear when a product is back. The answer is the same for a wish that was there already.

use axum::extract::State;
use http::StatusCode;

use super::{
    find::{mail_address, too_early},
    product,
};
use crate::{
    actions::WishError,
    domain::{AddressPrefix, Product},
    limits,
    web::{
        answer::{Answer, NO_STORE, come_again, page, see_other},
        form::Form,
        limiter::{Pace, WISHES_OF_CONTACT, contact_name},
        state::{Shared, WebState},
        view::{FieldError, Problem, Stock, Typed, Wish},
        visit::{Segment, Visit},
    },
};

pub(in crate::web) async fn wish(
    State(web): State<WebState>,
    visit: Visit,
    Segment(slug): Segment,
    form: Form,
) -> Answer {
    if !web.shop.policy().tell.buyer_mail {
        return Err(Problem::NotFound);
    }
    let product = product::product(&web, &slug)?;
    let typed = form.field("contact")?;
    let contact = match mail_address(typed) {
        Ok(contact) => contact,
        Err(error) => return refused(&web, &visit, &product, typed, error),
    };
    let (line, pace) = (
        AddressPrefix::of(visit.address),
        Pace::mails_of(visit.address),
    );
    let admitted = web.wishes_of_line.admit(line, pace, web.shop.now_ms());
    admitted.map_err(too_early)?;
    let now_ms = web.shop.now_ms();
    // A contact in whose name much was wished is kept no further wish, and nobody sees that.
    let (name, of_contact) = (contact_name(&contact), WISHES_OF_CONTACT);
    let taken = format!("/p/{}?wished", product.slug);
    if web
        .wishes_of_contact
        .admit(name, of_contact, now_ms)
        .is_err()
    {
        return see_other(&taken);
    }
    let language = visit.language.tag();
    match web.shop.wish(&product.slug, &contact, language).await {
        // An address of its own: the language can be changed there, and it can be loaded again.
        Ok(()) => see_other(&taken),
        // It came back meanwhile: there it is.
        Err(WishError::Available) => see_other(&format!("/p/{}", product.slug)),
        Err(WishError::Product | WishError::NoMail) => Err(Problem::NotFound),
        Err(WishError::MailNeeded) => {
            refused(&web, &visit, &product, typed, FieldError::MailNeeded)
        }
        Err(WishError::Full) => refused(&web, &visit, &product, typed, FieldError::WishesFull),
        Err(WishError::Busy) => refused(&web, &visit, &product, typed, FieldError::Busy),
        Err(WishError::ReadOnly) => Err(Problem::ReadOnly),
        Err(WishError::Fault(fault)) => Err(web.fault(fault)),
    }
}

/// The form of a wish, where the product cannot be bought and the shop can tell of its return.
pub(super) fn offered(web: &Shared, stock: Stock) -> Wish {
    let is_open = matches!(stock, Stock::Plenty | Stock::Last(_));
    if is_open || !web.shop.policy().tell.buyer_mail {
        return Wish::Unavailable;
    }
    Wish::Offered {
        contact: String::new(),
        error: None,
    }
}

fn refused(
    web: &Shared,
    visit: &Visit,
    product: &Product,
    typed: &str,
    error: FieldError,
) -> Answer {
    let wish = Wish::Offered {
        contact: typed.chars().take(limits::CONTACT_BYTES_MAX).collect(),
        error: Some(error),
    };
    if error == FieldError::Busy {
        let mut response = shown(web, visit, product, StatusCode::SERVICE_UNAVAILABLE, wish)?;
        come_again(&mut response);
        return Ok(response);
    }
    shown(web, visit, product, StatusCode::UNPROCESSABLE_ENTITY, wish)
}

fn shown(web: &Shared, visit: &Visit, product: &Product, status: StatusCode, wish: Wish) -> Answer {
    let mut shown = product::form_page(web, visit.language, product, Typed::default(), Vec::new())?;
    shown.wish = wish;
    page(status, NO_STORE, shown.render())
}
