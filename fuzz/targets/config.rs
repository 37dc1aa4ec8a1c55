//! Looks for a text that breaks the law `config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usher_fuzz::config(bytes));
