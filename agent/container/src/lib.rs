//! An OCI container inside the guest, made as runc would make it. The crate knows no
//! RPC: its words are the OCI runtime spec's (`oci_spec::runtime`).
//!
//! # How to use it
//!
//! - First thing in `main`: `if let Some(code) = guest_container::run_if_asked() { return
//!   code }`. Every process of a container begins as this program, executed again.
//! - [`Options::new`] takes who starts and collects children ([`Children`]): as process 1
//!   the agent has one collector, and this crate never waits for a child itself.
//! - [`Container::create`] makes everything but runs nothing; [`Container::start`] runs the
//!   program; [`Container::exec`] one more. A [`Process`] has an [`Exit`] that tells the
//!   code, 128 plus the signal for a killed one, and [`Streams`].
//! - [`Container::signal_all`], [`Process::signal`], [`Container::pause`],
//!   [`Container::resume`], [`Container::update`], and at last [`Container::delete`].
//!
//! All calls are synchronous, and some wait: for the set-up of a process (no longer than
//! [`Options::patience`]), for hooks, for a frozen cgroup. Call them from a thread that
//! does not collect children.
//!
//! # How it works
//!
//! `launch` makes the new process with clone3: in its cgroup, in its pid namespace, and in
//! its user namespace with its users mapped. So it is the caller's own child from the
//! start, and nothing in between needs to be waited for. It executes this program again
//! (`stage`), which has one thread, and talks with its starter over a socket (`protocol`):
//! it gets the spec, makes the other namespaces, mounts, devices, hooks, user and rights,
//! says what failed if something did, and waits to become the container's program.
//!
//! Paths within the container's root filesystem are never walked twice and never left
//! (`confine`); mounts are made detached and moved to a place that is held open.

mod capabilities;
mod cgroup;
mod children;
mod confine;
mod container;
mod devices;
mod error;
mod hooks;
mod id;
mod identity;
mod launch;
mod mounts;
mod namespaces;
mod network;
mod options;
mod os;
mod process;
mod procfs;
mod program;
mod protocol;
mod rlimits;
mod rootfs;
mod seccomp;
mod spec;
mod stage;
mod sysctl;
mod terminal;
mod user;

pub use cgroup::{
    CpuStats, HugetlbStats, IoEntry, IoStats, MemoryCounter, MemoryStats, OomNews, OomWatch,
    PidsStats, Stats, Throttling,
};
pub use children::{Children, Ended, Exit, OwnChildren};
pub use container::{Container, Status};
pub use error::Error;
pub use id::check as check_id;
pub use options::Options;
pub use process::{Process, Stdio, Streams, resize};
pub use spec::{Invalid, Surroundings, check as check_spec, fuzz_spec};
pub use stage::run_if_asked;
pub use terminal::Size;
