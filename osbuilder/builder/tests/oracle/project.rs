//! Real builds of recipes that take packages and nothing else: no file is left
//! out or removed, so that the tree is what the packages made of it.

use artifact_store::{Blob, Expect, Request, Silent, Store, StoreOptions, default_dir};
use osbuilder::contents::Contents;
use osbuilder::{Agent, BuildRequest, Built, Manifest, MirrorChoice, RecipeFolder, build};
use recipe::{FormChoice, Init, Type};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;
use url::Url;

/// Stands where an agent would; no test here starts it.
static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let binary = b"an agent that nobody starts".to_vec();
    let sha256 = Sha256::digest(&binary).into();
    Agent { version: "external".to_owned(), binary, sha256 }
});

/// The recipes of this checkout.
pub fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes")
}

/// A guest of some distro's packages, as they are.
pub struct Plain {
    folder: TempDir,
    store: Store,
    /// What was built.
    pub manifest: Manifest,
    /// What is in it.
    pub contents: Contents,
}

/// What to build.
pub struct Wanted<'a> {
    /// Whose repository.
    pub distro: &'a str,
    /// Its packages; those of the distro's own systemd image where empty.
    pub packages: Vec<String>,
    /// The recipe's only noun, if any: `link-lists`.
    pub link_lists: Option<serde_json::Value>,
    /// Initrd or image.
    pub kind: Type,
    /// Our name of the architecture.
    pub architecture: &'a str,
    /// Base URL of a mirror in place of the usual ones.
    pub mirror: Option<&'a str>,
    /// The mirror's key.
    pub key: Option<&'a Path>,
}

impl Plain {
    /// Builds it.
    pub fn build(wanted: &Wanted<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recipes = folder.path().join("recipes");
        write_recipe(&recipes, wanted);
        // The usual store: what other tests and builds fetched is not fetched again.
        let store = Store::open(StoreOptions::new(default_dir())).unwrap();
        let request = BuildRequest {
            recipes: &recipes,
            distro: "plain",
            r#type: Some(wanted.kind),
            init: Some(Init::Agent),
            form: FormChoice::default(),
            variant: None,
            architecture: wanted.architecture,
            mirrors: MirrorChoice {
                urls: wanted.mirror.map(str::to_owned).into_iter().collect(),
                keys: wanted.key.map(Path::to_owned).into_iter().collect(),
                record: None,
                host_root: PathBuf::from("/"),
            },
            agent: &AGENT,
            out: &folder.path().join("out"),
            update: false,
            locked: false,
            locks: None,
            versions: None,
            verity: false,
            cyclonedx: false,
        };
        let built = build(&request, &store, &Silent);
        let Built { artifact, manifest, .. } = built.unwrap_or_else(|error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}\n  because: {error}");
                cause = error.source();
            }
            panic!("{text}")
        });
        let list = fs::read(format!("{}.contents.json", artifact.display())).unwrap();
        Self { folder, store, manifest, contents: Contents::parse(&list).unwrap() }
    }

    /// A path in the folder of the build.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The artifact.
    pub fn artifact(&self) -> PathBuf {
        self.path("out").join(&self.manifest.artifact.file)
    }

    /// The packages' files, in the order of their names, as the store holds them.
    pub fn files(&self) -> Vec<Blob> {
        let requests: Vec<Request> = self
            .manifest
            .packages
            .iter()
            .map(|package| {
                let mut sha256 = [0; 32];
                let digest = package.identity.strip_prefix("sha256:").unwrap();
                hex::decode_to_slice(digest, &mut sha256).unwrap();
                let location = package.location.as_deref().unwrap();
                let url = format!("{}/{location}", self.manifest.mirror.url.trim_end_matches('/'));
                Request {
                    label: package.name.clone(),
                    urls: vec![Url::parse(&url).unwrap()],
                    max_size: package.size.unwrap(),
                    size: package.size,
                    expect: Expect::Sha256(sha256),
                }
            })
            .collect();
        self.store.fetch_all(&requests, 4, &Silent).unwrap()
    }
}

/// A recipe with the repository of another one, and packages only.
fn write_recipe(recipes: &Path, wanted: &Wanted<'_>) {
    let real = RecipeFolder::load(&self::recipes(), wanted.distro).unwrap();
    let recipe = &real.recipe;
    let (mut packages, mut without) = (wanted.packages.clone(), Vec::new());
    if packages.is_empty() {
        let selection =
            recipe.select(Some(Type::Image), Some(Init::Systemd), None, wanted.architecture);
        let layer = selection.unwrap().layer;
        (packages, without) = (layer.packages, layer.without);
    }
    let mut repository = serde_json::to_value(&recipe.repository).unwrap();
    let keys = recipe.repository.keys();
    // A copy of each key stands in the recipe's own folder.
    let folder = recipes.join("plain");
    fs::create_dir_all(folder.join("keys")).unwrap();
    let mut copies = Vec::new();
    for (name, (file, bytes)) in keys.iter().zip(&real.keys) {
        fs::write(folder.join("keys").join(file), bytes).unwrap();
        copies.push(format!("keys/{file}"));
        assert!(name.ends_with(file.as_str()));
    }
    let family = repository.as_object_mut().unwrap().values_mut().next().unwrap();
    family["keys"] = serde_json::json!(copies);
    // YAML reads JSON.
    let text = serde_json::json!({
        "name": "plain",
        "title": "Packages as they are",
        "version": "1",
        "source-date-epoch": recipe.source_date_epoch,
        "repository": repository,
        "architectures": recipe.architectures,
        "default-type": "image",
        "default-init": {"image": "agent", "initrd": "agent"},
        "image": {"free-space-mib": 8},
        "initrd": {"compression": "none"},
        "aliases": recipe.aliases,
        "base": {
            "packages": packages,
            "without": without,
            "link-lists": wanted.link_lists.clone().unwrap_or_else(|| serde_json::json!([])),
        },
        "init": {"agent": {}},
    });
    fs::write(folder.join("recipe.yaml"), format!("{text:#}\n")).unwrap();
}
