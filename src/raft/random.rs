//! Chance, handed in: everything that is drawn comes from one seed, so that a run can be repeated bit for bit.

use std::hash::{Hash, Hasher};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A generator whose stream for a seed is the same on every machine and in every release of its crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`, or 0 if there is none. The multiplication favours no number by more than one in 2³².
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let scaled = u64::from(self.0.next_u32()) * u64::from(bound);
        (scaled >> 32) as u32
    }

    /// Any number.
    pub(super) fn any(&mut self) -> u64 {
        self.0.next_u64()
    }
}

impl Hash for Dice {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get_seed().hash(state);
        self.0.get_word_pos().hash(state);
    }
}
