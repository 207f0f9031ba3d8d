//! Every numeric bound of the product, each with its reason.

/// Largest amount, in minor units: 100 million yuan, far below 2^53, which the ledger's integers stay under.
pub const AMOUNT_MAX: i64 = 10_000_000_000;
/// Longest text that is read as an amount: the largest one with four decimals, and some.
pub const AMOUNT_TEXT_BYTES_MAX: usize = 24;
/// Longest contact: a mail address has at most 254 bytes (RFC 5321), a name in other scripts some more.
pub const CONTACT_BYTES_MAX: usize = 320;
/// Longest query password; Argon2id takes any length, a form field need not.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// Most items in one order, when the configuration names no smaller number: their keys fit one page and one receipt.
pub const ORDER_QUANTITY_MAX: u32 = 500;
/// Most slots in one batch (ledger.md, section 1).
pub const BATCH_SLOTS_MAX: u32 = 1 << 24;
/// Longest title of a product or shop.
pub const TITLE_BYTES_MAX: usize = 256;
/// Names of a certificate beside the shop's host: authorities sign for 25 in all of the shortest-lived kind.
pub const CERTIFICATE_NAMES_MAX: usize = 24;
/// Longest Markdown text of a product.
pub const PRODUCT_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most products: the window is one page that lists them.
pub const PRODUCTS_MAX: usize = 5_000;
/// Longest key in a pool: a licence file in Base64 fits.
pub const KEY_BYTES_MAX: usize = 16 * 1024;
/// Most lines in one import (security.md, section 3).
pub const IMPORT_LINES_MAX: u64 = 200_000;
/// Largest import file (security.md, section 3).
pub const IMPORT_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// Largest body of a notice (security.md, section 1).
pub const NOTICE_BYTES_MAX: usize = 64 * 1024;
/// Notices with a bad signature kept in memory for each channel (security.md, section 1).
pub const BAD_NOTICES_KEPT_MAX: usize = 1_000;
/// Bytes kept of one such notice.
pub const BAD_NOTICE_BYTES_MAX: usize = 4 * 1024;
/// Largest form of a buyer: a contact, a password and fields of the product.
pub const FORM_BYTES_MAX: usize = 32 * 1024;
/// Longest transaction id that a provider may send.
pub const TRANSACTION_ID_BYTES_MAX: usize = 128;
/// Longest reason that staff gives when delivering or cancelling by hand.
pub const NOTE_BYTES_MAX: usize = 500;
/// Most payments kept with one order: a broken gateway must not grow a row without end.
pub const PAYMENTS_PER_ORDER_MAX: usize = 32;
/// Largest stored record, for the decoder: an order of 500 keys of 16 KiB.
pub const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest Markdown text on how a product is used: it goes into each mail of a delivery too.
pub const INSTRUCTIONS_BYTES_MAX: usize = 16 * 1024;
/// Longest scope of a product: a few words beside its price.
pub const SCOPE_BYTES_MAX: usize = 120;
/// Longest support contact.
pub const SUPPORT_BYTES_MAX: usize = 256;
/// Most questions answered on a product's page: more are not read.
pub const QUESTIONS_MAX: usize = 30;
/// Longest question.
pub const QUESTION_BYTES_MAX: usize = 256;
/// Longest answer, Markdown.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Longest file of questions and answers.
pub const QUESTIONS_BYTES_MAX: usize = 32 * 1024;
/// Most categories: they are tabs of one row or two.
pub const CATEGORIES_MAX: usize = 100;
/// Farthest place in the order of display, either way.
pub const POSITION_MAX: i32 = 1_000_000;
/// Largest upload of a picture (security.md, section 3).
pub const PICTURE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most pixels of an upload: a phone's photograph fits, and its 160 MB while it is decoded.
pub const PICTURE_PIXELS_MAX: u64 = 40_000_000;
/// Longest side of an upload in pixels.
pub const PICTURE_SIDE_MAX: u32 = 16_384;
/// How many times longer one side of a picture may be than the other: a stripe has no useful small form.
pub const PICTURE_SIDES_RATIO_MAX: u32 = 5;
/// Longest search in the window; what is longer is cut.
pub const SEARCH_BYTES_MAX: usize = 100;
/// Longest notice of the shop, Markdown: it stands above every product.
pub const NOTICE_TEXT_BYTES_MAX: usize = 4 * 1024;
/// Most witnesses: a note has at most 64 signatures, and each witness is asked by itself.
pub const WITNESSES_MAX: usize = 16;
