//! Reclaims memory of control groups that have been idle for some rounds: what the
//! kernel has not seen in use lately, and no more once it hurts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Memcg, Places, pressure};
use crate::os::Os;

/// Bytes that are asked for at a time; the pressure is looked at in between.
const PIECE: u64 = 32 << 20;

/// Groups may be nested, not without end.
const DEEPEST: usize = 6;

/// More groups than a guest has.
const MOST_GROUPS: usize = 1024;

pub(super) struct Reclaimer {
    places: Places,
    /// For how many rounds each group has been idle.
    idle: BTreeMap<PathBuf, u64>,
}

impl Reclaimer {
    pub(super) fn new(places: Places) -> Self {
        Self { places, idle: BTreeMap::new() }
    }

    /// One round over all groups.
    pub(super) fn run(&mut self, os: &dyn Os, settings: &Memcg) {
        let mut groups = Vec::new();
        let own = os.read(&self.places.proc.join("self/cgroup")).unwrap_or_default();
        let own = own.trim().strip_prefix("0::/").unwrap_or_default();
        collect(&self.places.cgroup, DEEPEST, &mut groups);
        groups.retain(|group| *group != self.places.cgroup.join(own));
        let mut idle = BTreeMap::new();
        for group in groups {
            if is_busy(os, &group, settings) {
                continue;
            }
            let rounds = self.idle.get(&group).copied().unwrap_or(0).saturating_add(1);
            if rounds >= settings.idle_rounds {
                self.reclaim(os, &group, settings);
            }
            idle.insert(group, rounds);
        }
        // Groups that are gone, or busy, begin anew.
        self.idle = idle;
    }

    fn reclaim(&self, os: &dyn Os, group: &Path, settings: &Memcg) {
        let text = os.read(&group.join("memory.stat")).unwrap_or_default();
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
        };
        let anonymous = if settings.swap { figure("inactive_anon") } else { 0 };
        let mut rest = figure("inactive_file").saturating_add(anonymous);
        while rest > 0 {
            let piece = rest.min(PIECE);
            if !self.ask(os, group, piece, settings) {
                return;
            }
            rest -= piece;
            let after = pressure::read(os, &group.join("memory.pressure"));
            if after.is_none_or(|after| after.ten > f32::from(settings.eviction_psi_limit)) {
                log::debug!("reclaiming from {} causes pressure", group.display());
                return;
            }
        }
    }

    /// Has the kernel reclaim so many bytes. False when there is no use in going on.
    fn ask(&self, os: &dyn Os, group: &Path, bytes: u64, settings: &Memcg) -> bool {
        let file = group.join("memory.reclaim");
        let swappiness = if settings.swap { settings.swappiness_max } else { 0 };
        let mut asked = os.write(&file, format!("{bytes} swappiness={swappiness}").as_bytes());
        let too_old = |error: &std::io::Error| {
            error.raw_os_error().map(Errno::from_raw) == Some(Errno::EINVAL)
        };
        // Older kernels swap as they like, so they are asked only if they may, or can't.
        if asked.as_ref().is_err_and(too_old) && (settings.swap || !self.has_swap(os)) {
            asked = os.write(&file, bytes.to_string().as_bytes());
        }
        match asked {
            Ok(()) => true,
            // There was less to reclaim than asked for.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            Err(error) => {
                log::debug!("can't reclaim from {}: {error}", group.display());
                false
            }
        }
    }

    fn has_swap(&self, os: &dyn Os) -> bool {
        // A line of headings, and one for each place to swap to.
        os.read(&self.places.proc.join("swaps")).map_or(true, |text| text.lines().count() > 1)
    }
}

/// A kernel that does not say is never idle.
fn is_busy(os: &dyn Os, group: &Path, settings: &Memcg) -> bool {
    let limit = f32::from(settings.period_psi_limit);
    ["cpu.pressure", "io.pressure", "memory.pressure"].into_iter().any(|name| {
        pressure::read(os, &group.join(name)).is_none_or(|pressure| pressure.sixty > limit)
    })
}

/// The groups that memory can be reclaimed from and that have none below them.
fn collect(folder: &Path, depth: usize, groups: &mut Vec<PathBuf>) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for folder in folders {
        let before = groups.len();
        collect(&folder, deeper, groups);
        let is_leaf = groups.len() == before;
        if is_leaf && before < MOST_GROUPS && folder.join("memory.reclaim").exists() {
            groups.push(folder);
        }
    }
}
