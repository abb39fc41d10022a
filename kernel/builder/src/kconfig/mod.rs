//! A small reader of the kernel's Kconfig files, made for one question: why is
//! an option not what was asked for?
//!
//! It keeps names, types, prompts, dependencies, ranges and selects, each with
//! its place. It computes no configuration (the kernel's own `conf` does) and
//! does not run the macros in `$(…)`: what hangs on one is unknown here.

mod expr;
mod parser;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::fragment::Place;
pub(crate) use expr::number;
pub use expr::{Expr, Tri};

/// The type of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// y or n.
    Bool,
    /// y, m or n.
    Tristate,
    /// A decimal number.
    Int,
    /// A hexadecimal number.
    Hex,
    /// Text.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Tristate => "tristate",
            Self::Int => "int",
            Self::Hex => "hex",
            Self::Text => "string",
        })
    }
}

/// A condition and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// `depends on`, `if` or `visible if`.
    pub expr: Expr,
    /// Where.
    pub place: Place,
}

/// One `config` block; an option may have several.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Where it starts.
    pub place: Place,
    /// Its type, where this block gives one.
    pub kind: Option<Kind>,
    /// Whether this block offers the option to users.
    pub prompt: bool,
    /// When it does: a condition of the prompt alone.
    pub prompt_if: Vec<Condition>,
    /// What the option depends on, with all that encloses the block.
    pub depends: Vec<Condition>,
    /// The lowest and highest value, as written.
    pub ranges: Vec<(String, String, Option<Expr>)>,
    /// The number of the `choice` around the block.
    pub choice: Option<usize>,
}

/// A `select`, seen from the selected option.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The option that selects.
    pub by: String,
    /// When it does.
    pub condition: Option<Expr>,
    /// Where that is written.
    pub place: Place,
}

/// All options of one source tree and architecture.
#[derive(Debug, Default)]
pub struct Kconfig {
    symbols: BTreeMap<String, Vec<Definition>>,
    selected: BTreeMap<String, Vec<Selected>>,
    choices: Vec<Vec<String>>,
}

/// Why the option tree cannot be read.
#[derive(Debug, Error)]
pub enum KconfigError {
    /// A file that is named cannot be read.
    #[error("cannot read {}, named at {from}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where it is named.
        from: String,
        /// The system's error.
        source: io::Error,
    },
    /// More files, bytes or nesting than a kernel has.
    #[error("{place}: more than {limit} {what}; this is no kernel's option tree")]
    TooMuch {
        /// Where it was noticed.
        place: Place,
        /// The limit.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// A line that makes no sense here.
    #[error("{place}: {problem}")]
    Syntax {
        /// Where.
        place: Place,
        /// What is wrong.
        problem: String,
    },
}

impl Kconfig {
    /// Reads `Kconfig` of the kernel source in `tree` and all that it includes,
    /// for the architecture folder `srcarch` (`x86`).
    ///
    /// # Errors
    /// Where a file is missing, too large, or not in Kconfig's language.
    pub fn read(tree: &Path, srcarch: &str) -> Result<Self, KconfigError> {
        parser::read(tree, srcarch)
    }

    /// The blocks that define an option; none where the name is unknown.
    #[must_use]
    pub fn definitions(&self, symbol: &str) -> &[Definition] {
        self.symbols.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// The type of an option.
    #[must_use]
    pub fn kind(&self, symbol: &str) -> Option<Kind> {
        self.definitions(symbol).iter().find_map(|definition| definition.kind)
    }

    /// Who selects an option.
    #[must_use]
    pub fn selected_by(&self, symbol: &str) -> &[Selected] {
        self.selected.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// The members of a choice, from [`Definition::choice`].
    #[must_use]
    pub fn choice(&self, number: usize) -> &[String] {
        self.choices.get(number).map_or(&[], Vec::as_slice)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
