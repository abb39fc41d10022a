//! YAML text to a raw structure, with every parser error turned into a
//! [`Problem`] that names the place and the nearest valid key or value.

use crate::problem::{Problem, nearest};
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location};

/// Parses `text`, the content of `file`.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str(text).map_err(|error| problem(file, text, &error))
}

/// A problem at the place of an already parsed value.
pub(crate) fn at(file: &str, text: &str, place: Location, message: impl Into<String>) -> Problem {
    Problem::new(file, text, place.line(), place.column(), message)
}

fn problem(file: &str, text: &str, error: &Error) -> Problem {
    let bare = error.without_snippet();
    let (line, column) = bare.location().map_or((1, 1), |l| (l.line(), l.column()));
    let new = |message: String| Problem::new(file, text, line, column, message);
    match bare {
        Error::SerdeUnknownField { field, expected, .. } => {
            with_candidates(new(format!("unknown key `{field}`")), field, expected, "keys here")
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            with_candidates(new(format!("unknown value `{variant}`")), variant, expected, "values")
        }
        Error::SerdeMissingField { field, .. } => {
            new(format!("the key `{field}` is missing here")).with_help("add it")
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            new(format!("the key `{key}` is given twice")).with_help("keep one of them")
        }
        other => {
            let message = other.to_string();
            let first = message.lines().next().unwrap_or("not readable as YAML");
            // The place is said once, by the problem itself.
            let bare = first.rsplit_once(" at line ").map_or(first, |(before, _)| before);
            new(bare.to_owned())
        }
    }
}

fn with_candidates(problem: Problem, word: &str, expected: &[&'static str], of: &str) -> Problem {
    match nearest(word, expected.iter().copied()) {
        Some(near) => problem.with_help(format!("did you mean `{near}`?")),
        None => problem.with_help(format!("valid {of}: {}", expected.join(", "))),
    }
}
