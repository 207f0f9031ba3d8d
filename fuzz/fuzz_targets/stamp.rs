//! An RFC 3161 response: no bytes break its reader, and what a trusted authority vouches for is a time that it stated.
#![no_main]

use std::sync::OnceLock;

use keystall::ledger::timestamp::{Authorities, Expected, Trust, imprint, verify};
use libfuzzer_sys::fuzz_target;

const BODY: &str = include_str!("../../tests/vectors/timestamps/body.txt");
const AUTHORITIES: [&[u8]; 2] = [
    include_bytes!("../../tests/vectors/timestamps/ca-rsa.pem"),
    include_bytes!("../../tests/vectors/timestamps/ca-ec.pem"),
];
/// Stated in the vectors: each of their stamps was made in this span, Unix milliseconds.
const STATED_MS: std::ops::Range<i64> = 1_700_000_000_000..2_000_000_000_000;

fuzz_target!(|response: &[u8]| {
    static TRUSTED: OnceLock<Authorities> = OnceLock::new();
    let trusted = TRUSTED.get_or_init(|| {
        let mut trusted = Authorities::default();
        for file in AUTHORITIES {
            trusted.add_pem(file).expect("an authority of the vectors");
        }
        trusted
    });
    let imprint = imprint(BODY);
    let expected = Expected {
        imprint: &imprint,
        nonce: None,
    };
    if let Ok(stamp) = verify(response, &expected, trusted)
        && stamp.trust == Trust::Given
    {
        assert!(STATED_MS.contains(&stamp.time_ms), "{stamp:?}");
    }
});
