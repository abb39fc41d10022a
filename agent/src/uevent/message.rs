//! What the kernel writes of a device: `ACTION@PATH` and then variables, each ended
//! by a zero byte. Pure, so that it can be tested and fuzzed.

use std::path::{Path, PathBuf};

/// Longer than the kernel's own buffer for the variables and the path before them.
pub(super) const LONGEST: usize = 8192;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uevent<'a> {
    /// What happened, such as `add`.
    pub action: &'a str,
    /// The device's folder in sysfs, below its root; begins with a slash.
    pub path: &'a str,
    /// Sort of the device, such as `block`; may be empty.
    pub subsystem: &'a str,
    /// Name of the node below /dev; may be empty.
    pub name: &'a str,
}

impl<'a> Uevent<'a> {
    /// Reads a message. One that is too long, broken, or of another form is none.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > LONGEST {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split_terminator('\0');
        let (action, path) = parts.next()?.split_once('@')?;
        let mut event = Self { action, path, ..Self::default() };
        for variable in parts {
            match variable.split_once('=') {
                Some(("SUBSYSTEM", value)) => event.subsystem = value,
                Some(("DEVNAME", value)) => event.name = value,
                // They say the same as the beginning, or something is wrong.
                Some(("ACTION", value)) if value != action => return None,
                Some(("DEVPATH", value)) if value != path => return None,
                _ => {}
            }
        }
        let plain = |text: &str| text.split('/').all(|step| step != "..");
        (path.starts_with('/') && plain(path) && plain(event.name) && !action.is_empty())
            .then_some(event)
    }

    /// The file that switches a block of memory on, if this is one.
    pub(crate) fn memory_switch(&self, sys: &Path) -> Option<PathBuf> {
        let block = self.path.strip_prefix("/devices/system/memory/memory")?;
        block.parse::<u64>().ok().filter(|_| self.subsystem == "memory")?;
        Some(sys.join(self.path.trim_start_matches('/')).join("online"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: &str = "add@/devices/pci0000:00/0000:00:02.0/virtio0/block/vda\0ACTION=add\0\
        DEVPATH=/devices/pci0000:00/0000:00:02.0/virtio0/block/vda\0SUBSYSTEM=block\0MAJOR=254\0\
        MINOR=0\0DEVNAME=vda\0DEVTYPE=disk\0SEQNUM=1234\0";

    #[test]
    fn a_disk() {
        let event = Uevent::parse(DISK.as_bytes()).unwrap();
        assert_eq!(
            event,
            Uevent {
                action: "add",
                path: "/devices/pci0000:00/0000:00:02.0/virtio0/block/vda",
                subsystem: "block",
                name: "vda",
            }
        );
        assert_eq!(event.memory_switch(Path::new("/sys")), None);
    }

    #[test]
    fn a_block_of_memory() {
        let of = |text: &str| {
            let text = format!("add@{text}\0SUBSYSTEM=memory\0");
            Uevent::parse(text.as_bytes())?.memory_switch(Path::new("/s"))
        };
        let expected = Path::new("/s/devices/system/memory/memory40/online");
        assert_eq!(of("/devices/system/memory/memory40").as_deref(), Some(expected));
        assert_eq!(of("/devices/system/memory/memory40/x"), None);
        assert_eq!(of("/devices/system/memory/../memory40"), None);
        assert_eq!(of("/devices/system/memory/memory"), None);
    }

    #[test]
    fn what_is_no_message() {
        let long = format!("add@/{}\0", "a".repeat(LONGEST));
        for text in [
            "",
            "\0",
            "add",
            "@/a\0",
            "add@\0",
            "add@a\0",
            "libudev\0\u{1}\u{2}",
            "add@/a/../b\0",
            "add@/a\0ACTION=remove\0",
            "add@/a\0DEVPATH=/b\0",
            "add@/a\0DEVNAME=../etc/passwd\0",
            &long,
        ] {
            assert_eq!(Uevent::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Uevent::parse(b"add@/a\xff\0"), None);
    }
}
