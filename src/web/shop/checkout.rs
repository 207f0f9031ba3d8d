//! `POST /p/SLUG`: an order is placed, or the form comes back with what to change.

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{ORDER_COOKIE, product};
use crate::{
    actions::{CheckoutError, CheckoutRequest, Ticket},
    domain::{ChannelName, Contact, Product, Secret},
    limits,
    web::{
        answer::{Answer, NO_STORE, come_again, page, see_other, set_cookie},
        form::Form,
        state::{Shared, WebState},
        view::{FieldError, Problem, Typed},
        visit::{Segment, Visit},
    },
};

/// Most digits of a quantity; the policy's limit is far below.
const QUANTITY_DIGITS_MAX: usize = 6;
/// A browser remembers its last order for a day.
const ORDER_KEPT_S: u32 = 24 * 3_600;

pub(in crate::web) async fn order(
    State(web): State<WebState>,
    visit: Visit,
    Segment(slug): Segment,
    form: Form,
) -> Answer {
    let product = product::product(&web, &slug)?;
    let typed = Typed {
        quantity: form.field("quantity")?.to_owned(),
        contact: form.field("contact")?.to_owned(),
        second: form.field("second")?.to_owned(),
        channel: form.field("channel")?.to_owned(),
    };
    let ticket = Ticket::parse(form.field("ticket")?);
    // Price, amount and currency are never read from a form.
    let password = form.field("password")?;
    let request = match parse(&web, &visit, &product, &typed, password) {
        Ok(request) => CheckoutRequest { ticket, ..request },
        Err(mut errors) => {
            ask_again(password, &mut errors);
            return refused(&web, &visit, &product, typed, errors);
        }
    };
    match web.shop.checkout(request).await {
        Ok(order) => {
            let secret = web.shop.vault().link_secret(order.id.0);
            let mut response = see_other(&format!("/o/{secret}"))?;
            set_cookie(&mut response, ORDER_COOKIE, &secret, ORDER_KEPT_S);
            Ok(response)
        }
        Err(error) => {
            let mut errors = vec![told(&web, &product, error)?];
            ask_again(password, &mut errors);
            refused(&web, &visit, &product, typed, errors)
        }
    }
}

/// A new form's own number: sent twice, the form makes one order.
pub(super) fn ticket(web: &Shared) -> String {
    Ticket(web.numbers.next()).text()
}

/// The form as domain values, or all that is wrong with it at once.
fn parse(
    web: &Shared,
    visit: &Visit,
    product: &Product,
    typed: &Typed,
    password: &str,
) -> Result<CheckoutRequest, Vec<FieldError>> {
    let quantity = quantity(&typed.quantity, web.shop.policy().order_quantity_max);
    let contact = Contact::parse(&typed.contact).map_err(FieldError::from);
    let second = match typed.second.trim() {
        "" => Ok(None),
        second => Contact::parse(second)
            .map(Some)
            .map_err(|_| FieldError::SecondForm),
    };
    let password = match password {
        "" => Ok(None),
        long if long.len() > limits::PASSWORD_BYTES_MAX => Err(FieldError::PasswordTooLong),
        password => Ok(Some(Secret::from(password))),
    };
    let channel = ChannelName::parse(&typed.channel)
        .ok()
        .filter(|name| web.desk.open_channels().contains(name));
    match (
        quantity,
        contact,
        second,
        password,
        channel.ok_or(FieldError::ChannelUnknown),
    ) {
        (Ok(quantity), Ok(contact), Ok(second), Ok(password), Ok(channel)) => Ok(CheckoutRequest {
            product: product.slug.clone(),
            quantity,
            contact,
            second,
            password,
            channel,
            address: visit.address,
            language: visit.language.tag().to_owned(),
            ticket: None,
        }),
        (quantity, contact, second, password, channel) => {
            let errors = [
                quantity.err(),
                contact.err(),
                second.err(),
                password.err(),
                channel.err(),
            ];
            Err(errors.into_iter().flatten().collect())
        }
    }
}

/// A password that was typed does not come back with the form: without a word the next order would have none.
fn ask_again(password: &str, errors: &mut Vec<FieldError>) {
    if !password.is_empty() && !errors.contains(&FieldError::PasswordTooLong) {
        errors.push(FieldError::PasswordAgain);
    }
}

/// One to six ASCII digits, from 1 to `max`.
fn quantity(text: &str, max: u32) -> Result<u32, FieldError> {
    let digits = (1..=QUANTITY_DIGITS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(0) | Err(_) => Err(FieldError::QuantityForm),
        Ok(_) if !digits => Err(FieldError::QuantityForm),
        Ok(many) if many > max => Err(FieldError::QuantityTooMany { max }),
        Ok(quantity) => Ok(quantity),
    }
}

/// What a buyer can change, or a problem that no field can mend.
fn told(web: &Shared, product: &Product, error: CheckoutError) -> Result<FieldError, Problem> {
    Ok(match error {
        CheckoutError::Product => return Err(Problem::NotFound),
        CheckoutError::Channel => FieldError::ChannelUnknown,
        CheckoutError::Quantity { max } => FieldError::QuantityTooMany { max },
        CheckoutError::Stock {
            available: 0,
            free_again_ms,
        } => held_by_others(web, product, free_again_ms)?,
        CheckoutError::Stock { available, .. } => FieldError::NotEnoughStock { left: available },
        CheckoutError::OpenOfContact { max } => FieldError::TooManyOfContact { max },
        CheckoutError::OpenOfAddress { max } => FieldError::TooManyOfAddress { max },
        CheckoutError::HeldShare { allowed: 0 } => FieldError::NetworkFull,
        CheckoutError::HeldShare { allowed } => held_share(web, product, allowed)?,
        CheckoutError::Password => FieldError::PasswordTooLong,
        CheckoutError::Busy => FieldError::Busy,
        CheckoutError::ReadOnly => return Err(Problem::ReadOnly),
        CheckoutError::Fault(fault) => return Err(web.fault(fault)),
    })
}

/// A network that holds nothing yet asked for more than any may: that is the limit of an order, and not its fault.
fn held_share(web: &Shared, product: &Product, allowed: u32) -> Result<FieldError, Problem> {
    let stock = web
        .shop
        .stock(&product.slug)
        .map_err(|fault| web.fault(fault))?;
    Ok(if allowed >= product::share(web.shop.policy(), &stock) {
        FieldError::QuantityTooMany { max: allowed }
    } else {
        FieldError::NetworkShare { allowed }
    })
}

/// Nothing can be ordered: sold out, or held by orders that may still expire.
fn held_by_others(
    web: &Shared,
    product: &Product,
    free_again_ms: Option<i64>,
) -> Result<FieldError, Problem> {
    let stock = web
        .shop
        .stock(&product.slug)
        .map_err(|fault| web.fault(fault))?;
    Ok(match stock.reserved {
        0 => FieldError::SoldOut,
        _ => FieldError::AllHeld {
            free_again_at_ms: free_again_ms.or(stock.free_again_ms),
        },
    })
}

/// The page again, with what was typed: 422, or 503 where the buyer can only wait.
fn refused(
    web: &Shared,
    visit: &Visit,
    product: &Product,
    typed: Typed,
    errors: Vec<FieldError>,
) -> Answer {
    let busy = errors.contains(&FieldError::Busy);
    let status = if busy {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let shown = product::form_page(web, visit.language, product, typed, errors)?;
    let mut response: Response = page(status, NO_STORE, shown.render())?;
    if busy {
        come_again(&mut response);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s17_a_quantity_is_a_few_plain_digits() {
        for (text, expected) in [("1", 1), ("100", 100), ("000007", 7)] {
            assert_eq!(quantity(text, 100), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1.5",
            "1e2",
            " 1",
            "1 ",
            "2147483648",
            "0000001",
            "１",
            "NaN",
        ] {
            assert_eq!(quantity(text, 100), Err(FieldError::QuantityForm), "{text}");
        }
        assert_eq!(
            quantity("101", 100),
            Err(FieldError::QuantityTooMany { max: 100 })
        );
    }
}
