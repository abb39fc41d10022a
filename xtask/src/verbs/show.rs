//! `cargo xtask show`: the recipe as a build would see it, with defaults and
//! the init's layer put together. It also holds the words by which all
//! explaining verbs are told which guest is meant.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Flags, FormFlags, InitKind, Kind};
use crate::project::Project;
use clap::Args;
use recipe::{Choice, Recipe};
use std::path::PathBuf;

/// Which guest is meant, in the words of build-image.
#[derive(Debug, Clone, Args)]
pub(crate) struct Guest {
    /// Distro, a folder of recipes/; versions.yaml's default where not given.
    #[arg(long)]
    pub(crate) distro: Option<String>,
    /// Initrd or image; the recipe's default where not given.
    #[arg(long = "type", value_enum)]
    pub(crate) kind: Option<Kind>,
    /// PID 1 of the guest; the recipe's default for the type where not given.
    #[arg(long, value_enum)]
    pub(crate) init: Option<InitKind>,
    /// Variant of the recipe (`debug`).
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    #[command(flatten)]
    pub(crate) form: FormFlags,
    /// Architecture of the guest.
    #[arg(long, default_value = std::env::consts::ARCH)]
    pub(crate) arch: String,
    /// Where build-image puts its artifacts.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

impl Guest {
    pub(crate) fn distro<'a>(&'a self, project: &'a Project) -> &'a str {
        self.distro.as_deref().unwrap_or(match self.kind {
            Some(Kind::Initrd) => &project.versions.default_initrd_name,
            _ => &project.versions.default_image_name,
        })
    }

    pub(crate) fn folder(&self, project: &Project) -> PathBuf {
        self.out.clone().unwrap_or_else(|| project.out(&self.arch))
    }

    /// The same in the recipe's words.
    pub(crate) fn choice(&self) -> Choice<'_> {
        Choice {
            r#type: self.kind.map(Into::into),
            init: self.init.map(Into::into),
            variant: self.variant.as_deref(),
            form: self.form.into(),
        }
    }

    /// Where its artifact is, if it was built.
    pub(crate) fn artifact(&self, project: &Project) -> Result<PathBuf, Failure> {
        Ok(osbuilder::explain::artifact_path(
            &project.recipes(),
            self.distro(project),
            &self.choice(),
            &self.arch,
            &self.folder(project),
        )?)
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    guest: Guest,
    /// The whole recipe, not only what this type and init take from it.
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(project: &Project, _flags: &Flags, args: &Show) -> Result<Outcome, Failure> {
    let guest = &args.guest;
    let folder = osbuilder::RecipeFolder::load(&project.recipes(), guest.distro(project))?;
    let selection = folder.recipe.choose(&guest.choice(), &guest.arch).map_err(Failure::input)?;
    let json = if args.all {
        serde_json::to_value::<&Recipe>(&folder.recipe)?
    } else {
        serde_json::to_value(&selection)?
    };
    Ok(Outcome { text: yaml(&json), json })
}

/// A JSON value in YAML's block form; scalars keep JSON's spelling, which YAML
/// reads as well.
fn yaml(value: &serde_json::Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &serde_json::Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut item = |head: String, value: &serde_json::Value| {
        out.push_str(&format!("{indent}{head}"));
        if nested(value) {
            out.push('\n');
            write(out, value, depth + 1);
        } else {
            out.push_str(&format!(" {}\n", scalar(value)));
        }
    };
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                item(format!("{key}:"), value);
            }
        }
        serde_json::Value::Array(list) => {
            for value in list {
                item("-".to_owned(), &flow(value));
            }
        }
        other => out.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

/// What needs lines of its own.
fn nested(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(map) => !map.is_empty(),
        serde_json::Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

/// Entries of lists stay on a line, as recipes write them; keys without a value
/// say nothing.
fn flow(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let said = map.iter().filter(|(_, value)| !value.is_null());
            let parts: Vec<String> = said.map(|(key, v)| format!("{key}: {}", scalar(v))).collect();
            serde_json::Value::String(format!("{{{}}}", parts.join(", ")))
        }
        other => other.clone(),
    }
}

/// Words that YAML reads as the same text go without quotes.
fn scalar(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn plain(text: &str) -> bool {
    let flow = text.starts_with('{') && text.ends_with('}') && text.contains(": ");
    let word = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@=+".contains(c))
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    flow || word
}
