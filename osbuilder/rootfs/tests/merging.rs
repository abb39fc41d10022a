//! What packages may and may not do to the tree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;

use archive::{Archive, Member};
use rootfs::{
    Kind, Limits, MergeProblem, MergeRules, Meta, Origin, Owners, Patterns, TarError, Tree,
};
use std::error::Error as _;

fn rules() -> MergeRules {
    let aliases = vec![("bin".to_owned(), "usr/bin".to_owned())];
    MergeRules { aliases, ..MergeRules::default() }
}

fn merge_with(tree: &mut Tree, name: &str, tar: Archive, rules: &MergeRules) -> Result<(), String> {
    tree.merge_tar(tar.finish(), Origin::package(name), rules).map_err(|error| {
        assert_eq!(error.origin, Origin::package(name));
        format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
    })
}

fn merge(tree: &mut Tree, name: &str, tar: Archive) -> Result<(), String> {
    merge_with(tree, name, tar, &rules())
}

/// The tree as lines: path, kind, text.
fn listing(tree: &Tree) -> String {
    let mut lines = String::new();
    for (path, _, inode) in tree.walk().skip(1) {
        let what = match &inode.kind {
            Kind::File(content) => format!("= {}", String::from_utf8_lossy(content.as_slice())),
            Kind::Symlink(target) => format!("-> {target}"),
            other => other.describe().to_owned(),
        };
        lines.push_str(&format!("{path} {what}\n"));
    }
    lines
}

/// Merging `tar` into an empty tree must fail with words of this kind.
fn refused(tar: Archive, words: &[&str]) {
    let error = merge(&mut Tree::new(), "evil", tar).expect_err("the archive must be refused");
    assert!(error.contains("evil"), "{error}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn hostile_paths_are_refused() {
    refused(Archive::default().file("../etc/passwd", b"x"), &["../etc/passwd", ".."]);
    refused(Archive::default().file("a/../../b", b"x"), &[".."]);
    refused(Archive::default().file("/etc/passwd", b"x"), &["/etc/passwd", "absolute"]);
    refused(Archive::default().pax(&[("path", b"a\0b")]).file("x", b""), &["NUL"]);
    let long = "x".repeat(300);
    refused(Archive::default().pax(&[("path", long.as_bytes())]).file("x", b""), &["255"]);
    let deep = "x/".repeat(2100);
    refused(Archive::default().pax(&[("path", deep.as_bytes())]).file("x", b""), &["4094"]);
    refused(Archive::default().file(".", b"x"), &["root"]);
}

#[test]
fn writing_through_links_is_refused() {
    let tar = Archive::default().symlink("out", "/etc").file("out/passwd", b"x");
    refused(tar, &["out/passwd", "symbolic link `out`"]);
    let tar = Archive::default().symlink("out", "..").directory("out/x");
    refused(tar, &["symbolic link `out`"]);
    // An alias by name only doesn't count when the link points elsewhere.
    let tar = Archive::default().symlink("bin", "/tmp").file("bin/sh", b"x");
    refused(tar, &["symbolic link `bin`"]);
    let tar = Archive::default().file("f", b"").file("f/x", b"");
    refused(tar, &["`f` on the way is a file"]);
}

#[test]
fn devices_and_oddities_are_refused() {
    refused(Archive::default().special(b'3', "dev/null", ""), &["dev/null", "character device"]);
    refused(Archive::default().special(b'4', "dev/sda", ""), &["block device"]);
    refused(Archive::default().special(b'6', "pipe", ""), &["named pipe"]);
    refused(Archive::default().special(b'S', "sparse", ""), &["sparse"]);
    let tar = Archive::default().pax(&[("GNU.sparse.major", b"1")]).file("x", b"");
    refused(tar, &["sparse"]);
    refused(Archive::default().special(b'V', "label", ""), &["type 'V'"]);
    refused(Archive::default().symlink("empty", ""), &["empty"]);
}

#[test]
fn duplicates_are_refused() {
    refused(Archive::default().file("a", b"1").file("./a", b"1"), &["more than once"]);
    refused(Archive::default().symlink("a", "b").symlink("a", "b"), &["more than once"]);
    let tar =
        Archive::default().symlink("bin", "usr/bin").file("bin/a", b"").file("usr/bin/a", b"");
    refused(tar, &["usr/bin/a", "more than once"]);
    let tar =
        Archive::default().file("usr/bin/a", b"").file("bin/a", b"").symlink("bin", "usr/bin");
    let error = merge(&mut Tree::new(), "evil", tar);
    assert!(error.is_ok(), "the same bytes under two names of one directory: {error:?}");
    let tar = Archive::default().directory("a").directory("a").file("a/b", b"");
    merge(&mut Tree::new(), "fine", tar).unwrap();
}

#[test]
fn hard_links_stay_inside() {
    refused(Archive::default().hard_link("a", "/etc/shadow"), &["/etc/shadow"]);
    refused(Archive::default().hard_link("a", "../x"), &["../x"]);
    refused(Archive::default().hard_link("a", "gone"), &["gone", "not in the tree"]);
    refused(Archive::default().directory("d").hard_link("a", "d"), &["`d` is a directory"]);
    refused(Archive::default().symlink("l", "x").hard_link("a", "l"), &["symbolic link"]);

    let mut tree = Tree::new();
    let tar = Archive::default().symlink("bin", "usr/bin").file("bin/a", b"x");
    merge(&mut tree, "p", tar.hard_link("usr/bin/b", "bin/a")).unwrap();
    assert_eq!(tree.id("usr/bin/a"), tree.id("usr/bin/b"));
    assert_eq!(tree.link_count(tree.id("usr/bin/a").unwrap()), 2);
    assert_eq!(tree.total_bytes(), 1);
}

#[test]
fn broken_archives_are_refused() {
    let whole = Archive::default().file("a", &[7; 1000]).raw();
    for cut in [1, 300, 511, 512, 513, 1400, 1512, 1535] {
        let error = Tree::new()
            .merge_tar(whole[..cut].to_vec().into(), Origin::package("p"), &rules())
            .expect_err("a cut archive must be refused");
        assert_eq!(error.problem, MergeProblem::Archive(TarError::Truncated(cut)));
    }
    // Only the end marker may be missing.
    Tree::new().merge_tar(whole.clone().into(), Origin::package("p"), &rules()).unwrap();

    let giant = |field: [u8; 12]| {
        let size_field = Some(field);
        let path = "giant";
        Archive::default().member(&Member {
            path,
            kind: b'0',
            mode: 0,
            link: "",
            data: b"",
            size_field,
        })
    };
    refused(giant(*b"77777777777\0"), &["truncated"]);
    refused(giant([0xff; 12]), &["size"]);
    refused(giant([0x80, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), &["size"]);
    refused(giant([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), &["truncated"]);
    refused(giant(*b"notanumber!\0"), &["size"]);
    let mut flipped = whole;
    flipped[0] ^= 1;
    let error = Tree::new().merge_tar(flipped.into(), Origin::package("p"), &rules());
    assert_eq!(error.unwrap_err().problem, MergeProblem::Archive(TarError::Header(0)));
    refused(Archive::default().pax(&[("size", b"-1")]).file("x", b""), &["size"]);
    refused(Archive::default().special(b'x', "p", "").special(b'x', "p", ""), &["extended header"]);
}

#[test]
fn limits_stop_bombs() {
    let limits = Limits { max_entries: 10, max_bytes: 100 };
    let limited = MergeRules { limits, ..rules() };
    let try_it = |tar| merge_with(&mut Tree::new(), "bomb", tar, &limited);
    let many = (0..11).fold(Archive::default(), |tar, n| tar.file(&format!("f{n}"), b""));
    assert!(try_it(many).unwrap_err().contains("limit"));
    assert!(try_it(Archive::default().file("a/b/c/d/e/f/g/h/i/j/k/l", b"")).is_err());
    assert!(try_it(Archive::default().file("big", &[0; 101])).is_err());
    try_it(Archive::default().file("fits", &[0; 100])).unwrap();
}

#[test]
fn packages_do_not_overwrite_each_other() {
    let mut tree = Tree::new();
    merge(&mut tree, "one", Archive::default().file("etc/x", b"1").file("etc/y", b"1")).unwrap();
    merge(&mut tree, "two", Archive::default().file("etc/y", b"1")).unwrap();
    let error = merge(&mut tree, "three", Archive::default().file("etc/x", b"3")).unwrap_err();
    for word in ["three", "etc/x", "package one"] {
        assert!(error.contains(word), "{error}");
    }
    let error = merge(&mut tree, "four", Archive::default().directory("etc/x")).unwrap_err();
    assert!(error.contains("etc/x") && error.contains("package one"), "{error}");
    let error = merge(&mut tree, "five", Archive::default().symlink("etc", "usr")).unwrap_err();
    assert!(error.contains("would become a symbolic link"), "{error}");
}

#[test]
fn declared_replacement_works_in_both_orders() {
    let replacing = MergeRules { replaces: vec!["old".to_owned()], ..rules() };
    for new_first in [false, true] {
        let mut tree = Tree::new();
        let new = Archive::default().file("f", b"new");
        let old = Archive::default().file("f", b"old");
        if new_first {
            merge_with(&mut tree, "new", new, &replacing).unwrap();
            merge(&mut tree, "old", old).unwrap();
        } else {
            merge(&mut tree, "old", old).unwrap();
            merge_with(&mut tree, "new", new, &replacing).unwrap();
        }
        assert_eq!(listing(&tree), "f = new\n");
        assert_eq!(tree.get("f").unwrap().origin, Origin::package("new"));
    }
}

#[test]
fn of_two_that_replace_each_other_the_higher_priority_wins_in_both_orders() {
    let side = |whom: &str, replace_priority| MergeRules {
        replaces: vec![whom.to_owned()],
        replace_priority,
        ..rules()
    };
    for high_first in [false, true] {
        let mut sides = vec![("low", side("high", 3)), ("high", side("low", 4))];
        if high_first {
            sides.reverse();
        }
        let mut tree = Tree::new();
        for (name, rules) in &sides {
            let tar = Archive::default().file("f", name.as_bytes());
            merge_with(&mut tree, name, tar, rules).unwrap();
        }
        assert_eq!(listing(&tree), "f = high\n");
    }
    // A priority alone allows nothing, and loses against a declaration.
    let high = MergeRules { replace_priority: 9, ..rules() };
    let mut tree = Tree::new();
    merge_with(&mut tree, "high", Archive::default().file("f", b"high"), &high).unwrap();
    merge_with(&mut tree, "low", Archive::default().file("f", b"low"), &side("high", 0)).unwrap();
    assert_eq!(listing(&tree), "f = low\n");
    assert!(merge_with(&mut tree, "other", Archive::default().file("f", b"x"), &high).is_err());
}

#[test]
fn a_hard_link_takes_a_place_in_the_name_of_the_package_that_brings_it() {
    let replaces = |whom: &str| MergeRules { replaces: vec![whom.to_owned()], ..rules() };
    let both = || {
        let mut tree = Tree::new();
        merge(&mut tree, "c", Archive::default().file("theirs", b"c")).unwrap();
        let tar = Archive::default().file("target", b"b");
        merge_with(&mut tree, "b", tar, &replaces("c")).unwrap();
        tree
    };
    let link = || Archive::default().hard_link("theirs", "target");
    // That b may overwrite what c has says nothing of e.
    let mut tree = both();
    let error = merge(&mut tree, "e", link()).unwrap_err();
    assert!(error.contains("`theirs` belongs to package c"), "{error}");
    let mut tree = both();
    merge_with(&mut tree, "e", link(), &replaces("c")).unwrap();
    assert_eq!(listing(&tree), "target = b\ntheirs = b\n");
    // A file of the recipe gives no such right either.
    let mut tree = Tree::new();
    merge(&mut tree, "c", Archive::default().file("theirs", b"c")).unwrap();
    let meta = Meta::root(0o644, Origin::recipe("files"));
    tree.put_file("target", "recipe", meta).unwrap();
    let error = merge(&mut tree, "e", link()).unwrap_err();
    assert!(error.contains("`theirs` belongs to package c"), "{error}");
}

#[test]
fn what_is_left_out_does_not_depend_on_its_spelling() {
    let tars = || {
        [
            Archive::default().file("bin/a", b"1").file("bin/b", b"2"),
            Archive::default().file("usr/bin/a", b"1").file("usr/bin/b", b"2"),
            Archive::default().symlink("bin", "usr/bin").file("bin/a", b"1").file("bin/b", b"2"),
        ]
    };
    for patterns in [["usr/bin/*", "!bin/b"], ["bin/*", "!usr/bin/b"], ["/bin/**", "!/bin/b"]] {
        let exclude = Patterns::compile(&patterns).unwrap();
        let rules = MergeRules { exclude, ..rules() };
        for tar in tars() {
            let mut tree = Tree::new();
            merge_with(&mut tree, "p", tar, &rules).unwrap();
            let text = listing(&tree);
            assert!(text.contains("b = 2\n") && !text.contains("= 1"), "{patterns:?}: {text}");
        }
    }
    // A pattern for the link itself is not one for what it leads to.
    let exclude = Patterns::compile(&["bin"]).unwrap();
    let rules = MergeRules { exclude, ..rules() };
    let mut tree = Tree::new();
    let tar = Archive::default().symlink("bin", "usr/bin").file("usr/bin/a", b"1");
    merge_with(&mut tree, "p", tar, &rules).unwrap();
    assert_eq!(listing(&tree), "usr a directory\nusr/bin a directory\nusr/bin/a = 1\n");
}

#[test]
fn links_among_excluded_files_end() {
    let exclude = Patterns::compile(&["bin/**"]).unwrap();
    let rules = MergeRules { exclude, ..rules() };
    for start in [
        Archive::default().file("bin/x", b"x").symlink("bin", "usr/bin"),
        Archive::default().symlink("bin", "usr/bin").file("bin/x", b"x"),
        Archive::default()
            .file("usr/bin/x", b"x")
            .hard_link("bin/x", "usr/bin/x")
            .symlink("bin", "usr/bin"),
    ] {
        let tar = start
            .hard_link("bin/p", "bin/x")
            .hard_link("usr/bin/p", "bin/x")
            .hard_link("bin/x", "usr/bin/p")
            .hard_link("kept", "bin/p")
            .hard_link("kept2", "usr/bin/x");
        let mut tree = Tree::new();
        merge_with(&mut tree, "p", tar, &rules).unwrap();
        assert_eq!(listing(&tree), "bin -> usr/bin\nkept = x\nkept2 = x\n");
        assert_eq!(tree.id("kept"), tree.id("kept2"));
    }
}

#[test]
fn merged_usr_in_any_order() {
    let link = || Archive::default().directory("usr/bin").symlink("bin", "usr/bin");
    let tool = || Archive::default().directory("bin").file("bin/sh", b"sh").directory("bin/sub");
    let expected = "bin -> usr/bin\nusr a directory\nusr/bin a directory\n\
                    usr/bin/sh = sh\nusr/bin/sub a directory\n";
    let mut first = Tree::new();
    merge(&mut first, "base", link()).unwrap();
    merge(&mut first, "tool", tool()).unwrap();
    assert_eq!(listing(&first), expected);
    let mut last = Tree::new();
    merge(&mut last, "tool", tool()).unwrap();
    merge(&mut last, "base", link()).unwrap();
    assert_eq!(listing(&last), expected);
    let mut clash = Tree::new();
    merge(&mut clash, "tool", tool()).unwrap();
    merge(&mut clash, "other", Archive::default().file("usr/bin/sh", b"other")).unwrap();
    let error = merge(&mut clash, "base", link()).unwrap_err();
    assert!(error.contains("usr/bin/sh") && error.contains("package other"), "{error}");
}

#[test]
fn an_alias_finds_a_file_where_its_target_is_due() {
    let mut tree = Tree::new();
    merge(&mut tree, "odd", Archive::default().file("bin/sh", b"").file("usr", b"")).unwrap();
    let error = merge(&mut tree, "base", Archive::default().symlink("bin", "usr/bin")).unwrap_err();
    assert!(error.contains("usr") && error.contains("a file"), "{error}");
}

#[test]
fn an_alias_into_itself_is_no_alias() {
    let aliases = vec![("a".to_owned(), "a/b".to_owned()), ("c".to_owned(), "c".to_owned())];
    let rules = MergeRules { aliases, ..MergeRules::default() };
    for tar in [
        Archive::default().file("a/b/x", b"").symlink("a", "a/b"),
        Archive::default().symlink("a", "a/b").file("a/x", b""),
        Archive::default().symlink("c", "c").file("c/x", b""),
    ] {
        assert!(merge_with(&mut Tree::new(), "odd", tar, &rules).is_err());
    }
    // Two aliases in a circle end as well.
    let aliases = vec![("a".to_owned(), "b".to_owned()), ("b".to_owned(), "a".to_owned())];
    let rules = MergeRules { aliases, ..MergeRules::default() };
    let tar = Archive::default().symlink("a", "b").symlink("b", "a").file("a/x", b"");
    let error = merge_with(&mut Tree::new(), "odd", tar, &rules).unwrap_err();
    assert!(error.contains("symbolic link"), "{error}");
}

#[test]
fn directories_keep_their_first_owner() {
    let directory = |path, mode| {
        let kind = b'5';
        Archive::default().member(&Member {
            path,
            kind,
            mode,
            link: "",
            data: b"",
            size_field: None,
        })
    };
    let mut tree = Tree::new();
    merge(&mut tree, "zero", Archive::default().file("srv/f", b"")).unwrap();
    assert_eq!(tree.get("srv").unwrap().mode, 0o755);
    merge(&mut tree, "one", directory("srv", 0o1777)).unwrap();
    merge(&mut tree, "two", directory("srv", 0o700)).unwrap();
    let srv = tree.get("srv").unwrap();
    assert_eq!((srv.mode, srv.origin.clone()), (0o1777, Origin::package("one")));
    merge(&mut tree, "three", directory("./", 0o711)).unwrap();
    assert_eq!(tree.get("").unwrap().mode, 0o711);
    tree.merge_tar(directory("srv", 0o750).finish(), Origin::recipe("files"), &rules()).unwrap();
    assert_eq!(tree.get("srv").unwrap().mode, 0o750);
}

#[test]
fn the_recipe_wins_in_both_orders() {
    let meta = || Meta::root(0o600, Origin::recipe("files: etc/motd"));
    let tar = || Archive::default().file("etc/motd", b"package");
    let mut before = Tree::new();
    before.put_file("etc/motd", "recipe", meta()).unwrap();
    merge(&mut before, "p", tar()).unwrap();
    let mut after = Tree::new();
    merge(&mut after, "p", tar()).unwrap();
    after.put_file("etc/motd", "recipe", meta()).unwrap();
    assert_eq!(before.get("etc/motd"), after.get("etc/motd"));
    assert!(listing(&before).contains("etc/motd = recipe"));
}

#[test]
fn excluded_files_cost_nothing_but_links_to_them_work() {
    let exclude = Patterns::compile(&["usr/share/doc/**", "!usr/share/doc/*/copyright"]).unwrap();
    let rules = MergeRules { exclude, ..rules() };
    let tar = Archive::default()
        .directory("usr/share/doc/p")
        .file("usr/share/doc/p/README", b"readme")
        .file("usr/share/doc/p/copyright", b"law")
        .hard_link("usr/share/doc/p/README.2", "usr/share/doc/p/README")
        .hard_link("usr/kept", "usr/share/doc/p/README.2")
        .hard_link("usr/kept2", "usr/share/doc/p/README");
    let mut tree = Tree::new();
    merge_with(&mut tree, "p", tar, &rules).unwrap();
    assert_eq!(tree.total_bytes(), 9);
    assert!(!tree.exists("usr/share/doc/p/README"));
    assert!(tree.exists("usr/share/doc/p/copyright"));
    assert_eq!(tree.id("usr/kept"), tree.id("usr/kept2"));
}

#[test]
fn extended_headers_are_understood() {
    let capability: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let tar = Archive::default()
        .pax(&[
            ("path", long.as_bytes()),
            ("mtime", b"1600000000.75"),
            ("uid", b"70000"),
            ("gid", b"80000"),
            ("SCHILY.xattr.security.capability", capability),
            ("APK-TOOLS.checksum.SHA1", b"00"),
        ])
        .file("short", b"x");
    let mut tree = Tree::new();
    merge(&mut tree, "p", tar).unwrap();
    let inode = tree.get(&long).unwrap();
    assert_eq!((inode.mtime, inode.uid, inode.gid), (1_600_000_000, 70_000, 80_000));
    assert_eq!(inode.xattrs["security.capability"], capability);
    refused(Archive::default().pax(&[("SCHILY.xattr.bad", b"x")]).file("x", b""), &["`bad`"]);
}

#[test]
fn reads_what_gnu_tar_writes() {
    let scratch = std::env::temp_dir().join(format!("rootfs-tar-{}", std::process::id()));
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(150));
    std::fs::create_dir_all(scratch.join(long.rsplit_once('/').unwrap().0)).unwrap();
    std::fs::write(scratch.join(&long), "content").unwrap();
    std::os::unix::fs::symlink("t".repeat(140), scratch.join("link")).unwrap();
    std::fs::hard_link(scratch.join(&long), scratch.join("zz")).unwrap();
    for format in ["gnu", "pax", "posix"] {
        let output = std::process::Command::new("tar")
            .args(["--sort=name", "--format", format, "-C"])
            .arg(&scratch)
            .args(["-c", "."])
            .output()
            .unwrap();
        assert!(output.status.success());
        let mut tree = Tree::new();
        tree.merge_tar(output.stdout.into(), Origin::package("p"), &rules()).unwrap();
        assert_eq!(tree.id(&long), tree.id("zz"), "{format}");
        assert_eq!(tree.get("link").unwrap().kind, Kind::Symlink("t".repeat(140)));
        assert_eq!(tree.total_bytes(), 7);
    }
    std::fs::remove_dir_all(&scratch).unwrap();
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        seed in proptest::collection::vec(proptest::prelude::any::<(usize, u8)>(), 0..40),
    ) {
        let capability: (&str, &[u8]) = ("SCHILY.xattr.user.x", b"y");
        let mut bytes = Archive::default()
            .directory("a").pax(&[capability]).file("a/b", &[3; 600])
            .symlink("bin", "usr/bin").hard_link("c", "a/b").raw();
        let length = bytes.len();
        for (at, value) in seed {
            bytes[at % length] = value;
        }
        // Whatever comes out, every path in the tree is canonical.
        let mut tree = Tree::new();
        let _ = tree.merge_tar(bytes.into(), Origin::package("p"), &rules());
        for (path, _, _) in tree.walk() {
            proptest::prop_assert!(!path.split('/').any(|part| part == ".." || part == "."));
        }
    }
}

#[test]
fn owners_told_by_name_get_their_numbers() {
    let owned = |user: &'static [u8], group: &'static [u8]| {
        Archive::default().pax(&[("uname", user), ("gname", group)])
    };
    let mut owners = Owners::default();
    owners.users.insert("chrony".to_owned(), 77);
    owners.groups.insert("mail".to_owned(), 12);
    let named = MergeRules { owners: Some(owners), ..rules() };
    let mut tree = Tree::new();
    let tar = owned(b"chrony", b"mail").file("a", b"a");
    merge_with(&mut tree, "p", tar, &named).unwrap();
    merge_with(&mut tree, "p", owned(b"root", b"root").file("b", b"b"), &named).unwrap();
    merge_with(&mut tree, "p", Archive::default().file("c", b"c"), &named).unwrap();
    let numbers = |path: &str| tree.get(path).map(|inode| (inode.uid, inode.gid)).unwrap();
    assert_eq!((numbers("a"), numbers("b"), numbers("c")), ((77, 12), (0, 0), (0, 0)));

    for (user, group, words) in [
        (
            &b"nobody"[..],
            &b"mail"[..],
            "the user `nobody`, whose number is not known; name it under `users`",
        ),
        (b"chrony", b"disk", "the group `disk`, whose number is not known; name it under `groups`"),
    ] {
        let tar = Archive::default().pax(&[("uname", user), ("gname", group)]).file("d", b"d");
        let error = merge_with(&mut Tree::new(), "p", tar, &named).unwrap_err();
        assert!(error.contains(words) && error.contains("`d`"), "{error}");
        // What is left out may belong to anybody, and numbers stand where names don't count.
        let exclude = Patterns::compile(&["d"]).unwrap();
        let without = MergeRules { exclude, ..named.clone() };
        let tar = || Archive::default().pax(&[("uname", user), ("gname", group)]).file("d", b"d");
        merge_with(&mut Tree::new(), "p", tar(), &without).unwrap();
        merge_with(&mut Tree::new(), "p", tar(), &rules()).unwrap();
    }
}
