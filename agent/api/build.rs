//! Turns the .proto files into Rust, without protoc. Knows nothing of who calls
//! the result.

use std::path::Path;

use ttrpc_codegen::{Codegen, Customize, ProtobufCustomize};

const PROTOS: [&str; 5] = [
    "proto/agent.proto",
    "proto/csi.proto",
    "proto/health.proto",
    "proto/oci.proto",
    "proto/types.proto",
];

const MODULES: [&str; 7] =
    ["agent", "agent_ttrpc", "csi", "health", "health_ttrpc", "oci", "types"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in PROTOS {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = std::env::var("OUT_DIR")?;
    let lite = std::env::var_os("CARGO_FEATURE_REFLECTION").is_none();
    Codegen::new()
        .out_dir(&out)
        .include("proto")
        .inputs(PROTOS)
        .rust_protobuf()
        .rust_protobuf_customize(ProtobufCustomize::default().lite_runtime(lite).gen_mod_rs(false))
        .customize(Customize { async_all: true, ..Customize::default() })
        .run()?;
    // Both generators would write a mod.rs and the second would overwrite the
    // first, so the list of modules is made here.
    let list: String = MODULES.iter().map(|name| format!("pub mod {name};\n")).collect();
    std::fs::write(Path::new(&out).join("modules.rs"), list)?;
    Ok(())
}
