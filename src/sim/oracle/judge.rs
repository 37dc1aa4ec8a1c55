//! Whether what was measured is what must come out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ewt::OWN;
use super::file::{Case, Expected};

/// Tolerances never go below this share of the value.
const LEAST_SHARE: f64 = 2e-4;

/// One metric of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// What was measured; none when it could not be.
    pub measured: Option<f64>,
    /// What must come out.
    pub expected: f64,
    /// How far off it may be; none when it is told and not judged.
    pub accept: Option<f64>,
    /// Whether it is within that.
    pub pass: bool,
}

/// Judges every metric of a run that measured so many contacts.
pub(super) fn judged(case: &Case, contacts: u64, measured: &dyn Fn(&str) -> Option<f64>) -> BTreeMap<String, Measure> {
    let judge = |(metric, expected): (&String, &Expected)| {
        let measured = measured(metric).filter(|value| value.is_finite());
        let accept = accepted(expected, case.run.measured_contacts, contacts);
        let within = |accept: f64| measured.is_some_and(|measured| (measured - expected.value).abs() <= accept);
        let pass = accept.map_or(measured.is_some(), within);
        (metric.clone(), Measure { measured, expected: expected.value, accept, pass })
    };
    let mut judged: BTreeMap<String, Measure> = case.expected.iter().map(judge).collect();
    judged.extend(own_estimate(case, measured));
    judged
}

/// usher's own estimate of the wait beside the named ones: told, with the least error any of them must come to.
fn own_estimate(case: &Case, measured: &dyn Fn(&str) -> Option<f64>) -> Vec<(String, Measure)> {
    let told = |given: &str| {
        let named = case.expected.iter().filter(|(metric, _)| metric.starts_with("mse_") && metric.ends_with(given));
        let least = named.map(|(_, expected)| expected.value).min_by(f64::total_cmp)?;
        let metric = format!("mse_{OWN}{given}");
        let measured = measured(&metric).filter(|value| value.is_finite());
        Some((metric, Measure { measured, expected: least, accept: None, pass: measured.is_some() }))
    };
    ["_given_wait", "_given_queue"].into_iter().filter_map(told).collect()
}

/// The tolerance at another length than the one it was sized for: it shrinks with the root of the length, and what is
/// known of the value itself is added.
fn accepted(expected: &Expected, sized_for: u64, contacts: u64) -> Option<f64> {
    let shrink = if sized_for == 0 { 1.0 } else { libm::sqrt(sized_for as f64 / contacts as f64) };
    let scaled = (expected.accept_abs? * shrink).max(LEAST_SHARE * expected.value.abs());
    let own = if expected.kind == "simulated" { expected.ci99_half_width } else { 0.0 };
    Some(scaled + own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(kind: &str) -> Expected {
        Expected { value: 10.0, kind: kind.into(), accept_abs: Some(0.5), ci99_half_width: 0.1 }
    }

    #[test]
    fn tolerance_shrinks_with_length_and_not_below_its_floor() {
        assert_eq!(accepted(&expected("exact"), 100, 100), Some(0.5));
        assert_eq!(accepted(&expected("exact"), 100, 10_000), Some(0.05));
        assert_eq!(accepted(&expected("exact"), 100, 1 << 60), Some(0.002));
        assert_eq!(accepted(&expected("simulated"), 100, 10_000), Some(0.05 + 0.1));
        assert_eq!(accepted(&Expected { accept_abs: None, ..expected("exact") }, 100, 100), None);
    }
}
