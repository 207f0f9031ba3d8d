//! Uploads, good and hostile.
#![allow(clippy::unwrap_used)]

use image::{RgbImage, RgbaImage};

use super::*;

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
    })
}

fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    })
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn shown(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg)
        .unwrap()
        .into_rgb8()
}

fn widths(rendered: &RenderedPicture) -> Vec<u32> {
    rendered.forms.iter().map(|(width, _)| *width).collect()
}

/// A PNG that claims a size, with no pixels behind it.
fn claimed_png(width: u32, height: u32) -> Vec<u8> {
    let mut png = encoded(gradient(8, 8), ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

/// A JPEG with an EXIF segment: an orientation, and a place where it was taken.
fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend_from_slice(b"39.9042N 116.4074E");
    let length = u16::try_from(exif.len() + 2).unwrap();
    let mut out = jpeg[..2].to_vec();
    out.extend_from_slice(&[0xff, 0xe1]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&exif);
    out.extend_from_slice(&jpeg[2..]);
    out
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn an_upload_becomes_jpegs_in_the_stored_widths_whatever_its_format() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        let made = render_picture(&encoded(gradient(1_200, 600), format)).unwrap();
        assert_eq!(widths(&made), PICTURE_WIDTHS, "{format:?}");
        assert_eq!((made.picture.width, made.picture.height), (960, 480));
        for (width, jpeg) in made.forms.iter() {
            assert_eq!(shown(jpeg).dimensions(), (*width, *width / 2), "{format:?}");
        }
    }
}

#[test]
fn a_small_picture_is_never_blown_up_and_has_the_smallest_form_always() {
    let tiny = render_picture(&encoded(gradient(100, 50), ImageFormat::Png)).unwrap();
    assert_eq!(widths(&tiny), [240]);
    assert_eq!((tiny.picture.width, tiny.picture.height), (100, 50));
    let middle = render_picture(&encoded(gradient(600, 600), ImageFormat::Png)).unwrap();
    assert_eq!(widths(&middle), [240, 480]);
    assert_eq!((middle.picture.width, middle.picture.height), (480, 480));
}

#[test]
fn forms_stay_small_even_of_noise() {
    let made = render_picture(&encoded(noise(1_000, 600), ImageFormat::Jpeg)).unwrap();
    for (width, jpeg) in made.forms.iter() {
        let at = PICTURE_WIDTHS
            .iter()
            .position(|known| known == width)
            .unwrap();
        assert!(
            jpeg.len() <= FORM_BYTES_MAX[at],
            "{width}: {} bytes",
            jpeg.len()
        );
    }
    assert_eq!(widths(&made)[0], 240);
}

#[test]
fn equal_uploads_have_one_name_and_others_another() {
    let name = |image| {
        let made = render_picture(&encoded(image, ImageFormat::Png)).unwrap();
        made.picture.id
    };
    assert_eq!(name(gradient(300, 200)), name(gradient(300, 200)));
    assert_ne!(name(gradient(300, 200)), name(gradient(300, 201)));
}

#[test]
fn transparent_parts_become_white() {
    let clear = RgbaImage::from_pixel(240, 240, image::Rgba([0, 0, 0, 0]));
    let made = render_picture(&encoded(clear, ImageFormat::Png)).unwrap();
    assert!(shown(&made.forms[0].1).pixels().all(|p| p.0 == [255; 3]));
}

#[test]
fn s44_a_photograph_is_turned_upright_and_tells_no_place() {
    let photo = with_exif(&encoded(gradient(400, 200), ImageFormat::Jpeg), 6);
    assert!(contains(&photo, b"116.4074E"));
    let made = render_picture(&photo).unwrap();
    let form = &made.forms[0].1;
    assert_eq!((made.picture.width, made.picture.height), (200, 400));
    assert!(!contains(form, b"116.4074E") && !contains(form, b"Exif"));
    // What lay at the left is on top now: the gradient's dark red side.
    let upright = shown(form);
    assert!(upright.get_pixel(100, 10)[0] < 40 && upright.get_pixel(100, 390)[0] > 215);
}

#[test]
fn s44_what_a_polyglot_carried_is_gone() {
    let script = b"<script>alert(1)</script><svg onload=alert(1)>";
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif] {
        let mut upload = encoded(gradient(300, 300), format);
        upload.extend_from_slice(script);
        let made = render_picture(&upload).unwrap();
        for (_, jpeg) in made.forms.iter() {
            assert!(jpeg.starts_with(&[0xff, 0xd8]) && !contains(jpeg, b"alert"));
        }
    }
    let mut logo = encoded(gradient(300, 100), ImageFormat::Png);
    logo.extend_from_slice(script);
    let made = render_logo(&logo).unwrap();
    assert!(made.starts_with(b"\x89PNG") && !contains(&made, b"alert"));
}

#[test]
fn s44_an_svg_is_refused_with_the_reason_whatever_stands_before_it() {
    let prefixes = [
        "",
        "\u{feff}",
        "<?xml version=\"1.0\"?>\n<!-- a -->\n",
        "  \n",
    ];
    for prefix in prefixes {
        let text = format!("{prefix}<svg xmlns='http://www.w3.org/2000/svg'/>");
        let error = render_picture(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PictureError::Svg), "{prefix:?}");
        assert!(error.to_string().contains("scripts") && error.to_string().contains("PNG"));
    }
}

#[test]
fn s44_what_is_no_picture_is_refused() {
    let pdf = b"%PDF-1.7\n1 0 obj".as_slice();
    let page = b"<!doctype html><title>x</title>".as_slice();
    let bmp = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".as_slice();
    for upload in [pdf, page, bmp, b"", b"\xff", b"PK\x03\x04"] {
        let error = render_picture(upload).unwrap_err();
        assert!(matches!(error, PictureError::Format), "{upload:?}");
    }
}

#[test]
fn s44_a_picture_that_claims_to_be_huge_takes_no_memory() {
    for (width, height) in [
        (50_000, 50_000),
        (16_384, 16_384),
        (u32::MAX >> 1, 1),
        (7_000, 7_000),
    ] {
        let error = render_picture(&claimed_png(width, height)).unwrap_err();
        assert!(matches!(error, PictureError::Pixels), "{width}: {error}");
    }
    let stripe = render_picture(&claimed_png(6_000, 100)).unwrap_err();
    assert!(matches!(stripe, PictureError::Sides));
}

#[test]
fn s44_a_picture_that_was_cut_off_is_refused() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        let whole = encoded(noise(200, 200), format);
        assert!(render_picture(&whole).is_ok(), "{format:?}");
        for share in [2, 3, 10] {
            let cut = render_picture(&whole[..whole.len() / share]);
            assert!(cut.is_err(), "{format:?} {share}");
        }
    }
}

#[test]
fn an_upload_has_a_limit_and_the_message_says_what_to_do() {
    let mut large = encoded(gradient(8, 8), ImageFormat::Png);
    large.resize(limits::PICTURE_BYTES_MAX + 1, 0);
    let error = render_picture(&large).unwrap_err().to_string();
    assert!(error.contains("2 MiB") && error.contains("save it smaller"));
}

#[test]
fn a_logo_is_small_and_keeps_its_transparency() {
    let clear = RgbaImage::from_fn(600, 300, |x, _| {
        image::Rgba([20, 120, 80, if x < 300 { 0 } else { 255 }])
    });
    let made = render_logo(&encoded(clear, ImageFormat::Png)).unwrap();
    let logo = image::load_from_memory(&made).unwrap().into_rgba8();
    assert_eq!(logo.dimensions(), (160, 80));
    assert_eq!(
        (logo.get_pixel(5, 5)[3], logo.get_pixel(155, 5)[3]),
        (0, 255)
    );
    assert!(render_logo(b"<svg/>").is_err());
}
