//! Opening Alpine repositories of a mirror: fetch each index, verify it, join
//! them. It knows the layout of a mirror, not what is chosen from it.

use artifact_store::{Progress, Store, without_password};
use sha2::{Digest, Sha256};
use url::Url;

use super::error::ApkError;
use super::index::read_index;
use super::keys::Keys;
use crate::index::{Index, IndexFile, file_url};

/// Largest compressed index; the largest real one has some 3 MiB.
const MAX_INDEX_FILE: u64 = 64 << 20;

/// Which repositories to open, where, and whom to trust.
#[derive(Debug, Clone)]
pub struct ApkSource {
    /// Base URLs, in order of preference; the release's folder lies below each.
    pub mirrors: Vec<Url>,
    /// The release's folder, such as `v3.23`.
    pub release: String,
    /// The repositories to join, such as `main`.
    pub repositories: Vec<String>,
    /// apk's word for the architecture, such as `x86_64`.
    pub architecture: String,
    /// The keys of which one must have signed each index.
    pub keys: Keys,
}

/// Fetches and verifies `<mirror>/<release>/<repository>/<architecture>/APKINDEX.tar.gz`
/// of each repository and joins their packages in that order.
///
/// # Errors
/// Where a source names nothing, no mirror gives an index, or none gives one
/// that a trusted key signed.
pub fn open(store: &Store, source: &ApkSource, progress: &dyn Progress) -> Result<Index, ApkError> {
    for (what, absent) in [
        ("mirror", source.mirrors.is_empty()),
        ("release", source.release.is_empty()),
        ("repository", source.repositories.is_empty()),
        ("architecture", source.architecture.is_empty()),
    ] {
        if absent {
            return Err(ApkError::EmptySource(what));
        }
    }
    if let Some(mirror) = source.mirrors.iter().find(|mirror| mirror.cannot_be_a_base()) {
        return Err(ApkError::BadMirror(without_password(mirror)));
    }
    let mut joined = Joined::default();
    for repository in &source.repositories {
        joined.add(store, source, repository, progress)?;
    }
    Ok(joined.finish(source))
}

/// What the indexes read so far amount to.
#[derive(Default)]
struct Joined {
    packages: Vec<crate::package::Package>,
    serving: Option<Url>,
    signed_by: Vec<String>,
    descriptions: Vec<String>,
    date: Option<i64>,
    files: Vec<IndexFile>,
}

impl Joined {
    fn add(
        &mut self,
        store: &Store,
        source: &ApkSource,
        repository: &str,
        progress: &dyn Progress,
    ) -> Result<(), ApkError> {
        let folder = format!("{}/{repository}/{}", source.release, source.architecture);
        let path = format!("{folder}/APKINDEX.tar.gz");
        let urls: Vec<Url> = source.mirrors.iter().map(|base| file_url(base, &path)).collect();
        let fetched = store.fetch_index(
            &format!("apk {folder}"),
            &urls,
            MAX_INDEX_FILE,
            progress,
            &|bytes| {
                read_index(bytes, &source.keys, &folder, &source.architecture)
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            },
        )?;
        let index = read_index(&fetched.bytes, &source.keys, &folder, &source.architecture)?;
        if self.serving.is_none() {
            let place = urls.iter().position(|url| *url == fetched.url);
            self.serving = place.and_then(|i| source.mirrors.get(i)).cloned();
        }
        self.packages.extend(index.packages);
        for name in index.signed_by {
            if !self.signed_by.contains(&name) {
                self.signed_by.push(name);
            }
        }
        self.descriptions.push(match index.description.as_str() {
            "" => repository.to_owned(),
            text => format!("{repository} ({text})"),
        });
        self.date = self.date.max(index.date);
        self.files.push(IndexFile { path, date: index.date, sha256: index.sha256 });
        Ok(())
    }

    fn finish(self, source: &ApkSource) -> Index {
        let mut mirrors: Vec<Url> = self.serving.iter().cloned().collect();
        mirrors
            .extend(source.mirrors.iter().filter(|m| Some(*m) != self.serving.as_ref()).cloned());
        let index_sha256 = match self.files.as_slice() {
            [one] => one.sha256,
            many => Sha256::digest(many.iter().flat_map(|f| f.sha256).collect::<Vec<_>>()).into(),
        };
        Index {
            packages: self.packages,
            mirrors,
            signed_by: self.signed_by,
            description: format!(
                "Alpine {} {} {}",
                source.release,
                self.descriptions.join(", "),
                source.architecture
            ),
            date: self.date,
            index_sha256,
            files: self.files,
        }
    }
}
