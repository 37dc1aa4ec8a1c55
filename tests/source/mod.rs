//! Reads Rust sources well enough to check them by rule: comments, literals and test-only items can be blanked out, with
//! every byte and line kept in its place, so that what is left can be searched as plain text.
//!
//! Not a parser: it knows tokens and matching brackets. That is enough for rules about words, paths and lengths, and it
//! takes no dependency.

#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

/// A source file in three readings of the same length.
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// Comments and test-only items blanked.
    pub spoken: String,
    /// Comments, test-only items and the insides of literals blanked: code that ships.
    pub code: String,
}

impl Source {
    /// Reads a text as if it stood at `path`.
    pub fn new(path: &str, text: &str) -> Source {
        let bare = blank(text, true);
        let tests = test_only(&bare);
        let without = |mut reading: String| {
            for &(from, to) in &tests {
                reading = blank_range(&reading, from, to);
            }
            reading
        };
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            spoken: without(blank(text, false)),
            code: without(bare),
        }
    }

    /// The number, from 1, of the line in which byte `at` lies.
    pub fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count()
    }

    /// `path:line`, as compilers print it.
    pub fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.line(at))
    }

    /// Identifiers of the code that ships, each with the byte it begins at. Lifetimes are none.
    pub fn words(&self) -> Vec<(usize, &str)> {
        words(&self.code)
    }
}

/// The root of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files under `dir` (from the root) whose names end in one of `ends`, sorted; none when there is no such directory.
/// Hidden directories but `.ci`, and those that tools fill, are passed over.
pub fn files(dir: &str, ends: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root().join(dir), ends, &mut found);
    let mut paths: Vec<String> = found.iter().map(|path| from_root(path)).collect();
    paths.sort();
    paths
}

fn collect(dir: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.expect("a readable directory").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci";
            if !hidden && !matches!(name, "target" | "node_modules" | "__pycache__") {
                collect(&path, ends, found);
            }
        } else if ends.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

fn from_root(path: &Path) -> String {
    let inner = path.strip_prefix(root()).expect("a path under the root");
    inner.to_string_lossy().replace('\\', "/")
}

/// Reads a file, given from the root.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust sources under `dir`, without files that exist for tests alone (`#[cfg(test)] mod name;`).
pub fn sources(dir: &str) -> Vec<Source> {
    let paths = files(dir, &[".rs"]);
    let mut test_files = Vec::new();
    for path in &paths {
        test_files.extend(test_modules(path, &read(path)));
    }
    let ships = |path: &&String| !test_files.iter().any(|test| *path == test || path.starts_with(&format!("{test}/")));
    paths.iter().filter(ships).map(|path| Source::new(path, &read(path))).collect()
}

/// Files (and directories) of the modules that `path` declares for tests alone.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let code = blank(text, true);
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let home = match name {
        "mod.rs" | "lib.rs" | "main.rs" => dir.to_owned(),
        _ => format!("{dir}/{}", name.trim_end_matches(".rs")),
    };
    let mut found = Vec::new();
    for (from, to) in test_only(&code) {
        let item = &code[from..to];
        let mut names = words(item).into_iter().map(|(_, word)| word).skip_while(|&word| word != "mod");
        if item.trim_end().ends_with(';')
            && let (Some(_), Some(name)) = (names.next(), names.next())
        {
            found.push(format!("{home}/{name}.rs"));
            found.push(format!("{home}/{name}"));
        }
    }
    found
}

/// Identifiers of a text whose literals are blanked, each with the byte it begins at. Lifetimes are none.
pub fn words(code: &str) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        let lifetime = start > 0 && bytes[start - 1] == b'\'';
        if !bytes[start].is_ascii_digit() && !lifetime {
            found.push((start, &code[start..at]));
        }
    }
    found
}

/// Whether a byte may stand in an identifier.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The byte after the bracket that closes the one at `open`; the end of the text when none does.
pub fn close(code: &str, open: usize) -> usize {
    let bytes = code.as_bytes();
    let (up, down) = match bytes[open] {
        b'(' => (b'(', b')'),
        b'[' => (b'[', b']'),
        _ => (b'{', b'}'),
    };
    let mut depth = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(open) {
        if byte == up {
            depth += 1;
        } else if byte == down {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    code.len()
}

/// The end of the item that begins at `from`: after its body, or after its semicolon.
pub fn item_end(code: &str, from: usize) -> usize {
    body_start(code, from).map_or_else(|end| end, |open| close(code, open))
}

/// Where the body of the item at `from` opens; as an error, where the item ends without one.
pub fn body_start(code: &str, from: usize) -> Result<usize, usize> {
    let bytes = code.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' => at = close(code, at),
            b'{' => return Ok(at),
            b';' => return Err(at + 1),
            _ => at += 1,
        }
    }
    Err(code.len())
}

/// The ranges of items that exist for tests alone.
fn test_only(code: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in code.match_indices("#[cfg(") {
        let condition = &code[at + "#[cfg(".len()..];
        let only = condition.starts_with("test)") || condition.starts_with("all(test");
        let inside = found.last().is_some_and(|&(_, to)| at < to);
        if only && !inside {
            found.push((at, item_end(code, close(code, at + 1))));
        }
    }
    found
}

fn blank_range(text: &str, from: usize, to: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    blank_bytes(&mut bytes[from..to]);
    String::from_utf8(bytes).expect("blanked whole characters")
}

fn blank_bytes(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Blanks comments and, if `literals`, the insides of texts and characters. Lengths and lines stay.
pub fn blank(text: &str, literals: bool) -> String {
    let source = text.as_bytes();
    let mut out = source.to_vec();
    let mut at = 0;
    while at < source.len() {
        let (end, inside) = token(source, at);
        match inside {
            Inside::Code => {}
            Inside::Comment => blank_bytes(&mut out[at..end]),
            Inside::Literal { from, to } if literals => blank_bytes(&mut out[from..to]),
            Inside::Literal { .. } => {}
        }
        at = end;
    }
    String::from_utf8(out).expect("blanked whole characters")
}

enum Inside {
    Code,
    Comment,
    Literal { from: usize, to: usize },
}

/// The end of the token that begins at `at`, and what it is. Anything but comments and literals is code.
fn token(source: &[u8], at: usize) -> (usize, Inside) {
    let rest = &source[at..];
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(source.len(), |length| at + length);
        return (end, Inside::Comment);
    }
    if rest.starts_with(b"/*") {
        return (block_comment(source, at), Inside::Comment);
    }
    if is_word(source[at]) {
        let end = at + rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len());
        if matches!(&source[at..end], b"r" | b"br" | b"cr")
            && let Some((from, to, end)) = raw_text(source, end)
        {
            return (end, Inside::Literal { from, to });
        }
        return (end, Inside::Code);
    }
    match source[at] {
        b'"' => {
            let to = quoted(source, at + 1, b'"');
            ((to + 1).min(source.len()), Inside::Literal { from: at + 1, to })
        }
        b'\'' if is_character(rest) => {
            let to = quoted(source, at + 1, b'\'');
            ((to + 1).min(source.len()), Inside::Literal { from: at + 1, to })
        }
        _ => (at + 1, Inside::Code),
    }
}

fn block_comment(source: &[u8], at: usize) -> usize {
    let (mut depth, mut end) = (0, at);
    while end < source.len() {
        if source[end..].starts_with(b"/*") {
            depth += 1;
            end += 2;
        } else if source[end..].starts_with(b"*/") {
            depth -= 1;
            end += 2;
            if depth == 0 {
                return end;
            }
        } else {
            end += 1;
        }
    }
    source.len()
}

/// Inside and end of a raw text whose `#`s or quote begin at `at`.
fn raw_text(source: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let hashes = source[at..].iter().take_while(|&&byte| byte == b'#').count();
    let from = at + hashes + 1;
    if source.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = source[from..].windows(closing.len()).position(|window| window == closing);
    let to = length.map_or(source.len(), |length| from + length);
    Some((from, to, (to + closing.len()).min(source.len())))
}

/// Where the closing quote stands.
fn quoted(source: &[u8], mut at: usize, quote: u8) -> usize {
    while at < source.len() && source[at] != quote {
        at += if source[at] == b'\\' { 2 } else { 1 };
    }
    at.min(source.len())
}

/// Whether a `'` begins a character; else it begins a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(&lead) => {
            let length = match lead {
                0xF0.. => 4,
                0xE0.. => 3,
                0xC0.. => 2,
                _ => 1,
            };
            rest.get(1 + length) == Some(&b'\'')
        }
        None => false,
    }
}

/// Fails with every breach, one a line.
#[track_caller]
pub fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}
