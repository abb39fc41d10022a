//! `container-oracle`: runs bundles with our code, for the comparison with runc.
//!
//! `container-oracle run ID BUNDLE CGROUP_ROOT` runs a bundle to its end, with its own
//! standard streams, and ends with the container's exit code, or with 255 and a text
//! when it could not be made. `serve` instead of `run` obeys orders on its standard
//! input, up to its end.

mod run;
mod serve;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = guest_container::run_if_asked() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["run", id, bundle, root] => run::run(id, Path::new(bundle), Path::new(root)),
        ["serve", id, bundle, root] => {
            serve::serve(id, Path::new(bundle), Path::new(root)).map(|()| 0)
        }
        _ => {
            eprintln!("usage: container-oracle run|serve ID BUNDLE CGROUP_ROOT");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Err(error) => {
            eprintln!("container-oracle: {error}");
            ExitCode::from(255)
        }
    }
}
