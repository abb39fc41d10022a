//! `/var/lib/osbuilder/osbuilder.yaml` in a guest: people and tools that know
//! Kata read it, so its keys are exactly those of format 0.0.2.

use crate::assemble::variables;
use crate::build::Agent;
use crate::{RecipeFolder, distros};
use recipe::{Init, Selection, Templates};
use serde::Deserialize;
use std::path::Path;

const PATH: &str = "/var/lib/osbuilder/osbuilder.yaml";
const TEMPLATE: &str = "shared/files/osbuilder.yaml.hbs";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Summary {
    osbuilder: Program,
    rootfs_creation_time: String,
    description: String,
    file_format_version: String,
    architecture: String,
    base_distro: Distro,
    agent: AgentFacts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    url: String,
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Distro {
    name: String,
    version: String,
    packages: Packages,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    default: Vec<String>,
    extra: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AgentFacts {
    url: String,
    name: String,
    version: String,
    agent_is_init_daemon: String,
}

#[test]
fn the_summary_in_every_guest_has_exactly_the_keys_of_its_format() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let names = distros(&recipes).unwrap();
    assert!(names.contains(&"debian".to_owned()), "{names:?}");
    for name in names {
        let folder = RecipeFolder::load(&recipes, &name).unwrap();
        let (architecture, _) = folder.recipe.architectures.first_key_value().unwrap();
        let inits = [Init::Agent, Init::Systemd];
        let offered: Vec<Selection> = inits
            .into_iter()
            .filter_map(|init| folder.recipe.select(None, Some(init), None, architecture).ok())
            .collect();
        assert!(!offered.is_empty(), "{name}");
        for selection in offered {
            check(&folder, &selection);
        }
    }
}

fn check(folder: &RecipeFolder, selection: &Selection) {
    let recipe = &folder.recipe;
    let file = selection.layer.files.iter().find(|file| file.path.to_string() == PATH);
    let file = file.unwrap_or_else(|| panic!("{} writes no {PATH}", folder.file));
    assert_eq!(file.template.as_deref(), Some(TEMPLATE), "{}", folder.file);
    let agent = Agent { version: "1.2.3".into(), binary: Vec::new(), sha256: [0; 32] };
    let templates = Templates::new(variables(folder, selection, &agent));
    let text = templates.render(TEMPLATE, &folder.files[TEMPLATE]).unwrap();
    let summary: Summary =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));

    assert_eq!(summary.file_format_version, "0.0.2");
    assert_eq!(summary.description, "osbuilder rootfs");
    assert_eq!(summary.osbuilder.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(summary.osbuilder.url, summary.agent.url);
    assert!(summary.rootfs_creation_time.ends_with('Z'), "{text}");
    assert_eq!(summary.architecture, selection.architecture);
    assert_eq!(summary.base_distro.name, recipe.name);
    assert_eq!(summary.base_distro.version, recipe.version);
    let mut wanted = selection.layer.packages.clone();
    wanted.sort();
    wanted.dedup();
    assert_eq!(summary.base_distro.packages.default, wanted);
    assert!(summary.base_distro.packages.extra.is_empty());
    assert_eq!(summary.agent.name, "kata-agent");
    assert_eq!(summary.agent.version, "1.2.3");
    let is_init = if selection.init == Init::Agent { "yes" } else { "no" };
    assert_eq!(summary.agent.agent_is_init_daemon, is_init);
}
