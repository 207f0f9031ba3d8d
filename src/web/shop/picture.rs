//! `GET /pic/ID-WIDTH.jpg`: a product's picture in one of the stored widths.

use axum::extract::State;

use crate::{
    domain::product::PICTURE_WIDTHS,
    web::{answer::Answer, brand::kept_for_ever, state::WebState, view::Problem, visit::Segment},
};

pub(in crate::web) async fn show(State(web): State<WebState>, Segment(name): Segment) -> Answer {
    let (id, width) = parse(&name).ok_or(Problem::NotFound)?;
    let jpeg = web
        .shop
        .picture(&id, width)
        .map_err(|fault| web.fault(fault))?;
    let jpeg = jpeg.ok_or(Problem::NotFound)?;
    Ok(kept_for_ever("image/jpeg", jpeg.into()))
}

/// `ID-WIDTH.jpg` in its one form: 32 small hex digits, and a stored width without leading zeros.
fn parse(name: &str) -> Option<([u8; 16], u32)> {
    let (id, width) = name.strip_suffix(".jpg")?.split_once('-')?;
    let is_small = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 16];
    hex::decode_to_slice(id, &mut bytes).ok()?;
    let width = PICTURE_WIDTHS
        .into_iter()
        .find(|known| known.to_string() == width)?;
    is_small.then_some((bytes, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_one_address_for_each_width() {
        let id = "00112233445566778899aabbccddeeff";
        let found = parse(&format!("{id}-480.jpg"));
        assert!(found.is_some_and(|(bytes, width)| hex::encode(bytes) == id && width == 480));
        for name in [
            String::new(),
            id.to_owned(),
            format!("{id}-481.jpg"),
            format!("{id}-0480.jpg"),
            format!("{id}-+480.jpg"),
            format!("{id}-480.png"),
            format!("{id}-480.jpg/"),
            format!("{}-480.jpg", id.to_uppercase()),
            format!("{}-480.jpg", &id[1..]),
            "../../etc/passwd-480.jpg".to_owned(),
        ] {
            assert!(parse(&name).is_none(), "{name}");
        }
    }
}
