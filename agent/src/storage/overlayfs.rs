//! `overlayfs`: layers of the guest put over one another. The options are those of
//! mount(8); where a container may write, folders for that are made beside it.

use std::path::Path;

use kata_agent_api::agent::Storage;

use super::place::Placed;
use super::{Made, StorageError, Tools};
use crate::plain_path::plain_path;

/// Asks for folders that take what is written.
const WRITABLE: &str = "io.katacontainers.fs-opt.overlay-rw";
/// Asks for a folder, as `NAME=PATH`.
const CREATE: &str = "io.katacontainers.volume.overlayfs.create_directory";

pub(super) async fn make(
    tools: &Tools,
    storage: &Storage,
    container: Option<&str>,
) -> Result<Made, StorageError> {
    let mut options = storage.options.clone();
    let mut folders = Vec::new();
    let mut make = |path: &Path| {
        tools
            .os
            .make_dir(path, 0o755)
            .map_err(StorageError::refused(path.display().to_string()))?;
        folders.push(path.to_owned());
        Ok::<_, StorageError>(())
    };
    for option in &storage.driver_options {
        if let Some(path) = option.strip_prefix(CREATE).and_then(|rest| rest.strip_prefix('=')) {
            let inside = plain_path(path).filter(|path| path.starts_with(&tools.paths.run));
            let run = tools.paths.run.display();
            let why = || format!("a folder can be made below {run} only");
            make(inside.ok_or_else(|| StorageError::option(option, why()))?)?;
        }
    }
    let writable = |option: &String| option == WRITABLE;
    if options.iter().chain(&storage.driver_options).any(writable) {
        options.retain(|option| !writable(option));
        let Some(container) = container else {
            return Err(StorageError::option(WRITABLE, "there is no container that could write"));
        };
        let beside = tools.paths.run.join(container).join("overlay");
        for (key, name) in [("upperdir", "upper"), ("workdir", "work")] {
            let folder = beside.join(name);
            make(&folder)?;
            options.push(format!("{key}={}", folder.display()));
        }
    }
    let source = if storage.source.is_empty() { "overlay" } else { &storage.source };
    let placed = Placed { source: source.to_owned(), fstype: "overlay".to_owned(), options };
    tools.place(storage, placed).await?;
    Ok(Made { mounted: true, folders, ..Made::default() })
}
