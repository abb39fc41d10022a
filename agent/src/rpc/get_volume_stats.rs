//! `GetVolumeStats`: how full a volume is.

use std::fs::File;
use std::io;
use std::path::Path;

use kata_agent_api::agent::VolumeStatsRequest;
use kata_agent_api::csi::volume_usage::Unit;
use kata_agent_api::csi::{VolumeCondition, VolumeStatsResponse, VolumeUsage};
use nix::sys::statvfs::{Statvfs, fstatvfs};

use super::{Fault, in_background, path};
use crate::server::Agent;

pub(super) async fn call(
    _: &Agent,
    request: VolumeStatsRequest,
) -> Result<VolumeStatsResponse, Fault> {
    let volume = path::plain("volume_guest_path", &request.volume_guest_path)?.to_owned();
    in_background("look at the volume", move || stats(&volume)).await?
}

fn stats(volume: &Path) -> Result<VolumeStatsResponse, Fault> {
    let found = File::open(volume).and_then(|file| Ok(fstatvfs(&file)?));
    let (usage, condition) = match found {
        Ok(stats) => (usages(&stats), condition(false, "the volume can be opened")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Fault::NotFound(format!("there is no volume at {}", volume.display())));
        }
        // It is there and does not work, which is what the caller wants to know.
        Err(error) => (Vec::new(), condition(true, &error.to_string())),
    };
    Ok(VolumeStatsResponse {
        usage,
        volume_condition: Some(condition).into(),
        ..VolumeStatsResponse::default()
    })
}

fn condition(abnormal: bool, message: &str) -> VolumeCondition {
    VolumeCondition { abnormal, message: message.to_owned(), ..VolumeCondition::default() }
}

fn usages(stats: &Statvfs) -> Vec<VolumeUsage> {
    let bytes = |blocks: u64| blocks.saturating_mul(stats.fragment_size());
    vec![
        VolumeUsage {
            unit: Unit::BYTES.into(),
            total: bytes(stats.blocks()),
            used: bytes(stats.blocks().saturating_sub(stats.blocks_free())),
            // Less than is free where root has a reserve.
            available: bytes(stats.blocks_available()),
            ..VolumeUsage::default()
        },
        VolumeUsage {
            unit: Unit::INODES.into(),
            total: stats.files(),
            used: stats.files().saturating_sub(stats.files_free()),
            available: stats.files_free(),
            ..VolumeUsage::default()
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn figures_are_those_of_stat() {
        // A filesystem that nothing writes to.
        let answer = stats(Path::new("/sys")).unwrap();
        assert!(!answer.volume_condition.abnormal);
        let format = "%S %b %f %a %c %d";
        let output = Command::new("stat").args(["-f", "-c", format, "/sys"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let n: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let of = |usage: &VolumeUsage| (usage.total, usage.used, usage.available);
        assert_eq!(of(&answer.usage[0]), (n[0] * n[1], n[0] * (n[1] - n[2]), n[0] * n[3]));
        assert_eq!(of(&answer.usage[1]), (n[4], n[4] - n[5], n[5]));
        let root = stats(Path::new("/")).unwrap();
        assert!(root.usage[0].total > root.usage[0].used && root.usage[0].used > 0);
        assert_eq!(root.usage[1].unit.enum_value(), Ok(Unit::INODES));
    }

    #[test]
    fn a_volume_that_does_not_work_is_an_answer() {
        let missing = stats(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(matches!(missing, Fault::NotFound(_)), "{missing}");
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("link", &link).unwrap();
        let condition = stats(&link).unwrap().volume_condition;
        assert!(condition.abnormal && condition.message.contains("symbolic"), "{condition:?}");
    }
}
