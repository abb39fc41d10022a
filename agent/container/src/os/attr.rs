//! Attributes of mounts as the newer mount calls have them (linux/mount.h).

pub(crate) const RDONLY: u64 = 0x1;
pub(crate) const NOSUID: u64 = 0x2;
pub(crate) const NODEV: u64 = 0x4;
pub(crate) const NOEXEC: u64 = 0x8;
/// The field of access times; 0 in it is relatime.
pub(crate) const ATIME: u64 = 0x70;
pub(crate) const NOATIME: u64 = 0x10;
pub(crate) const STRICTATIME: u64 = 0x20;
pub(crate) const NODIRATIME: u64 = 0x80;
pub(crate) const NOSYMFOLLOW: u64 = 0x20_0000;
