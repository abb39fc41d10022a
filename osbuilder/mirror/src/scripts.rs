//! Install scripts and triggers, which apk keeps beside its database: all
//! scripts in one tar archive, triggers one package a line. They are only put
//! back into packages, never run.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use repository::apk::{format_checksum, parse_checksum};

use crate::error::MirrorError;
use crate::image::AlpineImage;
use crate::installed::Installed;

/// Largest archive of scripts when unpacked.
const MAX_SCRIPTS: u64 = 64 << 20;

/// Scripts and triggers of all packages.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    /// By `name-version.X1<sha1>`, in the archive's order.
    scripts: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    /// By identity, as `Q1…`.
    triggers: BTreeMap<String, String>,
}

impl Scripts {
    /// Reads both from the folder of the database; what is absent is empty.
    pub(crate) fn read(image: &AlpineImage, folder: &str) -> Result<Self, MirrorError> {
        let mut found = Self::default();
        let (packed, plain) = (format!("{folder}/scripts.tar.gz"), format!("{folder}/scripts.tar"));
        if image.exists(&packed) {
            let bytes = image.read(&packed)?;
            found.take_archive(MultiGzDecoder::new(bytes.as_slice()))?;
        } else if image.exists(&plain) {
            found.take_archive(image.read(&plain)?.as_slice())?;
        }
        let triggers = format!("{folder}/triggers");
        if image.exists(&triggers) {
            found.take_triggers(&image.read(&triggers)?);
        }
        Ok(found)
    }

    fn take_archive(&mut self, reader: impl Read) -> Result<(), MirrorError> {
        let fail = |error: std::io::Error| MirrorError::Scripts(error.to_string());
        let mut archive = tar::Archive::new(reader.take(MAX_SCRIPTS));
        for entry in archive.entries().map_err(fail)? {
            let mut entry = entry.map_err(fail)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            // The script's own name has no dot, so it is what follows the last.
            let Some((owner, script)) = name.rsplit_once('.') else { continue };
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(fail)?;
            let list = self.scripts.entry(owner.to_owned()).or_default();
            list.push((format!(".{script}"), content));
        }
        Ok(())
    }

    fn take_triggers(&mut self, text: &[u8]) {
        for line in String::from_utf8_lossy(text).lines() {
            if let Some((identity, folders)) = line.split_once(' ')
                && parse_checksum(identity).is_some()
            {
                self.triggers.insert(identity.to_owned(), folders.trim().to_owned());
            }
        }
    }

    /// The scripts of a package: name with its leading dot, content.
    pub(crate) fn of(&self, package: &Installed) -> &[(String, Vec<u8>)] {
        let identity = hex::encode(package.identity);
        let owner = format!("{}-{}.X1{identity}", package.name, package.version);
        self.scripts.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// The folders whose change triggers a package, parted by spaces.
    pub(crate) fn triggers(&self, package: &Installed) -> Option<&str> {
        self.triggers.get(&format_checksum(&package.identity)).map(String::as_str)
    }
}
