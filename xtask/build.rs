//! Tells xtask which compiler built it: the compiler is an input of the agent,
//! and asking it at every start would cost more than the rest of a warm call.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-vV").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).replace('\n', "; "));
    println!("cargo::rustc-env=RUSTC_VERSION_VERBOSE={}", text.unwrap_or_default());
}
