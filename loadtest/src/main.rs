//! Load tests of an usher server through its gRPC API.

fn main() {}
