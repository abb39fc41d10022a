//! A stand-in for a mirror that can't be reached: Debian's real files, packed
//! and laid out as another distro has them, under the names that its recipe asks
//! for, and signed with a key that is made for one run and thrown away after it.
//!
//! It shows a recipe at work, and tests the readers with what other people's
//! tools (rpmbuild, createrepo_c, gpg) write. It knows no recipes: whoever calls
//! says which names and which folders.

mod apt;
mod debian;
mod gnupg;
mod names;
mod programs;
mod rpm;
mod spec;

use std::path::PathBuf;

use artifact_store::{Progress, Store};
use repository::deb::DebSource;
use url::Url;

use crate::error::MirrorError;
use crate::place::Place;
use gnupg::ThrowAwayKey;

/// What to make, and out of what.
#[derive(Clone, Copy)]
pub struct StandInOptions<'a> {
    /// The mirror's folder; what is there is replaced.
    pub out: &'a PathBuf,
    /// Debian, whose files it is made of.
    pub debian: &'a DebSource,
    /// What of Debian nothing in a guest needs, though packages depend on it.
    pub debian_without: &'a [String],
    /// Where fetched files are kept.
    pub store: &'a Store,
    /// Who is told how far fetching is.
    pub progress: &'a dyn Progress,
    /// Packages by the names of the distro that is stood in for.
    pub packages: &'a [String],
    /// Packages of it that have to be there, though nobody asks for them.
    pub without: &'a [String],
    /// How that distro lays out a mirror.
    pub layout: &'a Layout,
}

/// How a distro lays out a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// As Debian does, under other suites.
    Apt {
        /// The suites; all but the first hold what the first lacks.
        suites: Vec<String>,
        /// The one component.
        component: String,
        /// The archive's name.
        origin: String,
    },
    /// Folders with `repodata`.
    Rpm {
        /// The folders; all but the first hold what the first lacks.
        folders: Vec<String>,
        /// The distro's name of the architecture.
        architecture: String,
        /// Directories that are links, and what they stand for.
        aliases: Vec<(String, String)>,
    },
}

/// A stand-in that was made.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// Its base as a `file:` URL.
    pub url: String,
    /// The public key's file (OpenPGP, armored). The private half is gone.
    pub public_key: PathBuf,
    /// How many packages it has.
    pub packages: usize,
    /// What it was made from, for people.
    pub made_from: String,
}

/// Makes a stand-in. The new one takes the place of the former at once.
///
/// # Errors
/// [`MirrorError`]: Debian's packages can't be had, a host tool is missing or
/// fails, or the folder cannot be written.
pub fn stand_in(options: &StandInOptions<'_>) -> Result<StandIn, MirrorError> {
    let place = Place::prepare(options.out)?;
    let chosen = debian::choose(options)?;
    let key = ThrowAwayKey::generate()?;
    let packages = match options.layout {
        Layout::Apt { suites, component, origin } => {
            let archive = apt::Archive { suites, component, origin };
            archive.write(place.fresh(), &chosen, &key)?
        }
        Layout::Rpm { folders, architecture, aliases } => {
            let mirror = rpm::Mirror { folders, architecture, aliases };
            mirror.write(place.fresh(), options, &chosen, &key)?
        }
    };
    key.export(&place.fresh().join("keys/stand-in.asc"))?;
    let out = place.publish()?;
    let url = Url::from_directory_path(&out)
        .map_err(|()| MirrorError::BadName(out.display().to_string()))?;
    Ok(StandIn {
        url: url.to_string(),
        public_key: out.join("keys/stand-in.asc"),
        packages,
        made_from: format!("files of {}", chosen.description),
    })
}

/// What distros keep in the second of their folders or suites, so that a guest
/// can only be built by whoever reads all of them.
fn belongs_to_second(name: &str) -> bool {
    matches!(name, "chrony" | "strace" | "tzdata" | "libudev0-shim")
}

/// The folder or suite, of `all`, that a package goes into.
fn folder_of<'a>(all: &'a [String], name: &str) -> Result<&'a String, MirrorError> {
    let second = all.get(1).filter(|_| belongs_to_second(name));
    second.or(all.first()).ok_or(MirrorError::NothingLeft)
}
