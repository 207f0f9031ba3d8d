//! Query passwords: Argon2id with m = 19456 KiB, t = 2, p = 1 (security.md, section 2). Some 20 ms each: callers bound how many
//! run at a time.

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use crate::domain::{Entropy, Secret, seams::random};

/// Salt and hash of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    /// Random.
    pub salt: [u8; 16],
    /// Argon2id's output.
    pub hash: [u8; 32],
}

/// Hashes a password under a fresh salt.
pub fn hash_password(entropy: &dyn Entropy, password: &Secret) -> PasswordHash {
    let salt = random(entropy);
    PasswordHash {
        salt,
        hash: argon2id(password, &salt),
    }
}

/// Whether `password` is the one. Takes the same time for a wrong one and for none (`known` is then a decoy's).
pub fn verify_password(known: &PasswordHash, password: &Secret) -> bool {
    argon2id(password, &known.salt).ct_eq(&known.hash).into()
}

fn argon2id(password: &Secret, salt: &[u8; 16]) -> [u8; 32] {
    let mut out = [0; 32];
    // The parameters are constants within Argon2's ranges, and passwords are limited far below its maximum.
    #[allow(clippy::expect_used)]
    {
        let params = Params::new(19_456, 2, 1, Some(32)).expect("constant parameters");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.expose(), salt, &mut out)
            .expect("lengths within range");
    }
    out
}
