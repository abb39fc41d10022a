//! `bind`: a file or folder of the guest in a second place.

use kata_agent_api::agent::Storage;

use super::place::{Placed, mount_point};
use super::{Made, StorageError, Tools};
use crate::plain_path::plain_path;

pub(super) async fn make(tools: &Tools, storage: &Storage) -> Result<Made, StorageError> {
    let Some(source) = plain_path(&storage.source) else {
        return Err(StorageError::Source {
            driver: storage.driver.clone(),
            source_text: storage.source.clone(),
            why: "it is not a plain absolute path".to_owned(),
        });
    };
    let target = mount_point(storage)?;
    let refused = || StorageError::refused(storage.mount_point.clone());
    if tools.os.is_dir(source).map_err(StorageError::refused(storage.source.clone()))? {
        tools.os.make_dir(target, 0o755).map_err(refused())?;
    } else {
        if let Some(parent) = target.parent() {
            tools.os.make_dir(parent, 0o755).map_err(refused())?;
        }
        tools.os.make_file(target).map_err(refused())?;
    }
    let mut options = storage.options.clone();
    if !options.iter().any(|option| option == "bind" || option == "rbind") {
        options.insert(0, "bind".to_owned());
    }
    let source = storage.source.clone();
    tools.mount_at(target, Placed { source, fstype: String::new(), options }).await?;
    if let Err(error) = tools.give_to_group(storage).await {
        let _ = tools.os.unmount(target, true);
        return Err(error);
    }
    Ok(Made { mounted: true, ..Made::default() })
}
