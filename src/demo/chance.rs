//! Chance, from one seed. A stream is keyed by what it is drawn for, so that a customer is the same in every run of a
//! seed, whatever agents and the machine do meanwhile.

/// What a number is drawn for.
#[derive(Clone, Copy, Debug)]
pub enum Cause {
    /// When the customers of a flow come.
    Arrival = 1,
    /// What one customer is like.
    Customer = 2,
    /// What one agent does.
    Agent = 3,
}

/// A stream of numbers: SplitMix64 (Steele, Lea, Flood 2014) from a mixed key.
#[derive(Clone, Debug)]
pub struct Stream(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of one cause, for one of those it concerns and its `which`-th turn.
    pub fn new(seed: u64, cause: Cause, whose: usize, which: usize) -> Stream {
        let parts = [cause as u64, whose as u64, which as u64];
        Stream(parts.into_iter().fold(mix(seed.wrapping_add(STEP)), |key, part| {
            mix(key.wrapping_add(STEP).wrapping_add(part.wrapping_mul(STEP)))
        }))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Evenly between 0 and 1, neither included.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// True with this chance.
    pub fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// One of `0..count`, each as likely; `count` is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// Exponential: memoryless, as patience and the gaps between strangers are.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }

    /// Lognormal with this mean and standard deviation, as times of work are.
    pub fn lognormal(&mut self, mean: f64, deviation: f64) -> f64 {
        let variance = (1.0 + (deviation / mean).powi(2)).ln();
        // Box and Muller 1958.
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        mean * (variance.sqrt() * normal - variance / 2.0).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_are_those_asked_for() {
        let mut stream = Stream::new(7, Cause::Customer, 0, 0);
        let mut check = |draw: &mut dyn FnMut(&mut Stream) -> f64, mean: f64, deviation: f64| {
            let drawn: Vec<f64> = (0..200_000).map(|_| draw(&mut stream)).collect();
            let found = drawn.iter().sum::<f64>() / drawn.len() as f64;
            let spread = (drawn.iter().map(|x| (x - found).powi(2)).sum::<f64>() / drawn.len() as f64).sqrt();
            assert!((found - mean).abs() < 0.02 * mean, "mean {found}, expected {mean}");
            assert!((spread - deviation).abs() < 0.04 * mean, "deviation {spread}, expected {deviation}");
        };
        check(&mut |stream| stream.exponential(240.0), 240.0, 240.0);
        check(&mut |stream| stream.lognormal(240.0, 180.0), 240.0, 180.0);
        check(&mut |stream| stream.unit(), 0.5, 12f64.sqrt().recip());
        check(&mut |stream| stream.below(3) as f64, 1.0, (2.0f64 / 3.0).sqrt());
    }

    #[test]
    fn a_stream_depends_on_its_key_alone() {
        let first = |seed, cause, whose, which| Stream::new(seed, cause, whose, which).bits();
        assert_eq!(first(1, Cause::Agent, 2, 3), first(1, Cause::Agent, 2, 3));
        for other in
            [(2, Cause::Agent, 2, 3), (1, Cause::Customer, 2, 3), (1, Cause::Agent, 3, 2), (1, Cause::Agent, 2, 4)]
        {
            assert_ne!(first(1, Cause::Agent, 2, 3), first(other.0, other.1, other.2, other.3));
        }
    }
}
