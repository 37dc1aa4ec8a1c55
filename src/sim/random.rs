//! Chance, from one seed: every cause has streams of its own, so that a changed policy meets the same customers.
//!
//! A stream is keyed by what it is drawn for (seed, cause, whose, which number), never by how much was drawn before.
//! Functions come from `libm`, not from the machine, so that the same seed gives the same numbers everywhere.

/// What a number is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Cause {
    /// When the contacts of a flow arrive.
    Arrival = 1,
    /// How busy a day is.
    DayFactor = 2,
    /// How long a customer waits before giving up.
    Patience = 3,
    /// How long a conversation takes.
    HandleTime = 4,
    /// How long it is wrapped up.
    WrapUp = 5,
    /// What an agent does with an offer, and how long he takes for it.
    Offer = 6,
    /// Whether and when a customer who gave up calls again.
    Retry = 7,
    /// Seed of an independent run.
    Run = 8,
}

/// A stream of numbers: SplitMix64 from a mixed key.
#[derive(Clone, Copy, Debug)]
pub struct Stream(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of one cause, for one of those it concerns (`whose`) and its `which`-th turn.
    #[must_use]
    pub fn new(seed: u64, cause: Cause, whose: u64, which: u64) -> Stream {
        let key = mix(seed.wrapping_add(STEP).wrapping_add((cause as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)));
        let key = mix(key.wrapping_add(whose.wrapping_mul(0xaef1_7502_b3a0_2f4d)).wrapping_add(STEP));
        Stream(mix(key.wrapping_add(which.wrapping_mul(STEP))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Evenly between 0 and 1, neither included.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.unit())
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// Gamma with this shape and mean 1 (Marsaglia and Tsang 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(self.unit(), 1.0 / shape);
            return self.gamma(shape + 1.0) * (shape + 1.0) * boost / shape;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v > 0.0 {
                let cube = v * v * v;
                if libm::log(self.unit()) < 0.5 * x * x + d - d * cube + d * libm::log(cube) {
                    return d * cube / shape;
                }
            }
        }
    }

    /// One of `0..count`, each as likely; `count` must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(count: usize, mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let drawn: Vec<f64> = (0..count).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / count as f64;
        (mean, drawn.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count as f64)
    }

    #[test]
    fn streams_depend_on_their_key_alone() {
        let first = |stream: Stream| {
            let mut stream = stream;
            stream.bits()
        };
        let a = first(Stream::new(1, Cause::Patience, 2, 3));
        assert_eq!(a, first(Stream::new(1, Cause::Patience, 2, 3)));
        for other in [
            Stream::new(2, Cause::Patience, 2, 3),
            Stream::new(1, Cause::HandleTime, 2, 3),
            Stream::new(1, Cause::Patience, 3, 3),
            Stream::new(1, Cause::Patience, 2, 4),
        ] {
            assert_ne!(a, first(other));
        }
    }

    #[test]
    fn moments_are_those_of_the_law() {
        let near = |(mean, variance): (f64, f64), expected: (f64, f64)| {
            assert!((mean - expected.0).abs() < 0.02, "mean {mean}, expected {}", expected.0);
            assert!((variance - expected.1).abs() < 0.06, "variance {variance}, expected {}", expected.1);
        };
        let mut stream = Stream::new(7, Cause::Arrival, 0, 0);
        near(moments(100_000, || stream.exponential()), (1.0, 1.0));
        near(moments(100_000, || stream.normal()), (0.0, 1.0));
        near(moments(100_000, || stream.gamma(10.0)), (1.0, 0.1));
        near(moments(100_000, || stream.gamma(0.5)), (1.0, 2.0));
        // Keyed streams read one number each must be as even as one stream read on.
        let mut serial = 0;
        let keyed = || {
            serial += 1;
            Stream::new(7, Cause::Patience, 1, serial).unit()
        };
        near(moments(100_000, keyed), (0.5, 1.0 / 12.0));
    }
}
