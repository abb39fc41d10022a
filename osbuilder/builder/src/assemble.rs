//! Filling the tree: packages first, then the agent, then the nouns of the
//! recipe, then what is to go. Nothing here is run; everything is put.

use crate::accounts;
use crate::build::Agent;
use crate::chosen::Unpacked;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use recipe::{DeviceType, Init, Selection, Templates, TextSource, Type};
use rootfs::{Content, EditError, Kind, MergeRules, Meta, Origin, Owners, Patterns, Tree};
use serde_json::json;

/// Where the agent's binary stands in every guest.
const AGENT: &str = "usr/bin/kata-agent";

/// The finished tree.
pub(crate) fn assemble(
    folder: &RecipeFolder,
    selection: &Selection,
    packages: Vec<Unpacked>,
    agent: &Agent,
) -> Result<Tree, BuildError> {
    let mut tree = merge(folder, selection, packages)?;
    let mut nouns = Nouns::new(&mut tree, folder);
    nouns.accounts(selection)?;
    nouns.agent(selection, agent)?;
    nouns.layer(selection, agent)?;
    finish(tree, folder, selection)
}

/// The finished tree of an extension: packages and nouns, with no account and no
/// agent of its own.
pub(crate) fn assemble_extension(
    folder: &RecipeFolder,
    selection: &Selection,
    packages: Vec<Unpacked>,
) -> Result<Tree, BuildError> {
    let mut tree = merge(folder, selection, packages)?;
    Nouns::new(&mut tree, folder).layer(selection, &Agent::default())?;
    finish(tree, folder, selection)
}

/// A tree of nothing but packages.
fn merge(
    folder: &RecipeFolder,
    selection: &Selection,
    packages: Vec<Unpacked>,
) -> Result<Tree, BuildError> {
    let mut tree = Tree::new();
    let pattern = |source| BuildError::Pattern { recipe: folder.file.clone(), source };
    let exclude = Patterns::compile(&selection.layer.exclude).map_err(pattern)?;
    let aliases: Vec<_> =
        folder.recipe.aliases.iter().map(|(a, b)| (a.clone(), b.clone())).collect();
    let owners = Owners {
        users: selection.layer.users.iter().map(|user| (user.name.clone(), user.uid)).collect(),
        groups: selection.layer.groups.iter().map(|g| (g.name.clone(), g.gid)).collect(),
    };
    for package in packages {
        let rules = MergeRules {
            aliases: aliases.clone(),
            replaces: package.replaces,
            replace_priority: package.replace_priority,
            exclude: exclude.clone(),
            owners: package.names_owners.then(|| owners.clone()),
            ..MergeRules::default()
        };
        tree.merge_tar(package.tar, Origin::package(&package.name), &rules)?;
    }
    Ok(tree)
}

/// Takes out what is to go, and gives nothing a later time than the recipe's.
fn finish(
    mut tree: Tree,
    folder: &RecipeFolder,
    selection: &Selection,
) -> Result<Tree, BuildError> {
    let pattern = |source| BuildError::Pattern { recipe: folder.file.clone(), source };
    tree.remove_matching(&selection.layer.remove).map_err(pattern)?;
    tree.clamp_mtimes(folder.recipe.source_date_epoch);
    Ok(tree)
}

/// Puts what is not in a package, and says which noun did not fit.
struct Nouns<'a> {
    tree: &'a mut Tree,
    folder: &'a RecipeFolder,
    epoch: i64,
}

impl<'a> Nouns<'a> {
    fn new(tree: &'a mut Tree, folder: &'a RecipeFolder) -> Self {
        Self { tree, folder, epoch: folder.recipe.source_date_epoch }
    }

    fn meta(&self, mode: u32, what: &str) -> Meta {
        Meta::root(mode, Origin::recipe(what)).mtime(self.epoch)
    }

    fn fits<T>(&self, what: &str, result: Result<T, EditError>) -> Result<T, BuildError> {
        result.map_err(|source| BuildError::Edit {
            recipe: self.folder.file.clone(),
            what: what.to_owned(),
            source,
        })
    }

    fn accounts(&mut self, selection: &Selection) -> Result<(), BuildError> {
        let accounts = accounts::render(&selection.layer);
        let shadow =
            selection.layer.groups.iter().find(|g| g.name == "shadow").map_or(0, |g| g.gid);
        for (path, text, mode, gid) in [
            ("etc/passwd", accounts.passwd, 0o644, 0),
            ("etc/group", accounts.group, 0o644, 0),
            ("etc/shadow", accounts.shadow, 0o640, shadow),
        ] {
            let meta = self.meta(mode, "users and groups").owner(0, gid);
            let put = self.tree.put_file(path, text.into_bytes(), meta);
            self.fits(path, put)?;
        }
        Ok(())
    }

    fn agent(&mut self, selection: &Selection, agent: &Agent) -> Result<(), BuildError> {
        let meta = Meta::root(0o755, Origin::Builder).mtime(self.epoch);
        let put = self.tree.put_file(AGENT, Content::from(agent.binary.clone()), meta.clone());
        self.fits(AGENT, put)?;
        let mut links = Vec::new();
        if selection.init == Init::Agent {
            links.push(("sbin/init", "/usr/bin/kata-agent"));
        }
        match (selection.r#type, selection.init) {
            (Type::Initrd, Init::Agent) => links.push(("init", "/usr/bin/kata-agent")),
            (Type::Initrd, Init::Systemd) => links.push(("init", "/sbin/init")),
            (Type::Image | Type::Tar, _) => {}
        }
        for (path, target) in links {
            let put = self.tree.put_symlink(path, target, meta.clone());
            self.fits(path, put)?;
        }
        Ok(())
    }

    fn layer(&mut self, selection: &Selection, agent: &Agent) -> Result<(), BuildError> {
        let layer = &selection.layer;
        let templates = Templates::new(variables(self.folder, selection, agent));
        for directory in &layer.directories {
            let what = format!("directories: {}", directory.path);
            let meta = self.meta(directory.mode.0, &what).owner(directory.uid, directory.gid);
            let put = self.tree.put_directory(directory.path.relative(), meta);
            self.fits(&what, put)?;
        }
        for file in &layer.files {
            let what = format!("files: {}", file.path);
            let text = self.text(file.source(), &templates)?;
            let meta = self.meta(file.mode.0, &what).owner(file.uid, file.gid);
            let put = self.tree.put_file(file.path.relative(), text.into_bytes(), meta);
            self.fits(&what, put)?;
        }
        for link in &layer.links {
            let what = format!("links: {}", link.path);
            let put =
                self.tree.put_symlink(link.path.relative(), &link.target, self.meta(0o777, &what));
            self.fits(&what, put)?;
        }
        for device in &layer.devices {
            let what = format!("devices: {}", device.path);
            let (major, minor) = (device.major, device.minor);
            let kind = match device.kind {
                DeviceType::Char => Kind::CharDevice { major, minor },
                DeviceType::Block => Kind::BlockDevice { major, minor },
            };
            let put =
                self.tree.put_device(device.path.relative(), kind, self.meta(device.mode.0, &what));
            self.fits(&what, put)?;
        }
        for list in &layer.link_lists {
            self.link_list(list)?;
        }
        Ok(())
    }

    fn text(
        &self,
        source: Option<TextSource<'_>>,
        templates: &Templates,
    ) -> Result<String, BuildError> {
        // The recipe was checked: there is exactly one source, and the folder
        // holds every file that is named.
        Ok(match source {
            Some(TextSource::Inline(text)) => text.to_owned(),
            Some(TextSource::Copy(name)) => self.folder.files[name].clone(),
            Some(TextSource::Template(name)) => {
                templates.render(&self.folder.place_of(name), &self.folder.files[name])?
            }
            None => String::new(),
        })
    }

    fn link_list(&mut self, list: &recipe::layer::LinkList) -> Result<(), BuildError> {
        let what = format!("link-lists: {}", list.list);
        let text = match self.tree.get(list.list.relative()).map(|inode| &inode.kind) {
            Some(Kind::File(content)) => String::from_utf8_lossy(content.as_slice()).into_owned(),
            _ => {
                return Err(BuildError::LinkList {
                    recipe: self.folder.file.clone(),
                    list: list.list.to_string(),
                });
            }
        };
        let target = list.target.as_str();
        for path in text.lines().map(|line| line.trim().trim_start_matches('/')) {
            if path.is_empty() || self.tree.resolve(path).is_ok() {
                continue;
            }
            let put = self.tree.put_symlink(path, target, self.meta(0o777, &what));
            self.fits(&what, put)?;
        }
        Ok(())
    }
}

/// What templates may name.
pub(crate) fn variables(
    folder: &RecipeFolder,
    selection: &Selection,
    agent: &Agent,
) -> serde_json::Value {
    let mut packages = selection.layer.packages.clone();
    packages.sort();
    packages.dedup();
    json!({
        "osbuilder": {
            "url": "https://github.com/kata-containers/kata-containers/tools/osbuilder",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "creation-time": rfc3339(folder.recipe.source_date_epoch),
        "architecture": selection.architecture,
        "distro": {"name": folder.recipe.name, "version": folder.recipe.version},
        "type": selection.r#type,
        "packages": packages,
        "agent": {
            "version": agent.version,
            "is-init": if selection.init == Init::Agent { "yes" } else { "no" },
        },
    })
}

/// Seconds since 1970 as RFC 3339 in UTC (days to a civil date by the
/// proleptic Gregorian calendar, counted from a 1 March).
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates_are_civil() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_754_697_600), "2025-08-09T00:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
    }
}
