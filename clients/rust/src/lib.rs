//! Clients and servers of Kaiwa's contract, generated from `protos/kaiwa/v1` at build.

/// The contract, version 1.
pub mod v1 {
    tonic::include_proto!("kaiwa.v1");
}
