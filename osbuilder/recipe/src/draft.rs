//! A recipe as its file says it, before what it extends is known: the raw form
//! mirrors the file, [`Draft::resolve`] puts it on top of its parent and checks
//! the whole. It reads no file: whoever calls follows `extends`.

use crate::form::{ImageSettings, InitrdSettings};
use crate::layer::{Layer, TextSource};
use crate::problem::{Problem, nearest};
use crate::recipe::{Init, Recipe, Type};
use crate::repository::RepositorySource;
use crate::yaml::{at, parse};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    name: Spanned<String>,
    extends: Option<Spanned<String>>,
    title: Option<String>,
    version: Option<String>,
    source_date_epoch: Option<Spanned<i64>>,
    repository: Option<Spanned<RepositorySource>>,
    architectures: Option<BTreeMap<String, String>>,
    default_type: Option<Type>,
    default_init: Option<Spanned<BTreeMap<Type, Init>>>,
    image: Option<Spanned<ImageSettings>>,
    initrd: Option<Spanned<InitrdSettings>>,
    aliases: Option<BTreeMap<String, String>>,
    base: Option<Spanned<Layer>>,
    #[serde(default)]
    init: BTreeMap<Init, Spanned<Layer>>,
    #[serde(default)]
    variants: BTreeMap<String, Spanned<Layer>>,
    #[serde(default)]
    extensions: BTreeMap<String, Spanned<Layer>>,
}

impl Raw {
    fn layers(&self) -> impl Iterator<Item = &Spanned<Layer>> {
        let (init, variants) = (self.init.values(), self.variants.values());
        self.base.iter().chain(init).chain(variants).chain(self.extensions.values())
    }

    fn layers_mut(&mut self) -> impl Iterator<Item = &mut Spanned<Layer>> {
        let (init, variants) = (self.init.values_mut(), self.variants.values_mut());
        self.base.iter_mut().chain(init).chain(variants).chain(self.extensions.values_mut())
    }
}

/// A parsed recipe that may still lack what it extends.
#[derive(Debug)]
pub struct Draft<'a> {
    file: &'a str,
    text: &'a str,
    raw: Raw,
}

impl<'a> Draft<'a> {
    /// Parses `text`, the content of `file`, found in the folder `folder` of
    /// `recipes/`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &'a str, text: &'a str, folder: &str) -> Result<Self, Problem> {
        let draft = Self { file, text, raw: parse(file, text)? };
        let name = &draft.raw.name;
        if name.value != folder {
            let message = format!("the recipe calls itself `{}`", name.value);
            return Err(draft.at(name.referenced, format!("{message}, its folder is `{folder}`")));
        }
        Ok(draft)
    }

    /// The recipe that this one extends.
    pub fn extends(&self) -> Option<&str> {
        self.raw.extends.as_ref().map(|name| name.value.as_str())
    }

    /// Layer files that its layers include, each once.
    pub fn includes(&self) -> Vec<&str> {
        let mut names: Vec<_> =
            self.raw.layers().flat_map(|layer| &layer.value.include).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The draft with each of its layers standing on what it includes.
    ///
    /// # Errors
    /// A layer file that is not among `layers`.
    pub fn including(mut self, layers: &BTreeMap<String, Layer>) -> Result<Self, Problem> {
        let (file, text) = (self.file, self.text);
        for layer in self.raw.layers_mut() {
            let value = std::mem::take(&mut layer.value);
            layer.value = value.standing_on(layers).map_err(|name| {
                let message = format!("the layer `{name}` is not at hand");
                Problem::at_word(file, text, layer.referenced.line(), &name, message)
            })?;
        }
        Ok(self)
    }

    /// Something that is wrong with what the recipe extends.
    pub fn problem_at_extends(&self, message: String) -> Problem {
        let place = self.raw.extends.as_ref().unwrap_or(&self.raw.name).referenced;
        self.at(place, message)
    }

    /// The recipe, on top of `parent` where it extends one: what it says takes
    /// the place of what the parent says, and its layers come after the
    /// parent's. Files that the parent names are found in the parent's folder.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn resolve(self, parent: Option<&Recipe>) -> Result<Recipe, Problem> {
        // Whatever is included has to be in place by now.
        let this = self.including(&BTreeMap::new())?;
        this.resolve_whole(parent)
    }

    fn resolve_whole(self, parent: Option<&Recipe>) -> Result<Recipe, Problem> {
        if let (Some(name), None) = (self.extends(), parent) {
            let message = format!("the recipe extends `{name}`, which is not at hand");
            return Err(self.problem_at_extends(message));
        }
        self.check_own(parent)?;
        let lacking = |key: &str| {
            let message = format!("the key `{key}` is missing here");
            self.at(Location::UNKNOWN, message).with_help("add it, or `extends:` a recipe")
        };
        let parent = parent.cloned().map(inherited);
        let old = parent.as_ref();
        let raw = &self.raw;
        let mut base = old.map(|old| old.base.clone());
        if let Some(over) = &raw.base {
            base = Some(base.unwrap_or_default().joined(&over.value));
        }
        let mut init = old.map(|old| old.init.clone()).unwrap_or_default();
        for (name, over) in &raw.init {
            let below = init.remove(name).unwrap_or_default();
            init.insert(*name, below.joined(&over.value));
        }
        let mut variants = old.map(|old| old.variants.clone()).unwrap_or_default();
        for (name, over) in &raw.variants {
            let below = variants.remove(name).unwrap_or_default();
            variants.insert(name.clone(), below.joined(&over.value));
        }
        let mut extensions = old.map(|old| old.extensions.clone()).unwrap_or_default();
        for (name, over) in &raw.extensions {
            let below = extensions.remove(name).unwrap_or_default();
            extensions.insert(name.clone(), below.joined(&over.value));
        }
        let recipe = Recipe {
            name: raw.name.value.clone(),
            title: own(raw.title.clone(), old, |old| &old.title).ok_or_else(|| lacking("title"))?,
            version: own(raw.version.clone(), old, |old| &old.version)
                .ok_or_else(|| lacking("version"))?,
            source_date_epoch: own(value(&raw.source_date_epoch), old, |o| &o.source_date_epoch)
                .ok_or_else(|| lacking("source-date-epoch"))?,
            repository: own(value(&raw.repository), old, |old| &old.repository)
                .ok_or_else(|| lacking("repository"))?,
            architectures: own(raw.architectures.clone(), old, |old| &old.architectures)
                .ok_or_else(|| lacking("architectures"))?,
            default_type: own(raw.default_type, old, |old| &old.default_type)
                .ok_or_else(|| lacking("default-type"))?,
            default_init: own(value(&raw.default_init), old, |old| &old.default_init)
                .ok_or_else(|| lacking("default-init"))?,
            image: own(value(&raw.image), old, |old| &old.image).unwrap_or_default(),
            initrd: own(value(&raw.initrd), old, |old| &old.initrd).unwrap_or_default(),
            aliases: own(raw.aliases.clone(), old, |old| &old.aliases).unwrap_or_default(),
            base: base.ok_or_else(|| lacking("base"))?,
            init,
            variants,
            extensions,
        };
        self.check_default_init(&recipe)?;
        self.check_repository(&recipe)?;
        Ok(recipe)
    }

    /// What is wrong with this file alone.
    fn check_own(&self, parent: Option<&Recipe>) -> Result<(), Problem> {
        let raw = &self.raw;
        if let Some(epoch) = &raw.source_date_epoch
            && u32::try_from(epoch.value).is_err()
        {
            let number = epoch.value;
            let message = format!("{number} is no `source-date-epoch`: seconds from 1970 to 2106");
            return Err(self.at(epoch.referenced, message));
        }
        if let Some(image) = &raw.image
            && let Some(wrong) = image.value.mistake()
        {
            return Err(self.at(image.referenced, wrong));
        }
        if let Some(initrd) = &raw.initrd
            && let Some(wrong) = initrd.value.mistake()
        {
            return Err(self.at(initrd.referenced, wrong));
        }
        for (name, variant) in &raw.variants {
            // It becomes part of file names.
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            // The lock calls extensions so.
            let taken = name.starts_with("extension-");
            if name.is_empty() || taken || !name.bytes().all(plain) {
                let message =
                    format!("`{name}` is no name of a variant: small letters, digits and `-`");
                return Err(self.at(variant.referenced, message));
            }
        }
        for (name, extension) in &raw.extensions {
            // It becomes part of a disk's serial number, which has 20 bytes.
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || name.len() > 10 || !name.bytes().all(plain) {
                let message = format!(
                    "`{name}` is no name of an extension: 10 small letters, digits and `-` at most"
                );
                return Err(self.at(extension.referenced, message));
            }
        }
        if let Some(source) = &raw.repository {
            for key in source.value.keys() {
                self.refuse_absolute(source.referenced, key)?;
            }
            if let RepositorySource::Apt(apt) = &source.value
                && let Some(snapshot) = &apt.snapshot
                && (!snapshot.starts_with("http") || !snapshot.contains("{time}"))
            {
                let message = format!("`snapshot` is `{snapshot}`, no URL with `{{time}}` in it");
                return Err(self.at(source.referenced, message));
            }
        }
        for layer in raw.layers() {
            for file in &layer.value.files {
                match file.source() {
                    Some(TextSource::Template(name) | TextSource::Copy(name)) => {
                        self.refuse_absolute(layer.referenced, name)?;
                    }
                    Some(TextSource::Inline(_)) => {}
                    None => {
                        let message = format!(
                            "the file {} needs one of `content`, `template`, `copy`",
                            file.path
                        );
                        return Err(self.at(layer.referenced, message));
                    }
                }
            }
            for name in &layer.value.remove_packages {
                self.check_removed(layer, name, parent)?;
            }
        }
        Ok(())
    }

    /// A name that begins with `/` is how an inherited file is marked.
    fn refuse_absolute(&self, place: Location, name: &str) -> Result<(), Problem> {
        if name.starts_with('/') {
            let message = format!("`{name}` begins with `/`; name it below the recipe's folder");
            return Err(self.at(place, message));
        }
        Ok(())
    }

    /// `remove-packages` must take away something that a layer asks for.
    fn check_removed(
        &self,
        layer: &Spanned<Layer>,
        name: &str,
        parent: Option<&Recipe>,
    ) -> Result<(), Problem> {
        let own = self.raw.base.iter().chain(self.raw.init.values());
        let asked: Vec<&str> = own
            .map(|layer| &layer.value)
            .chain(parent.iter().flat_map(|parent| parent.layers()))
            .filter(|other| !std::ptr::eq(*other, &layer.value))
            .flat_map(|layer| layer.packages.iter().map(String::as_str))
            .collect();
        if asked.contains(&name) {
            return Ok(());
        }
        let message = format!("`remove-packages` names `{name}`, which no layer below asks for");
        let problem = self.at(layer.referenced, message);
        Err(match nearest(name, asked) {
            Some(near) => problem.with_help(format!("did you mean `{near}`?")),
            None => problem,
        })
    }

    fn check_default_init(&self, recipe: &Recipe) -> Result<(), Problem> {
        let place = match &self.raw.default_init {
            Some(inits) => inits.referenced,
            None => self.raw.name.referenced,
        };
        for kind in [Type::Initrd, Type::Image] {
            let Some(init) = recipe.default_init.get(&kind) else {
                return Err(self.at(place, format!("no default init for `{kind}`")));
            };
            if !recipe.init.contains_key(init) {
                let message =
                    format!("`{kind}` wants the init `{init}`, for which `init` has no layer");
                return Err(self.at(place, message));
            }
        }
        Ok(())
    }

    /// Whatever the repository says has to fit the recipe as a whole.
    fn check_repository(&self, recipe: &Recipe) -> Result<(), Problem> {
        let Some(fault) = recipe.repository.fault(&recipe.architectures) else { return Ok(()) };
        let line = self.raw.repository.as_ref().map_or(1, |said| said.referenced.line());
        let problem = Problem::at_word(self.file, self.text, line, &fault.word, fault.message);
        Err(match fault.near {
            Some(near) => problem.with_help(format!("did you mean `{near}`?")),
            None => problem,
        })
    }

    fn at(&self, place: Location, message: String) -> Problem {
        let known = place.line() != 0;
        let place = if known { place } else { self.raw.name.referenced };
        at(self.file, self.text, place, message)
    }
}

/// A key's value, where the file gives it.
fn value<T: Clone>(key: &Option<Spanned<T>>) -> Option<T> {
    key.as_ref().map(|key| key.value.clone())
}

/// What the file says, else what the parent says.
fn own<T: Clone>(said: Option<T>, parent: Option<&Recipe>, of: fn(&Recipe) -> &T) -> Option<T> {
    said.or_else(|| parent.map(|parent| of(parent).clone()))
}

/// What a recipe hands down: the names of its files lead to its own folder.
fn inherited(mut parent: Recipe) -> Recipe {
    let folder = parent.name.clone();
    let lead = |name: &mut String| {
        if !name.starts_with("shared/") && !name.starts_with('/') {
            *name = format!("/{folder}/{name}");
        }
    };
    let (init, variants) = (parent.init.values_mut(), parent.variants.values_mut());
    let extensions = parent.extensions.values_mut();
    for layer in std::iter::once(&mut parent.base).chain(init).chain(variants).chain(extensions) {
        for file in &mut layer.files {
            file.template.iter_mut().chain(&mut file.copy).for_each(lead);
        }
    }
    parent.repository.keys_mut().iter_mut().for_each(lead);
    parent
}
