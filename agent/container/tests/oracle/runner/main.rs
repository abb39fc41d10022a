//! `container-oracle`: runs bundles with our code, for the comparison with runc.
//!
//! `container-oracle run ID BUNDLE CGROUP_ROOT` runs a bundle to its end, with its own
//! standard streams, and ends with the container's exit code, or with 255 and a text
//! when it could not be made.

mod run;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = guest_container::run_if_asked() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run", id, bundle, cgroup_root] => {
            match run::run(id, Path::new(bundle), Path::new(cgroup_root)) {
                Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(255)),
                Err(error) => {
                    eprintln!("container-oracle: {error:#}");
                    ExitCode::from(255)
                }
            }
        }
        _ => {
            eprintln!("usage: container-oracle run ID BUNDLE CGROUP_ROOT");
            ExitCode::from(2)
        }
    }
}
