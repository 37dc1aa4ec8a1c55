//! The `usher.v1` contract as Rust: messages, clients and servers generated from `proto/usher/v1/*.proto`.
//!
//! The `.proto` files are where the contract is written and commented; nothing is added here. Maps are `BTreeMap`s, so
//! that equal messages encode to equal bytes. [`FILE_DESCRIPTOR_SET`] is what server reflection serves.

/// Package `usher.v1`.
#[allow(missing_docs, clippy::all, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("usher.v1");
}

/// The encoded `FileDescriptorSet` of the package and all it imports.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/usher.v1.bin"));
