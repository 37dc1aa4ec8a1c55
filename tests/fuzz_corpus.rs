//! Every text of the fuzz corpus, and every file in `config/`, keeps the laws that the fuzz targets try to break.

#[path = "../fuzz/src/laws.rs"]
mod laws;

use std::fs;
use std::path::{Path, PathBuf};

/// The files below a folder of the repository, in the order of their paths.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Holds a law over all files of some folders, of which there are at least so many.
fn holds(law: fn(&[u8]), folders: &[&str], at_least: usize) {
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder)).collect();
    assert!(files.len() >= at_least, "{} files in {folders:?}", files.len());
    for file in files {
        // The name is shown when the law panics, for then its output is shown.
        println!("{}", file.display());
        law(&fs::read(&file).expect("a file that can be read"));
    }
}

#[test]
fn requirements_keep_the_law() {
    holds(laws::requirement, &["fuzz/corpus/requirement"], 60);
}

#[test]
fn scores_keep_the_law() {
    holds(laws::score, &["fuzz/corpus/score"], 10);
}

#[test]
fn configurations_keep_the_law() {
    holds(laws::config, &["fuzz/corpus/config", "config"], 140);
}
