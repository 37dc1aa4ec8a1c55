//! When contacts arrive. Every instant is drawn from the seed before the run begins.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use toml::Spanned;
use usher::config::duration::Duration;

use super::ClockTime;
use super::chance::Chance;

/// A stream of arrivals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// When they come.
    pub pattern: Spanned<Pattern>,
    /// Classes of contacts it is made of, by their shares. Default all.
    #[serde(default)]
    pub classes: Vec<Spanned<String>>,
}

/// When contacts come.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// A Poisson process of constant rate.
    Rate {
        /// Contacts per second of the scenario's time.
        per_second: f64,
        /// Evenly spaced instead of at random.
        #[serde(default)]
        even: bool,
    },
    /// A number of contacts per interval, at random within each.
    Profile {
        /// The counts, from the scenario's beginning on.
        counts: Vec<f64>,
        /// The length of an interval. Default half an hour.
        #[serde(default = "super::half_hour")]
        interval: Duration,
        /// The counts are means of a Poisson process, not exact.
        #[serde(default)]
        poisson: bool,
    },
    /// Many at once.
    Burst {
        /// When it begins.
        at: Duration,
        /// How many.
        count: u32,
        /// How long it lasts, evenly spaced. Default no time.
        #[serde(default)]
        over: Duration,
    },
    /// Counts per interval of one day of a file with the columns `interval_start` (`2003-03-03T07:00`) and a count,
    /// which is given by `--arrivals`: that many contacts, at random within each interval.
    Csv {
        /// The day, as the file writes it.
        day: String,
        /// The length of an interval. Default 5 minutes.
        #[serde(default = "five_minutes")]
        interval: Duration,
    },
}

fn five_minutes() -> Duration {
    Duration(usher::engine::time::Span::from_secs(300))
}

/// What part of a scenario's day is run, and where its arrivals file is.
#[derive(Clone, Debug)]
pub struct Window<'a> {
    /// From, in microseconds of the scenario's time since its beginning.
    pub from: u64,
    /// To, exclusive.
    pub to: u64,
    /// The time of day of the scenario's beginning.
    pub starts_at: ClockTime,
    /// The file of arrivals.
    pub file: Option<&'a Path>,
    /// What rates and counts are multiplied with.
    pub scale: f64,
}

impl Arrivals {
    /// Whether its figures make sense; else what does not.
    pub fn check(&self) -> Result<(), String> {
        let rate = |name: &str, figure: f64| {
            let good = figure.is_finite() && (0.0..=1e6).contains(&figure);
            if good { Ok(()) } else { Err(format!("{name} is {figure}: it must be 0 to 1000000")) }
        };
        match self.pattern.get_ref() {
            Pattern::Rate { per_second, .. } => rate("per_second", *per_second),
            Pattern::Profile { counts, interval, .. } => {
                if interval.0.0 < 1_000 {
                    return Err("interval must be a millisecond at least".to_owned());
                }
                counts.iter().try_for_each(|count| rate("a count", *count))
            }
            Pattern::Csv { interval, .. } if interval.0.0 < 1_000_000 => {
                Err("interval must be a second at least".to_owned())
            }
            Pattern::Burst { .. } | Pattern::Csv { .. } => Ok(()),
        }
    }

    /// Whether it needs a file.
    pub fn needs_file(&self) -> bool {
        matches!(self.pattern.get_ref(), Pattern::Csv { .. })
    }

    /// The instants within the window, in microseconds of the scenario's time since its beginning, in no order.
    ///
    /// # Errors
    /// When the file is missing or cannot be read.
    pub fn instants(&self, window: &Window<'_>, chance: &mut Chance) -> anyhow::Result<Vec<u64>> {
        let mut instants = Vec::new();
        match self.pattern.get_ref() {
            Pattern::Rate { per_second, even } => {
                let mean = 1e6 / (per_second * window.scale);
                let mut at = window.from as f64;
                while mean.is_finite() {
                    at += if *even { mean } else { -mean * (1.0 - chance.unit()).ln() };
                    if at >= window.to as f64 {
                        break;
                    }
                    instants.push(at as u64);
                }
            }
            Pattern::Profile { counts, interval, poisson } => {
                for (number, count) in counts.iter().enumerate() {
                    let from = number as u64 * interval.0.0;
                    let wanted = count * window.scale;
                    let count = if *poisson { poisson_count(wanted, chance) } else { whole(wanted, chance) };
                    instants.extend(spread(from, interval.0.0, count, chance));
                }
            }
            Pattern::Burst { at, count, over } => {
                let count = whole(f64::from(*count) * window.scale, chance);
                instants.extend((0..count).map(|number| at.0.0 + over.0.0 * number / count.max(1)));
            }
            Pattern::Csv { day, interval } => {
                let file = window.file.context("the scenario needs a file of arrivals: name it with --arrivals")?;
                for (from, count) in day_of(file, day, window.starts_at)? {
                    let count = whole(count as f64 * window.scale, chance);
                    instants.extend(spread(from, interval.0.0, count, chance));
                }
            }
        }
        instants.retain(|at| (window.from..window.to).contains(at));
        Ok(instants)
    }
}

/// `count` instants at random within an interval: a Poisson process that is known to have had that many.
fn spread(from: u64, length: u64, count: u64, chance: &mut Chance) -> Vec<u64> {
    (0..count).map(|_| from + (length as f64 * chance.unit()) as u64).collect()
}

/// A whole number with this mean.
fn whole(mean: f64, chance: &mut Chance) -> u64 {
    mean.floor() as u64 + u64::from(chance.happens(mean.fract()))
}

/// Arrivals of a Poisson process with this mean, counted one by one.
fn poisson_count(mean: f64, chance: &mut Chance) -> u64 {
    let (mut count, mut passed) = (0, -(1.0 - chance.unit()).ln());
    while passed < mean {
        count += 1;
        passed -= (1.0 - chance.unit()).ln();
    }
    count
}

/// The intervals of a day, from when in the scenario's time, with their counts; those before its beginning are left out.
fn day_of(file: &Path, day: &str, starts_at: ClockTime) -> anyhow::Result<Vec<(u64, u64)>> {
    let text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let mut intervals = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let Some(rest) = line.strip_prefix(day) else { continue };
        let place = || format!("{}:{}: {line:?}", file.display(), number + 1);
        let Some((time, count)) = rest.trim_start_matches(['T', ' ']).split_once(',') else {
            bail!("{} is no `interval_start,count`", place());
        };
        let time: ClockTime = time.get(..5).unwrap_or(time).parse().map_err(anyhow::Error::msg).with_context(place)?;
        let count = count.trim().parse().with_context(place)?;
        if let Some(from) = time.0.checked_sub(starts_at.0) {
            intervals.push((from, count));
        }
    }
    ensure!(!intervals.is_empty(), "{} has nothing of {day}", file.display());
    Ok(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(pattern: &str, window: &Window<'_>) -> Vec<u64> {
        let arrivals: Arrivals = toml::from_str(pattern).expect("arrivals");
        arrivals.check().expect("in order");
        let mut instants = arrivals.instants(window, &mut Chance::new(1, "test", 0)).expect("instants");
        instants.sort_unstable();
        instants
    }

    fn window(file: Option<&Path>) -> Window<'_> {
        Window { from: 0, to: 3_600_000_000, starts_at: ClockTime(7 * 3_600_000_000), file, scale: 1.0 }
    }

    #[test]
    fn counts_are_exact_and_rates_are_means() {
        let hour = window(None);
        let exact = instants("pattern = { profile = { counts = [100, 200] } }", &hour);
        assert_eq!(exact.len(), 300);
        assert_eq!(exact.iter().filter(|at| **at < 1_800_000_000).count(), 100);
        let burst = instants("pattern = { burst = { at = \"10s\", count = 5, over = \"1s\" } }", &hour);
        assert_eq!(burst, [10_000_000, 10_200_000, 10_400_000, 10_600_000, 10_800_000]);
        let even = instants("pattern = { rate = { per_second = 2.0, even = true } }", &hour);
        assert_eq!(even.len(), 7_199);
        // Four standard deviations of a Poisson count of 36,000.
        let random = instants("pattern = { rate = { per_second = 10.0 } }", &hour);
        assert!(random.len().abs_diff(36_000) < 760, "{}", random.len());
    }

    #[test]
    fn a_day_of_a_file_is_taken() {
        let dir = std::env::temp_dir().join(format!("usher-loadtest-arrivals-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let file = dir.join("calls.csv");
        let text =
            "interval_start,calls\n2003-03-03T06:55,7\n2003-03-03T07:00,3\n2003-03-03T07:05,2\n2003-03-04T07:00,9\n";
        fs::write(&file, text).expect("a file");
        let csv = "pattern = { csv = { day = \"2003-03-03\" } }";
        let taken = instants(csv, &window(Some(&file)));
        assert_eq!(taken.len(), 5);
        assert_eq!(taken.iter().filter(|at| **at < 300_000_000).count(), 3);
        let part = Window { from: 300_000_000, ..window(Some(&file)) };
        assert_eq!(instants(csv, &part).len(), 2);
        let arrivals: Arrivals = toml::from_str("pattern = { csv = { day = \"1999-01-01\" } }").expect("arrivals");
        assert!(arrivals.instants(&window(Some(&file)), &mut Chance::new(1, "test", 0)).is_err());
        fs::remove_dir_all(dir).expect("the directory goes");
    }
}
