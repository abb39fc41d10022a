//! Which mirrors are asked, in what order, and with whose keys: what the caller
//! says, else a local mirror on record, else the machine's own apt
//! configuration, else the recipe's list.

use crate::error::BuildError;
use crate::folder::{RecipeFolder, read_key};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use url::Url;

/// What the caller says about mirrors.
#[derive(Debug, Clone, Default)]
pub struct MirrorChoice {
    /// `--mirror`: base URLs in order.
    pub urls: Vec<String>,
    /// `--mirror-key`: trusted keys in place of the recipe's.
    pub keys: Vec<PathBuf>,
    /// Where a local mirror of this distro would be on record.
    pub record: Option<PathBuf>,
    /// Root of the machine's configuration, `/` but in tests.
    pub host_root: PathBuf,
}

/// A mirror made on this machine, on record in a git-ignored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LocalMirror {
    /// Its base URL.
    pub url: String,
    /// Its public key.
    pub key: PathBuf,
    /// What it was made from.
    pub made_from: String,
}

/// Mirrors to ask and keys to trust.
#[derive(Debug, Clone)]
pub(crate) struct Mirrors {
    pub(crate) urls: Vec<Url>,
    pub(crate) keys: Vec<(String, Vec<u8>)>,
    /// The keys' files, as errors name them.
    pub(crate) key_places: Vec<String>,
    /// Why each of the URLs is asked, in their order.
    reasons: Vec<String>,
    /// Whether the keys are those of the mirror and not the recipe's.
    pub(crate) own_keys: bool,
    /// Whether they are the recipe's own and the machine's, and not what the
    /// caller or a record says.
    pub(crate) usual: bool,
    /// Where the lock of a mirror that was made on this machine lies: its
    /// packages are no other mirror's.
    pub(crate) locks: Option<PathBuf>,
}

impl Mirrors {
    /// Why `url` was asked.
    pub(crate) fn chosen_by(&self, url: &Url) -> &str {
        let place = self.urls.iter().position(|have| have == url);
        place.and_then(|place| self.reasons.get(place)).map_or("nobody", String::as_str)
    }
}

/// Chooses the mirrors for an architecture, by our name of it.
pub(crate) fn choose(
    folder: &RecipeFolder,
    architecture: &str,
    choice: &MirrorChoice,
) -> Result<Mirrors, BuildError> {
    let own_keys = !choice.keys.is_empty();
    let (keys, key_places) = if choice.keys.is_empty() {
        (folder.keys.clone(), folder.key_places.clone())
    } else {
        let keys = choice.keys.iter().map(|path| read_key(path)).collect::<Result<_, _>>()?;
        (keys, choice.keys.iter().map(|path| path.display().to_string()).collect())
    };
    if !choice.urls.is_empty() {
        let urls = parse_all(choice.urls.iter().map(String::as_str))?;
        return Ok(Mirrors {
            reasons: vec!["--mirror".into(); urls.len()],
            urls,
            keys,
            key_places,
            own_keys,
            usual: false,
            locks: None,
        });
    }
    if let Some(record) = choice.record.as_ref().filter(|path| path.exists()) {
        return recorded(folder, record);
    }
    let source = &folder.recipe.repository;
    let listed = source.mirrors(architecture);
    let named = source.host_mirror(architecture);
    let host = named.map(|name| host_mirrors(&choice.host_root, name)).unwrap_or_default();
    let mut reasons = vec!["the machine's apt configuration".to_owned(); host.len()];
    let mut urls = host;
    for url in parse_all(listed.iter().map(String::as_str))? {
        if !urls.contains(&url) {
            urls.push(url);
            reasons.push("the recipe".to_owned());
        }
    }
    Ok(Mirrors { urls, keys, key_places, reasons, own_keys, usual: true, locks: None })
}

fn recorded(folder: &RecipeFolder, record: &Path) -> Result<Mirrors, BuildError> {
    let bad = |reason: String| BuildError::LocalMirror {
        record: record.into(),
        reason,
        distro: folder.recipe.name.clone(),
    };
    let text = std::fs::read_to_string(record).map_err(|error| bad(error.to_string()))?;
    let local: LocalMirror = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let key = read_key(&local.key).map_err(|_| bad(format!("no key {}", local.key.display())))?;
    let chosen_by =
        format!("a rebuilt mirror with its own key `{}`, made from {}", key.0, local.made_from);
    Ok(Mirrors {
        urls: parse_all([local.url.as_str()])?,
        keys: vec![key],
        key_places: vec![local.key.display().to_string()],
        reasons: vec![chosen_by],
        own_keys: true,
        usual: false,
        locks: Some(record.with_extension("lock")),
    })
}

fn host_mirrors(root: &Path, path_end: &str) -> Vec<Url> {
    let mut urls: Vec<Url> = Vec::new();
    for mirror in repository::deb::host_sources::host_mirrors(root) {
        if mirror.distribution_path == path_end && !urls.contains(&mirror.url) {
            urls.push(mirror.url);
        }
    }
    urls
}

fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Url>, BuildError> {
    let parse = |text: &str| {
        let bad = |reason: String| BuildError::MirrorUrl { text: text.to_owned(), reason };
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => bad("it has no scheme".to_owned()),
            error => bad(error.to_string()),
        })?;
        match url.scheme() {
            "http" | "https" | "file" => Ok(url),
            other => Err(bad(format!("the scheme `{other}` is not known"))),
        }
    };
    texts.into_iter().map(parse).collect()
}
