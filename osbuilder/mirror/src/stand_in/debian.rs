//! Debian's side: which of its packages make up the stand-in, fetched and read
//! with every check that a build makes. It knows no layout.

use artifact_store::Request;
use repository::deb::{self, DebFile};
use repository::solve::{Exceptions, Wanted, solve};
use repository::{Package, Provide, Relation};

use super::names::debian_names;
use super::{Layout, StandInOptions};
use crate::error::MirrorError;

/// A package of Debian.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) package: Package,
    pub(super) file: DebFile,
    /// The .deb itself.
    pub(super) bytes: Vec<u8>,
}

/// All that was chosen, by name.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) all: Vec<Piece>,
    /// `Debian trixie main amd64`.
    pub(super) description: String,
}

impl Pieces {
    pub(super) fn find(&self, name: &str) -> Option<&Piece> {
        self.all.iter().find(|piece| piece.package.name == name)
    }
}

/// Opens Debian's repository, and fetches what the names that the options ask
/// for stand for, with all that it needs.
pub(super) fn choose(options: &StandInOptions<'_>) -> Result<Pieces, MirrorError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| MirrorError::Debian(error);
    let index = deb::open(options.store, options.debian, options.progress)
        .map_err(|error| failed(error.into()))?;
    let here = |name: &String| match options.layout {
        Layout::Apt { .. } => vec![name.clone()],
        Layout::Rpm { .. } => debian_names(name),
    };
    let asked: Vec<String> = options.packages.iter().flat_map(here).collect();
    let unwanted: Vec<&String> =
        options.debian_without.iter().filter(|name| !asked.contains(name)).collect();
    let exceptions = Exceptions {
        exclude: unwanted.iter().map(|name| (*name).clone()).collect(),
        assume: unwanted.iter().map(|name| assumed(&index.packages, name)).collect(),
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    for name in &asked {
        if !wanted.iter().any(|have| have.relation.name == *name) {
            let why = "asked for by the stand-in".to_owned();
            wanted.push(Wanted { relation: Relation::any(name.as_str()), why });
        }
    }
    let selected =
        solve(&index.packages, &wanted, &exceptions).map_err(|error| failed(Box::new(error)))?;
    let mut packages: Vec<&Package> =
        selected.iter().map(|one| &index.packages[one.index]).collect();
    // What has to be there without being asked for comes without what it needs.
    // An apt archive speaks of what Debian's recipe does without, too, since its
    // packages are Debian's own.
    let spoken_of = match options.layout {
        Layout::Apt { .. } => options.debian_without,
        Layout::Rpm { .. } => &[],
    };
    for name in options.without.iter().chain(spoken_of).flat_map(here) {
        let by_name = index.packages.iter().find(|package| package.name == name);
        let offers = |package: &&Package| package.provides.iter().any(|p| p.name == name);
        let found = by_name.or_else(|| index.packages.iter().find(offers));
        packages.extend(found);
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages.dedup_by(|a, b| a.name == b.name);
    let requests: Vec<Request> = deb::requests(&index, &packages);
    let blobs = options
        .store
        .fetch_all(&requests, 8, options.progress)
        .map_err(|error| failed(error.into()))?;
    let mut all = Vec::with_capacity(packages.len());
    for (package, blob) in packages.into_iter().zip(&blobs) {
        let bytes = blob.read().map_err(|error| failed(error.into()))?;
        let file = deb::payload(package, &bytes).map_err(|error| failed(error.into()))?;
        all.push(Piece { package: package.clone(), file, bytes });
    }
    Ok(Pieces { all, description: index.description })
}

fn assumed(packages: &[Package], name: &str) -> Provide {
    let version = packages.iter().find(|p| p.name == *name).map(|p| p.version.clone());
    Provide { name: name.to_owned(), version }
}
