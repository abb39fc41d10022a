//! Glob patterns over whole paths: which files to leave out or remove.
//!
//! `?` is one character and `*` any number, both inside one component; `**`
//! as a whole component is any number of components. Matching takes at most
//! pattern length times path length steps. It must not know the tree.

/// A pattern that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing in it.
    #[error("an empty pattern matches nothing; remove it")]
    Empty,
    /// `**` next to other characters.
    #[error("in pattern `{0}`, `**` must be a whole path component, as in `usr/**/doc`")]
    DoubleStar(String),
    /// `..`, which no path of the tree has.
    #[error("pattern `{0}` has a `..` component, which no path in the tree has")]
    Parent(String),
}

/// Compiled patterns. The last pattern that covers a path decides: a pattern
/// that starts with `!` keeps what earlier ones took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    keep: bool,
    components: Vec<String>,
}

impl Patterns {
    /// Reads patterns; a leading slash is allowed and means nothing.
    ///
    /// # Errors
    ///
    /// The first pattern that can't be read.
    pub fn compile<S: AsRef<str>>(patterns: &[S]) -> Result<Self, PatternError> {
        let rules =
            patterns.iter().map(|pattern| rule(pattern.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// The same patterns with their paths spelled as `spell` says.
    pub(crate) fn respelled(&self, spell: impl Fn(&str) -> String) -> Self {
        let respell = |rule: &Rule| Rule {
            keep: rule.keep,
            components: spell(&rule.components.join("/")).split('/').map(str::to_owned).collect(),
        };
        Self { rules: self.rules.iter().map(respell).collect() }
    }

    /// Whether the patterns cover a canonical path: match it or a directory
    /// it is in.
    #[must_use]
    pub fn cover(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        let deciding = self.rules.iter().rev().find(|rule| covers(&rule.components, &path));
        deciding.is_some_and(|rule| !rule.keep)
    }
}

fn rule(pattern: &str) -> Result<Rule, PatternError> {
    let (keep, body) = match pattern.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut components: Vec<String> = body
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect();
    if components.is_empty() {
        return Err(PatternError::Empty);
    }
    if components.iter().any(|part| part == "..") {
        return Err(PatternError::Parent(pattern.to_owned()));
    }
    if components.iter().any(|part| part != "**" && part.contains("**")) {
        return Err(PatternError::DoubleStar(pattern.to_owned()));
    }
    if components.last().is_some_and(|last| last == "**") {
        // `doc/**` is what is inside doc, not doc itself.
        components.push("*".to_owned());
    }
    Ok(Rule { keep, components })
}

/// Whether a pattern matches a path or one of the directories it is in.
fn covers(pattern: &[String], path: &[&str]) -> bool {
    wildcard(pattern, path, true, |part| part == "**", |part, name| matches_name(part, name))
}

fn matches_name(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return pattern == name;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    wildcard(&pattern, &name, false, |c| *c == '*', |p, c| *p == '?' || p == c)
}

/// One algorithm for both levels: stars swallow any run, everything else
/// matches one item. On a mismatch only the latest star has to give: whatever
/// an earlier one could swallow, the later one can as well. With `head`, it is
/// enough that the pattern matches the beginning of the text.
fn wildcard<P, T>(
    pattern: &[P],
    text: &[T],
    head: bool,
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            None if head => return true,
            Some(item) if is_star(item) => {
                star = Some((p, t));
                p += 1;
            }
            Some(item) if fits(item, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((star_p, star_t)) => {
                    *star_t += 1;
                    p = *star_p + 1;
                    t = *star_t;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], path: &str, covered: bool) {
        let compiled = Patterns::compile(patterns).unwrap();
        assert_eq!(compiled.cover(path), covered, "{patterns:?} on {path}");
    }

    #[test]
    fn stars_and_question_marks() {
        check(&["usr/share/doc/**"], "usr/share/doc/bash/copyright", true);
        check(&["usr/share/doc/*"], "usr/share/doc", false);
        check(&["usr/share/doc/**"], "usr/share/doc", false);
        check(&["/usr/share/doc"], "usr/share/doc/a/b", true);
        check(&["**/*.pyc"], "a/b/c.pyc", true);
        check(&["**/*.pyc"], "c.pyc", true);
        check(&["*.pyc"], "a/c.pyc", false);
        check(&["lib/??.so"], "lib/ab.so", true);
        check(&["lib/??.so"], "lib/é.so", false);
        check(&["a/**/z"], "a/z", true);
        check(&["a/**/z"], "a/b/c/z", true);
        check(&["a/**/z"], "a/b/c/y", false);
        check(&["a*b*c"], "aXbYbZc", true);
        check(&["a*b*c"], "aXbYbZ", false);
    }

    #[test]
    fn the_last_pattern_decides() {
        let patterns = ["usr/share/doc/**", "!usr/share/doc/*/copyright"];
        check(&patterns, "usr/share/doc/bash/copyright", false);
        check(&patterns, "usr/share/doc/bash/README", true);
    }

    #[test]
    fn bad_patterns() {
        assert_eq!(Patterns::compile(&["/"]), Err(PatternError::Empty));
        assert_eq!(
            Patterns::compile(&["a/b**"]),
            Err(PatternError::DoubleStar("a/b**".to_owned()))
        );
        assert_eq!(Patterns::compile(&["../x"]), Err(PatternError::Parent("../x".to_owned())));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = "*a".repeat(100) + "b";
        check(&[pattern.as_str()], &"a".repeat(5000), false);
    }
}
