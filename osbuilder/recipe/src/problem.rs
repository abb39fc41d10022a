//! One mistake in a file a person wrote: where, what, and the nearest thing
//! that would have been right. Every parser of this crate reports with it.

use miette::{Diagnostic, NamedSource, SourceSpan};
use std::fmt;

/// A mistake in a recipe, a template or the versions database.
///
/// `Display` is the one-line form `file:line:column: message; help`; as a
/// [`miette::Diagnostic`] it also carries the text and the place in it.
#[derive(Debug, Clone)]
pub struct Problem {
    file: String,
    line: u64,
    column: u64,
    message: String,
    help: Option<String>,
    text: NamedSource<String>,
}

impl Problem {
    /// A problem at `line` and `column` (both from 1) of `file`, whose content
    /// is `text`.
    pub fn new(file: &str, text: &str, line: u64, column: u64, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: line.max(1),
            column: column.max(1),
            message: message.into(),
            help: None,
            text: NamedSource::new(file, text.to_owned()),
        }
    }

    /// A problem where `word` first stands in `text` from `line` on, else at
    /// that line.
    pub(crate) fn at_word(file: &str, text: &str, line: u64, word: &str, message: String) -> Self {
        let first = line.max(1);
        let before = usize::try_from(first - 1).unwrap_or(usize::MAX);
        let found = text.lines().enumerate().skip(before).find_map(|(number, line)| {
            let column = line[..line.find(word)?].chars().count();
            Some((number as u64 + 1, column as u64 + 1))
        });
        let (line, column) = found.unwrap_or((first, 1));
        Self::new(file, text, line, column, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The file as the caller named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    fn span(&self) -> SourceSpan {
        let text = self.text.inner();
        let line = usize::try_from(self.line - 1).unwrap_or(usize::MAX);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = text[start..].lines().next().unwrap_or("");
        let column = usize::try_from(self.column - 1).unwrap_or(0);
        let skipped: usize = rest.chars().take(column).map(char::len_utf8).sum();
        let word: usize = rest[skipped..]
            .chars()
            .take_while(|c| !c.is_whitespace() && *c != ':')
            .map(char::len_utf8)
            .sum();
        (start + skipped, word).into()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let label = miette::LabeledSpan::new_with_span(Some("here".into()), self.span());
        Some(Box::new(std::iter::once(label)))
    }
}

/// The candidate nearest to `word`, if one is near enough to be a likely slip
/// of the fingers.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (word.len().max(candidate.len()) / 3).max(2) && *distance < candidate.len()
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_message_and_help_in_one_line() {
        let problem = Problem::new("a.yaml", "x: 1\ny: 2\n", 2, 1, "unknown key `y`")
            .with_help("did you mean `x`?");
        assert_eq!(problem.to_string(), "a.yaml:2:1: unknown key `y`; did you mean `x`?");
        assert_eq!(problem.span(), (5, 1).into());
    }

    #[test]
    fn a_place_beyond_the_text_does_not_panic() {
        let problem = Problem::new("a.yaml", "", 9, 9, "short");
        assert_eq!(problem.span(), (0, 0).into());
    }

    #[test]
    fn nearest_takes_slips_and_leaves_strangers() {
        assert_eq!(nearest("debain", ["alpine", "debian"]), Some("debian"));
        assert_eq!(nearest("pakages", ["packages", "name"]), Some("packages"));
        assert_eq!(nearest("zzz", ["alpine", "debian"]), None);
    }
}
