//! From a finished tree to the bytes of an artifact: the words of the recipe as
//! options of the image writers. It must not know packages or mirrors.

use crate::manifest::VerityRecord;
use image::{
    BlockSize, Compression as Packing, DiskOptions, ErofsCompression, ErofsOptions, Ext4Options,
    FilesystemWriter, ImageError, InitrdOptions,
};
use recipe::{Compression, Filesystem, Form, ImageForm, Recipe};
use rootfs::Tree;
use std::fs::File;
use std::io::{BufWriter, Write};
use tracing::warn;

/// Writes the artifact; tells what a kernel must know of its dm-verity tree,
/// where an image gets one.
pub(crate) fn write_artifact(
    tree: &Tree,
    recipe: &Recipe,
    form: &Form,
    identity: [u8; 32],
    verity: bool,
    mut file: File,
) -> Result<Option<VerityRecord>, ImageError> {
    match form {
        Form::Initrd { compression } => {
            let compression = match compression {
                Compression::Gzip => Packing::Gzip(9),
                Compression::Zstd => Packing::Zstd(19),
                Compression::Xz => Packing::Xz(6),
                Compression::Lz4 | Compression::Lz4hc => Packing::Lz4,
                Compression::None => Packing::None,
            };
            let mut out = BufWriter::with_capacity(1 << 20, file);
            let stats = image::write_initrd(tree, &InitrdOptions { compression }, &mut out)?;
            for dropped in &stats.dropped_xattrs {
                warn!("an initrd can't carry extended attributes: left out {dropped}");
            }
            out.flush()?;
        }
        Form::Tar => {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            image::write_tar(tree, &mut out)?;
        }
        Form::Image(form) => {
            let filesystem = filesystem(form, recipe.source_date_epoch, &identity);
            let options = DiskOptions {
                dax_header: form.dax_header,
                align_bytes: u64::from(form.alignment_mib) << 20,
            };
            let disk = image::write_disk(tree, &*filesystem, &options, &mut file)?;
            if verity {
                // A salt out of what is in the image: other images, other digests,
                // and the same image twice the same.
                let (_, tree) =
                    image::add_verity(&mut file, &disk, options.align_bytes, &identity)?;
                return Ok(Some(record(&tree)));
            }
        }
    }
    Ok(None)
}

fn filesystem(form: &ImageForm, epoch: i64, identity: &[u8; 32]) -> Box<dyn FilesystemWriter> {
    match form.filesystem {
        Filesystem::Ext4 => Box::new(Ext4Options {
            // A recipe with any other size is refused when it is read.
            block_size: BlockSize::of_bytes(form.block_size).unwrap_or_default(),
            label: form.label.clone(),
            uuid: uuid(identity, 0),
            hash_seed: uuid(identity, 16),
            timestamp: epoch,
            free_bytes: u64::from(form.free_space_mib) << 20,
            extra_inodes: 256,
            reserved_percent: 0,
            huge_page_files: false,
        }),
        Filesystem::Erofs => Box::new(ErofsOptions {
            label: form.label.clone(),
            uuid: uuid(identity, 0),
            timestamp: epoch,
            compression: match form.compression {
                Compression::Lz4 => ErofsCompression::Lz4,
                Compression::Lz4hc => ErofsCompression::Lz4Hc,
                _ => ErofsCompression::None,
            },
            // Every block of a file must be one that DAX can map, where it is
            // there at all.
            inline_tails: !form.dax(),
        }),
    }
}

fn record(tree: &image::verity::VerityTree) -> VerityRecord {
    VerityRecord {
        root_hash: hex::encode(tree.root_hash),
        salt: hex::encode(&tree.salt),
        data_blocks: tree.data_blocks,
        kernel_verity_params: tree.parameters(),
        dm_create_nvdimm: tree.dm_create("/dev/pmem0p1", "/dev/pmem0p2"),
        dm_create_virtio_blk: tree.dm_create("/dev/vda1", "/dev/vda2"),
    }
}

/// A version 8 (made by own rules) UUID out of a digest: the filesystem's
/// identity follows from what is in it, not from chance.
pub(crate) fn uuid(digest: &[u8; 32], from: usize) -> [u8; 16] {
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&digest[from..from + 16]);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}
