//! The system's randomness.

use crate::domain::Entropy;

/// `getrandom(2)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        // Without randomness no key is safe: stopping is the only right answer.
        #[allow(clippy::expect_used)]
        getrandom::fill(out).expect("the system gives randomness");
    }
}
