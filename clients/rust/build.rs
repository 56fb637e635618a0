//! Generates the contract's code, with the protoc that is installed.

fn main() -> std::io::Result<()> {
    let protos = ["codec", "dialogue", "frames", "lm", "settings"]
        .map(|name| format!("../../protos/kaiwa/v1/{name}.proto"));
    tonic_prost_build::configure().compile_protos(&protos, &["../../protos".to_string()])
}
