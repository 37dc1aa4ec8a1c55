//! Looks for a text that breaks the law `score`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usher_fuzz::score(bytes));
