//! Scenario scripts for every transition of the life cycles, one file per theme. `scenario/mod.rs` has the format.

mod scenario;

use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        const FILES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                scenario::check_file(&directory().join(concat!(stringify!($name), ".txt")));
            }
        )*
    };
}

scenarios! {
    aging broadcast capacity classify connect deadlines direct gates give leases lifecycle offers order orders overflow places
    policy pools presence published requests reserve selection skills steps supervise transfer unservable
}

#[test]
fn every_file_is_run() {
    let mut found: Vec<String> = std::fs::read_dir(directory())
        .expect("the scripts are there")
        .map(|file| file.expect("a directory can be read").path())
        .map(|path| path.file_stem().expect("a file has a name").to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut listed = FILES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
}
