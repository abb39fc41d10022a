//! Config fragments: the project's own files that say which options a guest
//! kernel has, and why.
//!
//! This file knows their syntax and what they may not say; it does not know
//! Kconfig, nor which options exist.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

/// Longest fragment that is read, in bytes.
const LIMIT: usize = 1 << 20;

/// Set by the builder, from the flavour: two owners of one name would let
/// files and `uname -r` disagree.
const RESERVED: [&str; 2] = ["LOCALVERSION", "LOCALVERSION_AUTO"];

/// A line of a fragment file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as it was named by the caller.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What an option shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Built in.
    Yes,
    /// Off.
    No,
    /// A number or text, spelled as in `.config` (text with its quotes).
    Value(String),
}

/// One requested option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The name without `CONFIG_`.
    pub symbol: String,
    /// What it shall be.
    pub setting: Setting,
    /// Who asked.
    pub place: Place,
}

impl fmt::Display for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.setting {
            Setting::Yes => write!(f, "CONFIG_{}=y", self.symbol),
            Setting::No => write!(f, "# CONFIG_{} is not set", self.symbol),
            Setting::Value(value) => write!(f, "CONFIG_{}={value}", self.symbol),
        }
    }
}

/// What is wrong with a fragment, or with two of them together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FragmentError {
    /// Neither an option nor a comment.
    #[error(
        "{place}: expected CONFIG_NAME=y, CONFIG_NAME=value, `# CONFIG_NAME is not set` or a comment, found {found:?}"
    )]
    Syntax {
        /// Where.
        place: Place,
        /// The line.
        found: String,
    },
    /// The value is neither y, n, a number nor quoted text.
    #[error("{place}: CONFIG_{symbol} has the value {value}; known are y, n, numbers and \"text\"")]
    Value {
        /// Where.
        place: Place,
        /// The option.
        symbol: String,
        /// Its value.
        value: String,
    },
    /// A guest loads no modules.
    #[error(
        "{place}: CONFIG_{symbol}=m asks for a module, which a guest cannot load; say y or leave it out"
    )]
    Module {
        /// Where.
        place: Place,
        /// The option.
        symbol: String,
    },
    /// A comment that looks like an option is most likely meant as one.
    #[error(
        "{place}: this comment reads like an option but has no effect: {found:?}; write `# CONFIG_NAME is not set` exactly, or take the line out"
    )]
    Lookalike {
        /// Where.
        place: Place,
        /// The line.
        found: String,
    },
    /// A block without a reason.
    #[error(
        "{place}: the block that starts with CONFIG_{symbol} has no comment above it; say why a guest needs it"
    )]
    NoReason {
        /// Where the block starts.
        place: Place,
        /// Its first option.
        symbol: String,
    },
    /// The same line twice.
    #[error("{second}: CONFIG_{symbol} is asked for again; it is already at {first}")]
    Twice {
        /// The option.
        symbol: String,
        /// The first place.
        first: Place,
        /// The second place.
        second: Place,
    },
    /// Two lines that cannot both hold.
    #[error("{second}: {second_line:?} contradicts {first_line:?} at {first}")]
    Contradiction {
        /// The first place.
        first: Place,
        /// What it says.
        first_line: String,
        /// The second place.
        second: Place,
        /// What it says.
        second_line: String,
    },
    /// Only the builder may set this.
    #[error("{place}: CONFIG_{symbol} is set by the builder from the flavour; take the line out")]
    Reserved {
        /// Where.
        place: Place,
        /// The option.
        symbol: String,
    },
    /// Not a text file of reasonable size.
    #[error("{file} is not UTF-8 text of at most {LIMIT} bytes")]
    NotText {
        /// The file.
        file: String,
    },
}

/// A fragment as read: what it asks for, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragment {
    /// The requested options.
    pub requested: Vec<Requested>,
}

/// Reads one fragment.
///
/// # Errors
/// All problems of the file, in the order of its lines.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Fragment, Vec<FragmentError>> {
    let text = match str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= LIMIT => text,
        _ => return Err(vec![FragmentError::NotText { file: file.to_owned() }]),
    };
    let mut fragment = Fragment::default();
    let mut problems = Vec::new();
    // Whether the current paragraph has a comment, and whether a missing one
    // was already reported for it.
    let (mut reason, mut reported) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: file.to_owned(), line: index + 1 };
        match read_line(line.trim_end(), &place) {
            Ok(Line::Blank) => (reason, reported) = (false, false),
            Ok(Line::Comment) => reason = true,
            Ok(Line::Option(requested)) => {
                if !reason && !reported {
                    reported = true;
                    let symbol = requested.symbol.clone();
                    problems.push(FragmentError::NoReason { place, symbol });
                }
                fragment.requested.push(requested);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(fragment) } else { Err(problems) }
}

/// Puts fragments together, sorted by option.
///
/// # Errors
/// Every option that is asked for more than once, even where both places agree:
/// with two owners the second would silently keep what the first gave up.
pub fn merge(fragments: &[Fragment]) -> Result<Vec<Requested>, Vec<FragmentError>> {
    let mut all: BTreeMap<&str, &Requested> = BTreeMap::new();
    let mut problems = Vec::new();
    for requested in fragments.iter().flat_map(|fragment| &fragment.requested) {
        let Some(first) = all.insert(&requested.symbol, requested) else { continue };
        problems.push(if first.setting == requested.setting {
            FragmentError::Twice {
                symbol: requested.symbol.clone(),
                first: first.place.clone(),
                second: requested.place.clone(),
            }
        } else {
            FragmentError::Contradiction {
                first: first.place.clone(),
                first_line: first.to_string(),
                second: requested.place.clone(),
                second_line: requested.to_string(),
            }
        });
    }
    if problems.is_empty() { Ok(all.into_values().cloned().collect()) } else { Err(problems) }
}

enum Line {
    Blank,
    Comment,
    Option(Requested),
}

fn read_line(line: &str, place: &Place) -> Result<Line, FragmentError> {
    if line.is_empty() {
        return Ok(Line::Blank);
    }
    if let Some(comment) = line.strip_prefix('#') {
        return read_comment(line, comment, place);
    }
    let syntax = || FragmentError::Syntax { place: place.clone(), found: shorten(line) };
    let (name, value) = line.split_once('=').ok_or_else(syntax)?;
    let symbol = name.strip_prefix("CONFIG_").filter(|s| is_symbol(s)).ok_or_else(syntax)?;
    let setting = match value {
        "y" => Setting::Yes,
        "n" => Setting::No,
        "m" => {
            return Err(FragmentError::Module { place: place.clone(), symbol: symbol.to_owned() });
        }
        value if is_number(value) || is_text(value) => Setting::Value(value.to_owned()),
        value => {
            return Err(FragmentError::Value {
                place: place.clone(),
                symbol: symbol.to_owned(),
                value: shorten(value),
            });
        }
    };
    option(symbol, setting, place)
}

fn read_comment(line: &str, comment: &str, place: &Place) -> Result<Line, FragmentError> {
    let off = comment.strip_prefix(" CONFIG_").and_then(|rest| rest.strip_suffix(" is not set"));
    if let Some(symbol) = off.filter(|symbol| is_symbol(symbol)) {
        return option(symbol, Setting::No, place);
    }
    // A first word in capitals with a known ending is an option that somebody
    // switched off by hand, or mistyped; prose may name options further on.
    let words = comment.trim_start_matches(['#', ' ', '\t']);
    let looks_alike = words.strip_prefix("CONFIG_").is_some_and(|rest| {
        let name = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        name.starts_with('=') || name.trim_start().starts_with("is not")
    });
    if looks_alike {
        return Err(FragmentError::Lookalike { place: place.clone(), found: shorten(line) });
    }
    Ok(Line::Comment)
}

fn option(symbol: &str, setting: Setting, place: &Place) -> Result<Line, FragmentError> {
    let (symbol, place) = (symbol.to_owned(), place.clone());
    if RESERVED.contains(&symbol.as_str()) {
        return Err(FragmentError::Reserved { place, symbol });
    }
    Ok(Line::Option(Requested { symbol, setting, place }))
}

pub(crate) fn is_symbol(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    match digits.strip_prefix("0x") {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Quoted, with only quotes and backslashes escaped, as Kconfig writes it.
fn is_text(value: &str) -> bool {
    let Some(text) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return false;
    };
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let fine = match c {
            '\\' => matches!(chars.next(), Some('"' | '\\')),
            c => c != '"' && !c.is_control(),
        };
        if !fine {
            return false;
        }
    }
    true
}

fn shorten(line: &str) -> String {
    line.chars().take(100).collect()
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;
