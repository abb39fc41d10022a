//! Boots real guests, healthy ones and ones that were broken on purpose.
//!
//! They are the project's own, from `target/kata/<arch>` (made by `cargo xtask
//! build-kernel`, `build-image --distro alpine` and `--distro debian`), or those
//! that `KATA_TEST_KERNEL`, `KATA_TEST_INITRD` (the agent as /init, busybox) and
//! `KATA_TEST_IMAGE` (ext4, systemd; `KATA_TEST_IMAGE_INIT=agent` if its init is
//! the agent) name:
//!
//! ```text
//! cargo nextest run -p boot-check --features boot-tests
//! ```
//!
//! The suite's containers are made of the host's static busybox and of the image.
//!
//! Host programs come from `KATA_TEST_TOOLS`, else from `target/tools/bin`, then
//! from PATH. Guests run under TCG, so that results do not depend on the host.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod broken;
mod guest;
mod healthy;
mod measured;
mod suite;
