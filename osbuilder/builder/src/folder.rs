//! Reading a recipe's folder: the recipe, the files and keys that it names.
//! The one place of osbuilder that knows the layout of `recipes/`.

use crate::error::BuildError;
use recipe::{Draft, Layer, Problem, Recipe, nearest};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Recipes in a row that extend one another.
const MAX_PARENTS: usize = 8;

/// A recipe with everything it names, read into memory.
#[derive(Debug, Clone)]
pub struct RecipeFolder {
    /// The folder itself.
    pub path: PathBuf,
    /// The checked recipe.
    pub recipe: Recipe,
    /// Its file, as errors name it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The recipes that it extends, the nearest first, each with the layers that
    /// it includes: file and text.
    pub parents: Vec<(String, String)>,
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
        let (recipe, parents) = resolve(recipes, &names, &file, &text, distro, &mut Vec::new())?;
        let mut files = BTreeMap::new();
        for name in recipe.named_files() {
            let path = below(recipes, &folder, name)
                .filter(|path| path.is_file())
                .ok_or_else(|| missing(&file, &text, name))?;
            files.insert(name.to_owned(), read_text(&path)?);
        }
        let (mut keys, mut key_places) = (Vec::new(), Vec::new());
        for name in recipe.repository.keys() {
            let path = below(recipes, &folder, name)
                .filter(|path| path.is_file())
                .ok_or_else(|| missing(&file, &text, name))?;
            keys.push(read_key(&path)?);
            let shown = path.strip_prefix(recipes).unwrap_or(&path).display();
            key_places.push(format!("recipes/{shown}"));
        }
        Ok(Self { path: folder, recipe, file, text, parents, files, keys, key_places })
    }

    /// The place of `word`, which a list of the recipe, of its layers or of what
    /// it extends holds, with the nearest right word.
    pub(crate) fn problem_at_word<'a>(
        &self,
        word: &str,
        message: String,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Problem {
        let own = (&self.file, &self.text);
        let all = std::iter::once(own).chain(self.parents.iter().map(|(file, text)| (file, text)));
        let item = |line: &str| {
            let item = line.trim_start().strip_prefix("- ");
            item.and_then(|item| item.split(['#', ' ']).next()) == Some(word)
        };
        let mut holding = all.filter(|(_, text)| text.lines().any(item));
        let (file, text) = holding.next().unwrap_or(own);
        Recipe::problem_at_word(file, text, word, message, candidates)
    }

    /// A file that the recipe names, as errors name it.
    pub(crate) fn place_of(&self, name: &str) -> String {
        if let Some(inherited) = name.strip_prefix('/') {
            format!("recipes/{inherited}")
        } else if name.starts_with("shared/") {
            format!("recipes/{name}")
        } else {
            format!("recipes/{}/{name}", self.recipe.name)
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

/// A recipe's text as a recipe, on top of what it extends; with the files and
/// texts of those. `trail` holds the names on the way here.
fn resolve(
    recipes: &Path,
    names: &[String],
    file: &str,
    text: &str,
    distro: &str,
    trail: &mut Vec<String>,
) -> Result<(Recipe, Vec<(String, String)>), BuildError> {
    let draft = Draft::parse(file, text, distro)?;
    let (layers, mut parents) = included(recipes, file, text, &draft)?;
    let draft = draft.including(&layers)?;
    let Some(parent) = draft.extends().map(str::to_owned) else {
        return Ok((draft.resolve(None)?, parents));
    };
    trail.push(distro.to_owned());
    if trail.contains(&parent) {
        let message = format!("`{parent}` extends this recipe itself: {}", trail.join(" extends "));
        return Err(draft.problem_at_extends(message).into());
    }
    if trail.len() > MAX_PARENTS {
        let message = format!("more than {MAX_PARENTS} recipes extend one another");
        return Err(draft.problem_at_extends(message).into());
    }
    if !names.contains(&parent) {
        let problem = draft.problem_at_extends(format!("there is no recipe `{parent}`"));
        return Err(match nearest(&parent, names.iter().map(String::as_str)) {
            Some(near) => problem.with_help(format!("did you mean `{near}`?")),
            None => problem,
        }
        .into());
    }
    let parent_file = format!("recipes/{parent}/recipe.yaml");
    let parent_text = read_text(&recipes.join(&parent).join("recipe.yaml"))?;
    let (below, further) = resolve(recipes, names, &parent_file, &parent_text, &parent, trail)?;
    parents.push((parent_file, parent_text));
    parents.extend(further);
    Ok((draft.resolve(Some(&below))?, parents))
}

/// What [`included`] reads: the layers by name, and each file with its text.
type Included = (BTreeMap<String, Layer>, Vec<(String, String)>);

/// The layer files that a draft includes, all below `recipes/shared/`.
fn included(
    recipes: &Path,
    file: &str,
    text: &str,
    draft: &Draft<'_>,
) -> Result<Included, BuildError> {
    let (mut layers, mut texts) = (BTreeMap::new(), Vec::new());
    for name in draft.includes() {
        let path = below(recipes, recipes, name)
            .filter(|path| name.starts_with("shared/") && path.is_file())
            .ok_or_else(|| missing(file, text, name))?;
        let (shown, layer) = (format!("recipes/{name}"), read_text(&path)?);
        layers.insert(name.to_owned(), Layer::parse(&shown, &layer)?);
        texts.push((shown, layer));
    }
    Ok((layers, texts))
}

/// `shared/…` lies below `recipes/`, as does what another recipe hands down
/// (`/debian/files/…`), everything else below the recipe's own folder; nothing
/// may point elsewhere.
fn below(recipes: &Path, folder: &Path, name: &str) -> Option<PathBuf> {
    if let Some(inherited) = name.strip_prefix('/') {
        return below(recipes, recipes, inherited);
    }
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
