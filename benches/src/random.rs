//! Random numbers and the distributions that the data is drawn from.
//!
//! Invariant: integer and IEEE basic arithmetic only, apart from tables made once, so that a seed means the same data everywhere.

/// A stream of pseudo-random numbers: SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// The increment of SplitMix64.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64-bit numbers that scatters them.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of a seed and a part of the data.
    pub fn new(seed: u64, part: u64) -> Self {
        Self(mix(mix(seed).wrapping_add(part.wrapping_mul(GAMMA))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[0, n)`; 0 for `n` 0. The bias is below one in a billion for the sizes here.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Draws ranks with given weights, in constant time (Walker's alias method).
#[derive(Debug, Clone)]
pub struct Weighted {
    keep: Vec<f64>,
    alias: Vec<usize>,
}

impl Weighted {
    /// Zipf's law: rank `k`, counted from 1, weighs `k^-exponent`. Ranks come out counted from 0.
    pub fn zipf(n: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=n).map(|k| (k as f64).powf(-exponent)).collect();
        let total: f64 = weights.iter().sum();
        let mut keep: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
        let mut alias: Vec<usize> = (0..n).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| keep[*i] < 1.0);
        while let (Some(s), Some(l)) = (small.pop(), large.last().copied()) {
            alias[s] = l;
            keep[l] -= 1.0 - keep[s];
            if keep[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        Self { keep, alias }
    }

    /// The next rank, from 0.
    pub fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.keep.len() as f64;
        let i = (at as usize).min(self.keep.len() - 1);
        if at - (i as f64) < self.keep[i] { i } else { self.alias[i] }
    }
}

/// Ranks in `[0, n)` by a heavy tail: rank `r` weighs `(r + HEAD)^-0.8`.
///
/// Of two million users the busiest has a few ten thousandths of all events, as a crawler would, and most have a handful.
#[derive(Debug, Clone, Copy)]
pub struct HeavyTail {
    n: u64,
    low: f64,
    span: f64,
}

/// Flattens the head of [`HeavyTail`], so that no single user dominates.
const HEAD: f64 = 100.0;

impl HeavyTail {
    /// Ranks below `n`.
    pub fn new(n: u64) -> Self {
        let low = HEAD.powf(0.2);
        Self { n, low, span: (n as f64 + HEAD).powf(0.2) - low }
    }

    /// The next rank: the inverse of the cumulated weight, which is a fifth power.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let x = self.low + random.unit() * self.span;
        ((x * x * x * x * x - HEAD) as u64).min(self.n.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers() {
        let (mut a, mut b) = (Random::new(7, 3), Random::new(7, 3));
        assert!((0..100).all(|_| a.bits() == b.bits()));
        assert_ne!(Random::new(7, 4).bits(), Random::new(7, 3).bits());
    }

    #[test]
    fn zipf_weighs_as_it_says() {
        let (weighted, mut random) = (Weighted::zipf(40, 1.1), Random::new(1, 1));
        let mut counts = [0u32; 40];
        for _ in 0..1_000_000 {
            counts[weighted.draw(&mut random)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((ratio - 2f64.powf(1.1)).abs() < 0.05, "{ratio}");
        assert!(counts[39] > 0);
    }

    #[test]
    fn the_tail_is_heavy_and_stays_inside() {
        let (tail, mut random) = (HeavyTail::new(10_000), Random::new(1, 1));
        let ranks: Vec<u64> = (0..100_000).map(|_| tail.draw(&mut random)).collect();
        assert!(ranks.iter().all(|r| *r < 10_000));
        let head = ranks.iter().filter(|r| **r < 1_000).count();
        assert!(head > 30_000, "the busiest tenth has {head} of 100000");
    }
}
