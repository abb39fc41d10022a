//! The options of a mount as a spec lists them: which are attributes of the mount,
//! which the filesystem's own, and which are orders to the runtime. Pure.

use crate::os::attr;

/// Mount options, sorted by whom they are for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Attributes of the mount that are asked for.
    pub set: u64,
    /// Attributes that are asked to be off.
    pub clear: u64,
    /// Attributes of the mount and all mounts below it.
    pub set_all: u64,
    /// Attributes to be off there.
    pub clear_all: u64,
    /// A bind mount; whether with all mounts below the source.
    pub bind: Option<bool>,
    /// Whether an option named an attribute at all, on or off.
    pub any: bool,
    /// How mount events travel, in the order of the options: kernel flag, recursive.
    pub propagation: Vec<(u64, bool)>,
    /// Flags of the filesystem that have no value.
    pub flags: Vec<&'static str>,
    /// The filesystem's own options, each `key=value` or `key`.
    pub data: Vec<String>,
    /// A tmpfs starts with what it covers.
    pub copy_up: bool,
}

/// What an option does to the attributes: on, off.
fn attribute(option: &str) -> Option<(u64, u64)> {
    Some(match option {
        "ro" => (attr::RDONLY, 0),
        "rw" => (0, attr::RDONLY),
        "nosuid" => (attr::NOSUID, 0),
        "suid" => (0, attr::NOSUID),
        "nodev" => (attr::NODEV, 0),
        "dev" => (0, attr::NODEV),
        "noexec" => (attr::NOEXEC, 0),
        "exec" => (0, attr::NOEXEC),
        "nodiratime" => (attr::NODIRATIME, 0),
        "diratime" => (0, attr::NODIRATIME),
        "nosymfollow" => (attr::NOSYMFOLLOW, 0),
        "symfollow" => (0, attr::NOSYMFOLLOW),
        // Times of access are one field of several values: setting one needs the
        // whole field cleared.
        "noatime" => (attr::NOATIME, attr::ATIME),
        "strictatime" => (attr::STRICTATIME, attr::ATIME),
        "relatime" => (0, attr::ATIME),
        "atime" | "norelatime" | "nostrictatime" => (0, 0),
        _ => return None,
    })
}

/// How mount events travel, by the option's name: the kernel's flag, recursive.
pub(crate) fn propagation(option: &str) -> Option<(u64, bool)> {
    let flag = |name: &str| match name {
        "private" => Some(libc::MS_PRIVATE),
        "shared" => Some(libc::MS_SHARED),
        "slave" => Some(libc::MS_SLAVE),
        "unbindable" => Some(libc::MS_UNBINDABLE),
        _ => None,
    };
    let (found, recursive) = match (flag(option), option.strip_prefix('r')) {
        (Some(found), _) => (found, false),
        (None, Some(rest)) => (flag(rest)?, true),
        (None, None) => return None,
    };
    Some((found, recursive))
}

/// Sorts options.
///
/// # Errors
///
/// What this crate can't do, as a sentence.
pub(crate) fn parse(options: &[String]) -> Result<Options, String> {
    if options.len() > 256 {
        return Err("has more than 256 options".to_owned());
    }
    let mut parsed = Options::default();
    for option in options {
        if option.contains('\0') {
            return Err("has an option with a NUL byte".to_owned());
        }
        one(&mut parsed, option)?;
    }
    Ok(parsed)
}

fn one(parsed: &mut Options, option: &str) -> Result<(), String> {
    if let Some((on, off)) = attribute(option) {
        parsed.set = (parsed.set & !off) | on;
        parsed.clear = (parsed.clear & !on) | off;
        parsed.any = true;
        return Ok(());
    }
    if let Some(found) = propagation(option) {
        parsed.propagation.push(found);
        return Ok(());
    }
    if let Some((on, off)) = option.strip_prefix('r').and_then(attribute) {
        parsed.set_all = (parsed.set_all & !off) | on;
        parsed.clear_all = (parsed.clear_all & !on) | off;
        return Ok(());
    }
    match option {
        "bind" => parsed.bind = Some(parsed.bind.unwrap_or(false)),
        "rbind" => parsed.bind = Some(true),
        "tmpcopyup" => parsed.copy_up = true,
        "idmap" | "ridmap" => {
            return Err("id-mapped mounts are not possible in this guest".to_owned());
        }
        "remount" => return Err("a container has nothing to remount".to_owned()),
        "sync" => parsed.flags.push("sync"),
        "dirsync" => parsed.flags.push("dirsync"),
        "lazytime" => parsed.flags.push("lazytime"),
        "mand" => parsed.flags.push("mand"),
        // What is so anyway, and what only concerned the host's mount(8).
        "" | "defaults" | "async" | "nolazytime" | "nomand" | "loud" | "silent" | "iversion"
        | "noiversion" | "acl" | "noacl" | "nofail" | "auto" | "noauto" | "_netdev" => {}
        other => parsed.data.extend(separate(other)),
    }
    Ok(())
}

/// One option of the list may hold several, separated by commas; overlay's paths may
/// hold commas behind a backslash.
fn separate(option: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in option.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &[&str]) -> Options {
        parse(&options.iter().map(|&one| one.to_owned()).collect::<Vec<_>>()).expect("they parse")
    }

    #[test]
    fn the_last_word_on_an_attribute_counts() {
        let options = parsed(&["ro", "nosuid", "rw"]);
        assert_eq!((options.set, options.clear), (attr::NOSUID, attr::RDONLY));
        // The kernel wants the whole field cleared by who sets a value in it.
        assert_eq!(parsed(&["noatime"]).clear, attr::ATIME);
    }

    #[test]
    fn recursive_attributes_and_propagation_are_not_mixed_up() {
        let options = parsed(&["rbind", "rro", "rslave", "private", "rnoexec"]);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.set_all, attr::RDONLY | attr::NOEXEC);
        assert_eq!(options.set, 0);
        let expected = vec![(libc::MS_SLAVE, true), (libc::MS_PRIVATE, false)];
        assert_eq!(options.propagation, expected);
    }

    #[test]
    fn a_plain_bind_after_rbind_stays_recursive() {
        assert_eq!(parsed(&["rbind", "bind"]).bind, Some(true));
        assert_eq!(parsed(&["bind"]).bind, Some(false));
    }

    #[test]
    fn the_rest_is_the_filesystems() {
        let options = parsed(&["mode=755,size=64k", "lowerdir=/a\\,b:/c", "tmpcopyup"]);
        assert_eq!(options.data, ["mode=755", "size=64k", "lowerdir=/a\\,b:/c"]);
        assert!(options.copy_up);
    }

    #[test]
    fn what_can_not_be_done_is_refused() {
        for option in ["idmap", "ridmap", "remount", "a\0"] {
            assert!(parse(&[option.to_owned()]).is_err(), "{option}");
        }
        assert!(parse(&vec!["ro".to_owned(); 257]).is_err());
    }
}
