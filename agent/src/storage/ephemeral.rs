//! `ephemeral`: memory, as a tmpfs or as huge pages.

use kata_agent_api::agent::Storage;

use super::place::{Placed, mount_point, set_group, take_group};
use super::{Made, StorageError, Tools, hugetlbfs};

pub(super) async fn make(tools: &Tools, storage: &Storage) -> Result<Made, StorageError> {
    let target = mount_point(storage)?;
    let mut options = storage.options.clone();
    let group = take_group(&mut options)?.or(storage.fs_group.as_ref().map(|g| g.group_id));
    match storage.fstype.as_str() {
        "tmpfs" => {}
        "hugetlbfs" => hugetlbfs::reserve(tools.os.as_ref(), &options)?,
        other => {
            return Err(StorageError::Type {
                driver: "ephemeral",
                fstype: other.to_owned(),
                offered: "tmpfs and hugetlbfs",
            });
        }
    }
    let refused = StorageError::refused(storage.mount_point.clone());
    tools.os.make_dir(target, 0o755).map_err(refused)?;
    let source = if storage.source.is_empty() { &storage.fstype } else { &storage.source };
    let placed = Placed { source: source.clone(), fstype: storage.fstype.clone(), options };
    tools.mount_at(target, placed).await?;
    if let Err(error) = set_group(tools.os.as_ref(), target, group) {
        let _ = tools.os.unmount(target, true);
        return Err(error);
    }
    Ok(Made { mounted: true, ..Made::default() })
}
