//! Making a package file from what the database says and the image holds.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::archive::{Segment, gzip};
use crate::error::MirrorError;
use crate::image::{Kind, Tree};
use crate::installed::{Folder, Installed, InstalledFile};
use crate::scripts::Scripts;
use crate::signing::Signer;

/// A package made anew.
pub(crate) struct Rebuilt {
    /// The package file.
    pub file: Vec<u8>,
    /// SHA-1 of its control stream.
    pub identity: [u8; 20],
    /// Configuration files that differ from the original or are gone.
    pub changed: Vec<String>,
}

/// Whether a package could be made.
pub(crate) enum Outcome {
    /// It could.
    Built(Rebuilt),
    /// It could not, for this reason.
    Skipped(String),
}

/// Makes one package.
pub(crate) fn rebuild(
    image: &dyn Tree,
    package: &Installed,
    scripts: &Scripts,
    signer: &Signer,
) -> Result<Outcome, MirrorError> {
    if package.has_xattrs {
        let reason = "it has extended attributes, which the image may not hold in full";
        return Ok(Outcome::Skipped(reason.to_owned()));
    }
    let mut data = Data { segment: Segment::new(package.build_time), changed: Vec::new() };
    for folder in &package.folders {
        if let Err(reason) = data.take(image, folder)? {
            return Ok(Outcome::Skipped(reason));
        }
    }
    let label = format!("{}-{}.apk", package.name, package.version);
    let written = MirrorError::io(Path::new(&label));
    let (control, files) = streams(package, scripts, data.segment).map_err(written)?;
    let identity = Sha1::digest(&control).into();
    let mut file = signer.sign(&control, package.build_time)?;
    file.extend_from_slice(&files);
    Ok(Outcome::Built(Rebuilt { file, identity, changed: data.changed }))
}

/// The control and the data stream.
fn streams(
    package: &Installed,
    scripts: &Scripts,
    data: Segment,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let files = gzip(&data.ended()?)?;
    let hash = hex::encode(Sha256::digest(&files));
    let mut control = Segment::new(package.build_time);
    let info = pkginfo(package, scripts.triggers(package), &hash);
    control.plain(".PKGINFO", 0o644, info.as_bytes())?;
    for (name, content) in scripts.of(package) {
        control.plain(name, 0o755, content)?;
    }
    Ok((gzip(&control.open_ended()?)?, files))
}

/// The files of a package while they are gathered.
struct Data {
    segment: Segment,
    changed: Vec<String>,
}

impl Data {
    /// Takes in a folder; the inner error says why the package cannot be made.
    fn take(
        &mut self,
        image: &dyn Tree,
        folder: &Folder,
    ) -> Result<Result<(), String>, MirrorError> {
        if !folder.path.is_empty() {
            self.segment
                .folder(&folder.path, folder.access)
                .map_err(MirrorError::io(Path::new(&folder.path)))?;
        }
        for file in &folder.files {
            let path = match folder.path.as_str() {
                "" => file.name.clone(),
                parent => format!("{parent}/{}", file.name),
            };
            if let Err(reason) = self.take_file(image, &path, file)? {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(()))
    }

    fn take_file(
        &mut self,
        image: &dyn Tree,
        path: &str,
        file: &InstalledFile,
    ) -> Result<Result<(), String>, MirrorError> {
        // Whoever set the system up may have changed its configuration.
        let may_differ = path.starts_with("etc/");
        let (link, content) = match image.kind(path) {
            Some(Kind::File) => (false, image.content(path)?),
            Some(Kind::Symlink) => (true, image.link_target(path)?),
            found => {
                let state = if found.is_none() { "is missing" } else { "is no file any more" };
                if may_differ {
                    self.changed.push(format!("{path} {state}"));
                    return Ok(Ok(()));
                }
                return Ok(Err(format!("{path} {state}")));
            }
        };
        let actual: [u8; 20] = Sha1::digest(&content).into();
        if file.sha1.is_some_and(|expected| expected != actual) {
            if !may_differ {
                return Ok(Err(format!("{path} differs from what was installed")));
            }
            self.changed.push(format!("{path} was changed"));
        }
        let added = if link {
            self.segment.symlink(path, file.access, &content)
        } else {
            self.segment.file(path, file.access, &content)
        };
        added.map_err(MirrorError::io(Path::new(path)))?;
        Ok(Ok(()))
    }
}

/// The text of `.PKGINFO`.
fn pkginfo(package: &Installed, triggers: Option<&str>, hash: &str) -> String {
    let mut text = String::from("# Rebuilt from an installed system\n");
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    line("pkgname", &package.name);
    line("pkgver", &package.version);
    line("pkgdesc", &package.description);
    line("url", &package.url);
    line("builddate", &package.build_time.to_string());
    line("size", &package.installed_size.to_string());
    line("arch", &package.architecture);
    line("origin", &package.origin);
    line("commit", &package.commit);
    line("maintainer", &package.maintainer);
    line("license", &package.license);
    for word in &package.replaces {
        line("replaces", word);
    }
    line("replaces_priority", &package.replaces_priority);
    line("provider_priority", &package.provider_priority);
    for word in &package.depends {
        line("depend", word);
    }
    for word in &package.provides {
        line("provides", word);
    }
    line("install_if", &package.install_if.join(" "));
    line("triggers", triggers.unwrap_or_default());
    line("datahash", hash);
    text
}

#[cfg(test)]
#[path = "package_tests.rs"]
mod tests;
