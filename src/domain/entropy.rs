//! Unpredictable bytes from one seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// A keyed hash in counter mode: as unpredictable as its seed, without a system call per use.
/// With a fixed seed it repeats itself, which is what tests want.
#[derive(Debug)]
pub struct Entropy {
    key: [u8; 32],
    counter: AtomicU64,
}

impl Entropy {
    pub fn new(seed: [u8; 32]) -> Entropy {
        Entropy { key: seed, counter: AtomicU64::new(0) }
    }

    /// 256 bits that were never given before.
    pub fn bytes(&self) -> [u8; 32] {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        *blake3::keyed_hash(&self.key, &count.to_le_bytes()).as_bytes()
    }

    /// Two independent words.
    pub fn pair(&self) -> (u64, u64) {
        let [a, b, ..] = self.words();
        (a, b)
    }

    pub(super) fn words(&self) -> [u64; 4] {
        let bytes = self.bytes();
        let (words, _) = bytes.as_chunks::<8>();
        std::array::from_fn(|i| u64::from_le_bytes(words[i]))
    }
}
