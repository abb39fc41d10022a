//! The `online` files of sysfs: which processors or blocks of memory are in use, and
//! switching on those that are not.

use std::fs;
use std::io;
use std::path::Path;

use crate::os::Os;

/// What a round of switching on has found.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Switched on now.
    pub switched: usize,
    /// On in all.
    pub online: usize,
    /// Still off.
    pub offline: usize,
    /// Why the first of them stays off, if it was tried.
    pub failure: Option<io::Error>,
}

/// Numbers of the devices in `folder`, with their state. One that can't be switched
/// off has no such file, and is on.
fn states(folder: &Path, name: &str) -> Vec<(u32, bool)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(name)?.parse::<u32>().ok());
    let mut states: Vec<(u32, bool)> = numbers
        .map(|number| {
            let file = folder.join(format!("{name}{number}/online"));
            (number, fs::read_to_string(file).map_or(true, |state| state.trim() != "0"))
        })
        .collect();
    states.sort_unstable();
    states
}

/// Switches on at most `most` of those that are off.
pub(super) fn switch_on(os: &dyn Os, folder: &Path, name: &str, most: usize) -> Count {
    let mut count = Count::default();
    for (number, online) in states(folder, name) {
        if online {
            count.online += 1;
            continue;
        }
        if count.switched == most {
            count.offline += 1;
            continue;
        }
        match os.write(&folder.join(format!("{name}{number}/online")), b"1") {
            Ok(()) => {
                count.switched += 1;
                count.online += 1;
            }
            Err(error) => {
                count.offline += 1;
                count.failure.get_or_insert(error);
            }
        }
    }
    count
}

/// Numbers of the processors that are on.
pub(super) fn processors(sys: &Path) -> Vec<u32> {
    processors_in(&sys.join("devices/system/cpu"))
}

pub(super) fn processors_in(folder: &Path) -> Vec<u32> {
    states(folder, "cpu").into_iter().filter(|(_, on)| *on).map(|(number, _)| number).collect()
}
