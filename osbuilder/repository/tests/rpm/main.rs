//! The rpm family against the real tools: packages by rpmbuild, repositories by
//! createrepo_c, signatures by gpg and rpmsign.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod payloads;
mod refusals;
mod repositories;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use artifact_store::{Silent, Store, StoreOptions};
use fixture::{Build, Workshop};
use repository::openpgp::Keyring;
use repository::rpm::{self, RpmError, RpmSource, Trust};
use repository::solve::{Exceptions, Wanted, solve};
use repository::{Family, Identity, Index, Package, Relation};
use sha2::{Digest, Sha256};
use url::Url;

/// A spec file: a preamble, what makes the files, and their list.
fn spec(name: &str, preamble: &str, install: &str, files: &str) -> String {
    format!(
        "Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: a test\nLicense: MIT\nAutoReqProv: no\n\
         {preamble}\n%description\nA test.\n%install\nmkdir -p %{{buildroot}}\n\
         cd %{{buildroot}}\n{install}\n%files\n{files}\n"
    )
}

/// A package as its index would tell of it.
fn indexed(file: &Path) -> (Package, Vec<u8>) {
    let bytes = fs::read(file).unwrap();
    let query = "%{NAME}|%{VERSION}-%{RELEASE}|%{ARCH}";
    let output =
        fixture::run(std::process::Command::new("rpm").args(["-qp", "--qf", query]).arg(file));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut fields = text.split('|').map(str::to_owned);
    let package = Package {
        family: Family::Rpm,
        name: fields.next().unwrap(),
        version: fields.next().unwrap(),
        architecture: fields.next().unwrap(),
        provides: Vec::new(),
        depends: Vec::new(),
        conflicts: Vec::new(),
        replaces: Vec::new(),
        rich: Vec::new(),
        location: String::new(),
        size: bytes.len() as u64,
        installed_size: 0,
        identity: Identity::Sha256(Sha256::digest(&bytes).into()),
        source: String::new(),
        license: None,
    };
    (package, bytes)
}

/// A folder with a store, a workshop and a mirror.
struct World {
    folder: tempfile::TempDir,
    store: Store,
    shop: Workshop,
    key: Vec<u8>,
}

const KEY: &str = "Test <test@example.org>";

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(folder.path().join("store"))).unwrap();
        let shop = Workshop::new(folder.path());
        let key = shop.key(KEY, "ed25519", "never", None);
        Self { folder, store, shop, key }
    }

    fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    fn source(&self, repositories: &[&str], trust: Trust) -> RpmSource {
        RpmSource {
            mirrors: vec![Url::from_directory_path(self.mirror()).unwrap()],
            repositories: repositories.iter().map(ToString::to_string).collect(),
            architecture: "x86_64".to_owned(),
            keyring: Keyring::from_bytes("test", &self.key).unwrap(),
            trust,
            wanted: Vec::new(),
            now: SystemTime::now(),
        }
    }

    fn open(&self, source: &RpmSource) -> Result<Index, RpmError> {
        rpm::open(&self.store, source, &Silent)
    }

    /// A signed repository of packages from spec files.
    fn repository(&self, path: &str, specs: &[String], options: &[&str]) -> Vec<PathBuf> {
        let packages: Vec<PathBuf> =
            specs.iter().flat_map(|spec| self.shop.build(spec, Build::default())).collect();
        self.shop.index(&self.mirror().join(path), &packages, options);
        self.shop.sign_index(&self.mirror().join(path), KEY);
        packages
    }
}

/// Names of what is chosen, or why nothing is.
fn choose(index: &Index, wanted: &[&str]) -> String {
    let wanted: Vec<Wanted> = wanted
        .iter()
        .map(|name| Wanted { relation: Relation::any(*name), why: "asked for".to_owned() })
        .collect();
    match solve(&index.packages, &wanted, &Exceptions::default()) {
        Ok(chosen) => {
            let names = chosen.iter().map(|s| index.packages[s.index].name.clone());
            names.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

/// An error with its causes, and the attempts of the store.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
