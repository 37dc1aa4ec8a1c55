//! Scenario scripts: what is asked of the engine at which instant, and below it what must happen.
//!
//! A file holds cases, each begun by `== title` and each with an engine of its own. Lines of policy come first
//! (`world.rs`), then timed lines (`run.rs`), each followed by the events it must cause, marked `>`:
//!
//! ```text
//! == nobody answers
//! 0s   agent ana fr:5 ready
//! 1s   contact c1 queue:sales needs fr>=3
//!    > offered c1 ana expires 21s
//! 21s  tick
//!    > offer_expired c1 ana
//! ```
//!
//! Deadlines between two lines fire at their own instant and are shown as `> @20s …`. After every step the state is
//! audited and compared with that of a second engine that only folds the events. `UPDATE_EXPECT=1` rewrites the `>` lines.

#![allow(dead_code, reason = "each test crate uses its part")]

pub mod render;
pub mod run;
pub mod show;
pub mod words;
pub mod world;

use std::fs;
use std::path::Path;

/// Runs every case of a script and compares; the script as it should have been when they differ.
pub fn replay(script: &str) -> String {
    let mut written = String::new();
    let mut run: Option<run::Run> = None;
    for line in script.lines() {
        let text = line.split(" # ").next().unwrap_or_default();
        let trimmed = text.trim();
        if trimmed.starts_with('>') {
            continue;
        }
        written.push_str(line.trim_end());
        written.push('\n');
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if trimmed.starts_with("==") {
            run = Some(run::Run::new());
            continue;
        }
        let run = run.get_or_insert_with(run::Run::new);
        for happened in run.line(trimmed) {
            written.push_str("   > ");
            written.push_str(&happened);
            written.push('\n');
        }
    }
    written
}

/// Runs one script given as text: the form for a test that needs a single case.
///
/// # Panics
/// When what happens is not what the script says.
pub fn check(script: &str) {
    let script = script.trim_start_matches('\n');
    let margin = script.len() - script.trim_start().len();
    let flush: String = script.lines().map(|line| line.get(margin..).unwrap_or("").to_owned() + "\n").collect();
    let wanted: Vec<&str> = flush.lines().map(str::trim).collect();
    let got = replay(&flush);
    let got: Vec<&str> = got.lines().map(str::trim).collect();
    if wanted != got {
        panic!("the script differs:\n{}", difference(&wanted, &got));
    }
}

/// Runs one file of scripts, or rewrites it when `UPDATE_EXPECT` is set.
///
/// # Panics
/// When what happens is not what the file says.
pub fn check_file(path: &Path) {
    let script = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let got = replay(&script);
    if got == script {
        return;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, got).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let (wanted, got): (Vec<&str>, Vec<&str>) = (script.lines().collect(), got.lines().collect());
    panic!("{} differs (UPDATE_EXPECT=1 rewrites it):\n{}", path.display(), difference(&wanted, &got));
}

/// The lines that differ, `-` wanted and `+` got, with the three lines before each; by longest common subsequence.
pub fn difference(wanted: &[&str], got: &[&str]) -> String {
    let (rows, columns) = (wanted.len(), got.len());
    let mut common = vec![vec![0u32; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = if wanted[row] == got[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut out, mut last) = (0, 0, String::new(), 0);
    let before = |out: &mut String, last: &mut usize, row: usize| {
        let from = (*last).max(row.saturating_sub(3));
        if from > *last {
            out.push_str("  …\n");
        }
        wanted[from..row].iter().for_each(|line| out.push_str(&format!("  {line}\n")));
        *last = row;
    };
    while row < rows || column < columns {
        if row < rows && column < columns && wanted[row] == got[column] {
            (row, column) = (row + 1, column + 1);
        } else if column == columns || (row < rows && common[row + 1][column] >= common[row][column + 1]) {
            before(&mut out, &mut last, row);
            out.push_str(&format!("- {}\n", wanted[row]));
            row += 1;
            last = row;
        } else {
            before(&mut out, &mut last, row);
            out.push_str(&format!("+ {}\n", got[column]));
            column += 1;
        }
    }
    out
}
