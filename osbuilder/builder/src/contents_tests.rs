//! Tests of the list of contents, over a tree made here.

use super::*;
use expect_test::expect;
use rootfs::Meta;

fn tree() -> Tree {
    let mut tree = Tree::new();
    let bash = || Origin::package("bash");
    tree.put_directory("usr", Meta::root(0o755, bash())).unwrap();
    tree.put_file("usr/su", "#!", Meta::root(0o4755, bash())).unwrap();
    tree.put_hard_link("usr/su2", "usr/su").unwrap();
    tree.put_file("usr/ping", "ping", Meta::root(0o755, bash()).owner(1, 2)).unwrap();
    tree.set_xattr("usr/ping", "security.capability", vec![1; 20]).unwrap();
    tree.put_directory("usr/mail", Meta::root(0o2775, Origin::Builder)).unwrap();
    tree.put_symlink("usr/l\\ink", "a\nb", Meta::root(0o777, Origin::recipe("links: x"))).unwrap();
    let null = Kind::CharDevice { major: 1, minor: 3 };
    tree.put_device("null", null, Meta::root(0o666, Origin::recipe("devices: /null"))).unwrap();
    tree
}

#[test]
fn every_kind_of_entry_is_listed_on_a_line_of_its_own() {
    let contents = Contents::of(&tree());
    let text = contents.to_json();
    expect![[r#"
        {
        "format": 1,
        "privileged": ["/usr/ping","/usr/su","/usr/su2"],
        "entries": [
        {"path":"/","type":"directory","mode":"0755","uid":0,"gid":0,"origin":"builder"},
        {"path":"/null","type":"char-device","mode":"0666","uid":0,"gid":0,"device":"1:3","origin":"recipe:devices: /null"},
        {"path":"/usr","type":"directory","mode":"0755","uid":0,"gid":0,"origin":"package:bash"},
        {"path":"/usr/l\\x5cink","type":"symlink","mode":"0777","uid":0,"gid":0,"target":"a\\x0ab","origin":"recipe:links: x"},
        {"path":"/usr/mail","type":"directory","mode":"2775","uid":0,"gid":0,"origin":"builder"},
        {"path":"/usr/ping","type":"file","mode":"0755","uid":1,"gid":2,"size":4,"sha256":"758d61f26a44448384e5c4468a0dcb7a2abe456067b0f7b505bc28b9411fe931","sha1":"572982bbc4f29ee92ae2d65a9edc2453d2c9170c","xattrs":["security.capability"],"origin":"package:bash"},
        {"path":"/usr/su","type":"file","mode":"4755","uid":0,"gid":0,"size":2,"sha256":"3612ddaf46e149a4f583faf0face846585148f59e0ce2645594df83b5dc807e8","sha1":"2d46bc445fe5eef1125228cce271ca63a02b246d","origin":"package:bash"},
        {"path":"/usr/su2","type":"file","mode":"4755","uid":0,"gid":0,"size":2,"sha256":"3612ddaf46e149a4f583faf0face846585148f59e0ce2645594df83b5dc807e8","sha1":"2d46bc445fe5eef1125228cce271ca63a02b246d","hard-link":"/usr/su","origin":"package:bash"}
        ]
        }
    "#]]
    .assert_eq(std::str::from_utf8(&text).unwrap());
    assert_eq!(Contents::parse(&text).unwrap(), contents);
}

#[test]
fn the_list_does_not_depend_on_the_number_of_threads() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let many = rayon::ThreadPoolBuilder::new().num_threads(7).build().unwrap();
    let of = || Contents::of(&tree()).to_json();
    assert_eq!(one.install(of), many.install(of));
}

#[test]
fn no_two_names_look_the_same() {
    let names: [&[u8]; 6] =
        [b"\xff", b"\\xff", "ÿ".as_bytes(), b"a\nb", "\u{85}".as_bytes(), b"\0"];
    let shown = names.map(escape);
    assert_eq!(shown, ["\\xff", "\\x5cxff", "ÿ", "a\\x0ab", "\\xc2\\x85", "\\x00"]);
}

#[test]
fn what_is_no_list_is_refused() {
    let refused = |text: &str| Contents::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(refused("[").contains("no list of contents"));
    assert!(refused(&"[".repeat(100_000)).contains("no list of contents"));
    assert_eq!(
        refused(r#"{"format": 2, "privileged": [], "entries": []}"#),
        "the list of contents has format 2, this version reads 1"
    );
}
