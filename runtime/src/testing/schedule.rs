//! In which order the answers of activities come.

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// Decides between answers that could come next, and remembers how it has decided.
pub(super) struct Schedule {
    given: Vec<usize>,
    random: Option<Pcg64>,
    taken: Vec<usize>,
    told: Vec<String>,
}

impl Schedule {
    /// Answers come in the order of their calls, except where `given` says which other one comes.
    pub(super) fn of(given: Vec<usize>) -> Self {
        Self { given, random: None, taken: Vec::new(), told: Vec::new() }
    }

    /// Any order; the same for the same seed.
    pub(super) fn seeded(seed: u64) -> Self {
        Self { random: Some(Pcg64::seed_from_u64(seed)), ..Self::of(Vec::new()) }
    }

    /// The one that comes next.
    pub(super) fn choose(&mut self, ready: &[(u64, String)]) -> u64 {
        let count = ready.len();
        let mut chosen = 0;
        if count > 1 {
            let wanted = match &mut self.random {
                Some(random) => (random.next_u64() % count as u64) as usize,
                None => self.given.get(self.taken.len()).copied().unwrap_or(0),
            };
            chosen = wanted.min(count - 1);
            self.taken.push(chosen);
        }
        if chosen > 0 {
            self.told.push(format!("{} answers before {}", ready[chosen].1, ready[0].1));
        }
        ready[chosen].0
    }

    /// Every decision, as [`of`](Self::of) takes it.
    pub(super) fn taken(&self) -> Vec<usize> {
        self.taken.clone()
    }

    /// In words, what was decided in another order than that of the calls.
    pub(super) fn told(&self) -> Vec<String> {
        self.told.clone()
    }
}
