//! The binary: `cli` has what it does.

fn main() {}
