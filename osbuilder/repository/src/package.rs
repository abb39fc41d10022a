//! What a package index says about one package, in words that every family
//! shares. The family readers (`deb`, `apk`) fill it, the solver reads it; it
//! knows neither file formats nor recipes.

use std::fmt;

/// Which packaging system a package belongs to; decides version order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Debian packages (`.deb`), versions ordered as in Debian Policy 5.6.12.
    Deb,
    /// Alpine packages (`.apk`, format v2), versions ordered as apk-tools does.
    Apk,
}

/// How the index identifies the bytes of a package file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// SHA-256 of the whole file.
    Sha256([u8; 32]),
    /// apk v2: SHA-1 of the compressed control segment, which in turn carries
    /// the SHA-256 of the data segment.
    ApkControl([u8; 20]),
}

/// Comparison in a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Strictly older (`<<` in deb, `<` in apk).
    Less,
    /// Older or the same.
    LessEqual,
    /// The same version.
    Equal,
    /// The same or newer.
    GreaterEqual,
    /// Strictly newer (`>>` in deb, `>` in apk).
    Greater,
    /// apk's `~`: the given version or one that continues it.
    Fuzzy,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Equal => "=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
            Self::Fuzzy => "~",
        })
    }
}

/// A name with an optional version constraint: `libc6 (>= 2.41)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    /// A package's name, or a name that packages provide.
    pub name: String,
    /// The constraint on its version, if any.
    pub constraint: Option<(Comparison, String)>,
}

impl Relation {
    /// Any version of `name`.
    pub fn any(name: impl Into<String>) -> Self {
        Self { name: name.into(), constraint: None }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.constraint {
            None => f.write_str(&self.name),
            Some((op, version)) => write!(f, "{} ({op} {version})", self.name),
        }
    }
}

/// One dependency: any of its alternatives satisfies it, earlier ones preferred.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// At least one relation.
    pub alternatives: Vec<Relation>,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, relation) in self.alternatives.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{relation}")?;
        }
        Ok(())
    }
}

/// A further name under which a package satisfies dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Provide {
    /// The provided name (`so:libc.musl-x86_64.so.1`, `mail-transport-agent`).
    pub name: String,
    /// The provided version; without one it meets only unversioned relations.
    pub version: Option<String>,
}

/// One package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its packaging system.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its full version as the index spells it.
    pub version: String,
    /// Its architecture as the index spells it (`amd64`, `all`, `x86_64`).
    pub architecture: String,
    /// Names it satisfies besides its own.
    pub provides: Vec<Provide>,
    /// What must be installed with it (Depends and Pre-Depends; apk `D:`).
    pub depends: Vec<Requirement>,
    /// What must not be installed with it (Conflicts and Breaks; apk `!name`).
    pub conflicts: Vec<Relation>,
    /// Packages whose files it may overwrite (deb Replaces, apk `r:`).
    pub replaces: Vec<Relation>,
    /// Path of the file below the mirror's base URL.
    pub location: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// Size of its content when installed, in bytes, as the index claims.
    pub installed_size: u64,
    /// Digest of the file as the signed index gives it.
    pub identity: Identity,
    /// Source package name (SBOM), the package's own where none is named.
    pub source: String,
    /// License expression if the index has one (apk `L:`).
    pub license: Option<String>,
}
