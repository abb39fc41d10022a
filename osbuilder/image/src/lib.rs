//! Writers that turn a file tree into an initrd or a disk image.
//!
//! Everything happens in this process: no mkfs, no mount, no loop device, no
//! root. The same tree and options give the same bytes on any machine. The
//! crate must not know packages or recipes: what to write and every time,
//! identifier and seed comes from the caller.

pub mod disk;
pub mod erofs;
mod error;
pub mod ext4;
mod filesystem;
pub mod initrd;
mod linux;
mod lz4;
pub mod oci;
mod output;
pub mod tar;
pub mod verity;

pub use disk::{DiskOptions, DiskStats, add_verity, write_disk};
pub use erofs::{ErofsCompression, ErofsOptions, ErofsStats, write_erofs};
pub use error::ImageError;
pub use ext4::{BlockSize, Ext4Options, Ext4Stats, write_ext4};
pub use filesystem::FilesystemWriter;
pub use initrd::{Compression, InitrdOptions, InitrdStats, write_initrd};
pub use output::Output;
pub use tar::{TarStats, write_tar};
pub use verity::VerityTree;
