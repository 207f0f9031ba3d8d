use super::*;
use crate::vault::SystemEntropy;

fn pair() -> BackupIdentity {
    BackupIdentity::once(&SystemEntropy)
}

fn sealed(recipients: &[BackupRecipient], plain: &[u8]) -> Vec<u8> {
    let mut writer = seal_to(recipients, &SystemEntropy, Vec::new()).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn open(identity: &BackupIdentity, sealed: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = open_sealed(&[identity], sealed).map_err(|error| error.to_string())?;
    let mut plain = Vec::new();
    reader
        .read_to_end(&mut plain)
        .map_err(|error| error.to_string())?;
    Ok(plain)
}

#[test]
fn what_is_sealed_opens_for_each_recipient_and_nobody_else() {
    let (sheet, run, stranger) = (pair(), pair(), pair());
    let to = [sheet.recipient(), run.recipient()];
    for bytes in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let plain: Vec<u8> = (0..bytes).map(|i| i as u8).collect();
        let sealed = sealed(&to, &plain);
        assert_eq!(open(&sheet, &sealed).unwrap(), plain, "{bytes}");
        assert_eq!(open(&run, &sealed).unwrap(), plain, "{bytes}");
        assert!(
            open(&stranger, &sealed)
                .unwrap_err()
                .contains("another key")
        );
    }
}

#[test]
fn no_bit_of_a_sealed_file_can_be_flipped() {
    let identity = pair();
    let sealed = sealed(&[identity.recipient(), pair().recipient()], b"a shop");
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1 << bit;
            assert!(open(&identity, &flipped).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn chunks_cannot_be_cut_off_swapped_or_appended() {
    let identity = pair();
    let plain = vec![7; 3 * 65_536];
    let whole = sealed(&[identity.recipient()], &plain);
    let begin = whole.len() - 3 * (65_536 + 16);
    let chunk = |n: usize| begin + n * (65_536 + 16);
    for cut in [
        begin - 1,
        begin,
        begin + 15,
        chunk(1),
        chunk(1) + 5,
        chunk(2),
        whole.len() - 1,
    ] {
        let error = open(&identity, &whole[..cut]).unwrap_err();
        let is_told = error.contains("ends early") || error.contains("damaged");
        assert!(is_told, "{cut}: {error}");
    }
    assert!(
        open(&identity, &whole[..chunk(2)])
            .unwrap_err()
            .contains("ends early")
    );
    let mut swapped = whole.clone();
    swapped.copy_within(chunk(1)..chunk(2), chunk(0));
    assert!(open(&identity, &swapped).unwrap_err().contains("chunk 0"));
    let mut longer = whole.clone();
    longer.push(0);
    assert!(open(&identity, &longer).is_err());
    let mut again = whole.clone();
    again.extend_from_slice(&whole[chunk(2)..]);
    assert!(open(&identity, &again).is_err());
}

#[test]
fn a_header_without_end_is_given_up_soon() {
    let identity = pair();
    let lines = |line: &str, count: usize| {
        let mut text = AGE_MAGIC.to_vec();
        text.extend(line.repeat(count).into_bytes());
        text
    };
    let far = [
        lines("x", 1 << 20),
        lines("-> X 1\n\n", 1 << 16),
        lines("-> grease\nAAAA\n", 21),
    ];
    for sealed in far {
        assert!(open(&identity, &sealed).unwrap_err().contains("header"));
    }
    assert!(
        open(&identity, b"PK\x03\x04")
            .unwrap_err()
            .contains("not a sealed")
    );
    assert!(open(&identity, b"").unwrap_err().contains("not a sealed"));
}

/// A key pair of `age-keygen`, and what `age` 1.1.1 sealed to it.
#[test]
fn a_file_of_the_reference_implementation_opens() {
    use base64::Engine;
    let (_, seed) = bech32::decode(
        "AGE-SECRET-KEY-1W9KUDPJXJDPDVSTJEECCVAWCAZ7S2DZC5928E3RSPE03Y74RQL5QF777H6",
    )
    .unwrap();
    let identity = BackupIdentity::from_seed(&seed.try_into().unwrap());
    assert_eq!(
        identity.recipient().to_string(),
        "age1v7sfzmnl7s5qtypv8xxm5vmmsxysagnszuqxleuc8scad507g5gq7mtvd5"
    );
    assert_eq!(
        identity.expose_text().expose_str(),
        Some("AGE-SECRET-KEY-1W9KUDPJXJDPDVSTJEECCVAWCAZ7S2DZC5928E3RSPE03Y74RQL5QF777H6")
    );
    let file = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSB0TS9JdDBxM0pzM0R0SkJQcExvV1BTbzZ5SjNPWitrcjRGRFB3cTRzTGpvCjRabnNGTTRhQTZsTzJ6Zlh6aHZoT2FVWDFnZ0o2TmdRVVRNVnZ3cnZZaEkKLS0tIHI0QXc4TTE2NVVsUndONGVncmc5bnZJOGV4L3NJdWkyV1lEcFpjSWpWRjAKVuMgaFCrc6nq+TuyBZ7wX9e32kcZDqOMX+G1JKsTk2VlBUFY+sE=";
    let file = base64::engine::general_purpose::STANDARD
        .decode(file)
        .unwrap();
    assert_eq!(open(&identity, &file).unwrap(), b"a shop");
}

#[test]
fn a_recipient_reads_back_as_it_is_shown() {
    let recipient = pair().recipient();
    let text = recipient.to_string();
    assert_eq!((text.len(), &text[..4]), (62, "age1"));
    assert_eq!(text.parse::<BackupRecipient>().unwrap(), recipient);
    assert!(text.to_uppercase().parse::<BackupRecipient>().is_err());
    assert!(text[..61].parse::<BackupRecipient>().is_err());
}

#[test]
fn neither_half_prints_the_secret_one() {
    let identity = pair();
    let text = identity.expose_text();
    let text = text.expose_str().unwrap();
    assert!(text.starts_with("AGE-SECRET-KEY-1") && text.len() == 74);
    assert_eq!(format!("{identity:?}"), "BackupIdentity(…)");
}

#[test]
fn a_recipient_of_low_order_is_none() {
    // RFC 7748's u-coordinates of points of order 1, 2, 4 and 8, with other spellings of 0 and 1.
    let order_eight = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let order_eight = <[u8; 32]>::try_from(hex::decode(order_eight).unwrap()).unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    let mut prime = [255; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    for bytes in [[0; 32], one, order_eight, prime] {
        let refused = BackupRecipient::from_bytes(bytes).unwrap_err();
        assert_eq!(refused, RecipientError::LowOrder);
        let text = bech32::encode::<Bech32>(RECIPIENT, &bytes).unwrap();
        assert_eq!(
            text.parse::<BackupRecipient>(),
            Err(RecipientError::LowOrder)
        );
    }
    let good = pair().recipient();
    assert_eq!(BackupRecipient::from_bytes(*good.as_bytes()), Ok(good));
}
