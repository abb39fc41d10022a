//! Reading a recipe's folder: the recipe, the files and keys that it names.
//! The one place of osbuilder that knows the layout of `recipes/`.

use crate::error::BuildError;
use recipe::{Problem, Recipe, RepositorySource, nearest};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A recipe with everything it names, read into memory.
#[derive(Debug, Clone)]
pub struct RecipeFolder {
    /// The checked recipe.
    pub recipe: Recipe,
    /// Its file, as errors name it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Templates and copied files by the name that the recipe gives them.
    pub files: BTreeMap<String, String>,
    /// Trusted keys: file name and content.
    pub keys: Vec<(String, Vec<u8>)>,
    /// The keys' files, as errors name them.
    pub key_places: Vec<String>,
}

/// Names of all distros with a recipe in `recipes`, sorted.
///
/// # Errors
/// When the folder can't be listed.
pub fn distros(recipes: &Path) -> Result<Vec<String>, BuildError> {
    let io = |source| BuildError::Io { action: "listing recipes", path: recipes.into(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(recipes).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().join("recipe.yaml").is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

impl RecipeFolder {
    /// Reads the recipe of `distro` below `recipes`.
    ///
    /// # Errors
    /// No such recipe, a mistake in it, or a file that it names and that is
    /// not there.
    pub fn load(recipes: &Path, distro: &str) -> Result<Self, BuildError> {
        let names = distros(recipes)?;
        if !names.iter().any(|name| name == distro) {
            return Err(BuildError::UnknownDistro {
                wanted: distro.to_owned(),
                near: nearest(distro, names.iter().map(String::as_str)).map(str::to_owned),
                offered: names.join(", "),
            });
        }
        let folder = recipes.join(distro);
        let file = format!("recipes/{distro}/recipe.yaml");
        let path = folder.join("recipe.yaml");
        let text = read_text(&path)?;
        let recipe = Recipe::parse(&file, &text, distro)?;
        let mut files = BTreeMap::new();
        for name in recipe.named_files() {
            let path = below(recipes, &folder, name)
                .filter(|path| path.is_file())
                .ok_or_else(|| missing(&file, &text, name))?;
            files.insert(name.to_owned(), read_text(&path)?);
        }
        let named = match &recipe.repository {
            RepositorySource::Apt(source) => &source.keys,
            RepositorySource::Apk(source) => &source.keys,
        };
        let (mut keys, mut key_places) = (Vec::new(), Vec::new());
        for name in named {
            let path = below(recipes, &folder, name)
                .filter(|path| path.is_file())
                .ok_or_else(|| missing(&file, &text, name))?;
            keys.push(read_key(&path)?);
            let shown = path.strip_prefix(recipes).unwrap_or(&path).display();
            key_places.push(format!("recipes/{shown}"));
        }
        Ok(Self { recipe, file, text, files, keys, key_places })
    }

    /// A file that the recipe names, as errors name it.
    pub(crate) fn place_of(&self, name: &str) -> String {
        match name.strip_prefix("shared/") {
            Some(_) => format!("recipes/{name}"),
            None => format!("recipes/{}/{name}", self.recipe.name),
        }
    }
}

/// A key file: its name and its bytes.
pub(crate) fn read_key(path: &Path) -> Result<(String, Vec<u8>), BuildError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let bytes = fs::read(path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        BuildError::Key { file: path.into(), reason }
    })?;
    Ok((name.unwrap_or_default(), bytes))
}

fn read_text(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|source| BuildError::Io {
        action: "reading",
        path: path.into(),
        source,
    })
}

/// `shared/…` lies below `recipes/`, everything else below the recipe's own
/// folder; nothing may point elsewhere.
fn below(recipes: &Path, folder: &Path, name: &str) -> Option<PathBuf> {
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    Some(if name.starts_with("shared/") { recipes.join(name) } else { folder.join(name) })
}

fn missing(file: &str, text: &str, name: &str) -> BuildError {
    let line = text.lines().position(|line| line.contains(name)).unwrap_or(0);
    let column = text.lines().nth(line).and_then(|l| l.find(name)).unwrap_or(0);
    let message = format!("the file `{name}` does not exist");
    Problem::new(file, text, line as u64 + 1, column as u64 + 1, message)
        .with_help("it is sought in the recipe's folder, or in recipes/ if it begins with shared/")
        .into()
}
