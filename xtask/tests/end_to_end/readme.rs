//! The worked example of recipes/README.md, built: what the page shows is a
//! recipe from which a guest comes out that holds what the page says.

use crate::checkout::root;
use crate::project::Project;
use serde_json::Value;
use std::collections::BTreeSet;

/// Paths of an artifact.
fn paths(project: &Project, built: &Value) -> BTreeSet<String> {
    let contents = project.beside(built, "contents");
    let entries = contents["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_worked_example_is_built_as_the_page_says() {
    let project = Project::new();
    let page = std::fs::read_to_string(root().join("recipes/README.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n# recipes/edge/recipe.yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    project.write("recipes/edge/recipe.yaml", example);

    let parent = project.build(&["--distro", "debian"]).succeeded().json();
    let edge = project.build(&["--distro", "edge"]).succeeded().json();
    let trace = project.build(&["--distro", "edge", "--variant", "trace"]).succeeded().json();
    let (parent, edge_paths) = (paths(&project, &parent), paths(&project, &edge));
    let new: Vec<_> = edge_paths.difference(&parent).collect();
    assert_eq!(new, ["/etc/motd"]);
    let gone: Vec<_> = parent.difference(&edge_paths).collect();
    assert!(gone.iter().any(|path| *path == "/usr/sbin/iptables"), "{gone:#?}");
    assert!(gone.iter().any(|path| *path == "/usr/sbin/xtables-nft-multi"), "{gone:#?}");
    assert!(paths(&project, &trace).contains("/usr/bin/strace"));

    let image = std::fs::read(edge["artifact"].as_str().unwrap()).unwrap();
    // The label of ext4's superblock, which is 1 KiB into the partition.
    let label = &image[(3 << 20) + 1024 + 120..][..16];
    assert_eq!(String::from_utf8_lossy(label).trim_end_matches('\0'), "kata-edge");
    let manifest = project.beside(&edge, "manifest");
    assert_eq!(manifest["distro"], "edge");
}
