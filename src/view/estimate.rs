//! The wait that half of contacts, and nine of ten, stay under: from what an estimate is made of.
//!
//! The wait is a sum of exponential times, whose quantiles have no closed form; those of the gamma law of the same mean
//! and variance are near it, and have one that is good to a percent (Wilson and Hilferty 1931).

use crate::engine::estimate::{Estimate, PPM};
use crate::engine::time::Span;

/// Quantiles of the normal law.
const P50: f64 = 0.0;
const P90: f64 = 1.281_551_565_545;

/// The median and the ninth decile of the wait.
#[must_use]
pub fn quantiles(estimate: &Estimate) -> (Span, Span) {
    let (mut mean, mut variance) = (0.0, 0.0);
    for (Span(step), count) in estimate.steps() {
        let (step, count) = (step as f64, count as f64 / PPM as f64);
        mean += step * count;
        variance += step * step * count;
    }
    let quantile = |normal: f64| {
        if variance <= 0.0 {
            return estimate.ring;
        }
        let shape = mean * mean / variance;
        let root = 1.0 - 1.0 / (9.0 * shape) + normal / (3.0 * shape.sqrt());
        Span((mean * root.powi(3)).max(0.0) as u64) + estimate.ring
    };
    (quantile(P50), quantile(P90))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sums of exponential times drawn one by one.
    #[test]
    fn half_and_nine_of_ten_stay_under_them() {
        for (ahead, patience) in
            [(0, None), (3, None), (20, Some(Span::from_secs(60))), (200, Some(Span::from_secs(20)))]
        {
            let estimate = Estimate { ahead_ppm: ahead * PPM, turn: Span::from_secs(2), patience, ring: Span::ZERO };
            let (half, most) = quantiles(&estimate);
            let mut random = 7_u64;
            let mut uniform = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((random >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
            };
            let mut draw = |(Span(step), count): (Span, u64)| -> f64 {
                (0..count / PPM).map(|_| -uniform().ln() * step as f64).sum()
            };
            let waits: Vec<f64> = (0..20_000).map(|_| estimate.steps().map(&mut draw).sum()).collect();
            let under = |bound: Span| waits.iter().filter(|wait| **wait <= bound.0 as f64).count() as f64 / 20_000.0;
            let (found, nine) = (under(half), under(most));
            assert!((found - 0.5).abs() < 0.02 && (nine - 0.9).abs() < 0.01, "{ahead} ahead: {found}, {nine}");
        }
    }
}
