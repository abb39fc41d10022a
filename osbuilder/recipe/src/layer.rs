//! A layer: the nouns a recipe puts into the guest. The base of a recipe and
//! each of its init systems is one. No key of a layer runs a command.

use crate::path::GuestPath;
use crate::problem::Problem;
use crate::yaml::parse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Packages, files and other things that belong together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Layer {
    /// Layer files below `shared/` that come first, in this order; none is left
    /// in a checked recipe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Packages to install, with what they depend on.
    pub packages: Vec<String>,
    /// Packages that layers below ask for and this one does not want.
    pub remove_packages: Vec<String>,
    /// Packages that others depend on and this guest does without: mostly what
    /// only maintainer scripts call, and those are never run.
    pub without: Vec<String>,
    /// Patterns of package files that never enter the tree (`usr/share/doc/**`).
    pub exclude: Vec<String>,
    /// Groups to put into /etc/group.
    pub groups: Vec<Group>,
    /// Users to put into /etc/passwd and /etc/shadow (locked).
    pub users: Vec<User>,
    /// Directories to make.
    pub directories: Vec<Directory>,
    /// Files to write, over what a package brought.
    pub files: Vec<File>,
    /// Symbolic links to make.
    pub links: Vec<Link>,
    /// Symbolic links from every path that a file of the tree lists.
    pub link_lists: Vec<LinkList>,
    /// Device nodes.
    pub devices: Vec<Device>,
    /// Patterns removed from the finished tree.
    pub remove: Vec<String>,
    /// Parameters that the guest kernel needs for this layer.
    pub kernel_parameters: Vec<String>,
}

/// A line of /etc/group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Users in it besides those whose primary group it is.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A line of /etc/passwd; the password is always locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its primary group's number.
    pub gid: u32,
    /// Full name or purpose.
    #[serde(default)]
    pub comment: String,
    /// Home directory (not made; give it as a directory if it has to be).
    pub home: GuestPath,
    /// Login shell.
    pub shell: GuestPath,
}

/// Who owns a thing and what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// A directory to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directory {
    /// Where.
    pub path: GuestPath,
    /// Octal permission bits as text, `"0755"` where not given.
    #[serde(default)]
    pub mode: Mode<0o755>,
    /// User number, 0 where not given.
    #[serde(default)]
    pub uid: u32,
    /// Group number, 0 where not given.
    #[serde(default)]
    pub gid: u32,
}

/// A file to write; exactly one of `content`, `template` and `copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Where.
    pub path: GuestPath,
    /// Octal permission bits as text, `"0644"` where not given.
    #[serde(default)]
    pub mode: Mode<0o644>,
    /// User number, 0 where not given.
    #[serde(default)]
    pub uid: u32,
    /// Group number, 0 where not given.
    #[serde(default)]
    pub gid: u32,
    /// The text itself.
    #[serde(default)]
    pub content: Option<String>,
    /// A handlebars template: a file below the recipe's folder, or below
    /// `recipes/` where it begins with `shared/`.
    #[serde(default)]
    pub template: Option<String>,
    /// A file to copy as it is, named in the same way.
    #[serde(default)]
    pub copy: Option<String>,
}

/// Where a file's text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource<'a> {
    /// It stands in the recipe.
    Inline(&'a str),
    /// It is rendered from this template.
    Template(&'a str),
    /// It is this file, unchanged.
    Copy(&'a str),
}

impl File {
    /// The one source of its text; `None` when the recipe gives none or several.
    pub fn source(&self) -> Option<TextSource<'_>> {
        match (&self.content, &self.template, &self.copy) {
            (Some(text), None, None) => Some(TextSource::Inline(text)),
            (None, Some(name), None) => Some(TextSource::Template(name)),
            (None, None, Some(name)) => Some(TextSource::Copy(name)),
            _ => None,
        }
    }
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Link {
    /// Where the link stands.
    pub path: GuestPath,
    /// The text of the link, absolute or relative.
    pub target: String,
}

/// Links to one target from every path that a text file of the tree lists, as
/// multi-call binaries publish their names. Paths that exist are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkList {
    /// The file with one path a line.
    pub list: GuestPath,
    /// What every link points to.
    pub target: GuestPath,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// Where.
    pub path: GuestPath,
    /// Character or block.
    #[serde(rename = "type")]
    pub kind: DeviceType,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Octal permission bits as text, `"0600"` where not given.
    #[serde(default)]
    pub mode: Mode<0o600>,
}

/// The kind of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceType {
    /// A character device.
    Char,
    /// A block device.
    Block,
}

/// Permission bits, written as octal text so that no reader of YAML can take
/// them for a decimal number; `DEFAULT` where the key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode<const DEFAULT: u32>(pub u32);

impl<const DEFAULT: u32> Default for Mode<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: u32> Serialize for Mode<DEFAULT> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de, const DEFAULT: u32> Deserialize<'de> for Mode<DEFAULT> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if text.len() == 4 && mode <= 0o7777 => Ok(Self(mode)),
            _ => Err(serde::de::Error::custom(format!(
                "`{text}` is no file mode: write four octal digits such as \"0{DEFAULT:o}\""
            ))),
        }
    }
}

impl Layer {
    /// Parses `text`, the content of the layer file `file`, which several
    /// recipes may include.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        let layer: Self = parse(file, text)?;
        let wrong = |word: &str, message: String| Problem::at_word(file, text, 1, word, message);
        if let Some(name) = layer.include.first() {
            return Err(wrong(name, "a shared layer includes no other".into()));
        }
        for entry in &layer.files {
            match entry.source() {
                Some(TextSource::Template(name) | TextSource::Copy(name)) => {
                    if !name.starts_with("shared/") {
                        let message = format!("a shared layer has no folder: `{name}` must");
                        return Err(wrong(name, format!("{message} begin with `shared/`")));
                    }
                }
                Some(TextSource::Inline(_)) => {}
                None => {
                    let path = entry.path.as_str();
                    let message = format!("the file {path} needs one of");
                    return Err(wrong(path, format!("{message} `content`, `template`, `copy`")));
                }
            }
        }
        Ok(layer)
    }

    /// This layer on top of what it includes, out of `layers`; the name of one
    /// that is not there where that fails.
    pub(crate) fn standing_on(mut self, layers: &BTreeMap<String, Self>) -> Result<Self, String> {
        let mut below = Self::default();
        for name in std::mem::take(&mut self.include) {
            below = below.joined(layers.get(&name).ok_or(name)?);
        }
        let taken_out = below.packages.clone();
        let mut whole = below.joined(&self);
        whole.remove_packages.retain(|name| !taken_out.contains(name));
        Ok(whole)
    }

    /// This layer with `over` put on top: lists are joined in order, but for
    /// the packages that `over` takes out, and for those that this layer does
    /// `without` and `over` asks for. What it names so and finds nowhere
    /// stays on the list, for a layer that comes between later.
    #[must_use]
    pub fn joined(mut self, over: &Self) -> Self {
        self.packages.retain(|name| !over.remove_packages.contains(name));
        self.without.retain(|name| !over.packages.contains(name));
        self.remove_packages.extend(over.remove_packages.iter().cloned());
        self.packages.extend(over.packages.iter().cloned());
        self.without.extend(over.without.iter().cloned());
        self.exclude.extend(over.exclude.iter().cloned());
        self.groups.extend(over.groups.iter().cloned());
        self.users.extend(over.users.iter().cloned());
        self.directories.extend(over.directories.iter().cloned());
        self.files.extend(over.files.iter().cloned());
        self.links.extend(over.links.iter().cloned());
        self.link_lists.extend(over.link_lists.iter().cloned());
        self.devices.extend(over.devices.iter().cloned());
        self.remove.extend(over.remove.iter().cloned());
        self.kernel_parameters.extend(over.kernel_parameters.iter().cloned());
        self
    }
}
