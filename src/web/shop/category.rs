//! `GET /c/SLUG`: what is for sale in one category.

use axum::extract::State;

use super::window::{self, Wanted};
use crate::{
    domain::Slug,
    web::{
        answer::Answer,
        state::WebState,
        view::Problem,
        visit::{KnownTags, Segment, Visit},
    },
};

pub(in crate::web) async fn show(
    State(web): State<WebState>,
    visit: Visit,
    known: KnownTags,
    Segment(slug): Segment,
) -> Answer {
    let slug = Slug::parse(&slug).map_err(|_| Problem::NotFound)?;
    window::answer(&web, visit.language, &known, Wanted::Category(slug))
}
