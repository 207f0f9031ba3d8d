//! Against tokens made by `openssl`: `tests/vectors/timestamps/make.py` makes them and says what is wrong with each.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn vector(name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join("tests/vectors/timestamps").join(name)).unwrap()
}

fn body() -> String {
    String::from_utf8(vector("body.txt")).unwrap()
}

fn trusting(pem: Option<&str>) -> Authorities {
    let mut authorities = Authorities::nobody();
    if let Some(pem) = pem {
        authorities.add_pem(&vector(pem)).unwrap();
    }
    authorities
}

fn judged(token: &[u8], pem: Option<&str>) -> Result<Stamp, StampError> {
    let imprint = imprint(&body());
    let expected = Expected {
        imprint: &imprint,
        nonce: None,
    };
    verify(token, &expected, &trusting(pem))
}

fn word(outcome: &Result<Stamp, StampError>) -> &'static str {
    match outcome {
        Ok(Stamp {
            trust: Trust::Given,
            ..
        }) => "given",
        Ok(_) => "nobody",
        Err(StampError::Malformed(_)) => "malformed",
        Err(StampError::Refused { .. }) => "refused",
        Err(StampError::OtherImprint) => "other_imprint",
        Err(StampError::OtherNonce) => "other_nonce",
        Err(StampError::Forged(_)) => "forged",
        Err(StampError::NotAuthority(_)) => "not_authority",
        Err(StampError::Algorithm(_)) => "algorithm",
    }
}

#[test]
fn every_token_is_judged_as_its_name_says() {
    let cases: Vec<Value> = serde_json::from_slice(&vector("cases.json")).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let outcome = judged(&vector(file), case["trust"].as_str());
        assert_eq!(word(&outcome), case["verdict"], "{case} {outcome:?}");
    }
}

#[test]
fn a_stamp_states_its_time_and_its_accuracy() {
    let stamp = judged(&vector("p256-sha256.tsr"), Some("ca-ec.pem")).unwrap();
    assert!(stamp.time_ms > 1_790_000_000_000, "{stamp:?}");
    assert_eq!(stamp.accuracy_ms, Some(1_500));
    assert_eq!(stamp.policy, "1.2.3.4.1");
    assert_eq!(stamp.signer_sha256.len(), 64);
}

#[test]
fn reasons_against_trust_are_told_apart() {
    let reason = |file: &str, pem| match judged(&vector(file), pem).unwrap().trust {
        Trust::Nobody(reason) => reason,
        Trust::Given => String::new(),
    };
    assert!(reason("expired.tsr", Some("ca-ec.pem")).contains("expired"));
    assert!(reason("expired.tsr", Some("expired.pem")).contains("expired"));
    assert!(reason("expired-intermediate.tsr", Some("ca-ec.pem")).contains("expired"));
    assert!(reason("p256-sha256.tsr", Some("ca-other.pem")).contains("issued"));
    assert!(reason("p256-sha256.tsr", None).contains("given"));
}

#[test]
fn no_flipped_byte_changes_what_a_stamp_states() {
    for (file, pem) in [
        ("p256-sha256.tsr", "ca-ec.pem"),
        ("rsa-sha256.tsr", "ca-rsa.pem"),
    ] {
        let token = vector(file);
        let sound = judged(&token, Some(pem)).unwrap();
        let mut passed = Vec::new();
        for at in 0..token.len() {
            for mask in [0x01, 0x80] {
                let mut flipped = token.clone();
                flipped[at] ^= mask;
                if let Ok(stamp) = judged(&flipped, Some(pem))
                    && stamp.trust == Trust::Given
                {
                    assert_eq!(stamp, sound, "{file} byte {at} mask {mask:#x}");
                    passed.push(at);
                }
            }
        }
        // The response's status, which nobody signs: granted (0) becomes granted with modifications (1).
        assert_eq!(passed.len(), 1, "{file} {passed:?}");
    }
}

#[test]
fn a_changed_signature_of_every_algorithm_is_forged() {
    let cases: Vec<Value> = serde_json::from_slice(&vector("cases.json")).unwrap();
    let sound = cases.iter().filter(|case| case["verdict"] == "given");
    let mut tried = 0;
    for case in sound {
        let mut token = vector(case["file"].as_str().unwrap());
        // The signature is the token's last value.
        *token.last_mut().unwrap() ^= 1;
        let outcome = judged(&token, case["trust"].as_str());
        assert_eq!(word(&outcome), "forged", "{case}");
        tried += 1;
    }
    assert!(tried >= 9, "RSA, PSS, both curves, each digest: {tried}");
}

#[test]
fn a_cut_token_is_malformed_at_every_length() {
    let token = vector("rsa3072-sha512-chain.tsr");
    for length in 0..token.len() {
        let outcome = judged(&token[..length], Some("ca-rsa.pem"));
        assert_eq!(word(&outcome), "malformed", "{length}");
    }
    assert_eq!(
        word(&judged(&vec![0x30; TOKEN_BYTES_MAX + 1], None)),
        "malformed"
    );
}

#[test]
fn the_request_is_what_openssl_reads() {
    let nonce = [0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let request = request(&imprint(&body()), &nonce);
    let hex = hex::encode(&request);
    // version 1 ‖ SHA-256 with NULL ‖ imprint ‖ nonce with its sign byte ‖ certReq
    assert!(
        hex.starts_with("304c0201013031300d060960864801650304020105000420"),
        "{hex}"
    );
    assert!(
        hex.ends_with(
            "02110080010203040506070809 0a0b0c0d0e0f0101ff"
                .replace(' ', "")
                .as_str()
        )
    );
}

#[test]
fn a_nonce_of_another_request_is_refused() {
    // The vectors' queries were made by openssl with a random nonce of eight bytes: none is this one.
    let imprint = imprint(&body());
    let expected = Expected {
        imprint: &imprint,
        nonce: Some(&[1; NONCE_BYTES]),
    };
    let outcome = verify(
        &vector("p256-sha256.tsr"),
        &expected,
        &Authorities::nobody(),
    );
    assert_eq!(outcome, Err(StampError::OtherNonce));
}

#[test]
fn a_file_without_certificates_is_no_authority() {
    let mut authorities = Authorities::nobody();
    assert_eq!(authorities.add_pem(b"hello"), Err(AuthoritiesError::None));
    let cut = &vector("ca-ec.pem")[..300];
    assert!(authorities.add_pem(cut).is_err());
    let garbage = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(
        authorities.add_pem(garbage),
        Err(AuthoritiesError::Malformed)
    );
    assert!(authorities.is_empty());
}

#[test]
fn words_of_a_refusal_are_told() {
    let error = judged(&vector("refused.tsr"), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the authority refused: status 2: not today"
    );
}
