//! Containers as the agent keeps them: the container itself, its processes, the
//! storages that it uses. What a container is made of is `guest-container`'s matter;
//! this knows no RPC.

pub mod prepare;

pub use prepare::{GuestHooks, NoDevice};
