//! The usual `process_*` figures, read from `/proc`. What cannot be read is left out.

use std::fs;

use std::path::Path;
use std::sync::OnceLock;

use super::names;
use super::text::Page;

/// Entries of the auxiliary vector: bytes of a page, clock ticks of a second.
const AT_PAGESZ: u64 = 6;
const AT_CLKTCK: u64 = 17;

/// Writes them.
pub fn write(page: &mut Page) {
    let _ = write_stat(page);
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The directory that is being read is one of them.
        page.single(&names::PROCESS_OPEN_FDS, open.count().saturating_sub(1));
    }
    if let Some(most) = max_fds() {
        page.single(&names::PROCESS_MAX_FDS, most);
    }
}

/// Bytes of memory in use; none when that cannot be read.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(page_bytes()?)
}

/// Bytes of memory the process may have: the least of what the machine, its control groups and its limit on address space
/// say; none when nothing can be read.
#[must_use]
pub fn allowed_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    });
    [machine, group_bytes(), limit("Max address space")].into_iter().flatten().min()
}

/// The least limit on memory of the control groups the process is in, of either version.
fn group_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let of = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // Inside a container the group's own path may be that of the machine; what is mounted at the root is its own.
        let groups = Path::new(path.trim_start_matches('/')).ancestors();
        let limits = groups.filter_map(|group| fs::read_to_string(Path::new(root).join(group).join(file)).ok());
        limits.filter_map(|limit| limit.trim().parse::<u64>().ok()).min()
    };
    text.lines().filter_map(of).min()
}

fn page_bytes() -> Option<u64> {
    static PAGE: OnceLock<Option<u64>> = OnceLock::new();
    *PAGE.get_or_init(|| auxiliary(AT_PAGESZ))
}

fn write_stat(page: &mut Page) -> Option<()> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything; the third field comes after the last bracket.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let (page_bytes, ticks) = (page_bytes()?, auxiliary(AT_CLKTCK)? as f64);
    page.single(&names::PROCESS_CPU, (field(14)? + field(15)?) as f64 / ticks);
    page.single(&names::PROCESS_RESIDENT, field(24)? * page_bytes);
    page.single(&names::PROCESS_VIRTUAL, field(23)?);
    page.single(&names::PROCESS_THREADS, field(20)?);
    page.single(&names::PROCESS_START, boot_seconds()? as f64 + field(22)? as f64 / ticks);
    Some(())
}

fn boot_seconds() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Files the process may have open; none when that cannot be read or there is no bound.
#[must_use]
pub fn max_fds() -> Option<u64> {
    limit("Max open files")
}

/// A limit of the process by its name in `/proc/self/limits`; none when there is none.
fn limit(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// A number the kernel gave the process at its start.
fn auxiliary(wanted: u64) -> Option<u64> {
    let bytes = fs::read("/proc/self/auxv").ok()?;
    let (words, _) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    words.chunks_exact(2).find(|pair| pair[0] == wanted).map(|pair| pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_there_on_linux() {
        let mut page = Page::default();
        write(&mut page);
        let text = page.finish();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect(name);
            line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect(line)
        };
        assert!(value("process_resident_memory_bytes ") > 100_000.0);
        assert!(value("process_virtual_memory_bytes ") >= value("process_resident_memory_bytes "));
        assert!(value("process_open_fds ") >= 3.0 && value("process_max_fds ") > value("process_open_fds "));
        assert!(value("process_threads ") >= 1.0 && value("process_cpu_seconds_total ") >= 0.0);
        assert!(value("process_start_time_seconds ") > 1.6e9);
        let (resident, allowed) = (resident_bytes().expect("known"), allowed_bytes().expect("known"));
        assert!(allowed > resident, "{allowed} > {resident}");
    }
}
