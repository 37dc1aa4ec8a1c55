//! The engine is a value: it builds as a `no_std` crate of its own with nothing beside it, and names nothing that could
//! make two runs differ.
//!
//! The compiler refuses `std`, other crates and other rooms. The words are searched as well, because `extern crate std`
//! and floating point would still compile.

mod source;

use std::fs;
use std::path::Path;
use std::process::Command;

use source::{Source, is_word};

/// Words the engine does not use, and why.
const FORBIDDEN: [(&str, &str); 16] = [
    ("std", "the engine has core and alloc alone"),
    ("extern", "the engine has no dependencies"),
    ("HashMap", "its order and its seed differ from run to run"),
    ("HashSet", "its order and its seed differ from run to run"),
    ("RandomState", "its seed differs from run to run"),
    ("Instant", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("thread", "one writer, and it is not here"),
    ("thread_local", "state is in the state"),
    ("rand", "chance is seeded in the state"),
    ("f32", "rounding differs; count in millionths"),
    ("f64", "rounding differs; count in millionths"),
    ("env", "the machine that builds does not matter"),
    ("option_env", "the machine that builds does not matter"),
    ("include_str", "the engine reads no file"),
    ("include_bytes", "the engine reads no file"),
];

/// What the words of one file break.
fn impurities(source: &Source) -> Vec<String> {
    let code = source.code.as_bytes();
    let mut found = Vec::new();
    let mut previous = (0, "");
    for (at, word) in source.words() {
        for (forbidden, why) in FORBIDDEN {
            if word == forbidden || (matches!(forbidden, "f32" | "f64") && word.ends_with(&format!("_{forbidden}"))) {
                found.push(format!("{}: `{word}`: {why}", source.place(at)));
            }
        }
        let inside = previous.1 == "crate" && source.code[previous.0..at].replace("crate", "").trim() == "::";
        if inside && word != "engine" {
            found.push(format!("{}: `crate::{word}`: the engine knows no other room", source.place(at)));
        }
        previous = (at, word);
    }
    for at in 1..code.len().saturating_sub(1) {
        let digits = code[at] == b'.' && code[at - 1].is_ascii_digit() && code[at + 1].is_ascii_digit();
        let start = (0..at).rev().find(|&start| !is_word(code[start])).map_or(0, |start| start + 1);
        let field_of_field = start > 0 && code[start - 1] == b'.';
        if digits && code[start].is_ascii_digit() && !field_of_field {
            found.push(format!("{}: a floating-point number: rounding differs", source.place(at)));
        }
    }
    found
}

/// Builds the engine whose `mod.rs` is given as the only module of a `no_std` crate; what the compiler says if it fails.
fn build_alone(engine: &Path, dir: &Path) -> Result<(), String> {
    let root = dir.join("root.rs");
    let text = format!("#![no_std]\nextern crate alloc;\n#[path = {engine:?}]\npub mod engine;\n");
    fs::write(&root, text).expect("a writable temporary directory");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit=metadata", "--crate-name", "engine_alone"])
        .arg("--out-dir")
        .arg(dir)
        .arg(&root)
        .output()
        .expect("rustc can be run");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// What the compiler says to an engine of this one text.
fn build_text(text: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = dir.path().join("engine.rs");
    fs::write(&engine, text).expect("a writable temporary directory");
    build_alone(&engine, dir.path())
}

#[test]
fn the_engine_builds_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let built = build_alone(&source::root().join("src/engine/mod.rs"), dir.path());
    assert!(built.is_ok(), "the engine does not build without std:\n{}", built.unwrap_err());
}

#[test]
fn the_engine_names_nothing_impure() {
    let sources = source::sources("src/engine");
    assert!(!sources.is_empty(), "no engine to look at");
    source::none(sources.iter().flat_map(impurities).collect());
}

#[test]
fn the_compiler_refuses_what_is_impure() {
    assert_eq!(build_text("use alloc::vec::Vec; pub fn f() -> Vec<u8> { Vec::new() }"), Ok(()));
    for bad in [
        "pub fn f() -> std::time::Instant { std::time::Instant::now() }",
        "use std::collections::HashMap; pub type T = HashMap<u8, u8>;",
        "pub fn f() { std::thread::yield_now() }",
        "use crate::shard::Shard;",
        "use serde::Serialize;",
        "pub fn f() { println!() }",
    ] {
        assert!(build_text(bad).is_err(), "built: {bad}");
    }
}

#[test]
fn the_words_refuse_what_is_impure() {
    let found = |text: &str| impurities(&Source::new("engine/bad.rs", text)).len();
    for bad in [
        "extern crate std;",
        "use core::time; fn f(d: time::Duration) -> u64 { d.as_secs_f64() as u64 }",
        "fn f(x: f32) {}",
        "const HALF: u8 = (0.5 * 2.0) as u8;",
        "use crate::shard::Shard;",
        "use crate :: rpc;",
        "fn f() -> Instant { Instant::now() }",
        "static N: &str = env!(\"HOME\");",
        "fn f() { thread::yield_now() }",
        "fn f(m: &HashMap<u8, u8>) {}",
    ] {
        assert!(found(bad) > 0, "passed: {bad}");
    }
    for good in [
        "use crate::engine::id::Text;",
        "// std, Instant and 0.5 may be spoken of\nfn f(pair: ((u8, u8), u8)) -> u8 { pair.0.1 }",
        "/* HashMap */ const S: &str = \"std::thread 1.5 crate::rpc\"; const R: &str = r#\"f64 \"rand\" \"#;",
        "fn f<'std>(x: &'std str) -> char { 's' }",
        "#[cfg(test)]\nmod tests { use std::collections::HashMap; const X: f64 = 1.5; }\nfn f() -> core::ops::Range<u8> { 0..10 }",
        "fn instant_of(random: u8, standard: u8) {}",
    ] {
        assert_eq!(impurities(&Source::new("engine/good.rs", good)), Vec::<String>::new(), "{good}");
    }
}
