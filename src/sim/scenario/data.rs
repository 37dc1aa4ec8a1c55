//! Files a scenario names: read when asked for, by whoever runs it.

use jiff::civil::DateTime;

/// Reads a file by the name the scenario gives it.
pub type Files<'f> = &'f dyn Fn(&str) -> Result<String, String>;

/// A table of comma-separated values with a header line.
pub(super) struct Table<'t> {
    header: Vec<&'t str>,
    rows: Vec<(usize, Vec<&'t str>)>,
}

impl<'t> Table<'t> {
    /// Reads one.
    ///
    /// # Errors
    /// No header, or a row of another width.
    pub fn read(text: &'t str) -> Result<Table<'t>, String> {
        let split = |line: &'t str| line.split(',').map(|cell| cell.trim().trim_matches('"')).collect::<Vec<_>>();
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let Some((_, header)) = lines.next() else { return Err("the file is empty".into()) };
        let header = split(header.trim_start_matches('\u{feff}'));
        let rows: Vec<_> = lines.map(|(number, line)| (number + 1, split(line))).collect();
        if let Some((number, row)) = rows.iter().find(|(_, row)| row.len() != header.len()) {
            return Err(format!("line {number} has {} columns, the header {}", row.len(), header.len()));
        }
        Ok(Table { header, rows })
    }

    /// The names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &'t str> + Clone {
        self.header.clone().into_iter()
    }

    /// The values of a column with their lines.
    ///
    /// # Errors
    /// A value that cannot be read as what it should be.
    pub fn column<T>(&self, at: usize, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
        let value = |(number, row): &(usize, Vec<&str>)| {
            let text = row.get(at).copied().unwrap_or_default();
            read(text).ok_or_else(|| format!("line {number}: `{text}` is not {what}"))
        };
        self.rows.iter().map(value).collect()
    }
}

/// A wall time such as `2003-03-03T07:00`.
pub(super) fn wall(text: &str) -> Option<DateTime> {
    text.parse().ok()
}

/// A number of seconds, in microseconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().map(|seconds: f64| seconds * 1e6).filter(|micros| micros.is_finite() && *micros >= 0.0)
}
