//! Every inode of the tree with its links, attributes and contents, as far as
//! they don't depend on where anything lies.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rootfs::{Inode, InodeId, Kind, Tree};

use super::directory::{self, Name};
use super::pack::{self, Packed};
use super::{ErofsCompression, ErofsOptions, xattr};
use crate::error::ImageError;
use crate::linux::{TYPE_DIRECTORY, file_type};

/// What an inode's blocks hold.
pub(super) enum Body<'t> {
    /// Nothing: devices, pipes.
    None,
    /// A directory's names.
    Directory(Vec<Name<'t>>),
    /// The target of a link.
    Symlink(&'t [u8]),
    /// A file, as it is.
    File(&'t [u8]),
    /// A file, compressed.
    Packed(Packed, &'t [u8]),
}

impl Body<'_> {
    /// Bytes that a reader sees.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Directory(names) => directory::length(names),
            Self::Symlink(bytes) | Self::File(bytes) | Self::Packed(_, bytes) => bytes.len(),
        }
    }

    /// Bytes that are stored, but for directories.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::None | Self::Directory(_) => &[],
            Self::Symlink(bytes) | Self::File(bytes) => bytes,
            Self::Packed(packed, _) => &packed.blocks,
        }
    }

    /// A directory's bytes, once inodes have numbers.
    pub(super) fn directory(&self, number: impl Fn(usize) -> u64) -> Option<Vec<u8>> {
        match self {
            Self::Directory(names) => Some(directory::encode(names, number)),
            _ => None,
        }
    }

    pub(super) fn packed(&self) -> Option<&Packed> {
        match self {
            Self::Packed(packed, _) => Some(packed),
            _ => None,
        }
    }
}

/// One inode.
pub(super) struct Node<'t> {
    pub(super) path: &'t str,
    pub(super) inode: &'t Inode,
    pub(super) links: u32,
    /// Encoded attributes, or empty.
    pub(super) xattrs: Vec<u8>,
    pub(super) body: Body<'t>,
}

/// All inodes, the root first, in order of their first path.
pub(super) fn list<'t>(
    tree: &'t Tree,
    options: &ErofsOptions,
) -> Result<Vec<Node<'t>>, ImageError> {
    let mut indexes: BTreeMap<InodeId, usize> = BTreeMap::new();
    let mut nodes: Vec<Node<'t>> = Vec::new();
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, id, inode) in tree.walk() {
        let index = *indexes.entry(id).or_insert(nodes.len());
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        // `walk` gives a directory before what is in it, and the root is its own
        // parent.
        let parent = folders.get(above).copied().unwrap_or_default();
        if index == nodes.len() {
            nodes.push(node(tree, path, id, index, parent)?);
        }
        if inode.kind.is_directory() {
            folders.insert(path, index);
        }
        if !path.is_empty()
            && let Some(Node { body: Body::Directory(names), links, .. }) = nodes.get_mut(parent)
        {
            names.push(Name {
                name: name.as_bytes(),
                node: index,
                file_type: file_type(&inode.kind),
            });
            *links += u32::from(inode.kind.is_directory());
        }
    }
    for node in &mut nodes {
        if let Body::Directory(names) = &mut node.body {
            // The dots take their places among the rest.
            names.sort_by_key(|name| name.name);
        }
    }
    if options.compression != ErofsCompression::None {
        compress(&mut nodes, options);
    }
    Ok(nodes)
}

fn node<'t>(
    tree: &'t Tree,
    path: &'t str,
    id: InodeId,
    index: usize,
    parent: usize,
) -> Result<Node<'t>, ImageError> {
    let inode = tree.inode(id);
    let (links, body) = match &inode.kind {
        Kind::Directory => {
            let dot = |name, node| Name { name, node, file_type: TYPE_DIRECTORY };
            (2, Body::Directory(vec![dot(b".", index), dot(b"..", parent)]))
        }
        Kind::Symlink(target) => (tree.link_count(id), Body::Symlink(target.as_bytes())),
        Kind::File(content) => (tree.link_count(id), Body::File(content.as_slice())),
        _ => (tree.link_count(id), Body::None),
    };
    let xattrs = xattr::encode(path, &inode.xattrs)?;
    Ok(Node { path, inode, links, xattrs, body })
}

/// Compresses the files that become smaller by it, on all cores. Each is
/// compressed alone, so that the outcome depends on nothing else.
fn compress(nodes: &mut [Node<'_>], options: &ErofsOptions) {
    nodes.par_iter_mut().for_each(|node| {
        if let Body::File(bytes) = node.body
            && let Some(packed) = pack::pack(bytes, options)
        {
            node.body = Body::Packed(packed, bytes);
        }
    });
}
