//! Chance from a seed: the same seed rolls the same dice, on every machine and in every release.
//!
//! Every order has dice of its own, so an order's story does not depend on how many orders there are or how they interleave.
//! Only raw 64-bit words are taken from the generator; all that is made of them is made here, so no library can change it.

use rand_core::Rng;
use rand_pcg::Pcg64;

/// A stream of chance.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64);

impl Dice {
    /// The dice number `stream` of a seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let state = (u128::from(mixed(seed)) << 64) | u128::from(mixed(seed ^ mixed(stream)));
        Self(Pcg64::new(state, u128::from(mixed(stream))))
    }

    /// A number from 0 to `bound` less 1; 0 where the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("a product of two words has its upper half in one word")
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = u64::try_from(last - first).expect("the last is not before the first");
        first + i64::try_from(self.below(span + 1)).expect("within a span of signed numbers")
    }

    /// Whether something happens that happens in this share of all cases.
    pub fn chance(&mut self, share: f64) -> bool {
        // 53 bits are what a double holds exactly.
        let unit = (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < share
    }

    /// One of these, each as likely as the others.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// One of these, each as likely as its weight.
    pub fn weighted<T: Copy>(&mut self, from: &[(T, u32)]) -> T {
        let mut left = self.below(from.iter().map(|(_, weight)| u64::from(*weight)).sum());
        for (value, weight) in from {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return *value,
            }
        }
        unreachable!("the roll is below the sum of the weights")
    }

    /// A place in a list of that length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length that fits")
    }
}

/// SplitMix64's finisher: neighbouring numbers come out far apart.
fn mixed(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_and_stream_roll_the_same_numbers_for_ever() {
        let rolls = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            [dice.below(1000), dice.below(1000), dice.below(1000), dice.below(1000)]
        };
        assert_eq!(rolls(1, 2), rolls(1, 2));
        assert_ne!(rolls(1, 2), rolls(1, 3));
        assert_ne!(rolls(1, 2), rolls(2, 2));
    }

    #[test]
    fn a_chance_comes_about_as_often_as_it_says() {
        let mut dice = Dice::new(7, 0);
        let hits = (0..100_000).filter(|_| dice.chance(0.02)).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| !dice.chance(0.0)));
    }

    #[test]
    fn a_weight_of_nothing_is_never_picked() {
        let mut dice = Dice::new(7, 0);
        let picks: Vec<char> = (0..1000).map(|_| dice.weighted(&[('a', 1), ('b', 0), ('c', 3)])).collect();
        assert!(picks.contains(&'a') && picks.contains(&'c') && !picks.contains(&'b'));
    }
}
