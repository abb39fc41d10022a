//! What `recipes/<distro>/recipe.yaml` means: [`Recipe`] is the checked form,
//! [`Selection`] the part that one artifact needs. The raw form is the draft's.

use crate::draft::Draft;
use crate::form::{Form, FormChoice, ImageSettings, InitrdSettings};
use crate::layer::{Layer, TextSource};
use crate::problem::{Problem, nearest};
use crate::repository::RepositorySource;
use serde::{Deserialize, Serialize};
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
    /// A tar archive of the tree, which nothing boots.
    Tar,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initrd => "initrd",
            Self::Image => "image",
            Self::Tar => "tar",
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
    pub(crate) base: Layer,
    pub(crate) init: BTreeMap<Init, Layer>,
    pub(crate) variants: BTreeMap<String, Layer>,
    pub(crate) extensions: BTreeMap<String, Layer>,
}

/// What one artifact needs of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Selection {
    /// Type of the artifact.
    pub r#type: Type,
    /// PID 1 in it.
    pub init: Init,
    /// The variant, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Our name of the architecture (`x86_64`).
    pub architecture: String,
    /// The distro's name of it (`amd64`).
    pub package_architecture: String,
    /// File system and compression.
    pub form: Form,
    /// The base with the init's layer on top, and the variant's on that.
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
    /// No such variant.
    #[error("{recipe} has no variant `{wanted}`{}", offers(.offered, .near.as_deref()))]
    Variant {
        /// The recipe's name.
        recipe: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: Vec<String>,
        /// The nearest of them.
        near: Option<String>,
    },
    /// No such form.
    #[error("{what}; {offered}")]
    Form {
        /// What was asked for.
        what: String,
        /// What there is.
        offered: String,
    },
    /// No such extension.
    #[error("{recipe} has no extension `{wanted}`{}", offers(.offered, .near.as_deref()))]
    Extension {
        /// The recipe's name.
        recipe: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: Vec<String>,
        /// The nearest of them.
        near: Option<String>,
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
    /// `folder` of `recipes/`, a recipe that extends no other.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &str, text: &str, folder: &str) -> Result<Self, Problem> {
        Draft::parse(file, text, folder)?.resolve(None)
    }

    /// The part of the recipe for one artifact; what is not said is the
    /// recipe's default.
    ///
    /// # Errors
    /// When the recipe lacks the architecture, the init or the variant.
    pub fn select(
        &self,
        kind: Option<Type>,
        init: Option<Init>,
        variant: Option<&str>,
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
        let init = init.unwrap_or_else(|| self.usual_init(kind));
        let Some(layer) = self.init.get(&init) else {
            return Err(SelectionError::Init {
                recipe: self.name.clone(),
                wanted: init.to_string(),
                offered: self.init.keys().map(Init::to_string).collect::<Vec<_>>().join(", "),
            });
        };
        let mut whole = self.base.clone().joined(layer);
        if let Some(wanted) = variant {
            let Some(over) = self.variants.get(wanted) else {
                let names = self.variants.keys().map(String::as_str);
                return Err(SelectionError::Variant {
                    recipe: self.name.clone(),
                    wanted: wanted.to_owned(),
                    near: nearest(wanted, names).map(str::to_owned),
                    offered: self.variants.keys().cloned().collect(),
                });
            };
            whole = whole.joined(over);
        }
        if let Some(package) = whole.packages.iter().find(|name| whole.without.contains(name)) {
            return Err(SelectionError::WantedAndUnwanted {
                recipe: self.name.clone(),
                package: package.clone(),
            });
        }
        Ok(Selection {
            r#type: kind,
            init,
            variant: variant.map(str::to_owned),
            architecture: architecture.to_owned(),
            package_architecture: package_architecture.clone(),
            form: self.form(kind, FormChoice::default())?,
            layer: whole,
        })
    }

    /// Every PID 1 that the recipe has a layer for.
    pub fn inits(&self) -> impl Iterator<Item = Init> {
        self.init.keys().copied()
    }

    /// Names of its variants, sorted.
    pub fn variant_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.variants.keys().map(String::as_str)
    }

    /// PID 1 of a type when nobody says; a tar is an image's tree.
    #[must_use]
    pub fn usual_init(&self, kind: Type) -> Init {
        let own = self.default_init.get(&kind);
        *own.unwrap_or_else(|| &self.default_init[&Type::Image])
    }

    /// Names of its extensions, sorted.
    pub fn extension_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.extensions.keys().map(String::as_str)
    }

    /// What the extension `wanted` is made of: its own layer, without the package
    /// files and packages that guests of this recipe do without, and nothing else of
    /// them. It is chosen as a variant of the recipe's usual image, beside which it
    /// is put.
    ///
    /// # Errors
    /// When the recipe lacks the architecture or the extension.
    pub fn select_extension(
        &self,
        wanted: &str,
        architecture: &str,
    ) -> Result<Selection, SelectionError> {
        let selection = self.select(Some(Type::Image), None, None, architecture)?;
        let Some(layer) = self.extensions.get(wanted) else {
            let names = self.extensions.keys().map(String::as_str);
            return Err(SelectionError::Extension {
                recipe: self.name.clone(),
                wanted: wanted.to_owned(),
                near: nearest(wanted, names).map(str::to_owned),
                offered: self.extensions.keys().cloned().collect(),
            });
        };
        let (without, exclude) = (self.base.without.clone(), self.base.exclude.clone());
        let below = Layer { without, exclude, ..Layer::default() };
        let variant = Some(format!("extension-{wanted}"));
        Ok(Selection { variant, layer: below.joined(layer), ..selection })
    }

    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        let inits = std::iter::once(&self.base).chain(self.init.values());
        inits.chain(self.variants.values()).chain(self.extensions.values())
    }

    /// Every template and copied file that the recipe names, sorted.
    pub fn named_files(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .layers()
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

fn offers(offered: &[String], near: Option<&str>) -> String {
    match (near, offered) {
        (Some(near), _) => format!("; did you mean `{near}`?"),
        (None, []) => "; it has none".to_owned(),
        (None, names) => format!("; it has {}", names.join(", ")),
    }
}
