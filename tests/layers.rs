//! Who may know whom: every path from one room of `src/` into another, and every crate a room names, against the tables
//! below. Rooms for tests alone are free.
//!
//! A room that is not in the table fails too, so a new one says what it may use before it uses anything.

mod source;

use source::{Source, body_start, close, is_word};

/// What a room of `src/` may name of the others. A path names all below it; the longest path that fits decides.
struct Room {
    name: &'static str,
    /// Paths of other rooms.
    may: &'static [&'static str],
    /// Paths inside those that are closed all the same.
    never: &'static [&'static str],
}

/// What only the shard may hold. A query reads the state by shared reference; nobody but the shard owns or changes it.
const INSIDES: &[&str] = &["engine::Engine", "engine::decide", "engine::matcher"];

/// Besides the grammar, which files, gRPC and the command line share, the door of operators reads and writes whole
/// configurations; what it changes goes through `reload`.
const RPC: &[&str] = &[
    "engine",
    "shard",
    "view",
    "reload",
    "config::requirement",
    "config::fault",
    "config::diff",
    "config::canonical",
    "config::import",
    "config::FILE_BYTES",
];

const ROOMS: &[Room] = &[
    Room { name: "engine", may: &[], never: &[] },
    // How values stand in bytes: for the journal, and for what is kept beside its snapshots.
    Room { name: "wire", may: &["engine"], never: INSIDES },
    Room { name: "journal", may: &["engine", "wire"], never: &[] },
    Room { name: "view", may: &["engine", "wire"], never: INSIDES },
    // One fold and one set of formulas feed gRPC, reports and metrics: telemetry renders what the view has.
    Room { name: "telemetry", may: &["engine", "view", "wire"], never: INSIDES },
    Room { name: "config", may: &["engine"], never: INSIDES },
    Room { name: "sim", may: &["engine", "config"], never: &[] },
    Room { name: "shard", may: &["engine", "journal", "wire"], never: &[] },
    Room { name: "reload", may: &["engine", "shard", "config"], never: INSIDES },
    Room { name: "rpc", may: RPC, never: INSIDES },
    Room { name: "http", may: &["engine::time", "view", "telemetry", "shard"], never: &[] },
    Room { name: "wallboard", may: &["view", "telemetry", "shard"], never: &[] },
    Room { name: "server", may: EVERY_ROOM, never: &[] },
    // It comes by the doors of the server it starts; the books it compares its own with are all it reads behind them.
    Room {
        name: "demo",
        may: &["config", "engine", "sim::law", "sim::random", "shard::Clock", "server"],
        never: INSIDES,
    },
    Room {
        name: "cli",
        may: &[
            "config",
            "demo",
            "sim",
            "server",
            "rpc::client",
            "rpc::health",
            "journal::tool",
            "rpc::against",
            "rpc::import",
            "shard::Clock",
            "telemetry::logging",
            "engine::policy",
            "engine::time",
        ],
        never: &[],
    },
    Room { name: "main", may: &["cli"], never: &[] },
];

const EVERY_ROOM: &[&str] = &[
    "engine",
    "journal",
    "view",
    "telemetry",
    "config",
    "sim",
    "shard",
    "reload",
    "rpc",
    "http",
    "wallboard",
    "cli",
    "wire",
];

/// Crates that have a home, and the rooms that are it. `server` assembles and may name them all.
const CRATES: &[(&str, &[&str])] = &[
    ("axum", &["http", "wallboard"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("crossbeam", &["shard"]),
    ("csv_core", &["config"]),
    ("dashmap", &["shard", "rpc"]),
    ("hdrhistogram", &["telemetry", "sim"]),
    ("indicatif", &["cli"]),
    ("jiff", &["config", "sim", "shard", "view"]),
    ("mimalloc", &["main"]),
    ("notify", &["reload"]),
    ("parking_lot", &["view"]),
    ("prost", &["rpc"]),
    ("prost_types", &["rpc", "demo"]),
    ("rustix", &["journal"]),
    ("schemars", &["config", "sim"]),
    ("sd_notify", &[]),
    ("serde", &["config", "sim", "journal", "view", "http", "wallboard", "cli"]),
    ("strsim", &["config"]),
    ("tokio", &["reload", "rpc", "http", "wallboard", "shard", "demo"]),
    ("tokio_stream", &["rpc", "http", "wallboard", "demo"]),
    ("toml", &["config", "sim"]),
    ("tonic", &["rpc", "demo"]),
    ("tonic_health", &["rpc"]),
    ("tonic_reflection", &["rpc"]),
    ("tonic_types", &["rpc"]),
    ("tonic_web", &["rpc"]),
    ("tower", &["rpc", "http"]),
    ("tower_http", &["rpc", "http"]),
    (
        "tracing",
        &["reload", "journal", "view", "telemetry", "config", "sim", "shard", "rpc", "http", "wallboard", "cli"],
    ),
    // `config` has it read a file's log filter, so that a wrong one is a fault with a place.
    ("tracing_subscriber", &["telemetry", "config"]),
    ("usher_proto", &["rpc", "demo"]),
];

/// The room a file belongs to, and its module path from the crate's root.
fn home(path: &str) -> Option<(&str, Vec<&str>)> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut module: Vec<&str> = inner.split('/').collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    Some((module.first().copied()?, module))
}

/// Paths named from the crate's root in code, each with the byte it begins at: use trees opened out, inline paths as far
/// as they go, `super` as often as it climbs to the root.
fn paths(source: &Source, module: &[&str]) -> Vec<(usize, Vec<String>)> {
    let nested = inline_modules(&source.code);
    let mut found = Vec::new();
    let mut passed = 0;
    for (at, word) in source.words() {
        let root = word == "crate" || (word == "usher" && module == ["main"]);
        if at < passed || !(root || word == "super") || follows_path(&source.code, at) {
            continue;
        }
        let inner = nested.iter().filter(|&&(from, to)| from <= at && at < to).count();
        let mut climbed = usize::from(word == "super");
        let mut from = at + word.len();
        while let Some(next) = after_colons(&source.code, from).filter(|&next| word_at(&source.code, next) == "super") {
            climbed += 1;
            from = next + "super".len();
        }
        passed = from;
        if (root || climbed >= module.len() + inner)
            && let Some(next) = after_colons(&source.code, from)
        {
            let mut tree = Vec::new();
            open_tree(&source.code, next, &[], &mut tree);
            found.extend(tree.into_iter().map(|path| (at, path)));
        }
    }
    found
}

/// Whether a `::` stands before byte `at`.
fn follows_path(code: &str, at: usize) -> bool {
    code[..at].trim_end().ends_with("::")
}

/// The first byte after a `::` that follows `from`, if one does.
fn after_colons(code: &str, from: usize) -> Option<usize> {
    let rest = code[from..].trim_start();
    let rest = rest.strip_prefix("::")?.trim_start();
    Some(code.len() - rest.len())
}

/// The word at byte `at`; empty if there is none.
fn word_at(code: &str, at: usize) -> &str {
    let length = code.as_bytes()[at..].iter().take_while(|&&byte| is_word(byte)).count();
    &code[at..at + length]
}

/// Opens out the tree of a path at `at`: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn open_tree(code: &str, at: usize, before: &[String], found: &mut Vec<Vec<String>>) {
    if code.as_bytes().get(at) == Some(&b'{') {
        let end = close(code, at) - 1;
        let mut from = at + 1;
        while from < end {
            let next = part_end(code, from, end);
            let start = next - code[from..next].trim_start().len();
            if start < next {
                open_tree(code, start, before, found);
            }
            from = next + 1;
        }
        return;
    }
    let word = word_at(code, at);
    if word.is_empty() {
        found.push(before.to_vec());
        return;
    }
    let mut path = before.to_vec();
    if word != "self" {
        path.push(word.to_owned());
    }
    match after_colons(code, at + word.len()) {
        Some(next) => open_tree(code, next, &path, found),
        None => found.push(path),
    }
}

/// Where the part of a braced list that begins at `from` ends: at its comma, or at `end`.
fn part_end(code: &str, from: usize, end: usize) -> usize {
    let mut at = from;
    while at < end {
        match code.as_bytes()[at] {
            b'{' => at = close(code, at),
            b',' => return at,
            _ => at += 1,
        }
    }
    end
}

/// The bodies of modules written inside a file.
fn inline_modules(code: &str) -> Vec<(usize, usize)> {
    let words = source::words(code);
    let modules = words.iter().filter(|(_, word)| *word == "mod");
    modules.filter_map(|&(at, _)| body_start(code, at).ok().map(|open| (open, close(code, open)))).collect()
}

/// Whether `path` lies at or below `prefix`.
fn below(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(is, wanted)| is == wanted)
}

/// What one file breaks.
fn breaches(source: &Source) -> Vec<String> {
    let Some((name, module)) = home(&source.path) else { return Vec::new() };
    if name == "lib" {
        return Vec::new();
    }
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!("{}: the room `{name}` has no row in tests/layers.rs", source.path)];
    };
    let mut found = Vec::new();
    for (at, path) in paths(source, &module) {
        let Some(first) = path.first() else { continue };
        let known = ROOMS.iter().any(|room| room.name == *first);
        // Anything else at the root is a re-export or a macro of the crate: there are none.
        let own = first == name;
        let open = room.may.iter().any(|may| below(&path, may)) && !room.never.iter().any(|never| below(&path, never));
        if !own && !open {
            let why = if known { "is not open to" } else { "is no room known to" };
            found.push(format!("{}: `crate::{}` {why} `{name}`", source.place(at), path.join("::")));
        }
    }
    found.extend(foreign(source, name));
    found
}

/// Crates named outside their homes.
fn foreign(source: &Source, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut previous = "";
    for (at, word) in source.words() {
        let used = previous == "use";
        previous = word;
        let Some((_, homes)) = CRATES.iter().find(|(known, _)| *known == word) else { continue };
        let path = source.code[at + word.len()..].trim_start().starts_with("::") && !follows_path(&source.code, at);
        if (path || used) && name != "server" && !homes.contains(&name) {
            found.push(format!("{}: the crate `{word}` is not at home in `{name}`", source.place(at)));
        }
    }
    found
}

#[test]
fn rooms_know_only_those_they_may() {
    let sources = source::sources("src");
    assert!(!sources.is_empty(), "nothing to look at");
    source::none(sources.iter().flat_map(breaches).collect());
}

#[test]
fn a_breach_is_found_however_it_is_written() {
    for (path, bad) in [
        ("src/engine/mod.rs", "use crate::shard::Shard;"),
        ("src/journal/record.rs", "use crate::{engine::event::Event, telemetry::names};"),
        ("src/journal/record.rs", "use crate::{\n    engine::{self, event::{Event, Recorded}},\n    rpc,\n};"),
        ("src/view/mod.rs", "fn f() { crate::shard::run(); }"),
        ("src/view/mod.rs", "use super::shard::run;"),
        ("src/telemetry/record.rs", "use super::super::shard::Shard;"),
        ("src/telemetry/record.rs", "mod inner { use super::super::super::shard::Shard; }"),
        ("src/sim/scenario.rs", "fn f() { tokio::spawn(async {}); }"),
        ("src/shard/run.rs", "use crate::view::View;"),
        ("src/rpc/convert.rs", "use crate::engine::Engine;"),
        ("src/rpc/convert.rs", "use crate::engine::{id::Text, Engine};"),
        ("src/rpc/convert.rs", "use crate::config::settings::Server;"),
        ("src/rpc/agent.rs", "use crate::journal::Journal;"),
        ("src/http/mod.rs", "use crate::engine::Engine;"),
        ("src/config/diff.rs", "use crate::shard::Handle;"),
        ("src/cli.rs", "use crate::rpc::convert::contact;"),
        ("src/main.rs", "fn main() { usher::server::serve(); }"),
        ("src/lobby/mod.rs", "fn f() {}"),
        ("src/engine/mod.rs", "use crossbeam::channel::Sender;"),
        ("src/engine/mod.rs", "fn f() { tracing::info!(\"x\"); }"),
        ("src/view/mod.rs", "fn f() { hdrhistogram::Histogram::<u64>::new(2); }"),
        ("src/view/mod.rs", "use hdrhistogram as h;"),
    ] {
        assert!(!breaches(&Source::new(path, bad)).is_empty(), "passed: {path}: {bad}");
    }
}

#[test]
fn what_is_open_passes() {
    for (path, good) in [
        (
            "src/engine/decide/contact.rs",
            "use crate::engine::id::Text; use super::super::state::State; use super::leg;",
        ),
        ("src/journal/record.rs", "use crate::engine::{event::{self, Event}, Engine};"),
        ("src/rpc/convert.rs", "use crate::config::requirement; use crate::engine::event::Event; use tonic::Status;"),
        ("src/telemetry/record.rs", "// crate::rpc is not meant\nconst S: &str = \"crate::rpc::x\";"),
        ("src/telemetry/record.rs", "mod inner { use super::super::names; }"),
        ("src/telemetry/record.rs", "#[cfg(test)]\nmod tests { use crate::shard::Shard; }"),
        ("src/server.rs", "use crate::{rpc, shard, journal, view}; use tonic::transport::Server;"),
        ("src/main.rs", "fn main() -> std::process::ExitCode { usher::cli::main() }"),
        ("src/lib.rs", "pub mod engine; pub use crate::engine::Engine;"),
        ("src/sim/report.rs", "fn f(x: crate::engine::Engine) -> engine::tokio::Set {}"),
    ] {
        assert_eq!(breaches(&Source::new(path, good)), Vec::<String>::new(), "{path}: {good}");
    }
}
