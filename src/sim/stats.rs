//! Means and their intervals of confidence over independent repetitions.

use serde::Serialize;

/// A figure: its estimate, and how far off it may be with 95 % confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate; none when there was nothing to take it of.
    pub mean: Option<f64>,
    /// Half width of its 95 % interval (Student); none with fewer than two repetitions.
    pub half_width: Option<f64>,
}

/// Sums of a numerator and a denominator over repetitions: a mean where the denominator is 1, else a ratio, whose
/// interval is that of its residuals (the delta method).
#[derive(Clone, Copy, Debug, Default)]
pub struct Ratio {
    count: u32,
    n: f64,
    d: f64,
    nn: f64,
    nd: f64,
    dd: f64,
}

impl Ratio {
    /// Adds one repetition.
    pub fn add(&mut self, numerator: f64, denominator: f64) {
        self.count += 1;
        self.n += numerator;
        self.d += denominator;
        self.nn += numerator * numerator;
        self.nd += numerator * denominator;
        self.dd += denominator * denominator;
    }

    /// The estimate.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        if self.d <= 0.0 {
            return Estimate::default();
        }
        let mean = self.n / self.d;
        let half_width = (self.count >= 2).then(|| {
            let count = f64::from(self.count);
            let squares = (self.nn - 2.0 * mean * self.nd + mean * mean * self.dd).max(0.0);
            let variance = squares / (count - 1.0);
            student(self.count - 1) * libm::sqrt(variance / count) / (self.d / count)
        });
        Estimate { mean: Some(mean), half_width }
    }
}

/// The 97.5 % point of Student's law.
#[must_use]
pub fn student(freedom: u32) -> f64 {
    const TABLE: [f64; 30] = [
        12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
        2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518,
        2.0484, 2.0452, 2.0423,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=30 => TABLE[freedom as usize - 1],
        // Cornish and Fisher's expansion around the normal's point: four digits from here on.
        _ => {
            let (z, n) = (1.959_964, f64::from(freedom));
            z + (z * z * z + z) / (4.0 * n) + (5.0 * z * z * z * z * z + 16.0 * z * z * z + 3.0 * z) / (96.0 * n * n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_points_are_those_of_the_tables() {
        for (freedom, point) in [(1, 12.7062), (9, 2.2622), (40, 2.0211), (120, 1.9799), (10_000, 1.9602)] {
            assert!((student(freedom) - point).abs() < 2e-4, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn a_mean_and_a_ratio() {
        let mut mean = Ratio::default();
        for value in [1.0, 2.0, 3.0, 4.0] {
            mean.add(value, 1.0);
        }
        let Estimate { mean: Some(found), half_width: Some(half) } = mean.estimate() else { panic!("no estimate") };
        assert!((found - 2.5).abs() < 1e-12);
        // sd = 1.29099, t(3) = 3.1824.
        assert!((half - 3.1824 * 1.290_994 / 2.0).abs() < 1e-4, "{half}");
        let mut ratio = Ratio::default();
        ratio.add(10.0, 20.0);
        assert_eq!(ratio.estimate(), Estimate { mean: Some(0.5), half_width: None });
        ratio.add(30.0, 60.0);
        assert_eq!(ratio.estimate().half_width, Some(0.0), "the same ratio each time");
        assert_eq!(Ratio::default().estimate(), Estimate::default());
    }
}
