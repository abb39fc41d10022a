//! What the kernel command line says about the digests of extensions, and the
//! table that device-mapper wants. Makes no device.

use std::collections::BTreeMap;

use super::disk::Partition;
use super::{ExtensionError, check_name};
use crate::config::parameters;

/// How the device for one extension is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verity {
    root_hash: String,
    salt: String,
    data_blocks: u64,
    data_block_size: u64,
    hash_block_size: u64,
}

/// A device that lets no changed byte through, in device-mapper's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerityTable {
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// Arguments of the target `verity`.
    pub arguments: String,
}

/// All `kata.extension.NAME.verity_params=…`, by name.
pub(super) fn of_cmdline(cmdline: &str) -> Result<BTreeMap<String, Verity>, ExtensionError> {
    let mut all = BTreeMap::new();
    for (parameter, value) in parameters(cmdline) {
        let name = parameter
            .strip_prefix("kata.extension.")
            .and_then(|rest| rest.strip_suffix(".verity_params"));
        let Some(name) = name else { continue };
        check_name(name)?;
        let verity = Verity::parse(value.as_deref().unwrap_or(""))
            .map_err(|problem| ExtensionError::Parameter { name: name.to_owned(), problem })?;
        // As with every kernel parameter, the last one counts.
        all.insert(name.to_owned(), verity);
    }
    Ok(all)
}

impl Verity {
    /// Reads `root_hash=…,salt=…,data_blocks=…,data_block_size=…,hash_block_size=…`.
    fn parse(text: &str) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair:?} has no value"))?;
            if values.insert(key, value).is_some() {
                return Err(format!("{key} is there twice"));
            }
        }
        let mut take = |key: &str| values.remove(key).ok_or_else(|| format!("{key} is missing"));
        let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let root_hash = take("root_hash")?;
        if root_hash.len() != 64 || !hexadecimal(root_hash) {
            return Err("root_hash is no SHA-256 digest of 64 hexadecimal digits".to_owned());
        }
        let salt = take("salt").unwrap_or("");
        if salt.len() > 512 || salt.len() % 2 != 0 || !hexadecimal(salt) {
            return Err("salt is not at most 256 bytes in hexadecimal".to_owned());
        }
        let mut number = |key: &str, usual: Option<u64>| match (take(key), usual) {
            (Ok(text), _) => text.parse().map_err(|_| format!("{key} is no number")),
            (Err(_), Some(usual)) => Ok(usual),
            (Err(missing), None) => Err(missing),
        };
        let verity = Self {
            root_hash: root_hash.to_ascii_lowercase(),
            salt: if salt.is_empty() { "-".to_owned() } else { salt.to_ascii_lowercase() },
            data_blocks: number("data_blocks", None)?,
            data_block_size: number("data_block_size", Some(4096))?,
            hash_block_size: number("hash_block_size", Some(4096))?,
        };
        if let Some(unknown) = values.keys().next() {
            return Err(format!("{unknown} is not known"));
        }
        for size in [verity.data_block_size, verity.hash_block_size] {
            if !(512..=4096).contains(&size) || !size.is_power_of_two() {
                return Err(format!("{size} is no size of a block: 512 to 4096 bytes"));
            }
        }
        Ok(verity)
    }

    /// The table for these two partitions; a clause about what does not fit.
    pub(super) fn table(&self, data: &Partition, hash: &Partition) -> Result<VerityTable, String> {
        let bytes = self.data_blocks.saturating_mul(self.data_block_size);
        if self.data_blocks == 0 || bytes > data.size {
            return Err(format!(
                "verity_params cover {} blocks of {} bytes, {} has {} bytes",
                self.data_blocks, self.data_block_size, data.name, data.size
            ));
        }
        let Self { root_hash, salt, data_blocks, data_block_size, hash_block_size } = self;
        Ok(VerityTable {
            sectors: bytes / 512,
            arguments: format!(
                "1 {} {} {data_block_size} {hash_block_size} {data_blocks} 0 sha256 {root_hash} \
                 {salt}",
                data.number, hash.number
            ),
        })
    }
}
