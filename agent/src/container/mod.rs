//! Containers as the agent keeps them: the container itself, its processes, the
//! storages that it uses. What a container is made of is `guest-container`'s matter;
//! this knows no RPC.

pub mod bundle;
mod devices;
mod oom;
pub mod prepare;
mod process;
mod record;
mod table;

pub use devices::{KINDS, find as find_devices};
pub use oom::{OomEvents, Watched};
pub use prepare::{GuestHooks, NoDevice};
pub use process::Running;
pub use record::{Exec, Record, Which};
pub use table::{Containers, Place};
