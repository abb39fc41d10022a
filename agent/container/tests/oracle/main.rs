//! The same bundles under Debian's runc and under our code: what a container sees must
//! be equal. Each case is first shown to hold on runc, so that none compares two
//! nothings. Beside them are hostile bundles, which runc need not be asked about.
//!
//! They need root, runc and a static busybox, and a mounted unified cgroup hierarchy:
//! compiled with the feature `runc-oracle` only. Limits of cgroups are not compared
//! here, since the host may have its controllers in the older hierarchies; a test in
//! the guest does that.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod bundle;
mod case;
mod clean;
mod codes;
mod devices;
mod hooks;
mod hostile;
mod life;
mod limits;
mod mountinfo;
mod mounts;
mod namespaces;
mod parameters;
mod program;
mod propagation;
mod restricted;
mod rights;
mod runtimes;
mod seccomp;
mod story;
mod terminal;
mod users;
