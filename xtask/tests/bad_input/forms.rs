//! The forms an artifact can have, and those it can't: file names, what the
//! manifest says, and what is refused.

use crate::fixture::Fixture;
use serde_json::Value;

#[test]
fn all_forms_stand_side_by_side() {
    let fixture = Fixture::new();
    let erofs = ["--type", "image", "--format", "erofs"];
    let lz4 = ["--type", "image", "--format", "erofs", "--compression", "lz4"];
    for (words, name, facts) in [
        (&["--type", "image"][..], "kata-fixture-1.img", ("ext4", Value::Null, true)),
        (&erofs[..], "kata-fixture-1-erofs.img", ("erofs", Value::Null, true)),
        (&lz4[..], "kata-fixture-1-erofs-lz4.img", ("erofs", "lz4".into(), false)),
    ] {
        fixture.build(words);
        let manifest = fixture.artifact(&format!("{name}.manifest.json"));
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let (filesystem, compression, dax) = facts;
        assert_eq!(manifest["artifact"]["file"], name);
        assert_eq!(manifest["filesystem"], filesystem);
        assert_eq!(manifest["compression"], compression);
        assert_eq!(manifest["dax"], dax);
        // The file system's magic number, behind the header and the table.
        let image = fixture.artifact(name);
        let magic = image[(3 << 20) + 1024..][..4] == [0xe2, 0xe1, 0xf5, 0xe0];
        assert_eq!(magic, filesystem == "erofs");
    }
    fixture.build(&["--type", "tar"]);
    let archive = fixture.artifact("kata-fixture-1.tar");
    assert_eq!(archive[257..262], *b"ustar");
    fixture.build(&["--type", "initrd", "--compression", "lz4"]);
    let initrd = fixture.artifact("kata-fixture-1-lz4.initrd");
    assert_eq!(initrd[..4], 0x184c_2102_u32.to_le_bytes());
    // The explaining verbs find each by the same words.
    for (words, name) in
        [(&erofs[..], "kata-fixture-1-erofs.img"), (&lz4[..], "kata-fixture-1-erofs-lz4.img")]
    {
        let mut command = fixture.bare();
        command.args(["--json", "--quiet", "plan", "--distro", "fixture", "--out"]);
        command.arg(fixture.path("out")).args(words);
        for url in &fixture.mirrors {
            command.args(["--mirror", url]);
        }
        let ran = fixture.run_command(command);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let plan: Value = serde_json::from_slice(&ran.document).unwrap();
        assert!(plan["artifact"].as_str().unwrap().ends_with(name), "{}", plan["artifact"]);
        assert_eq!(plan["exists"], true);
    }
    for words in [&erofs[..], &lz4[..], &["--type", "tar"]] {
        assert_eq!(fixture.build(words)["unchanged"], true);
    }
}

#[test]
fn an_ext4_in_small_blocks() {
    let fixture = Fixture::new();
    fixture.edit_recipe(
        "  free-space-mib: 1",
        "  free-space-mib: 1\n  dax-header: false\n  block-size: 1024",
    );
    fixture.build(&["--type", "image"]);
    let image = fixture.artifact("kata-fixture-1.img");
    // The superblock lies behind the table at 1 MiB and 1024 bytes of it.
    let superblock = &image[(1 << 20) + 1024..][..1024];
    let word = |at: usize| u32::from_le_bytes(superblock[at..at + 4].try_into().unwrap());
    // First block, and the exponent of the block size.
    assert_eq!((word(20), word(24)), (1, 0));
}

#[test]
fn a_form_that_there_is_not() {
    let fixture = Fixture::built();
    for (words, why) in [
        (
            &["--type", "image", "--compression", "lz4hc"][..],
            "ext4 can't be compressed with lz4hc; ask for the format erofs",
        ),
        (&["--type", "tar", "--format", "erofs"], "erofs is no format of a tar"),
        (&["--type", "image", "--format", "xfs"], "invalid value 'xfs'"),
    ] {
        let ran = fixture.run(words);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}

#[test]
fn a_bundle_of_what_is_not_there() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    let initrd = fixture.path("out/kata-fixture-1.initrd");
    let bundle = |kernel: &str, folder: &str| {
        let mut command = fixture.bare();
        command.args(["bundle", "--oci"]).arg(fixture.path(folder)).arg("--initrd").arg(&initrd);
        command.arg("--kernel").arg(fixture.path(kernel));
        fixture.run_command(command)
    };
    let ran = bundle("no-kernel", "new");
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no-kernel is not there"), "{}", ran.stderr);
    assert!(!fixture.path("new").exists());
    // The folder of artifacts is no layout, and stays.
    let ran = bundle("agent", "out");
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("out holds something else than an OCI layout"), "{}", ran.stderr);
    assert!(initrd.is_file());
    let ran = bundle("agent", "new");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(fixture.path("new/oci-layout").is_file());
}
