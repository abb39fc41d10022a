//! `repomd.xml`, the table of contents of a repository: which index files there
//! are, with their digests and sizes. Whether it is to be trusted is decided
//! elsewhere.

use super::error::IndexError;
use super::xml::{Item, walk};

/// Largest repomd.xml, in bytes.
pub(super) const MAX_REPOMD: u64 = 4 << 20;
/// Most index files that one may list.
const MAX_FILES: usize = 64;

/// The digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileDigest {
    Sha256([u8; 32]),
    Sha512(Box<[u8; 64]>),
}

/// One index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// `primary`, `filelists`, `modules` and others.
    pub kind: String,
    /// Path below the repository.
    pub path: String,
    pub digest: FileDigest,
    /// Size in bytes, where it is told.
    pub size: Option<u64>,
    /// Size when unpacked, where it is told.
    pub open_size: Option<u64>,
}

/// What repomd.xml says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Repomd {
    pub files: Vec<Listed>,
    /// When the newest index file was made, in seconds since 1970 UTC.
    pub date: Option<i64>,
}

impl Repomd {
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let mut reader = RepomdReader::default();
        walk(bytes, MAX_REPOMD, &mut |item| reader.item(item))?;
        let revision = reader.revision.trim().parse().ok();
        let mut repomd = reader.repomd;
        // A revision is any text; as a rule it is the time of making.
        repomd.date = repomd.date.or(revision);
        Ok(repomd)
    }

    /// The file of a type.
    pub fn file(&self, kind: &str) -> Option<&Listed> {
        self.files.iter().find(|listed| listed.kind == kind)
    }
}

#[derive(Default)]
struct RepomdReader {
    repomd: Repomd,
    revision: String,
    draft: Draft,
    /// The element whose text is collected.
    within: String,
    text: String,
}

#[derive(Default)]
struct Draft {
    kind: String,
    path: Option<String>,
    algorithm: String,
    checksum: String,
    size: Option<u64>,
    open_size: Option<u64>,
}

impl RepomdReader {
    fn item(&mut self, item: Item<'_>) -> Result<(), String> {
        match item {
            Item::Start(1, element) if element.name() != "repomd" => {
                return Err(format!("it begins with <{}>, not <repomd>", element.name()));
            }
            Item::Start(2, element) => {
                element.name().clone_into(&mut self.within);
                self.text.clear();
                if element.name() == "data" {
                    let kind = element.attribute("type")?.unwrap_or_default();
                    self.draft = Draft { kind, ..Draft::default() };
                }
            }
            Item::Start(3, element) => {
                element.name().clone_into(&mut self.within);
                self.text.clear();
                match element.name() {
                    // The folder is the repository's, whatever base a file names.
                    "location" => self.draft.path = element.attribute("href")?,
                    "checksum" => {
                        self.draft.algorithm = element.attribute("type")?.unwrap_or_default();
                    }
                    _ => {}
                }
            }
            Item::Text(text) if self.text.len() < 1024 => self.text.push_str(text),
            Item::End(2) => {
                if self.within == "revision" {
                    self.revision = std::mem::take(&mut self.text);
                } else if !self.draft.kind.is_empty() {
                    let draft = std::mem::take(&mut self.draft);
                    self.finish(draft)?;
                }
                self.within.clear();
            }
            Item::End(3) => self.value()?,
            _ => {}
        }
        Ok(())
    }

    fn value(&mut self) -> Result<(), String> {
        let text = self.text.trim();
        let number = || text.parse().map_err(|_| format!("`{text}` is no number"));
        match self.within.as_str() {
            "checksum" => text.clone_into(&mut self.draft.checksum),
            "size" => self.draft.size = Some(number()?),
            "open-size" => self.draft.open_size = Some(number()?),
            "timestamp" => {
                // Some tools write fractions.
                let whole = text.split('.').next().unwrap_or_default();
                self.repomd.date = self.repomd.date.max(whole.parse().ok());
            }
            _ => {}
        }
        self.within.clear();
        Ok(())
    }

    fn finish(&mut self, draft: Draft) -> Result<(), String> {
        if self.repomd.files.len() == MAX_FILES {
            return Err("it lists more than 64 files".to_owned());
        }
        let Draft { kind, path, algorithm, checksum, size, open_size } = draft;
        // What nobody reads may have any digest.
        if !matches!(kind.as_str(), "primary" | "filelists" | "modules") {
            return Ok(());
        }
        let path = path.ok_or_else(|| format!("the file of type {kind} has no location"))?;
        if !is_plain_path(&path) {
            return Err(format!("`{}` is no path below the repository", path.escape_debug()));
        }
        let digest = FileDigest::parse(&algorithm, &checksum)?;
        self.repomd.files.push(Listed { kind, path, digest, size, open_size });
        Ok(())
    }
}

impl FileDigest {
    fn parse(algorithm: &str, checksum: &str) -> Result<Self, String> {
        let bad = |_| format!("`{}` is no {algorithm} digest", checksum.escape_debug());
        match algorithm {
            "sha256" => {
                let mut digest = [0; 32];
                hex::decode_to_slice(checksum, &mut digest).map_err(bad)?;
                Ok(Self::Sha256(digest))
            }
            "sha512" => {
                let mut digest = Box::new([0; 64]);
                hex::decode_to_slice(checksum, &mut digest[..]).map_err(bad)?;
                Ok(Self::Sha512(digest))
            }
            _ => Err(format!(
                "a digest is of the kind `{}`; sha256 and sha512 are accepted",
                algorithm.escape_debug()
            )),
        }
    }
}

/// Whether a path of an index stays below the repository's folder.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.len() <= 1024
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && path.chars().all(|c| !c.is_control() && c != '\\')
}
