//! Mechanical habits, each a rule over the files of the repository: lengths, leftovers, names of metrics, attributes,
//! white space, module docs, paths of machines. Every rule has a test that it can fail.

mod source;

use source::{Source, body_start, close};

/// Lines of code a file may have, comments, blank lines and tests left out.
const FILE_LINES: usize = 1200;
/// Lines a function may have, from its `fn` to its closing brace: what fits a screen.
const FUNCTION_LINES: usize = 70;
/// Says that a function is one closed `match` (or list) that gains nothing by being cut in two.
const TABLE: &str = concat!("// tidy: ", "table");

/// Functions that may be longer: file, name, reason. A row that is no longer needed fails too.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Where the code that ships stands.
const SHIPPED: [&str; 4] = ["src", "proto/src", "proto/build.rs", "loadtest/src"];
/// Where Rust stands that does not.
const BESIDE: [&str; 5] = ["tests", "benches", "examples", "fuzz/src", "fuzz/targets"];
/// Ends of text files the repository writes by hand.
const TEXTS: [&str; 16] = [
    ".rs",
    ".toml",
    ".proto",
    ".py",
    ".sh",
    ".md",
    ".yaml",
    ".yml",
    ".json",
    ".service",
    ".js",
    ".mjs",
    ".html",
    ".css",
    "/run",
    "Dockerfile",
];
/// The one file that may spell out the names of metrics.
const METRIC_NAMES: &str = "src/telemetry/names.rs";

fn shipped() -> Vec<Source> {
    SHIPPED.iter().flat_map(|dir| rust(dir)).collect()
}

fn all_rust() -> Vec<Source> {
    SHIPPED.iter().chain(&BESIDE).flat_map(|dir| rust(dir)).collect()
}

fn rust(place: &str) -> Vec<Source> {
    match place.ends_with(".rs") {
        true => vec![Source::new(place, &source::read(place))],
        false => source::sources(place),
    }
}

fn texts() -> Vec<(String, String)> {
    let mut paths = source::files(".", &TEXTS);
    paths.extend(source::files("scripts", &[""]));
    paths.sort();
    paths.dedup();
    // The corpus has what people and machines may write, however untidy.
    let others = |path: &str| path.contains("package-lock") || path.starts_with("fuzz/corpus/");
    let mine = |path: &String| path != "tests/tidy.rs" && !others(path);
    paths.into_iter().filter(mine).map(|path| (path.clone(), source::read(&path))).collect()
}

// --- Lengths

fn long_file(source: &Source) -> Vec<String> {
    let lines = source.code.lines().filter(|line| !line.trim().is_empty()).count();
    match lines > FILE_LINES {
        true => vec![format!("{}: {lines} lines of code, more than {FILE_LINES}", source.path)],
        false => Vec::new(),
    }
}

/// A function: where it begins, its name, its lines, and whether it says that it is a table.
struct Function<'a> {
    at: usize,
    name: &'a str,
    lines: usize,
    table: bool,
}

fn functions(source: &Source) -> Vec<Function<'_>> {
    let words = source.words();
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let ((at, word), (name_at, name)) = (pair[0], pair[1]);
        // Between `fn` and a name stands white space (or the `$` of a macro); a type such as `fn(u8)` has a bracket.
        if word != "fn" || !source.code[at + 2..name_at].trim_matches('$').trim().is_empty() {
            continue;
        }
        if let Ok(open) = body_start(&source.code, name_at) {
            let end = close(&source.code, open);
            let above = source.text[..at].rfind('\n').unwrap_or(0);
            let marked = source.text[..above].rfind('\n').map_or(0, |start| start + 1);
            let lines = source.line(end - 1) - source.line(at) + 1;
            found.push(Function { at, name, lines, table: source.text[marked..end].contains(TABLE) });
        }
    }
    found
}

fn long_functions(source: &Source, excused: &[(&str, &str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for function in functions(source).iter().filter(|function| function.lines > FUNCTION_LINES && !function.table) {
        if !excused.iter().any(|(path, name, _)| *path == source.path && *name == function.name) {
            let Function { at, name, lines, .. } = function;
            found.push(format!("{}: `{name}` has {lines} lines, more than {FUNCTION_LINES}", source.place(*at)));
        }
    }
    found
}

/// Rows of the list that excuse nothing, or give no reason.
fn idle_excuses(sources: &[Source], excused: &[(&str, &str, &str)]) -> Vec<String> {
    let needed = |path: &str, name: &str| {
        let sources = sources.iter().filter(|source| source.path == path);
        sources.flat_map(functions).any(|function| function.name == name && function.lines > FUNCTION_LINES)
    };
    let idle = excused.iter().filter(|(path, name, reason)| reason.is_empty() || !needed(path, name));
    idle.map(|(path, name, _)| format!("{path}: `{name}` needs no excuse, or has none")).collect()
}

// --- Leftovers

fn leftover_macros(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in source::words(&source::blank(&source.text, true)) {
        let is_macro = source.text[at + word.len()..].trim_start().starts_with('!');
        if is_macro && matches!(word, "todo" | "unimplemented" | "dbg") {
            found.push(format!("{}: `{word}!`", source.place(at)));
        }
    }
    found
}

fn leftover_notes(path: &str, text: &str) -> Vec<String> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("HA", "CK:")];
    by_line(path, text, |line| notes.iter().find(|note| line.contains(**note)).map(|note| format!("`{note}`")))
}

fn by_line(path: &str, text: &str, breach: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let breaches = text.split('\n').enumerate().filter_map(|(number, line)| Some((number, breach(line)?)));
    breaches.map(|(number, what)| format!("{path}:{}: {what}", number + 1)).collect()
}

// --- Names of metrics

/// Metric names spelt out in literals. The crates' own names, as log filters have them, are none.
fn raw_metric_names(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (at, prefix) in source.spoken.match_indices("usher_") {
        let literal = source.code[at..].starts_with(' ');
        let name = source.spoken[at..].split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next().unwrap_or(prefix);
        let crate_name = matches!(name, "usher_proto" | "usher_loadtest");
        if literal && !crate_name && source.path != METRIC_NAMES {
            found.push(format!("{}: the metric name `{name}` stands outside {METRIC_NAMES}", source.place(at)));
        }
    }
    found
}

// --- Attributes

/// Lints switched off without a word why.
fn unreasoned(source: &Source) -> Vec<String> {
    let code = source::blank(&source.text, true);
    let mut found = Vec::new();
    for (at, word) in source::words(&code) {
        if !matches!(word, "allow" | "expect") || !code[at + word.len()..].starts_with('(') {
            continue;
        }
        let before = code[..at].trim_end();
        let attribute = before.ends_with("#[") || before.ends_with("#![") || in_cfg_attr(before);
        let inside = &code[at..close(&code, at + word.len())];
        if attribute && !inside.contains("reason") {
            found.push(format!("{}: `{word}` without a reason", source.place(at)));
        }
    }
    found
}

fn in_cfg_attr(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
    before.ends_with(',') && (line.starts_with("#[cfg_attr(") || line.starts_with("#![cfg_attr("))
}

/// The crates must switch on the bans of `clippy.toml` themselves: they are off elsewhere, where tests and benches measure.
fn bans_are_on(source: &Source) -> Vec<String> {
    let on = |ban: &str| {
        let attributes = source.code.split("#![").skip(1).filter_map(|rest| rest.split(']').next());
        let mut with = attributes.filter(|attribute| attribute.contains("deny(") || attribute.contains("forbid("));
        with.any(|attribute| attribute.contains(ban))
    };
    let bans = ["clippy::disallowed_methods", "clippy::disallowed_types"];
    bans.iter().filter(|ban| !on(ban)).map(|ban| format!("{}: `#![deny({ban})]` is missing", source.path)).collect()
}

// --- White space, docs, paths

fn white_space(path: &str, text: &str) -> Vec<String> {
    let mut found = by_line(path, text, |line| {
        let trailing = line.ends_with([' ', '\t', '\r']);
        trailing.then(|| "white space at the end of the line".to_owned())
    });
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        found.push(format!("{path}: must end in one new line"));
    }
    found
}

fn undocumented(source: &Source) -> Vec<String> {
    match source.text.starts_with("//!") {
        true => Vec::new(),
        false => vec![format!("{}: must begin with `//!` and what it is for", source.path)],
    }
}

/// Paths that exist on one machine.
fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    by_line(path, text, |line| {
        let begins = |at: usize| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | ')' | '$'))
        };
        let found = homes.iter().find(|home| line.match_indices(**home).any(|(at, _)| begins(at)));
        found.map(|home| format!("a path of one machine: `{home}`"))
    })
}

// --- The repository

#[test]
fn files_and_functions_fit() {
    let sources = shipped();
    let mut found: Vec<String> = sources.iter().flat_map(long_file).collect();
    found.extend(sources.iter().flat_map(|source| long_functions(source, LONG_FUNCTIONS)));
    found.extend(idle_excuses(&sources, LONG_FUNCTIONS));
    source::none(found);
}

#[test]
fn nothing_is_left_over() {
    let mut found: Vec<String> = all_rust().iter().flat_map(leftover_macros).collect();
    found.extend(texts().iter().flat_map(|(path, text)| leftover_notes(path, text)));
    source::none(found);
}

#[test]
fn metrics_are_named_in_one_place() {
    source::none(shipped().iter().flat_map(raw_metric_names).collect());
}

#[test]
fn lints_are_switched_off_with_a_reason() {
    source::none(all_rust().iter().flat_map(unreasoned).collect());
}

#[test]
fn sources_of_chance_are_banned() {
    source::none(bans_are_on(&Source::new("src/lib.rs", &source::read("src/lib.rs"))));
}

#[test]
fn files_are_clean() {
    let texts = texts();
    assert!(texts.iter().any(|(path, _)| path == "src/lib.rs"), "nothing to look at");
    let mut found: Vec<String> = texts.iter().flat_map(|(path, text)| white_space(path, text)).collect();
    found.extend(texts.iter().flat_map(|(path, text)| machine_paths(path, text)));
    found.extend(all_rust().iter().flat_map(undocumented));
    source::none(found);
}

// --- The rules themselves

fn file(text: &str) -> Source {
    Source::new("src/some.rs", text)
}

#[test]
fn a_long_file_is_found() {
    let lines = |count| "const X: u8 = 1;\n".repeat(count);
    assert_eq!(long_file(&file(&lines(FILE_LINES + 1))).len(), 1);
    assert!(long_file(&file(&lines(FILE_LINES))).is_empty());
    let padded =
        format!("{}\n// said\n/* and\n said */\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(FILE_LINES), lines(50));
    assert!(long_file(&file(&padded)).is_empty(), "comments and tests are not counted");
}

#[test]
fn a_long_function_is_found() {
    let function = |lines: usize| format!("fn long(x: [u8; 2]) {{\n{}}}\n", "    x();\n".repeat(lines - 2));
    assert!(long_functions(&file(&function(FUNCTION_LINES)), &[]).is_empty());
    let long = function(FUNCTION_LINES + 1);
    assert_eq!(long_functions(&file(&long), &[]).len(), 1);
    assert_eq!(long_functions(&file(&format!("impl X {{\n{long}}}\ntype F = fn(u8);\n")), &[]).len(), 1);
    let braces = long.replacen("x();", "let s = \"}}}\"; let c = '}'; // }", 1);
    assert_eq!(long_functions(&file(&braces), &[]).len(), 1, "braces in literals and comments do not count");
    assert!(
        long_functions(&file(&format!("#[cfg(test)]\nmod tests {{\n{long}}}\n")), &[]).is_empty(),
        "tests are free"
    );
    assert!(long_functions(&file(&format!("// one\n{TABLE}\n{long}")), &[]).is_empty(), "a table is allowed");
    let excuse = [("src/some.rs", "long", "a reason")];
    assert!(long_functions(&file(&long), &excuse).is_empty());
    assert!(idle_excuses(&[file(&long)], &excuse).is_empty());
    assert_eq!(idle_excuses(&[file("fn long() {}\n")], &excuse).len(), 1, "an excuse nobody needs");
    assert_eq!(idle_excuses(&[file(&long)], &[("src/some.rs", "long", "")]).len(), 1, "an excuse without a reason");
}

#[test]
fn leftovers_are_found() {
    for bad in ["fn f() { todo!() }", "fn f() { unimplemented !() }", "#[cfg(test)]\nfn f() { dbg!(1); }"] {
        assert_eq!(leftover_macros(&file(bad)).len(), 1, "{bad}");
    }
    assert!(leftover_macros(&file("// todo!()\nfn todo() { if dbg != 1 {} }\nconst S: &str = \"dbg!\";")).len() <= 1);
    assert!(leftover_macros(&file("// todo!()\nfn todo() {}\nconst S: &str = \"dbg!\";")).is_empty());
    for bad in [concat!("# TO", "DO later"), concat!("x // FIX", "ME")] {
        assert_eq!(leftover_notes("a.toml", bad).len(), 1, "{bad}");
    }
    assert!(leftover_notes("a.toml", "nothing to do").is_empty());
}

#[test]
fn a_raw_metric_name_is_found() {
    let bad = "fn f() { counter!(\"usher_offers_total\"); g(r#\"sum(usher_agents)\"#); }";
    assert_eq!(raw_metric_names(&file(bad)).len(), 2);
    assert!(raw_metric_names(&Source::new(METRIC_NAMES, bad)).is_empty());
    let good = "// usher_offers_total\nuse usher_proto::v1; const F: &str = \"usher_proto=debug\";\n\
                #[cfg(test)]\nmod tests { const S: &str = \"usher_agents\"; }";
    assert_eq!(raw_metric_names(&file(good)), Vec::<String>::new());
}

#[test]
fn an_allow_without_a_reason_is_found() {
    for bad in [
        "#[allow(dead_code)] fn f() {}",
        "#![allow(dead_code)]",
        "#[expect(dead_code)] fn f() {}",
        "#[cfg_attr(test, allow(dead_code))] fn f() {}",
        "#[allow(\n    dead_code,\n    unused\n)]\nfn f() {}",
    ] {
        assert_eq!(unreasoned(&file(bad)).len(), 1, "{bad}");
    }
    for good in [
        "#[allow(dead_code, reason = \"each test uses a part\")] fn f() {}",
        "#[expect(\n    dead_code,\n    reason = \"later\",\n)]\nfn f() {}",
        "fn f() { x.expect(\"there\"); allow(1); }",
        "// #[allow(dead_code)]\nfn f() {}",
    ] {
        assert_eq!(unreasoned(&file(good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_missing_ban_is_found() {
    assert_eq!(bans_are_on(&file("//! x\n#![deny(clippy::disallowed_methods)]")).len(), 1);
    assert_eq!(bans_are_on(&file("#![warn(clippy::disallowed_methods, clippy::disallowed_types)]")).len(), 2);
    let good = "#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]";
    assert!(bans_are_on(&file(good)).is_empty());
}

#[test]
fn white_space_is_found() {
    for bad in ["a \n", "a\t\nb\n", "a\r\n", "a", "a\n\n"] {
        assert!(!white_space("a.md", bad).is_empty(), "{bad:?}");
    }
    assert!(white_space("a.md", "a\n\nb\n").is_empty());
}

#[test]
fn a_file_without_docs_is_found() {
    assert_eq!(undocumented(&file("use core::fmt;\n")).len(), 1);
    assert!(undocumented(&file("//! What it is for.\nuse core::fmt;\n")).is_empty());
}

#[test]
fn a_path_of_one_machine_is_found() {
    for bad in [concat!("cd /ro", "ot/x"), concat!("\"/ho", "me/ana/x\""), concat!("=/wo", "rk/src")] {
        assert_eq!(machine_paths("a.sh", bad).len(), 1, "{bad}");
    }
    for good in [concat!("$HO", "ME/x"), concat!("net/wo", "rk/x"), "/etc/usher/usher.toml"] {
        assert!(machine_paths("a.sh", good).is_empty(), "{good}");
    }
}
