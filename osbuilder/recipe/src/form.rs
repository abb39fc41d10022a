//! The form of an artifact: which file system, compressed how, laid out how.
//! What a recipe says of it, what a caller may say in its place, and what comes
//! out of both.

use crate::recipe::{Init, Recipe, Selection, SelectionError, Type};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a page of memory, which is what DAX maps.
const PAGE: u32 = 4096;

/// File system of a disk image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// ext4, which a guest may mount for writing.
    #[default]
    Ext4,
    /// erofs: smaller, and never written to.
    Erofs,
}

impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ext4 => "ext4",
            Self::Erofs => "erofs",
        })
    }
}

/// Every way in which an artifact can be compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is; erofs so can be mapped with DAX.
    #[default]
    None,
    /// gzip -9 of an initrd.
    Gzip,
    /// zstd -19 of an initrd.
    Zstd,
    /// xz -6 of an initrd; the kernel needs CONFIG_RD_XZ.
    Xz,
    /// lz4: an initrd in the legacy frame (the kernel needs CONFIG_RD_LZ4), or
    /// the files of an erofs (CONFIG_EROFS_FS_ZIP).
    Lz4,
    /// lz4's thorough compressor for the files of an erofs.
    Lz4hc,
}

impl Compression {
    const OF_INITRDS: [Self; 5] = [Self::Zstd, Self::Gzip, Self::Xz, Self::Lz4, Self::None];
    const OF_EROFS: [Self; 3] = [Self::None, Self::Lz4, Self::Lz4hc];
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Lz4hc => "lz4hc",
        })
    }
}

/// Settings of erofs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ErofsSettings {
    /// How files are compressed: `none`, `lz4` or `lz4hc`.
    pub compression: Compression,
}

/// Settings of disk images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ImageSettings {
    /// The file system.
    pub filesystem: Filesystem,
    /// What counts where that is erofs.
    pub erofs: ErofsSettings,
    /// Filesystem label, 16 bytes at most; 15 in an erofs.
    pub label: String,
    /// Free space in an ext4, MiB; 4 where not given.
    pub free_space_mib: Option<u32>,
    /// Bytes of a block of the file system: 1024, 2048 or 4096.
    pub block_size: u32,
    /// Image size is a multiple of this many MiB.
    pub alignment_mib: u32,
    /// Whether the image can be an NVDIMM too. Else it is a plain disk.
    pub dax_header: bool,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            filesystem: Filesystem::default(),
            erofs: ErofsSettings::default(),
            label: "kata-containers".into(),
            free_space_mib: None,
            block_size: PAGE,
            alignment_mib: 2,
            dax_header: true,
        }
    }
}

impl ImageSettings {
    /// What is wrong with them, if anything is.
    pub(crate) fn mistake(&self) -> Option<String> {
        let compression = self.erofs.compression;
        let erofs = self.filesystem == Filesystem::Erofs;
        if self.label.len() > 16 {
            Some("`label` is longer than 16 bytes".into())
        } else if self.label.contains('\0') {
            Some("`label` holds a NUL".into())
        } else if erofs && self.label.len() > 15 {
            Some("`label` is longer than the 15 bytes that an erofs has room for".into())
        } else if self.alignment_mib == 0 {
            Some("`alignment-mib` must not be 0".into())
        // The partition starts at 3 MiB behind a header of 2 MiB.
        } else if self.dax_header && !self.alignment_mib.is_multiple_of(2) {
            Some("`alignment-mib` must be a multiple of 2 where there is a `dax-header`".into())
        } else if ![1024, 2048, PAGE].contains(&self.block_size) {
            let wrong = self.block_size;
            Some(format!("`block-size` is 1024, 2048 or 4096 bytes, not {wrong}"))
        } else if erofs && self.block_size != PAGE {
            Some("`block-size` is for ext4: an erofs has blocks of 4096 bytes".into())
        } else if self.dax_header && self.block_size != PAGE {
            Some(
                "`block-size` must be 4096 where there is a `dax-header`: DAX maps whole pages"
                    .into(),
            )
        } else if !Compression::OF_EROFS.contains(&compression) {
            Some(format!("`{compression}` is no compression of erofs: none, lz4 or lz4hc"))
        } else if erofs && self.free_space_mib.is_some() {
            Some("`free-space-mib` is for ext4: nothing is ever written into an erofs".into())
        } else {
            None
        }
    }
}

/// Settings of initrds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InitrdSettings {
    /// How the archive is compressed.
    pub compression: Compression,
}

impl Default for InitrdSettings {
    fn default() -> Self {
        Self { compression: Compression::Zstd }
    }
}

impl InitrdSettings {
    /// What is wrong with them, if anything is.
    pub(crate) fn mistake(&self) -> Option<String> {
        let wrong = self.compression;
        (!Compression::OF_INITRDS.contains(&wrong))
            .then(|| format!("`{wrong}` is no compression of initrds: zstd, gzip, xz, lz4 or none"))
    }
}

/// What a caller wants in place of what the recipe says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormChoice {
    /// File system of an image.
    pub filesystem: Option<Filesystem>,
    /// Compression of an initrd, or of an image's erofs.
    pub compression: Option<Compression>,
}

/// Which of a recipe's guests a caller means; what is not said is the recipe's
/// usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// Initrd, image or tar.
    pub r#type: Option<Type>,
    /// PID 1.
    pub init: Option<Init>,
    /// Variant of the recipe.
    pub variant: Option<&'a str>,
    /// File system and compression.
    pub form: FormChoice,
}

/// The form of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A cpio archive.
    Initrd {
        /// How it is compressed.
        compression: Compression,
    },
    /// A disk.
    Image(ImageForm),
    /// A tar archive; it has only one.
    Tar,
}

/// The form of a disk image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageForm {
    /// The file system.
    pub filesystem: Filesystem,
    /// How its files are compressed; only those of an erofs can be.
    pub compression: Compression,
    /// Its label.
    pub label: String,
    /// Free space, MiB; 0 in an erofs.
    pub free_space_mib: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// The size is a multiple of this many MiB.
    pub alignment_mib: u32,
    /// Whether it can be an NVDIMM.
    pub dax_header: bool,
}

impl ImageForm {
    /// Whether a guest can map the files: an NVDIMM whose files lie in it as
    /// they are.
    #[must_use]
    pub fn dax(&self) -> bool {
        self.dax_header && self.compression == Compression::None
    }

    /// File system and compression, as file names tell forms apart.
    fn name(&self) -> String {
        match self.compression {
            Compression::None => self.filesystem.to_string(),
            packed => format!("{}-{packed}", self.filesystem),
        }
    }
}

impl Recipe {
    /// What the recipe says for the chosen guest.
    ///
    /// # Errors
    /// When the recipe has no such guest.
    pub fn choose(
        &self,
        choice: &Choice<'_>,
        architecture: &str,
    ) -> Result<Selection, SelectionError> {
        let mut selection =
            self.select(choice.r#type, choice.init, choice.variant, architecture)?;
        selection.form = self.form(selection.r#type, choice.form)?;
        Ok(selection)
    }

    /// The form of an artifact of this type.
    ///
    /// # Errors
    /// When the choice is none that the type has.
    pub fn form(&self, kind: Type, choice: FormChoice) -> Result<Form, SelectionError> {
        let refuse = |what: &str, offered: &str| {
            Err(SelectionError::Form { what: what.to_owned(), offered: offered.to_owned() })
        };
        let FormChoice { filesystem, compression } = choice;
        if let (Type::Initrd | Type::Tar, Some(filesystem)) = (kind, filesystem) {
            let article = if kind == Type::Tar { "a" } else { "an" };
            let what = format!("{filesystem} is no format of {article} {kind}");
            return refuse(&what, "it is one of images");
        }
        match kind {
            Type::Tar => match compression {
                None | Some(Compression::None) => Ok(Form::Tar),
                Some(other) => refuse(
                    &format!("a tar can't be compressed with {other}"),
                    "it is not compressed",
                ),
            },
            Type::Initrd => {
                let compression = compression.unwrap_or(self.initrd.compression);
                if Compression::OF_INITRDS.contains(&compression) {
                    return Ok(Form::Initrd { compression });
                }
                refuse(
                    &format!("an initrd can't be compressed with {compression}"),
                    "zstd, gzip, xz, lz4 and none are for initrds",
                )
            }
            Type::Image => {
                let settings = &self.image;
                let filesystem = filesystem.unwrap_or(settings.filesystem);
                let erofs = filesystem == Filesystem::Erofs;
                let usual = if erofs { settings.erofs.compression } else { Compression::None };
                let compression = compression.unwrap_or(usual);
                if !Compression::OF_EROFS.contains(&compression) {
                    return refuse(
                        &format!("an image can't be compressed with {compression}"),
                        "erofs images take lz4, lz4hc and none",
                    );
                }
                if !erofs && compression != Compression::None {
                    return refuse(
                        &format!("ext4 can't be compressed with {compression}"),
                        "ask for the format erofs",
                    );
                }
                Ok(Form::Image(ImageForm {
                    filesystem,
                    compression,
                    label: settings.label.clone(),
                    free_space_mib: if erofs { 0 } else { settings.free_space_mib.unwrap_or(4) },
                    // An erofs has no choice, whatever a recipe for ext4 says.
                    block_size: if erofs { PAGE } else { settings.block_size },
                    alignment_mib: settings.alignment_mib,
                    dax_header: settings.dax_header,
                }))
            }
        }
    }

    /// What file names add for a form that is not the recipe's usual one:
    /// nothing, or such as `-erofs-lz4hc`.
    #[must_use]
    pub fn form_suffix(&self, form: &Form) -> String {
        match form {
            Form::Initrd { compression } if *compression != self.initrd.compression => {
                format!("-{compression}")
            }
            Form::Image(image) => match self.form(Type::Image, FormChoice::default()) {
                Ok(Form::Image(usual)) if usual.name() == image.name() => String::new(),
                _ => format!("-{}", image.name()),
            },
            _ => String::new(),
        }
    }
}
