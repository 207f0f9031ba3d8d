use std::sync::Mutex;

use crate::domain::Entropy;

/// Bytes that follow from a seed, so that a failing run can be run again.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<blake3::OutputReader>);

impl SeededEntropy {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        let reader = blake3::Hasher::new_derive_key("keystall test entropy")
            .update(&seed.to_le_bytes())
            .finalize_xof();
        Self(Mutex::new(reader))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap().fill(out);
    }
}
