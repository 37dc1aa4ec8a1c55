//! What holds of every text that is read, whatever it is: it is read or refused with a place inside it, never with a
//! panic; and what was read is printed so that it is read back the same.
//!
//! The fuzz targets look for texts that break these laws; `tests/fuzz_corpus.rs` holds them over all texts kept.

use usher::config::requirement::{self, RequirementError};
use usher::config::{self, canonical, diff, score};

/// The names taken for skills: some are known and some are not, whatever the text.
fn known(name: &str) -> bool {
    !name.starts_with('x')
}

/// Reads a requirement.
pub fn requirement(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = match requirement::parse(text, &known) {
        Ok(read) => read,
        Err(error) => return refused(text, &error),
    };
    assert_eq!(*read.text, requirement::canonical(&read.expr), "the text is that of the tree");
    let again = requirement::parse(&read.text, &known);
    assert_eq!(again.as_ref(), Ok(&read), "`{}` is read back the same", read.text);
}

/// Reads the expression of "best_score".
pub fn score(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = match score::parse(text, &known) {
        Ok(read) => read,
        Err(error) => return refused(text, &error),
    };
    assert_eq!(*read.text, score::canonical(&read.expr), "the text is that of the tree");
    let again = score::parse(&read.text, &known);
    assert_eq!(again.as_ref(), Ok(&read), "`{}` is read back the same", read.text);
}

/// A refusal points at a character of the text or just behind it, and can be shown.
fn refused(text: &str, error: &RequirementError) {
    let columns = text.chars().count() + 1;
    assert!((1..=columns).contains(&(error.column as usize)), "column {} of {columns}", error.column);
    assert!(text.is_char_boundary(error.offset()), "offset {}", error.offset());
    assert!(!error.message.is_empty(), "it says what is wrong");
    assert!(error.caret(text).ends_with('^'), "its place can be shown");
}

/// Reads a configuration file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = match config::parse(text, "fuzz.toml") {
        Ok(read) => read,
        Err(faults) => {
            assert!(!faults.faults.is_empty(), "a refusal says why");
            let lines = u32::try_from(text.lines().count() + 1).unwrap_or(u32::MAX);
            for fault in &faults.faults {
                assert!(fault.line <= lines, "line {} of {lines}", fault.line);
            }
            assert!(!faults.to_string().is_empty(), "it can be shown");
            return;
        }
    };
    for policy in &read.tenants {
        let written = canonical::text(policy);
        let again = match config::parse(&written, "fuzz.toml") {
            Ok(again) => again,
            Err(faults) => panic!("what is written is refused:\n{faults}\n{written}"),
        };
        assert_eq!(again.tenants.as_slice(), std::slice::from_ref(policy), "it is read back the same:\n{written}");
        assert_eq!(canonical::text(&again.tenants[0]), written, "it is written the same again");
        assert!(diff::policies(policy, &again.tenants[0]).is_empty(), "nothing of it changes");
    }
}
