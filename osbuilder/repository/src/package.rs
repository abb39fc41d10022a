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
    /// RPM packages (`.rpm`), versions `epoch:version-release` ordered as rpm does.
    Rpm,
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
    /// The provided version. Without one it meets only unversioned relations, in
    /// rpm any relation. In rpm it may be a range: an operator, a blank and the
    /// bound (`>= 2`).
    pub version: Option<String>,
}

/// A boolean expression over what is installed (rpm's rich dependencies).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expression {
    /// Something that satisfies the relation is installed.
    Relation(Relation),
    /// All of them hold.
    And(Vec<Expression>),
    /// One of them holds, earlier ones preferred.
    Or(Vec<Expression>),
    /// `then` holds if `condition` does, `otherwise` (if there is one) if not.
    If {
        /// What must hold.
        then: Box<Expression>,
        /// When.
        condition: Box<Expression>,
        /// What must hold when the condition doesn't.
        otherwise: Option<Box<Expression>>,
    },
    /// `then` holds and `condition` doesn't; or the condition and `otherwise` do.
    Unless {
        /// What must hold.
        then: Box<Expression>,
        /// What must not.
        condition: Box<Expression>,
        /// What must hold when the condition does.
        otherwise: Option<Box<Expression>>,
    },
    /// One package satisfies all of them.
    With(Vec<Expression>),
    /// One package satisfies the first and not the second.
    Without(Box<Expression>, Box<Expression>),
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(f: &mut fmt::Formatter<'_>, word: &str, all: &[Expression]) -> fmt::Result {
            for (i, expression) in all.iter().enumerate() {
                write!(f, "{}{expression}", if i == 0 { "(" } else { word })?;
            }
            f.write_str(")")
        }
        match self {
            Self::Relation(Relation { name, constraint: None }) => f.write_str(name),
            Self::Relation(Relation { name, constraint: Some((op, version)) }) => {
                write!(f, "{name} {op} {version}")
            }
            Self::And(all) => list(f, " and ", all),
            Self::Or(all) => list(f, " or ", all),
            Self::With(all) => list(f, " with ", all),
            Self::Without(all, but) => write!(f, "({all} without {but})"),
            Self::If { then, condition, otherwise: None } => {
                write!(f, "({then} if {condition})")
            }
            Self::If { then, condition, otherwise: Some(otherwise) } => {
                write!(f, "({then} if {condition} else {otherwise})")
            }
            Self::Unless { then, condition, otherwise: None } => {
                write!(f, "({then} unless {condition})")
            }
            Self::Unless { then, condition, otherwise: Some(otherwise) } => {
                write!(f, "({then} unless {condition} else {otherwise})")
            }
        }
    }
}

/// A dependency that no list of alternatives can say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rich {
    /// What is spoken of.
    pub expression: Expression,
    /// Whether it must not hold (a conflict) rather than hold.
    pub forbidden: bool,
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
    /// Packages whose files it may overwrite (deb Replaces, apk `r:`). In rpm it
    /// takes their place (Obsoletes): packages of these names are never
    /// installed along with it.
    pub replaces: Vec<Relation>,
    /// What else must or must not be installed with it; only rpm has these.
    pub rich: Vec<Rich>,
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
