//! Superblock, group descriptors, bitmaps and inode tables, ready to write.
//!
//! It must not decide anything: nodes and layout have.

use super::inode::Record;
use super::layout::{DESCRIPTOR, Layout, Place};
use super::nodes::Nodes;
use super::{Ext4Options, INODE_SIZE, Piece, low16, low32, set};
use crate::error::ImageError;

/// Inode numbers the format keeps for itself; all count as used.
const RESERVED_INODES: u32 = 10;
/// Where the superblock starts in the file system, in bytes.
const SUPERBLOCK_AT: usize = 1024;

/// Extended attributes exist.
const COMPAT: u32 = 0x8;
/// File types in directories; extents; metadata anywhere ("flex_bg").
const INCOMPAT: u32 = 0x2 | 0x40 | 0x200;
/// Few superblock backups; large files; unlimited subdirectories; large inodes.
const RO_COMPAT: u32 = 0x1 | 0x2 | 0x20 | 0x40;
/// User attributes, ACLs, and `data=ordered`: with the last one in the
/// superblock the mount option of that name is no change and is accepted,
/// although there is no journal.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8 | 0x40;

/// Everything that isn't files' and directories' data.
pub(super) struct Tables {
    /// The block group 0 starts with: the superblock, and what may be before it.
    first_block: Vec<u8>,
    descriptors: Vec<u8>,
    /// Superblocks of the backup groups: block and bytes.
    backups: Vec<(u64, Vec<u8>)>,
    block_bitmaps: Vec<u8>,
    inode_bitmaps: Vec<u8>,
    inodes: Vec<u8>,
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u32,
}

impl Tables {
    pub(super) fn build(
        nodes: &Nodes<'_>,
        layout: &Layout,
        options: &Ext4Options,
    ) -> Result<Self, ImageError> {
        let groups = usize::try_from(layout.groups).map_err(|_| ImageError::TooLarge)?;
        let block_bitmaps = block_bitmaps(layout, groups);
        let used_inodes = nodes.last;
        let inode_bitmaps = inode_bitmaps(layout, groups, used_inodes);
        let mut tables = Self {
            first_block: vec![0; layout.block.length()],
            descriptors: Vec::new(),
            backups: Vec::new(),
            free_blocks: zeros(&block_bitmaps),
            free_inodes: layout.inodes() - used_inodes,
            block_bitmaps,
            inode_bitmaps,
            inodes: inode_table(nodes, layout, options)?,
        };
        tables.descriptors = tables.descriptors(nodes, layout);
        let superblock = tables.superblock(layout, options);
        let before = usize::try_from(layout.block.first()).unwrap_or_default();
        let at = SUPERBLOCK_AT - before * layout.block.length();
        set(&mut tables.first_block, at, &superblock);
        for group in layout.backup_groups() {
            let mut block = vec![0; layout.block.length()];
            set(&mut block, 0, &superblock);
            // A backup says which group it is in.
            set(&mut block, 90, &low16(group).to_le_bytes());
            tables.backups.push((layout.block.start_of(group), block));
        }
        Ok(tables)
    }

    pub(super) fn pieces<'a>(&'a self, layout: &Layout) -> Vec<Piece<'a>> {
        let first = layout.block.first();
        let mut pieces = vec![
            Piece { block: first, bytes: &self.first_block },
            Piece { block: first + 1, bytes: &self.descriptors },
        ];
        let block = layout.block.length();
        for (at, bytes) in &self.backups {
            pieces.push(Piece { block: *at, bytes });
            pieces.push(Piece { block: at + 1, bytes: &self.descriptors });
        }
        let table = layout.inodes_per_group as usize * INODE_SIZE;
        let parts = [
            (&layout.block_bitmaps, self.block_bitmaps.chunks(block)),
            (&layout.inode_bitmaps, self.inode_bitmaps.chunks(block)),
            (&layout.inode_tables, self.inodes.chunks(table)),
        ];
        for (blocks, bytes) in parts {
            pieces.extend(
                blocks.iter().zip(bytes).map(|(block, bytes)| Piece { block: *block, bytes }),
            );
        }
        pieces
    }

    fn descriptors(&self, nodes: &Nodes<'_>, layout: &Layout) -> Vec<u8> {
        let per_group = layout.inodes_per_group;
        let mut directories = vec![0u64; layout.block_bitmaps.len()];
        for number in nodes.directories() {
            if let Some(count) = directories.get_mut(((number - 1) / per_group) as usize) {
                *count += 1;
            }
        }
        let descriptor = usize::try_from(DESCRIPTOR).unwrap_or_default();
        let mut bytes = vec![0; directories.len() * descriptor];
        let blocks = layout.block_bitmaps.iter().zip(&layout.inode_bitmaps);
        let block = layout.block.length();
        let maps = self.block_bitmaps.chunks(block).zip(self.inode_bitmaps.chunks(block));
        let rows = blocks.zip(&layout.inode_tables).zip(maps).zip(directories);
        for (one, row) in bytes.chunks_mut(descriptor).zip(rows) {
            let ((((block_bitmap, inode_bitmap), table), (block_map, inode_map)), directories) =
                row;
            set(one, 0, &low32(*block_bitmap).to_le_bytes());
            set(one, 4, &low32(*inode_bitmap).to_le_bytes());
            set(one, 8, &low32(*table).to_le_bytes());
            set(one, 12, &low16(zeros(block_map)).to_le_bytes());
            set(one, 14, &low16(zeros(inode_map)).to_le_bytes());
            set(one, 16, &low16(directories).to_le_bytes());
        }
        bytes
    }

    fn superblock(&self, layout: &Layout, options: &Ext4Options) -> [u8; 1024] {
        let reserved = layout.blocks * u64::from(options.reserved_percent) / 100;
        let time = low32(options.timestamp.cast_unsigned());
        let group = low32(layout.block.per_group());
        let exponent = layout.block.exponent();
        let mut block = [0u8; 1024];
        let words: [(usize, u32); 30] = [
            (0, layout.inodes()),
            (4, low32(layout.blocks)),
            (8, low32(reserved)),
            (12, low32(self.free_blocks)),
            (16, self.free_inodes),
            (20, low32(layout.block.first())),
            (24, exponent), // block size: 1024 shifted by it
            (28, exponent), // cluster size, the same
            (32, group),
            (36, group),
            (40, layout.inodes_per_group),
            (44, 0), // never mounted
            (48, time),
            (64, time), // last check
            (68, 0),    // no checks by time
            (72, 0),    // made for Linux
            (76, 1),    // format with large inodes
            (84, RESERVED_INODES + 1),
            (92, COMPAT),
            (96, INCOMPAT),
            (100, RO_COMPAT),
            (224, 0), // no journal
            (256, MOUNT_OPTIONS),
            (264, time),              // making
            (348, 0x20 | 0x20 << 16), // extra inode bytes, least and wanted
            (352, 1),                 // directory hashes take characters as signed
            (336, 0),                 // high half of the block count
            (260, 0),                 // no meta block groups
            (232, 0),                 // no orphans
            (228, 0),                 // no journal device
        ];
        for (at, word) in words {
            set(&mut block, at, &word.to_le_bytes());
        }
        let halves: [(usize, u16); 7] = [
            (54, u16::MAX), // no checks by number of mounts
            (56, 0xef53),   // magic
            (58, 1),        // clean
            (60, 1),        // on errors: continue, unless mounted otherwise
            (88, low16(INODE_SIZE as u64)),
            (52, 0),
            (62, 0),
        ];
        for (at, half) in halves {
            set(&mut block, at, &half.to_le_bytes());
        }
        set(&mut block, 104, &options.uuid);
        set(&mut block, 120, options.label.as_bytes());
        set(&mut block, 236, &options.hash_seed);
        block[252] = 1; // hash of choice: half MD4
        block[372] = 4; // 16 groups share allocation ("flex")
        block
    }
}

fn block_bitmaps(layout: &Layout, groups: usize) -> Vec<u8> {
    let mut bitmaps = vec![0u8; groups * layout.block.length()];
    let first = layout.block.first();
    for (start, count) in &layout.used {
        mark(&mut bitmaps, start - first, start + count - first);
    }
    // What lies behind the end counts as used.
    mark(&mut bitmaps, layout.blocks - first, layout.groups * layout.block.per_group());
    bitmaps
}

fn inode_bitmaps(layout: &Layout, groups: usize, used: u32) -> Vec<u8> {
    let mut bitmaps = vec![0u8; groups * layout.block.length()];
    let per_group = u64::from(layout.inodes_per_group);
    let mut left = u64::from(used);
    for bitmap in bitmaps.chunks_mut(layout.block.length()) {
        let here = left.min(per_group);
        mark(bitmap, 0, here);
        mark(bitmap, per_group, layout.block.per_group());
        left -= here;
    }
    bitmaps
}

fn inode_table(
    nodes: &Nodes<'_>,
    layout: &Layout,
    options: &Ext4Options,
) -> Result<Vec<u8>, ImageError> {
    debug_assert!(u64::from(layout.inodes_per_group).is_multiple_of(layout.block.inodes()));
    let mut table = vec![0u8; layout.inodes() as usize * INODE_SIZE];
    let mut put = |number: u32, record: &Record<'_>| {
        set(&mut table, (number as usize - 1) * INODE_SIZE, &record.encode()?);
        Ok::<_, ImageError>(())
    };
    let (created, block) = (options.timestamp, layout.block);
    for (node, place) in nodes.list.iter().zip(&layout.places) {
        let record = Record {
            path: node.path,
            inode: node.inode,
            links: node.links,
            size: node.data.bytes().len() as u64,
            place,
            xattrs: &node.xattrs.in_inode,
            created,
            block,
        };
        put(node.number, &record)?;
    }
    if let Some((number, inode, data)) = nodes.made_lost_and_found() {
        let place: &Place = &layout.lost_and_found;
        let size = data.len() as u64;
        let (path, links) = ("lost+found", 2);
        put(number, &Record { path, inode, links, size, place, xattrs: &[], created, block })?;
    }
    Ok(table)
}

/// Sets the bits `from..to`.
fn mark(bitmap: &mut [u8], from: u64, to: u64) {
    let mut bit = from;
    while bit < to {
        let whole = bit.is_multiple_of(8) && to - bit >= 8;
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bitmap.get_mut(at)) {
            *byte |= if whole { 0xff } else { 1 << (bit % 8) };
        }
        bit += if whole { 8 } else { 1 };
    }
}

fn zeros(bitmap: &[u8]) -> u64 {
    bitmap.iter().map(|byte| u64::from(byte.count_zeros())).sum()
}
