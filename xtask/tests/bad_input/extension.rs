//! `build-extension` on the fixture: what is in the image and beside it, and the
//! mistakes that are told.

use crate::fixture::Fixture;
use expect_test::expect;
use serde_json::Value;
use std::process::Command;

const IMAGE: &str = "kata-extension-tools-fixture-1.img";

const EXTENSION: &str = "extensions:
  tools:
    packages: [tool]
    files:
      - {path: /etc/tools.conf, content: \"a\\n\"}
init:
";

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.edit_recipe("init:\n  agent", &format!("{EXTENSION}  agent"));
    fixture
}

/// The command line for this extension of the fixture.
fn command(fixture: &Fixture, name: &str) -> Command {
    let mut command = fixture.bare();
    command.args(["--json", "--quiet", "build-extension", name, "--distro", "fixture"]);
    command.args(["--arch", "x86_64", "--out"]).arg(fixture.path("out"));
    for url in &fixture.mirrors {
        command.args(["--mirror", url]);
    }
    command
}

#[track_caller]
fn build(fixture: &Fixture) -> Value {
    let ran = fixture.run_command(command(fixture, "tools"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    serde_json::from_slice(&ran.document).unwrap()
}

#[test]
fn an_image_with_its_digests_and_what_a_runtime_is_told() {
    let fixture = fixture();
    let built = build(&fixture);
    assert_eq!((&built["unchanged"], &built["serial"]), (&false.into(), &"extension-tools".into()));
    let image = fixture.artifact(IMAGE);
    let number = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
    // Two partitions: erofs from 1 MiB, and the tree.
    let (data, hash) = (number(446 + 8) * 512, number(462 + 8) * 512);
    assert_eq!(data, 1 << 20);
    assert_eq!(image[data + 1024..data + 1028], 0xE0F5_E1E2_u32.to_le_bytes());
    assert!(hash > data && hash < image.len(), "{hash}");
    let read = |ending: &str| -> Value {
        serde_json::from_slice(&fixture.artifact(&format!("{IMAGE}.{ending}"))).unwrap()
    };
    let manifest = read("manifest.json");
    assert_eq!(manifest["filesystem"], "erofs");
    let root = manifest["root-hash"].as_str().unwrap();
    let params = manifest["verity-params"].as_str().unwrap();
    assert!(params.starts_with(&format!("root_hash={root},salt=")), "{params}");
    let parameter = format!("kata.extension.tools.verity_params={params}");
    assert_eq!(manifest["kernel-parameter"], parameter);
    let entries = read("contents.json");
    let entries = entries["entries"].as_array().unwrap().iter();
    let paths: Vec<&str> = entries.map(|entry| entry["path"].as_str().unwrap()).collect();
    // No package of the guest but what the tool needs, no account, no agent.
    expect![[r#"
        /
        /bin
        /etc
        /etc/secret
        /etc/tools.conf
        /usr
        /usr/bin
        /usr/bin/dash
        /usr/bin/sh
        /usr/bin/su
        /usr/bin/tool
        /usr/lib
        /usr/lib/library.so"#]]
    .assert_eq(&paths.join("\n"));
    // Bills and provenance as beside a guest, without an agent in them.
    let sha256 = &manifest["artifact"]["sha256"];
    let bill = read("spdx.json");
    let named: Vec<&str> = bill["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    assert!(named.contains(&"tool") && !named.contains(&"kata-agent"), "{named:?}");
    let provenance = read("provenance.json");
    assert_eq!(&provenance["subject"][0]["digest"]["sha256"], sha256);
    let told = &provenance["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!(told["extension"], "tools");
}

#[test]
fn a_cyclonedx_bill_on_demand() {
    let fixture = fixture();
    let mut command = command(&fixture, "tools");
    command.args(["--sbom", "cyclonedx"]);
    let ran = fixture.run_command(command);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let bill: Value =
        serde_json::from_slice(&fixture.artifact(&format!("{IMAGE}.cdx.json"))).unwrap();
    let properties = bill["metadata"]["component"]["properties"].as_array().unwrap();
    let extension = properties.iter().find(|p| p["name"] == "osbuilder:extension").unwrap();
    assert_eq!(extension["value"], "tools");
}

#[test]
fn the_same_bytes_again_and_none_where_nothing_changed() {
    let fixture = fixture();
    build(&fixture);
    let first = fixture.output();
    assert_eq!(build(&fixture)["unchanged"], true);
    first.assert_same(&fixture.output());
    let ran = {
        let mut command = command(&fixture, "tools");
        command.arg("--update");
        fixture.run_command(command)
    };
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    first.assert_same(&fixture.output());
}

#[test]
fn names_that_make_no_sense() {
    let fixture = fixture();
    let ran = fixture.run_command(command(&fixture, "tool"));
    assert_eq!(ran.status, 2);
    let said = "fixture has no extension `tool`; did you mean `tools`?";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    fixture.edit_recipe("  tools:", "  tools-for-all:");
    let ran = fixture.run_command(command(&fixture, "tools-for-all"));
    assert_eq!(ran.status, 2);
    let said =
        "`tools-for-all` is no name of an extension: 10 small letters, digits and `-` at most";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}
