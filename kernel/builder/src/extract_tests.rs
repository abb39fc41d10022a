//! Tests of unpacking: what is written, what is left out, and every way in
//! which an archive could reach outside its folder.

use super::*;

enum Item<'a> {
    File(&'a str, &'a str, u32),
    Link(&'a str, &'a str),
    Kind(&'a str, tar::EntryType),
}

/// A tar archive with any names, also ones that the tar crate would refuse.
fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_ustar();
        let (name, kind, content, mode) = match item {
            Item::File(name, content, mode) => (name, tar::EntryType::Regular, *content, *mode),
            Item::Link(name, target) => {
                header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
                (name, tar::EntryType::Symlink, "", 0o777)
            }
            Item::Kind(name, kind) => (name, *kind, "", 0o755),
        };
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack(items: &[Item<'_>]) -> (tempfile::TempDir, Result<(), String>) {
    let dir = tempfile::tempdir().unwrap();
    let result = extract(&tar_of(items)[..], &dir.path().join("tree"), "x86");
    (dir, result.map_err(|error| error.to_string()))
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn files_links_and_modes_come_out_of_plain_and_packed_archives() {
    use std::os::unix::fs::PermissionsExt as _;
    let tar = tar_of(&[
        Item::Kind("linux-1/", tar::EntryType::Directory),
        Item::File("linux-1/Makefile", "all:", 0o664),
        Item::File("linux-1/scripts/run.sh", "#!/bin/sh", 0o775),
        Item::Link("linux-1/scripts/up", "../Makefile"),
    ]);
    for archive in [tar.clone(), xz(&tar)] {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        extract(&archive[..], &tree, "x86").unwrap();
        assert_eq!(fs::read_to_string(tree.join("scripts/up")).unwrap(), "all:");
        let mode = |name: &str| fs::metadata(tree.join(name)).unwrap().permissions().mode() & 0o100;
        assert_eq!((mode("Makefile"), mode("scripts/run.sh")), (0, 0o100));
    }
}

#[test]
fn what_no_guest_compiles_is_left_out_except_for_kconfig() {
    let names = [
        "l/arch/Kconfig",
        "l/arch/x86/kernel/a.c",
        "l/arch/arm/kernel/a.c",
        "l/arch/arm/Kconfig",
        "l/arch/um/scripts/Makefile.rules",
        "l/Documentation/a.rst",
        "l/Documentation/Kconfig",
        "l/tools/objtool/a.c",
        "l/tools/testing/a.c",
        "l/drivers/gpu/drm/amd/a.h",
        "l/drivers/gpu/drm/drm.c",
    ];
    let items: Vec<_> = names.iter().map(|name| Item::File(name, "x", 0o644)).collect();
    let (dir, result) = unpack(&items);
    result.unwrap();
    let written: Vec<bool> = names
        .iter()
        .map(|name| dir.path().join("tree").join(name.strip_prefix("l/").unwrap()).exists())
        .collect();
    assert_eq!(written, [true, true, false, true, true, false, true, true, false, false, true]);
}

#[test]
fn paths_and_links_that_leave_the_tree_are_refused() {
    for (items, problem) in [
        (vec![Item::File("l/../../x", "x", 0o644)], "the path leaves the source"),
        (vec![Item::File("/etc/x", "x", 0o644)], "the path leaves the source"),
        (vec![Item::Link("l/a", "../x")], "outside the source"),
        (vec![Item::Link("l/a", "/etc")], "outside the source"),
        (vec![Item::Link("l/a/b", "../../x")], "outside the source"),
        (
            vec![Item::Link("l/a", "b"), Item::File("l/a/c", "x", 0o644)],
            "the path goes through a symbolic link",
        ),
        (
            vec![Item::Link("l/a", "b"), Item::File("l/a", "x", 0o644)],
            "the path goes through a symbolic link",
        ),
        (vec![Item::File("l/a", "x", 0o644), Item::File("l/a", "y", 0o644)], "the same path twice"),
        (vec![Item::File("l/a", "x", 0o644), Item::File("m/a", "x", 0o644)], "a second top folder"),
        (vec![Item::Kind("l/a", tar::EntryType::Char)], "only files, folders"),
        (vec![Item::Kind("l/a", tar::EntryType::Link)], "only files, folders"),
        (vec![], "it holds no files"),
    ] {
        let (dir, result) = unpack(&items);
        let error = result.unwrap_err();
        assert!(error.contains(problem), "{error}: {problem}");
        let outside: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(outside.len(), 1, "only the tree itself is there");
    }
}

#[test]
fn cut_and_damaged_archives_are_refused() {
    let tar = tar_of(&[Item::File("l/a", &"x".repeat(5000), 0o644)]);
    let packed = xz(&tar);
    let mut damaged = packed.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    for archive in [&tar[..2000], &packed[..packed.len() / 2], &damaged, b"\xfd7zXZ\0rest", b"x"] {
        let dir = tempfile::tempdir().unwrap();
        let error = extract(archive, &dir.path().join("tree"), "x86").unwrap_err();
        assert!(matches!(error, KernelError::Archive { .. }), "{error}");
    }
}
