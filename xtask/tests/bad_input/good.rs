//! What good input gives, so that the cases beside this one are known to fail
//! for their own reason: artifact and manifest, the same bytes every time.

use crate::fixture::Fixture;
use expect_test::expect;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const INITRD: &str = "kata-fixture-1.initrd";
const IMAGE: &str = "kata-fixture-1.img";
const MANIFEST: &str = "kata-fixture-1.initrd.manifest.json";

/// What a host tool says of a file. The tool has to be there: a test that is
/// passed without it would prove nothing.
fn ask(program: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    let output = match command.args(arguments).current_dir(folder).env("TZ", "UTC").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            panic!("{program} is not installed; `cargo xtask setup` says how to get it");
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_artifact_and_its_manifest() {
    let fixture = Fixture::new();
    let built = fixture.build(&[]);
    let beside = ["contents", "manifest", "provenance", "spdx"];
    let mut names = vec![INITRD.to_owned()];
    names.extend(beside.iter().map(|what| format!("{INITRD}.{what}.json")));
    assert_eq!(fixture.output().names(), names);
    let manifest: Value = serde_json::from_slice(&fixture.artifact(MANIFEST)).unwrap();
    assert_eq!(manifest["artifact"]["sha256"], built["sha256"]);
    assert_eq!(manifest["artifact"]["size"], fixture.artifact(INITRD).len());
    assert_eq!(manifest["mirror"]["chosen-by"], "--mirror");
    let packages: Vec<String> = manifest["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{} {} because {}", p["name"], p["version"], p["because"]))
        .collect();
    expect![[r#"
        "base" "1.0" because "asked for by recipes/fixture/recipe.yaml"
        "library" "4.2" because "tool needs library (>= 4)"
        "tool" "2:3.1-1" because "asked for by recipes/fixture/recipe.yaml""#]]
    .assert_eq(&packages.join("\n"));
}

#[test]
fn a_quiet_build_has_nothing_to_say() {
    let ran = Fixture::new().run(&[]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

#[test]
fn the_second_build_finds_the_first() {
    let fixture = Fixture::new();
    assert_eq!(fixture.build(&[])["unchanged"], false);
    let before = fixture.output();
    // Not even the repository is looked at.
    std::fs::remove_dir_all(fixture.path("repository")).unwrap();
    fixture.empty_store();
    assert_eq!(fixture.build(&[])["unchanged"], true);
    before.assert_same(&fixture.output());
}

#[test]
fn update_builds_the_same_bytes_again() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    let before = fixture.output();
    let built = fixture.build(&["--update"]);
    assert_eq!(built["unchanged"], false);
    before.assert_same(&fixture.output());
}

#[test]
fn a_damaged_artifact_is_built_again() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    let before = fixture.output();
    let mut bytes = fixture.artifact(INITRD);
    bytes[1000] ^= 1;
    fixture.write(&format!("out/{INITRD}"), bytes);
    assert_eq!(fixture.build(&[])["unchanged"], false);
    before.assert_same(&fixture.output());
}

#[test]
fn the_folder_does_not_matter() {
    let (here, there) = (Fixture::new(), Fixture::new());
    for kind in ["initrd", "image"] {
        let one = here.build(&["--type", kind]);
        let other = there.build(&["--type", kind]);
        assert_eq!(one["sha256"], other["sha256"]);
    }
    for name in [INITRD, IMAGE] {
        assert!(here.artifact(name) == there.artifact(name), "{name}");
    }
}

#[test]
fn an_initrd_holds_what_the_packages_brought() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    let script = format!("cpio -itvn --quiet < out/{INITRD}");
    // Asked for by itself, since a shell would only say "not found".
    ask("cpio", &["--version"], fixture.root());
    let list = ask("sh", &["-c", &script], fixture.root());
    expect![[r#"
        drwxr-xr-x   2 0        0               0 Sep 13  2020 .
        lrwxrwxrwx   1 0        0               7 Sep 13  2020 bin -> usr/bin
        drwxr-xr-x   2 0        0               0 Sep 13  2020 etc
        -rw-r--r--   1 0        0              10 Nov 14  2023 etc/group
        -rw-r--r--   1 0        0              21 Nov 14  2023 etc/motd
        -rw-r--r--   1 0        0              26 Nov 14  2023 etc/passwd
        -rw-r-----   1 7        42             12 Sep 13  2020 etc/secret
        -rw-r-----   1 0        0              14 Nov 14  2023 etc/shadow
        lrwxrwxrwx   1 0        0              19 Nov 14  2023 init -> /usr/bin/kata-agent
        drwxr-xr-x   2 0        0               0 Nov 14  2023 run
        drwxr-xr-x   2 0        0               0 Nov 14  2023 sbin
        lrwxrwxrwx   1 0        0              19 Nov 14  2023 sbin/init -> /usr/bin/kata-agent
        drwxr-xr-x   2 0        0               0 Sep 13  2020 usr
        drwxr-xr-x   2 0        0               0 Sep 13  2020 usr/bin
        -rwxr-xr-x   2 0        0               0 Sep 13  2020 usr/bin/dash
        -rwxr-xr-x   1 0        0             127 Nov 14  2023 usr/bin/kata-agent
        -rwxr-xr-x   2 0        0               7 Sep 13  2020 usr/bin/sh
        -rwsr-xr-x   1 0        0              11 Sep 13  2020 usr/bin/su
        -rwxr-xr-x   1 0        0               6 Sep 13  2020 usr/bin/tool
        drwxr-xr-x   2 0        0               0 Sep 13  2020 usr/lib
        -rw-r--r--   1 0        0               9 Sep 13  2020 usr/lib/library.so
    "#]]
    .assert_eq(&list);
}

#[test]
fn an_image_holds_what_the_packages_brought() {
    let fixture = Fixture::new();
    fixture.build(&["--type", "image"]);
    // The file system stands behind the headers at 3 MiB.
    let device = format!("out/{IMAGE}?offset=3145728");
    let show = |request: &str| {
        let text = ask("debugfs", &["-R", request, &device], fixture.root());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let shell = show("stat /usr/bin/sh");
    assert!(shell.contains("Type: regular Mode: 0755"), "{shell}");
    assert!(shell.contains("Links: 2"), "{shell}");
    let number = |text: &str| text.split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(number(&shell), number(&show("stat /usr/bin/dash")));
    let su = show("stat /usr/bin/su");
    assert!(su.contains("Mode: 04755"), "{su}");
    let secret = show("stat /etc/secret");
    assert!(secret.contains("Mode: 0640"), "{secret}");
    assert!(secret.contains("User: 7 Group: 42"), "{secret}");
    assert_eq!(show("cat /etc/secret"), "for few eyes");
    assert_eq!(show("cat /etc/motd"), "fixture 1 for x86_64");
    let link = show("stat /bin");
    assert!(link.contains("Type: symlink") && link.contains("usr/bin"), "{link}");
}

#[test]
fn a_second_bill_of_materials_comes_when_it_is_asked_for_and_goes() {
    let fixture = Fixture::new();
    let bill = format!("{INITRD}.cdx.json");
    fixture.build(&[]);
    assert!(!fixture.output().names().contains(&bill.as_str()));
    // The initrd is as before, but the bill is not there yet.
    assert_eq!(fixture.build(&["--sbom", "cyclonedx"])["unchanged"], false);
    let document: Value = serde_json::from_slice(&fixture.artifact(&bill)).unwrap();
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(fixture.build(&["--sbom", "cyclonedx"])["unchanged"], true);
    // A newer artifact leaves no bill of an older one behind.
    fixture.edit_recipe("epoch: 1700000000", "epoch: 1700000001");
    fixture.build(&[]);
    assert!(!fixture.output().names().contains(&bill.as_str()));
}
