//! Where a store lives and how patient it is.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`Store`](crate::Store); [`StoreOptions::new`] gives the usual ones.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The store's folder, made on opening where it is missing.
    pub dir: PathBuf,
    /// Never open a socket; `file:` URLs and what the store holds still work.
    pub offline: bool,
    /// How often a transfer is tried again at one URL after a passing failure.
    pub retries: u32,
    /// Longest wait for a name to resolve, and again for a connection.
    pub connect_timeout: Duration,
    /// Longest silence in an open connection; the whole transfer has no limit.
    pub read_timeout: Duration,
    /// How many bytes a server must send in each [`pace_period`](Self::pace_period);
    /// fewer are a passing failure.
    pub pace_bytes: u64,
    /// See [`pace_bytes`](Self::pace_bytes); an answer's head, too, must be
    /// there in this time or in `read_timeout`, whichever is longer.
    pub pace_period: Duration,
    /// A netrc file with logins for `http` and `https` URLs that bring none;
    /// read on opening unless `offline`.
    pub netrc: Option<PathBuf>,
}

impl StoreOptions {
    /// The usual settings for a store in `dir`: online, three retries, 15 s to
    /// connect, 30 s of silence, 64 KiB in 60 s, and the logins of
    /// [`default_netrc`].
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            offline: false,
            retries: 3,
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            pace_bytes: 64 * 1024,
            pace_period: Duration::from_secs(60),
            netrc: default_netrc(),
        }
    }
}

/// The folder of the user's own store: `$KATA_STORE`, else
/// `$XDG_CACHE_HOME/kata-osbuilder`, else `~/.cache/kata-osbuilder`.
///
/// Empty variables count as unset, and so does a relative `$XDG_CACHE_HOME`,
/// as the XDG specification asks. Without a home the folder is
/// `.cache/kata-osbuilder` below the current one.
#[must_use]
pub fn default_dir() -> PathBuf {
    dir_from(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn dir_from(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    const NAME: &str = "kata-osbuilder";
    if let Some(dir) = variable("KATA_STORE") {
        return dir;
    }
    if let Some(cache) = variable("XDG_CACHE_HOME").filter(|dir| dir.is_absolute()) {
        return cache.join(NAME);
    }
    variable("HOME").unwrap_or_default().join(".cache").join(NAME)
}

/// The user's file of logins: `$NETRC` where it is set and not empty, else
/// `~/.netrc` where there is one.
#[must_use]
pub fn default_netrc() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("NETRC")
        .or_else(|| set("HOME").map(|home| home.join(".netrc")).filter(|path| path.exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> String {
        let find = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into());
        dir_from(find).display().to_string()
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let all = [("KATA_STORE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(with(&all), "/a");
        assert_eq!(with(&all[1..]), "/b/kata-osbuilder");
        assert_eq!(with(&all[2..]), "/c/.cache/kata-osbuilder");
        assert_eq!(with(&[("XDG_CACHE_HOME", "b"), ("HOME", "/c")]), "/c/.cache/kata-osbuilder");
        assert_eq!(with(&[]), ".cache/kata-osbuilder");
    }
}
