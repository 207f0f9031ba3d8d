//! Pictures: what is uploaded is decoded within limits, made anew in a few sizes, and only that is kept.
//!
//! Threats: a file that is a picture and a page at once, one that unfolds to gigabytes, one that tells where it was taken.
//! Nothing of an upload is stored but its pixels: no metadata, no profile, no bytes behind its end. SVG is refused: it is a
//! document that can carry scripts.

use std::{
    fmt,
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
};

use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat,
    ImageReader, Limits,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
    imageops::FilterType as Resampling,
    metadata::Orientation,
};

use super::open_shop::Shop;
use crate::domain::{Picture, product::PICTURE_WIDTHS};
use crate::limits;
use crate::store::{Fault, Rows, Tx};

/// A picture as it is stored. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedPicture {
    /// Its name, and the size of its largest form.
    pub picture: Picture,
    /// Widths of [`PICTURE_WIDTHS`], smallest first, with the JPEG of each.
    pub forms: Arc<Vec<(u32, Vec<u8>)>>,
}

/// Why a file is not taken as a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Too many bytes.
    #[error(
        "a picture has at most {} MiB: save it smaller, {} pixels of width are enough",
        limits::PICTURE_BYTES_MAX >> 20,
        PICTURE_WIDTHS[PICTURE_WIDTHS.len() - 1]
    )]
    Bytes,
    /// A vector drawing.
    #[error("SVG is not taken, since it can carry scripts: export it as PNG and give that instead")]
    Svg,
    /// Not one of the formats, by its content.
    #[error("this is no picture of a known format: PNG, JPEG, WebP or GIF are taken")]
    Format,
    /// Too many pixels.
    #[error(
        "a picture has at most {} million pixels and {} on a side: save it smaller",
        limits::PICTURE_PIXELS_MAX / 1_000_000,
        limits::PICTURE_SIDE_MAX
    )]
    Pixels,
    /// A stripe.
    #[error(
        "a picture is at most {} times as long on one side as on the other: cut it",
        limits::PICTURE_SIDES_RATIO_MAX
    )]
    Sides,
    /// Cut off, or broken.
    #[error("the picture is damaged ({0}): save it anew")]
    Damaged(String),
}

/// Bytes of memory that one decoded picture may take: one of [`limits::PICTURE_PIXELS_MAX`] in 8-bit colours with alpha.
const DECODED_BYTES_MAX: u64 = limits::PICTURE_PIXELS_MAX * 4;
/// Above twice the largest form a picture is first averaged down, which is fast and keeps what can be seen.
const ROUGH_WIDTH: u32 = PICTURE_WIDTHS[PICTURE_WIDTHS.len() - 1] * 2;
/// Most bytes of each width's form: a product's page with its picture stays under 150 KB.
const FORM_BYTES_MAX: [usize; PICTURE_WIDTHS.len()] = [30_000, 60_000, 120_000];
/// JPEG qualities to try, best first.
const QUALITIES: [u8; 9] = [82, 74, 66, 58, 50, 42, 34, 26, 18];
/// Heights of a logo to try: twice the 40 pixels that are shown, for dense screens.
const LOGO_HEIGHTS: [u32; 3] = [80, 60, 40];
const LOGO_WIDTH_MAX: u32 = 480;
/// Of a logo's size: it is part of every first visit.
const LOGO_BYTES_MAX: usize = 12_000;

/// Makes an upload anew in the stored sizes. Takes up to a second of computing: not for a thread that others wait for. One at a
/// time, so that uploads cannot fill the memory together.
///
/// # Errors
/// [`PictureError`].
pub fn render_picture(upload: &[u8]) -> Result<RenderedPicture, PictureError> {
    let whole = one_at_a_time(|| decode(upload).map(Decoded::on_white))?;
    let mut forms = Vec::new();
    let mut largest = (0, 0);
    for (width, bytes_max) in PICTURE_WIDTHS.into_iter().zip(FORM_BYTES_MAX) {
        let is_smallest = width == PICTURE_WIDTHS[0];
        if width > whole.width() && !is_smallest {
            break;
        }
        let form = resized(&whole, width.min(whole.width()));
        let Some(jpeg) = jpeg(&form, bytes_max, is_smallest)? else {
            // Noise that no quality makes small: the larger forms would be worse.
            break;
        };
        largest = (form.width(), form.height());
        forms.push((width, jpeg));
    }
    let content = forms.last().map_or(&[][..], |(_, jpeg)| jpeg);
    let picture = Picture {
        id: short_hash(content),
        width: largest.0,
        height: largest.1,
    };
    Ok(RenderedPicture {
        picture,
        forms: Arc::new(forms),
    })
}

/// Makes a logo anew as a small PNG that keeps its transparency.
///
/// # Errors
/// [`PictureError`].
pub fn render_logo(upload: &[u8]) -> Result<Vec<u8>, PictureError> {
    let whole = one_at_a_time(|| decode(upload).map(Decoded::upright))?;
    let (width, height) = (whole.width(), whole.height());
    let mut png = Vec::new();
    for height_max in LOGO_HEIGHTS {
        let scale = (f64::from(height_max) / f64::from(height))
            .min(f64::from(LOGO_WIDTH_MAX) / f64::from(width))
            .min(1.0);
        let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
        let small = whole.resize_exact(side(width), side(height), Resampling::Lanczos3);
        let small = small.into_rgba8();
        png.clear();
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
            .write_image(
                small.as_raw(),
                small.width(),
                small.height(),
                ExtendedColorType::Rgba8,
            )
            .map_err(damaged)?;
        if png.len() <= LOGO_BYTES_MAX {
            break;
        }
    }
    Ok(png)
}

impl Shop {
    /// A picture in one width, JPEG.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn picture(&self, id: &[u8; 16], width: u32) -> Result<Option<Vec<u8>>, Fault> {
        self.store.read()?.picture(id, width)
    }
}

/// Writes all forms. What stands under that name already is the same.
pub(super) fn put(tx: &mut Tx<'_>, rendered: &RenderedPicture) -> Result<(), Fault> {
    for (width, jpeg) in rendered.forms.iter() {
        tx.put_picture(&rendered.picture.id, *width, Some(jpeg))?;
    }
    Ok(())
}

/// Takes a picture away that no product shows any more.
pub(super) fn remove_unused(tx: &mut Tx<'_>, id: &[u8; 16]) -> Result<(), Fault> {
    let shows = |picture: Option<Picture>| picture.is_some_and(|picture| picture.id == *id);
    if tx.products()?.iter().any(|product| shows(product.picture)) {
        return Ok(());
    }
    for width in PICTURE_WIDTHS {
        tx.put_picture(id, width, None)?;
    }
    Ok(())
}

/// An upload's pixels, averaged down where they are many, not yet turned.
struct Decoded {
    image: DynamicImage,
    orientation: Orientation,
}

impl Decoded {
    /// Turned as it was meant, transparent parts white; 8 bits of red, green and blue.
    fn on_white(mut self) -> DynamicImage {
        if self.image.has_alpha() {
            let mut opaque = self.image.into_rgba8();
            opaque.pixels_mut().for_each(lay_on_white);
            self.image = DynamicImage::ImageRgba8(opaque);
        }
        DynamicImage::ImageRgb8(self.upright().into_rgb8())
    }

    /// Turned as it was meant.
    fn upright(self) -> DynamicImage {
        let mut image = averaged(self.image, self.orientation);
        image.apply_orientation(self.orientation);
        image
    }
}

fn decode(upload: &[u8]) -> Result<Decoded, PictureError> {
    if upload.len() > limits::PICTURE_BYTES_MAX {
        return Err(PictureError::Bytes);
    }
    let format = format(upload)?;
    if format == ImageFormat::Jpeg && !is_whole_jpeg(upload) {
        return Err(PictureError::Damaged("it ends too early".to_owned()));
    }
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    let mut bounds = Limits::default();
    bounds.max_image_width = Some(limits::PICTURE_SIDE_MAX);
    bounds.max_image_height = Some(limits::PICTURE_SIDE_MAX);
    bounds.max_alloc = Some(DECODED_BYTES_MAX);
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits::PICTURE_PIXELS_MAX || decoder.total_bytes() > DECODED_BYTES_MAX {
        return Err(PictureError::Pixels);
    }
    let (long, short) = (width.max(height), width.min(height));
    if long / limits::PICTURE_SIDES_RATIO_MAX > short {
        return Err(PictureError::Sides);
    }
    // A picture whose metadata cannot be read is shown as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok(Decoded { image, orientation })
}

/// The format by the first bytes: a name says nothing.
fn format(upload: &[u8]) -> Result<ImageFormat, PictureError> {
    match image::guess_format(upload) {
        Ok(
            format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Gif),
        ) => Ok(format),
        _ if looks_like_svg(upload) => Err(PictureError::Svg),
        _ => Err(PictureError::Format),
    }
}

fn looks_like_svg(upload: &[u8]) -> bool {
    let head = &upload[..upload.len().min(4_096)];
    let text = head.to_ascii_lowercase();
    text.windows(4).any(|window| window == b"<svg")
}

/// Whether a JPEG's end is there (ITU-T T.81, annex B): its decoder would show what is missing as grey.
fn is_whole_jpeg(upload: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xd9;
    let mut rest = upload.get(2..).unwrap_or_default();
    loop {
        // Within a scan, 0xff is followed by 0 or by a restart marker; anything else begins a segment.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7);
        let Some(at) = rest.windows(2).position(is_marker) else {
            return false;
        };
        if rest[at + 1] == END_OF_IMAGE {
            return true;
        }
        let length = match rest.get(at + 2..at + 4) {
            Some(length) => usize::from(u16::from_be_bytes([length[0], length[1]])),
            None => return false,
        };
        rest = rest.get(at + 2 + length.max(2)..).unwrap_or_default();
    }
}

fn averaged(image: DynamicImage, orientation: Orientation) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    let is_turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let shown_width = if is_turned { height } else { width };
    if shown_width <= ROUGH_WIDTH {
        return image;
    }
    let scaled = |side: u32| scale(side, ROUGH_WIDTH, shown_width);
    image.thumbnail_exact(scaled(width), scaled(height))
}

fn lay_on_white(pixel: &mut image::Rgba<u8>) {
    let alpha = u32::from(pixel[3]);
    for at in 0..3 {
        let mixed = (u32::from(pixel[at]) * alpha + 255 * (255 - alpha) + 127) / 255;
        // A weighted mean of two bytes is a byte.
        pixel[at] = u8::try_from(mixed).unwrap_or(u8::MAX);
    }
    pixel[3] = 255;
}

fn resized(whole: &DynamicImage, width: u32) -> DynamicImage {
    if width == whole.width() {
        return whole.clone();
    }
    let height = scale(whole.height(), width, whole.width());
    whole.resize_exact(width, height, Resampling::Lanczos3)
}

/// `side * to / from`, at least 1.
fn scale(side: u32, to: u32, from: u32) -> u32 {
    let scaled = u64::from(side) * u64::from(to) / u64::from(from.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

/// The best quality that fits; none where none does, unless there must be one.
fn jpeg(
    form: &DynamicImage,
    bytes_max: usize,
    must: bool,
) -> Result<Option<Vec<u8>>, PictureError> {
    let mut made = Vec::new();
    for quality in QUALITIES {
        made.clear();
        JpegEncoder::new_with_quality(&mut made, quality)
            .write_image(
                form.as_bytes(),
                form.width(),
                form.height(),
                ExtendedColorType::Rgb8,
            )
            .map_err(damaged)?;
        if made.len() <= bytes_max {
            return Ok(Some(made));
        }
    }
    Ok(must.then_some(made))
}

fn one_at_a_time<T>(work: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    // It guards no data that a panic could leave half done.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

fn short_hash(content: &[u8]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(content).as_bytes()[..16]);
    id
}

fn damaged(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::Pixels,
        ImageError::IoError(_) => PictureError::Damaged("it ends too early".to_owned()),
        error => PictureError::Damaged(error.to_string()),
    }
}

impl fmt::Debug for RenderedPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RenderedPicture({:?})", self.picture)
    }
}

#[cfg(test)]
#[path = "pictures_tests.rs"]
mod tests;
