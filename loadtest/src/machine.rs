//! What the figures were measured on.

use std::fs;
use std::time::Duration;

/// The machine a run took place on.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Machine {
    /// Cores this process may use.
    pub cores: usize,
    /// The model of its processor, as Linux names it.
    pub cpu: String,
}

impl Machine {
    /// This machine.
    pub fn here() -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Machine { cores, cpu: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned()) }
    }
}

/// Processor time a process has used; of this one without an id. None where the system does not say.
pub fn cpu_time(pid: Option<u32>) -> Option<Duration> {
    let pid = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread may end between the two readings.
        let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}
