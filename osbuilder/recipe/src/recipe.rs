//! `recipes/<distro>/recipe.yaml`: the raw form mirrors the file, [`Recipe`] is
//! the checked one, [`Selection`] the part that one artifact needs.

use crate::layer::{Layer, TextSource};
use crate::problem::{Problem, nearest};
use crate::yaml::{at, parse};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// What kind of root filesystem comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A compressed cpio archive that lives in memory.
    Initrd,
    /// A disk image.
    Image,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initrd => "initrd",
            Self::Image => "image",
        })
    }
}

/// What runs as PID 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The agent itself.
    Agent,
    /// systemd, with the agent as a service.
    Systemd,
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Systemd => "systemd",
        })
    }
}

/// An apt repository and the keys that sign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptRepository {
    /// Suite or code name below `dists/`.
    pub suite: String,
    /// Components to read.
    pub components: Vec<String>,
    /// Base URLs, tried in order when the machine itself names none.
    pub mirrors: Vec<String>,
    /// Public keys (OpenPGP), files below the recipe's folder.
    pub keys: Vec<String>,
    /// Last path component by which a mirror of this distro is known in the
    /// machine's own apt configuration (`debian`, `ubuntu`).
    pub host_mirror: String,
}

/// An apk (v2) repository and the keys that sign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApkRepository {
    /// Release directory (`v3.23`).
    pub release: String,
    /// Repositories of the release (`main`).
    pub repositories: Vec<String>,
    /// Base URLs, tried in order.
    pub mirrors: Vec<String>,
    /// Public keys (RSA, PEM), files below the recipe's folder; the file name
    /// is the key's name.
    pub keys: Vec<String>,
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepositorySource {
    /// Debian and its kin.
    Apt(AptRepository),
    /// Alpine.
    Apk(ApkRepository),
}

/// Settings of disk images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ImageSettings {
    /// Filesystem label, 16 bytes at most.
    pub label: String,
    /// Free space in the filesystem, MiB.
    pub free_space_mib: u32,
    /// Image size is a multiple of this many MiB.
    pub alignment_mib: u32,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self { label: "kata-containers".into(), free_space_mib: 4, alignment_mib: 2 }
    }
}

/// Compression of an initrd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitrdCompression {
    /// gzip -9.
    Gzip,
    /// zstd -19.
    #[default]
    Zstd,
    /// As it is.
    None,
}

/// Settings of initrds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InitrdSettings {
    /// How the archive is compressed.
    pub compression: InitrdCompression,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    name: Spanned<String>,
    title: String,
    version: String,
    source_date_epoch: Spanned<i64>,
    repository: RepositorySource,
    architectures: BTreeMap<String, String>,
    default_type: Type,
    default_init: Spanned<BTreeMap<Type, Init>>,
    image: Option<Spanned<ImageSettings>>,
    #[serde(default)]
    initrd: InitrdSettings,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    base: Spanned<Layer>,
    init: Spanned<BTreeMap<Init, Spanned<Layer>>>,
}

/// A checked recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// Name of the distro and of its folder.
    pub name: String,
    /// What a person calls it.
    pub title: String,
    /// Version, used in the names of artifacts.
    pub version: String,
    /// Seconds since 1970; no timestamp in an artifact is later.
    pub source_date_epoch: i64,
    /// Where packages come from.
    pub repository: RepositorySource,
    /// Our architecture names and the distro's.
    pub architectures: BTreeMap<String, String>,
    /// What is built when nobody says.
    pub default_type: Type,
    /// PID 1 of each type when nobody says.
    pub default_init: BTreeMap<Type, Init>,
    /// Settings of disk images.
    pub image: ImageSettings,
    /// Settings of initrds.
    pub initrd: InitrdSettings,
    /// Directories that are symbolic links (merged /usr): entries below the
    /// first go below the second.
    pub aliases: BTreeMap<String, String>,
    base: Layer,
    init: BTreeMap<Init, Layer>,
}

/// What one artifact needs of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Selection {
    /// Type of the artifact.
    pub r#type: Type,
    /// PID 1 in it.
    pub init: Init,
    /// Our name of the architecture (`x86_64`).
    pub architecture: String,
    /// The distro's name of it (`amd64`).
    pub package_architecture: String,
    /// The base with the init's layer on top.
    pub layer: Layer,
}

/// A choice that the recipe does not offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No such architecture.
    #[error("{recipe} has no architecture `{wanted}`; it has {offered}")]
    Architecture {
        /// The recipe's name.
        recipe: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// A package that is asked for and left out.
    #[error("{recipe}: `{package}` is in `packages` and in `without`; keep one of them")]
    WantedAndUnwanted {
        /// The recipe's name.
        recipe: String,
        /// The package.
        package: String,
    },
    /// No such init.
    #[error("{recipe} can't be built with `{wanted}` as init; it offers {offered}")]
    Init {
        /// The recipe's name.
        recipe: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: String,
    },
}

impl Recipe {
    /// Parses and checks `text`, the content of `file`, found in the folder
    /// `folder` of `recipes/`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &str, text: &str, folder: &str) -> Result<Self, Problem> {
        let raw: Raw = parse(file, text)?;
        let new = |place, message: String| Err(at(file, text, place, message));
        if raw.name.value != folder {
            let message = format!("the recipe calls itself `{}`", raw.name.value);
            return new(raw.name.referenced, format!("{message}, its folder is `{folder}`"));
        }
        let epoch = raw.source_date_epoch.value;
        if u32::try_from(epoch).is_err() {
            let message = format!("{epoch} is no `source-date-epoch`: seconds from 1970 to 2106");
            return new(raw.source_date_epoch.referenced, message);
        }
        if let Some(image) = &raw.image {
            if image.value.label.len() > 16 {
                return new(image.referenced, "`label` is longer than 16 bytes".into());
            }
            if image.value.label.contains('\0') {
                return new(image.referenced, "`label` holds a NUL".into());
            }
            // The partition starts at 3 MiB behind a header of 2 MiB.
            if image.value.alignment_mib == 0 || image.value.alignment_mib % 2 != 0 {
                return new(image.referenced, "`alignment-mib` must be a multiple of 2".into());
            }
        }
        for kind in [Type::Initrd, Type::Image] {
            let Some(init) = raw.default_init.value.get(&kind) else {
                return new(raw.default_init.referenced, format!("no default init for `{kind}`"));
            };
            if !raw.init.value.contains_key(init) {
                let message =
                    format!("`{kind}` wants the init `{init}`, for which `init` has no layer");
                return new(raw.default_init.referenced, message);
            }
        }
        let layers = std::iter::once(&raw.base).chain(raw.init.value.values());
        for layer in layers {
            if let Some(wrong) = layer.value.files.iter().find(|f| f.source().is_none()) {
                let message =
                    format!("the file {} needs one of `content`, `template`, `copy`", wrong.path);
                return new(layer.referenced, message);
            }
        }
        Ok(Self {
            name: raw.name.value,
            title: raw.title,
            version: raw.version,
            source_date_epoch: epoch,
            repository: raw.repository,
            architectures: raw.architectures,
            default_type: raw.default_type,
            default_init: raw.default_init.value,
            image: raw.image.map(|image| image.value).unwrap_or_default(),
            initrd: raw.initrd,
            aliases: raw.aliases,
            base: raw.base.value,
            init: raw.init.value.into_iter().map(|(k, v)| (k, v.value)).collect(),
        })
    }

    /// The part of the recipe for one artifact; what is not said is the
    /// recipe's default.
    ///
    /// # Errors
    /// When the recipe lacks the architecture or the init.
    pub fn select(
        &self,
        kind: Option<Type>,
        init: Option<Init>,
        architecture: &str,
    ) -> Result<Selection, SelectionError> {
        let Some(package_architecture) = self.architectures.get(architecture) else {
            return Err(SelectionError::Architecture {
                recipe: self.name.clone(),
                wanted: architecture.to_owned(),
                offered: self.architectures.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        };
        let kind = kind.unwrap_or(self.default_type);
        let init = init.unwrap_or(self.default_init[&kind]);
        let Some(layer) = self.init.get(&init) else {
            return Err(SelectionError::Init {
                recipe: self.name.clone(),
                wanted: init.to_string(),
                offered: self.init.keys().map(Init::to_string).collect::<Vec<_>>().join(", "),
            });
        };
        Ok(Selection {
            r#type: kind,
            init,
            architecture: architecture.to_owned(),
            package_architecture: package_architecture.clone(),
            layer: self.base.clone().joined(layer),
        })
        .and_then(|selection: Selection| {
            let layer = &selection.layer;
            match layer.packages.iter().find(|name| layer.without.contains(name)) {
                None => Ok(selection),
                Some(package) => Err(SelectionError::WantedAndUnwanted {
                    recipe: self.name.clone(),
                    package: package.clone(),
                }),
            }
        })
    }

    /// Every template and copied file that the recipe names, sorted.
    pub fn named_files(&self) -> Vec<&str> {
        let layers = std::iter::once(&self.base).chain(self.init.values());
        let mut names: Vec<_> = layers
            .flat_map(|layer| &layer.files)
            .filter_map(|file| match file.source() {
                Some(TextSource::Template(name) | TextSource::Copy(name)) => Some(name),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The place of `word` in `text`, for an error found after parsing (a
    /// package that no repository has, say), with the nearest right word.
    pub fn problem_at_word<'a>(
        file: &str,
        text: &str,
        word: &str,
        message: String,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Problem {
        let found = text.lines().enumerate().find_map(|(number, line)| {
            let item = line.trim_start().strip_prefix("- ")?;
            (item.split(['#', ' ']).next()? == word)
                .then(|| (number + 1, line.len() - item.len() + 1))
        });
        let (line, column) = found.unwrap_or((1, 1));
        let problem = Problem::new(file, text, line as u64, column as u64, message);
        match nearest(word, candidates) {
            Some(near) => problem.with_help(format!("did you mean `{near}`?")),
            None => problem,
        }
    }
}
