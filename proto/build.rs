//! Compiles `usher/v1/*.proto` in pure Rust (no `protoc`) into messages, clients, servers and a descriptor set.

use std::path::PathBuf;
use std::{env, error, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=usher");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir("usher/v1")? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "proto") {
            files.push(path);
        }
    }
    // The order of a directory is the file system's; the output must not be.
    files.sort();
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("usher.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Maps iterate in the order of their keys, so that equal messages encode to equal bytes.
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
