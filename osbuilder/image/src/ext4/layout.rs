//! Which block holds what.
//!
//! All metadata lies at the front, then directories, then files in a row, so
//! that a guest reads little and far-apart pages are rare. Only backup
//! superblocks, whose places the format fixes, interrupt files. It must not
//! know how anything is encoded.

use super::extent::{self, Extent, MAX_LENGTH};
use super::nodes::{Data, Nodes};
use super::{BlockSize, Ext4Options, PAGE, Piece};
use crate::error::ImageError;

/// Bytes of a huge page.
const HUGE_PAGE: u64 = 2 << 20;
/// Inodes that a group's bitmap tells in whole bytes.
const WHOLE_BYTE: u64 = 8;
/// Bytes of a group descriptor.
pub(super) const DESCRIPTOR: u64 = 32;
/// Blocks the last group has at least besides its backup; checkers and
/// kernels find smaller ones odd.
const LAST_GROUP: u64 = 64;

/// Where one inode's blocks are.
#[derive(Default)]
pub(super) struct Place {
    pub(super) extents: Vec<Extent>,
    pub(super) leaves: Vec<u64>,
    leaf_bytes: Vec<u8>,
    pub(super) xattr_block: Option<u64>,
}

/// The whole file system's blocks.
pub(super) struct Layout {
    pub(super) block: BlockSize,
    pub(super) groups: u64,
    pub(super) blocks: u64,
    pub(super) inodes_per_group: u32,
    pub(super) descriptor_blocks: u64,
    pub(super) block_bitmaps: Vec<u64>,
    pub(super) inode_bitmaps: Vec<u64>,
    pub(super) inode_tables: Vec<u64>,
    /// One for each node, in the nodes' order.
    pub(super) places: Vec<Place>,
    pub(super) lost_and_found: Place,
    /// Everything in use: first block and count, superblocks included.
    pub(super) used: Vec<(u64, u64)>,
}

impl Layout {
    /// Finds the smallest number of groups that holds everything.
    pub(super) fn plan(
        nodes: &Nodes<'_>,
        options: &Ext4Options,
        first_block: u64,
    ) -> Result<Self, ImageError> {
        let inodes = u64::from(nodes.last) + u64::from(options.extra_inodes);
        let block = options.block_size;
        let data: u64 = nodes.list.iter().map(|node| node.data.blocks(block)).sum();
        let free = options.free_bytes.div_ceil(block.bytes());
        let mut groups = inodes
            .div_ceil(block.per_group())
            .max(data.saturating_add(free).div_ceil(block.per_group()))
            .max(1);
        loop {
            // 32-bit block numbers end here; also what stops this loop.
            if groups.saturating_mul(block.per_group()) >= u64::from(u32::MAX) {
                return Err(ImageError::TooLarge);
            }
            let mut layout = Self::with_groups(nodes, options, first_block, groups, inodes)?;
            let end = layout.end();
            layout.blocks = layout.total(end, free);
            let needed = (layout.blocks - block.first()).div_ceil(block.per_group());
            if needed <= groups {
                layout.claim_backups();
                return Ok(layout);
            }
            groups = needed;
        }
    }

    /// All inodes there is room for.
    pub(super) fn inodes(&self) -> u32 {
        u32::try_from(self.groups).unwrap_or(u32::MAX).saturating_mul(self.inodes_per_group)
    }

    /// Groups that carry a backup of superblock and descriptors.
    pub(super) fn backup_groups(&self) -> impl Iterator<Item = u64> {
        (1..self.groups).filter(|group| has_superblock(*group))
    }

    /// What goes where, apart from the tables: directories, links, files,
    /// extent leaves and attribute blocks.
    pub(super) fn data_pieces<'a>(&'a self, nodes: &'a Nodes<'_>) -> Vec<Piece<'a>> {
        let mut pieces = Vec::with_capacity(nodes.list.len());
        for (node, place) in nodes.list.iter().zip(&self.places) {
            place.pieces(node.data.bytes(), self.block, &mut pieces);
            if let Some(block) = place.xattr_block {
                pieces.push(Piece { block, bytes: &node.xattrs.block });
            }
        }
        if let Some((_, _, data)) = nodes.made_lost_and_found() {
            self.lost_and_found.pieces(data, self.block, &mut pieces);
        }
        pieces
    }

    fn with_groups(
        nodes: &Nodes<'_>,
        options: &Ext4Options,
        first_block: u64,
        groups: u64,
        inodes: u64,
    ) -> Result<Self, ImageError> {
        let block = options.block_size;
        let per_group = inodes.div_ceil(groups).next_multiple_of(block.inodes().max(WHOLE_BYTE));
        let inodes_per_group = u32::try_from(per_group).map_err(|_| ImageError::TooLarge)?;
        let descriptor_blocks = (groups * DESCRIPTOR).div_ceil(block.bytes());
        let backup = 1 + descriptor_blocks;
        let first = block.first();
        let mut space =
            Space { block, cursor: first + backup, backup, used: vec![(first, backup)] };
        let table = per_group / block.inodes();
        let block_bitmaps = (0..groups).map(|_| space.run(1)).collect();
        let inode_bitmaps = (0..groups).map(|_| space.run(1)).collect();
        let inode_tables = (0..groups).map(|_| space.run(table)).collect();

        let mut places: Vec<Place> = nodes.list.iter().map(|_| Place::default()).collect();
        let mut lost_and_found = Place::default();
        if let Some((_, _, data)) = nodes.made_lost_and_found() {
            lost_and_found.extents = space.extents((data.len() / block.length()) as u64);
        }
        for (node, place) in nodes.list.iter().zip(&mut places) {
            if matches!(node.data, Data::Made(_)) {
                place.extents = space.extents(node.data.blocks(block));
            }
            if !node.xattrs.block.is_empty() {
                place.xattr_block = Some(space.run(1));
            }
        }
        place_files(nodes, options, first_block, &mut space, &mut places);
        for place in &mut places {
            let leaves = extent::leaves(place.extents.len(), block);
            if leaves > extent::IN_INODE {
                return Err(ImageError::TooLarge);
            }
            if leaves > 0 {
                place.leaves = (0..leaves).map(|_| space.run(1)).collect();
                place.leaf_bytes = extent::leaf_blocks(&place.extents, block);
            }
        }
        Ok(Self {
            block,
            groups,
            blocks: 0,
            inodes_per_group,
            descriptor_blocks,
            block_bitmaps,
            inode_bitmaps,
            inode_tables,
            places,
            lost_and_found,
            used: space.used,
        })
    }

    /// The first block after everything.
    fn end(&self) -> u64 {
        self.used.iter().map(|(start, count)| start + count).max().unwrap_or_default()
    }

    /// How many blocks the file system has so that `free` of them are free,
    /// all groups exist, the last one isn't a stump and the whole is in pages.
    fn total(&self, end: u64, free: u64) -> u64 {
        let allocated: u64 = self.used.iter().map(|(_, count)| count).sum();
        let backup = 1 + self.descriptor_blocks;
        let stump = |group: u64| LAST_GROUP + if has_superblock(group) { backup } else { 0 };
        let (first, per_group) = (self.block.first(), self.block.per_group());
        let least = self.block.start_of(self.groups - 1) + stump(self.groups - 1);
        let mut total = end.max(least);
        loop {
            let page = PAGE / self.block.bytes();
            total = total.next_multiple_of(page);
            let over = (total - first) % per_group;
            let last = (total - first) / per_group;
            if over != 0 && over < stump(last) {
                total = (total + stump(last) - over).next_multiple_of(page);
            }
            let last = (total - first).div_ceil(per_group);
            let backups = (1..last).filter(|group| has_superblock(*group)).count() as u64 * backup;
            let have = total - first - allocated - backups;
            if have >= free {
                return total;
            }
            total += free - have;
        }
    }

    fn claim_backups(&mut self) {
        let backups: Vec<(u64, u64)> = self
            .backup_groups()
            .map(|group| (self.block.start_of(group), 1 + self.descriptor_blocks))
            .collect();
        self.used.extend(backups);
    }
}

impl Place {
    fn pieces<'a>(&'a self, data: &'a [u8], block: BlockSize, pieces: &mut Vec<Piece<'a>>) {
        let length = block.length();
        let mut rest = data;
        for extent in &self.extents {
            let bytes = (extent.length as usize).saturating_mul(length).min(rest.len());
            let (now, later) = rest.split_at(bytes);
            pieces.push(Piece { block: extent.start, bytes: now });
            rest = later;
        }
        for (block, bytes) in self.leaves.iter().zip(self.leaf_bytes.chunks(length)) {
            pieces.push(Piece { block: *block, bytes });
        }
    }
}

/// Files in order; large ones at huge page boundaries if asked, with small
/// ones filling the room before them.
fn place_files(
    nodes: &Nodes<'_>,
    options: &Ext4Options,
    first_block: u64,
    space: &mut Space,
    places: &mut [Place],
) {
    let size = options.block_size;
    let huge_page = HUGE_PAGE / size.bytes();
    let blocks = |index: &usize| nodes.list.get(*index).map_or(0, |node| node.data.blocks(size));
    let files = (0..nodes.list.len()).filter(
        |index| matches!(nodes.list.get(*index), Some(n) if matches!(n.data, Data::File(_))),
    );
    let (large, mut small): (Vec<usize>, Vec<usize>) =
        files.partition(|index| options.huge_page_files && blocks(index) >= huge_page);
    let mut put = |space: &mut Space, index: usize| {
        if let Some(place) = places.get_mut(index) {
            place.extents = space.extents(blocks(&index));
        }
    };
    for index in large {
        let to_boundary = |space: &Space| {
            let at = first_block + space.cursor;
            at.next_multiple_of(huge_page) - at
        };
        let mut room = to_boundary(space);
        small.retain(|index| {
            let fits = blocks(index) <= room;
            if fits {
                room -= blocks(index);
                put(space, *index);
            }
            !fits
        });
        // A backup superblock in the room may have moved things.
        space.cursor += to_boundary(space);
        put(space, index);
    }
    for index in small {
        put(space, index);
    }
}

/// Gives out blocks in rising order around the backup superblocks.
struct Space {
    block: BlockSize,
    cursor: u64,
    /// Blocks of a backup: superblock and descriptors.
    backup: u64,
    used: Vec<(u64, u64)>,
}

impl Space {
    /// Blocks in a row; steps over what lies before a backup if need be.
    fn run(&mut self, count: u64) -> u64 {
        loop {
            self.skip_backup();
            let start = self.cursor;
            let next = self.next_backup();
            if start + count <= next {
                self.take(count);
                return start;
            }
            self.cursor = next;
        }
    }

    /// Blocks in as few rows as possible.
    fn extents(&mut self, mut count: u64) -> Vec<Extent> {
        let mut extents = Vec::new();
        while count > 0 {
            self.skip_backup();
            let length = count.min(self.next_backup() - self.cursor).min(MAX_LENGTH);
            let start = self.cursor;
            self.take(length);
            count -= length;
            extents.push(Extent { start, length: u32::try_from(length).unwrap_or_default() });
        }
        extents
    }

    fn take(&mut self, count: u64) {
        match self.used.last_mut() {
            Some((start, length)) if *start + *length == self.cursor => *length += count,
            _ => self.used.push((self.cursor, count)),
        }
        self.cursor += count;
    }

    fn skip_backup(&mut self) {
        let from_first = self.cursor - self.block.first();
        let group = from_first / self.block.per_group();
        let inside = from_first % self.block.per_group();
        if has_superblock(group) && inside < self.backup {
            self.cursor += self.backup - inside;
        }
    }

    /// Where the next backup starts. There is always one: powers of 3 go on.
    fn next_backup(&self) -> u64 {
        let mut group = (self.cursor - self.block.first()) / self.block.per_group() + 1;
        while !has_superblock(group) {
            group += 1;
        }
        self.block.start_of(group)
    }
}

/// Groups 0, 1 and the powers of 3, 5 and 7.
fn has_superblock(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
}
