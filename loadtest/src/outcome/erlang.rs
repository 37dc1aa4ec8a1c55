//! Erlang A (M/M/n+M) in its stationary state: what theory expects of a queue whose customers leave when they have
//! waited too long. Formulas: Mandelbaum and Zeltyn, "The Palm/Erlang-A Queue, with Applications to Call Centers" (2005).

/// What Erlang A expects.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ErlangA {
    /// Share of arrivals that find no agent free.
    pub waiting: f64,
    /// Share of arrivals that leave.
    pub abandoned: f64,
    /// Mean wait of all, in seconds.
    pub mean_wait_s: f64,
}

impl ErlangA {
    /// With arrivals per second, mean handle time and mean patience in seconds, and a number of agents. None where
    /// a figure makes no sense.
    pub fn new(per_second: f64, handle_s: f64, patience_s: f64, agents: usize) -> Option<ErlangA> {
        let good = |figure: f64| figure.is_finite() && figure > 0.0;
        if !(good(per_second) && good(handle_s) && good(patience_s)) || agents == 0 {
            return None;
        }
        let (serve, leave) = (1.0 / handle_s, 1.0 / patience_s);
        // Probabilities of each number in the system, relative to the most likely one so far.
        let (mut sum, mut waiting, mut in_line, mut weight) = (1.0, 0.0, 0.0, 1.0);
        let mut number = 0_usize;
        loop {
            number += 1;
            let beyond = number.saturating_sub(agents) as f64;
            weight *= per_second / (number.min(agents) as f64 * serve + beyond * leave);
            sum += weight;
            if number >= agents {
                waiting += weight;
                in_line += beyond * weight;
            }
            if weight > 1e200 {
                (sum, waiting, in_line, weight) = (sum / 1e200, waiting / 1e200, in_line / 1e200, weight / 1e200);
            }
            // Past the last agent the weights fall ever faster; what is left is below the last digit shown.
            if number > agents && weight < sum * 1e-15 {
                break;
            }
        }
        let in_line = in_line / sum;
        let mean_wait_s = in_line / per_second;
        Some(ErlangA { waiting: waiting / sum, abandoned: leave * mean_wait_s, mean_wait_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_half_hour_of_a_bank_is_as_published() {
        let peak = ErlangA::new(2_272.0 / 1_800.0, 190.0, 240.0, 245).expect("figures that make sense");
        assert!((peak.waiting - 0.40).abs() < 0.005, "{peak:?}");
        assert!((peak.abandoned - 0.015).abs() < 0.000_5, "{peak:?}");
        assert!((peak.mean_wait_s - 3.7).abs() < 0.05, "{peak:?}");
    }

    #[test]
    fn with_endless_patience_it_is_erlang_c() {
        // Erlang C with 10 agents and 8 erlangs: 40.92 % wait, 0.2046 of a handle time on average.
        let calm = ErlangA::new(8.0, 1.0, 1e9, 10).expect("figures that make sense");
        assert!((calm.waiting - 0.4092).abs() < 0.000_1, "{calm:?}");
        assert!((calm.mean_wait_s - 0.2046).abs() < 0.000_1, "{calm:?}");
        assert!(ErlangA::new(0.0, 1.0, 1.0, 1).is_none());
    }
}
