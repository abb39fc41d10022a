//! The .deb file: an `ar` container with `debian-binary`, `control.tar` and
//! `data.tar`. It gives the package's description, the names of its maintainer
//! scripts (nobody runs them) and its files as a tar stream, and checks that it
//! is the package that the signed index speaks of. It does not look into the
//! files; the tree that takes them does.

use std::io::Read;

use super::ar;
use super::control::{self, ControlError};
use crate::compression::{Compression, CompressionError};
use crate::package::Package;

/// Largest unpacked `data.tar`, in bytes.
pub const MAX_DATA: u64 = 2 << 30;
/// Largest unpacked `control.tar`, in bytes.
const MAX_CONTROL: u64 = 32 << 20;
/// What a data.tar may be larger than four times its Installed-Size, in bytes.
const SLACK: u64 = 64 << 20;
/// Most entries of a `control.tar`.
const MAX_CONTROL_ENTRIES: usize = 1000;
const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// Why a .deb can't be used; the caller says which package it is.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The container is not what a .deb is made of.
    #[error("not a .deb file: {0}")]
    Container(&'static str),
    /// A member can't be unpacked.
    #[error("{member} can't be unpacked")]
    Unpack {
        /// The member's name.
        member: String,
        /// The reason.
        source: CompressionError,
    },
    /// The control archive is damaged.
    #[error("control.tar is damaged")]
    ControlTar(#[source] std::io::Error),
    /// The control file is missing or wrong.
    #[error("its control file is wrong")]
    Control(#[source] ControlError),
    /// The file holds another package than the index says.
    #[error("the index calls its {field} `{index}`, but the package says `{package}`")]
    Mismatch {
        /// The field.
        field: &'static str,
        /// Its value in the index.
        index: String,
        /// Its value in the package.
        package: String,
    },
}

/// The control file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    /// All fields in their order, values as [`control::Field`] has them.
    pub fields: Vec<(String, String)>,
}

impl Control {
    /// The value of a field, or an empty string.
    pub fn get(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map_or("", |(_, value)| value)
    }
}

/// A .deb, unpacked in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebFile {
    /// Its control file.
    pub control: Control,
    /// Absolute paths of its configuration files.
    pub conffiles: Vec<String>,
    /// Names of its maintainer scripts, sorted.
    pub scripts: Vec<String>,
    /// Its files: a tar stream, not looked into.
    pub data_tar: Vec<u8>,
}

/// Reads a .deb and checks that it is `package`.
///
/// # Errors
/// [`DebError`].
pub fn read(package: &Package, bytes: &[u8]) -> Result<DebFile, DebError> {
    let members = ar::members(bytes).map_err(DebError::Container)?;
    let mut members = members.iter().filter(|member| !member.name.starts_with('_'));
    let version = members.next().filter(|member| member.name == "debian-binary");
    let version = version.ok_or(DebError::Container("it does not begin with debian-binary"))?;
    if !version.bytes.starts_with(b"2.") {
        return Err(DebError::Container("it is not of format 2"));
    }
    let (Some(control), Some(data), None) = (members.next(), members.next(), members.next()) else {
        return Err(DebError::Container("it is not made of control.tar and data.tar"));
    };
    let control = unpack(control, "control.tar", 0, MAX_CONTROL)?;
    let mut file = read_control(&control)?;
    compare(package, &file.control)?;
    let limit = match package.installed_size {
        0 => MAX_DATA,
        size => size.saturating_mul(4).saturating_add(SLACK).min(MAX_DATA),
    };
    // What an index claims reserves no memory that the file could hardly fill.
    let expected = package.installed_size.min(8 * data.bytes.len() as u64);
    file.data_tar = unpack(data, "data.tar", expected, limit)?;
    Ok(file)
}

fn unpack(
    member: &ar::Member<'_>,
    wanted: &str,
    expected: u64,
    limit: u64,
) -> Result<Vec<u8>, DebError> {
    let (compression, stem) = Compression::of_name(member.name);
    if stem != wanted {
        return Err(DebError::Container("it is not made of control.tar and data.tar"));
    }
    compression
        .unpack(member.bytes, expected, limit)
        .map_err(|source| DebError::Unpack { member: member.name.to_owned(), source })
}

/// Reads the control archive; the files are left for the caller.
pub(super) fn read_control(bytes: &[u8]) -> Result<DebFile, DebError> {
    let mut control = None;
    let mut conffiles = Vec::new();
    let mut scripts = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().map_err(DebError::ControlTar)?;
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(DebError::ControlTar)?;
        if count == MAX_CONTROL_ENTRIES {
            let error = std::io::Error::other("it has too many entries");
            return Err(DebError::ControlTar(error));
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path_bytes().into_owned();
        let name = path.strip_prefix(b"./").unwrap_or(&path);
        let mut text = || {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(DebError::ControlTar).map(|_| text)
        };
        match name {
            b"control" => control = Some(parse_control(&text()?)?),
            b"conffiles" => conffiles = parse_conffiles(&text()?),
            _ => {
                let script = SCRIPTS.iter().find(|script| script.as_bytes() == name);
                scripts.extend(script.map(ToString::to_string));
            }
        }
    }
    scripts.sort();
    let control = control.ok_or(DebError::Control(ControlError::Missing("Package")))?;
    Ok(DebFile { control, conffiles, scripts, data_tar: Vec::new() })
}

fn parse_control(text: &str) -> Result<Control, DebError> {
    let mut paragraphs = control::paragraphs(text.as_bytes());
    let paragraph = paragraphs.next().unwrap_or_default();
    if paragraphs.next().is_some() {
        let error = ControlError::value("Package", b"two paragraphs");
        return Err(DebError::Control(error));
    }
    let own = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = control::fields(paragraph)
        .map(|field| field.map(|field| (own(field.name), own(field.value))))
        .collect::<Result<_, _>>()
        .map_err(DebError::Control)?;
    Ok(Control { fields })
}

/// Lines of absolute paths. A line that begins with a word is about a file that
/// is to go away, not one that the package has.
fn parse_conffiles(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned).collect()
}

fn compare(package: &Package, control: &Control) -> Result<(), DebError> {
    let pairs = [
        ("Package", &package.name),
        ("Version", &package.version),
        ("Architecture", &package.architecture),
    ];
    for (field, index) in pairs {
        if control.get(field) != index {
            return Err(DebError::Mismatch {
                field,
                index: index.clone(),
                package: control::shorten(control.get(field).as_bytes()),
            });
        }
    }
    Ok(())
}
