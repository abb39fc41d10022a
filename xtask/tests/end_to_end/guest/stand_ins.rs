//! Every distro whose mirrors a test can't count on, from a stand-in of Debian's
//! files: packed by rpmbuild and createrepo_c (or as an apt archive) under the
//! names that the recipe asks for, signed, built from and booted under systemd.
//! What a build would take stands in `golden/`.

use super::boots::run_by_systemd;
use crate::checkout::{booted, kernel};
use crate::project::Project;
use expect_test::expect_file;
use serde_json::Value;
use std::fmt::Write as _;

/// Every package of a plan with what brought it in; versions are Debian's and
/// change with its point releases.
fn planned(plan: &Value) -> String {
    let mut out = String::new();
    for package in plan["packages"].as_array().unwrap() {
        let location = package["location"].as_str().unwrap();
        let (folder, _) = location.rsplit_once('/').unwrap();
        let because = match package["needed-by"].as_str() {
            Some(name) => format!("needed by {name}"),
            None => "asked for".to_owned(),
        };
        writeln!(out, "{} in {folder} ({because})", package["name"].as_str().unwrap()).unwrap();
    }
    out
}

/// Makes a stand-in, plans, builds and boots; gives what stands beside the image.
fn stood_in_for(distro: &str) -> (Project, Value) {
    let project = Project::new();
    let made = project.xtask(&["--json", "mirror", distro]).succeeded().json();
    assert!(made["made-from"].as_str().unwrap().starts_with("files of Debian"), "{made:#}");
    let plan = project.xtask(&["--json", "plan", "--distro", distro]).succeeded().json();
    assert_eq!(plan["selection"]["init"], "systemd");
    let golden = format!("{}/tests/end_to_end/golden/{distro}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_file![golden].assert_eq(&planned(&plan));

    let built = project.build(&["--distro", distro]).succeeded().json();
    let chosen_by = built["mirror"]["chosen-by"].as_str().unwrap();
    assert!(chosen_by.starts_with("a rebuilt mirror with its own key"), "{chosen_by}");
    let again = project.build(&["--distro", distro, "--update"]).succeeded().json();
    assert_eq!(built["sha256"], again["sha256"]);

    let image = built["artifact"].as_str().unwrap();
    let kernel = kernel();
    let report = booted(&["--image", image, "--kernel", kernel.to_str().unwrap()]);
    run_by_systemd(&report);
    let manifest = project.beside(&built, "manifest");
    assert_eq!(manifest["distro"], distro);
    (project, manifest)
}

/// Folders below the mirror that packages of a manifest came from.
fn folders(manifest: &Value) -> Vec<String> {
    let packages = manifest["packages"].as_array().unwrap();
    let location = |package: &Value| package["location"].as_str().unwrap().to_owned();
    let mut folders: Vec<String> = packages
        .iter()
        .map(|package| location(package).rsplit_once("/Packages/").unwrap().0.to_owned())
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

#[test]
fn centos_stream() {
    let (_, manifest) = stood_in_for("centos");
    let expected = ["10-stream/AppStream/x86_64/os", "10-stream/BaseOS/x86_64/os"];
    assert_eq!(folders(&manifest), expected);
}

#[test]
fn fedora_whose_packages_alone_are_signed() {
    let (project, manifest) = stood_in_for("fedora");
    let expected = ["releases/44/Everything/x86_64/os", "updates/44/Everything/x86_64"];
    assert_eq!(folders(&manifest), expected);
    // With the recipe's key none of them is to be trusted.
    let mirror = format!("file://{}", project.path("target/mirror/fedora").display());
    let ran = project.build(&["--distro", "fedora", "--mirror", &mirror, "--update"]);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("its signature is not to be trusted"), "{ran:#?}");
}

#[test]
fn azure_linux() {
    let (_, manifest) = stood_in_for("azurelinux");
    assert_eq!(folders(&manifest), ["3.0/prod/base/x86_64"]);
}

#[test]
fn clear_linux_from_its_layout_and_once_pinned() {
    let (project, manifest) = stood_in_for("clearlinux");
    assert_eq!(folders(&manifest), ["releases/43760/clear/x86_64/os"]);
    // Without a key of the mirror's own, nothing vouches for the index.
    let mirror = format!("file://{}", project.path("target/mirror/clearlinux").display());
    let words = ["--distro", "clearlinux", "--mirror", &mirror, "--update"];
    let ran = project.build(&words);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    let said = ran.stderr.replace('\n', " ");
    for part in ["recipes/clearlinux/recipe.yaml pins no digest", "pinned-sha256: {x86_64: …}"] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let (_, after) = said.split_once("what it offers is ").unwrap();
    let digest: String = after.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(digest.len(), 64, "{said}");
    let recipe = "recipes/clearlinux/recipe.yaml";
    project.edit(recipe, "pinned-sha256: {}", &format!("pinned-sha256: {{x86_64: {digest}}}"));
    let built = project.build(&words).succeeded().json();
    let signed_by = &project.beside(&built, "manifest")["mirror"]["signed-by"];
    assert!(signed_by.to_string().contains(&digest), "{signed_by}");
    project.edit(recipe, &digest, &"0".repeat(64));
    let ran = project.build(&words);
    assert!(ran.stderr.contains("is pinned") && ran.status == Some(1), "{ran:#?}");
}

#[test]
fn ubuntu_of_several_suites() {
    let (_, manifest) = stood_in_for("ubuntu");
    let description = manifest["mirror"]["description"].as_str().unwrap();
    assert!(description.ends_with("+ noble-updates + noble-security"), "{description}");
    // It is in noble-updates only.
    let packages = manifest["packages"].as_array().unwrap();
    assert!(packages.iter().any(|package| package["name"] == "chrony"));
}
