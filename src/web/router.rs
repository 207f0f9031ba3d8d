//! Every route of the shop, in one table.

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};

use super::{
    brand, callback, challenge, files, health, ledger, middleware, shop, state::WebState, tiles,
    view::Problem,
};

/// The shop as a tower service. Requests carry their [`crate::net::Peer`] in their extensions.
///
/// `GET` routes change nothing; the one exception is the notice, whose protocols force it.
pub fn router(state: WebState) -> Router {
    Router::new()
        .route("/", get(shop::window::show))
        .route(
            "/p/{slug}",
            get(shop::product::show).post(shop::checkout::order),
        )
        .route("/c/{slug}", get(shop::category::show))
        .route("/pic/{file}", get(shop::picture::show))
        .route("/p/{slug}/wish", post(shop::wish::wish))
        .route("/o/{tail}", get(shop::order::show))
        .route("/o/{secret}/pay", get(shop::pay::begin))
        .route("/o/{secret}/pay.svg", get(shop::pay::code))
        .route("/o/{secret}/link.svg", get(shop::link_code::page))
        .route("/o/{secret}/receipt.svg", get(shop::link_code::receipt))
        .route("/o/{secret}/events", get(shop::events::listen))
        .route("/o/{secret}/receipt", get(shop::order::receipt))
        .route("/o/{secret}/slip", get(shop::slip::show))
        .route("/o/{secret}/keys.txt", get(shop::order::keys))
        .route("/find", get(shop::find::form).post(shop::find::find))
        .route("/find/contact", post(shop::find::mail_link))
        .route("/inbox/{secret}", get(shop::inbox::show))
        .route(
            middleware::NOTIFY,
            get(callback::notice).merge(post(callback::notice)),
        )
        .route("/pay/{channel}/return", get(callback::returned))
        .route("/ledger/checkpoint", get(tiles::checkpoint))
        .route("/ledger/tile/{*tile}", get(tiles::tile))
        .route("/ledger/{generation}/checkpoint", get(tiles::checkpoint))
        .route("/ledger/{generation}/tile/{*tile}", get(tiles::tile))
        .route("/verify", get(ledger::verify))
        .route(ledger::SAVED_PATH, get(ledger::saved))
        .route(challenge::CHALLENGE, get(challenge::show))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route(brand::TERMS_PATH, get(shop::terms::show))
        .route("/brand/{file}", get(brand::file))
        .route("/static/{name}", get(files::asset))
        .route("/favicon.ico", get(files::icon))
        .route("/robots.txt", get(files::robots))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn_with_state(state.clone(), middleware::around))
        .with_state(state)
}
