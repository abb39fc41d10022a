//! `local`: a folder of the guest itself, such as an emptyDir on its root
//! filesystem.

use kata_agent_api::agent::Storage;

use super::place::{mount_point, number, set_group, take_group};
use super::{Made, StorageError, Tools};

pub(super) fn make(tools: &Tools, storage: &Storage) -> Result<Made, StorageError> {
    let target = mount_point(storage)?;
    let mut options = storage.options.clone();
    let group = take_group(&mut options)?.or(storage.fs_group.as_ref().map(|g| g.group_id));
    let mut mode = None;
    for option in &options {
        match option.split_once('=') {
            Some(("mode", value)) => mode = Some(number(option, value, 8)? & 0o7777),
            _ => return Err(StorageError::option(option, "a folder has mode= and fsgid= only")),
        }
    }
    let os = tools.os.as_ref();
    let refused = || StorageError::refused(storage.mount_point.clone());
    os.make_dir(target, 0o755).map_err(refused())?;
    if let Some(mode) = mode {
        os.set_mode(target, mode).map_err(refused())?;
    }
    set_group(os, target, group)?;
    // What is in it outlives this user: a container that starts again finds its files.
    Ok(Made { own_folder: true, ..Made::default() })
}
