//! `filelists.xml`: every file of every package. Only asked for where a
//! dependency is on a path that primary.xml does not tell, and read for those
//! paths alone, as a stream.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use super::error::IndexError;
use super::xml::{Item, walk};

/// Longest path that is read, in bytes.
const MAX_PATH: usize = 4096;

/// Which packages (by the hexadecimal digest of their files) have which of the
/// wanted paths, in the order of the document; and the document's size in bytes.
pub(super) fn owners(
    document: impl Read,
    limit: u64,
    wanted: &HashSet<&str>,
) -> Result<(HashMap<String, Vec<String>>, u64), IndexError> {
    let mut owners: HashMap<String, Vec<String>> = HashMap::new();
    let (mut package, mut path, mut collects) = (String::new(), String::new(), false);
    let size = walk(document, limit, &mut |item| {
        match item {
            Item::Start(1, element) if element.name() != "filelists" => {
                return Err(format!("it begins with <{}>, not <filelists>", element.name()));
            }
            Item::Start(2, element) => {
                package = element.attribute("pkgid")?.unwrap_or_default();
            }
            Item::Start(3, element) if element.name() == "file" => {
                path.clear();
                collects = true;
            }
            Item::Text(text) if collects => {
                if path.len() + text.len() > MAX_PATH {
                    return Err("a path is longer than 4096 bytes".to_owned());
                }
                path.push_str(text);
            }
            Item::End(3) if collects => {
                collects = false;
                if wanted.contains(path.as_str()) {
                    owners.entry(package.clone()).or_default().push(path.clone());
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok((owners, size))
}
