//! Chance from a seed: each thing that chance decides has a stream of its own, so that adding one moves no other.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers. The same seed, purpose and number give the same stream on every machine.
pub struct Chance(pub ChaCha8Rng);

impl Chance {
    /// The stream for a purpose, such as `patience`, and the number of what it is for.
    pub fn new(seed: u64, purpose: &str, number: u64) -> Chance {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        for (at, byte) in purpose.bytes().take(24).enumerate() {
            key[8 + at] = byte;
        }
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(number);
        Chance(stream)
    }

    /// A number from 0 inclusive to 1 exclusive.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `count`, which must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The bias of the remainder is below 2^-32 for every count in use.
        (self.0.next_u64() % count as u64) as usize
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}
