//! Dependencies as apk spells them: `name`, `name>=1.2`, `name~1.2`, `!name`.
//! Used for indexes and `.PKGINFO` alike; it knows neither.

use crate::package::{Comparison, Provide, Relation, Requirement};

/// A dependency: what is wanted, or must not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dependency {
    /// Wanted: one of the alternatives.
    Needs(Requirement),
    /// Each of these must not be installed.
    Excludes(Vec<Relation>),
}

/// Reads one dependency; an error is a sentence that names it.
pub(super) fn parse_dependency(text: &str) -> Result<Dependency, String> {
    match text.strip_prefix('!') {
        Some(rest) => Ok(Dependency::Excludes(relations(rest)?)),
        None => Ok(Dependency::Needs(Requirement { alternatives: relations(text)? })),
    }
}

/// Reads a relation as it stands in `replaces`.
pub(super) fn parse_relations(text: &str) -> Result<Vec<Relation>, String> {
    relations(text)
}

/// Reads `name` or `name=version`.
pub(super) fn parse_provide(text: &str) -> Result<Provide, String> {
    let mut relations = relations(text)?;
    match (relations.pop(), relations.is_empty()) {
        (Some(Relation { name, constraint: None }), true) => Ok(Provide { name, version: None }),
        (Some(Relation { name, constraint: Some((Comparison::Equal, version)) }), true) => {
            Ok(Provide { name, version: Some(version) })
        }
        _ => Err(format!("\"{text}\" is neither a provided name nor name=version")),
    }
}

fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '~')
}

/// Reads a name with an optional constraint. `>~` and `<~` have no word of their
/// own in [`Comparison`], so they become two relations, of which one must hold.
fn relations(text: &str) -> Result<Vec<Relation>, String> {
    let Some(at) = text.find(is_operator) else {
        check_name(text)?;
        return Ok(vec![Relation::any(text)]);
    };
    let (name, rest) = text.split_at(at);
    let version = rest.trim_start_matches(is_operator);
    let operator = &rest[..rest.len() - version.len()];
    check_name(name)?;
    if version.is_empty() || version.chars().any(char::is_whitespace) {
        return Err(format!("\"{text}\" has an operator but no version"));
    }
    let operators: &[Comparison] = match operator {
        "=" => &[Comparison::Equal],
        "<" => &[Comparison::Less],
        ">" => &[Comparison::Greater],
        "<=" | "=<" => &[Comparison::LessEqual],
        ">=" | "=>" => &[Comparison::GreaterEqual],
        "~" | "=~" | "~=" => &[Comparison::Fuzzy],
        "<~" | "<=~" | "<~=" => &[Comparison::Fuzzy, Comparison::Less],
        ">~" | ">=~" | ">~=" => &[Comparison::Fuzzy, Comparison::Greater],
        _ => return Err(format!("\"{text}\" has the unknown operator \"{operator}\"")),
    };
    let relation = |&op: &Comparison| Relation {
        name: name.to_owned(),
        constraint: Some((op, version.to_owned())),
    };
    Ok(operators.iter().map(relation).collect())
}

fn check_name(name: &str) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '!' | '@');
    if name.is_empty() || !name.chars().all(fine) {
        return Err(format!("\"{}\" is no name of a package", name.escape_debug()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse_dependency(text) {
            Ok(Dependency::Needs(requirement)) => requirement.to_string(),
            Ok(Dependency::Excludes(relations)) => {
                let words: Vec<String> = relations.iter().map(ToString::to_string).collect();
                format!("not {}", words.join(" and not "))
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn dependencies_are_read() {
        let table = [
            ("musl", "musl"),
            ("/bin/sh", "/bin/sh"),
            ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1"),
            ("musl>=1.2", "musl (>= 1.2)"),
            ("alpine-baselayout-data=3.7.2-r0", "alpine-baselayout-data (= 3.7.2-r0)"),
            ("python3~3.12", "python3 (~ 3.12)"),
            ("python3=~3.12", "python3 (~ 3.12)"),
            ("python3>~3.12", "python3 (~ 3.12) | python3 (> 3.12)"),
            ("pc:gtk+-3.0>3.22", "pc:gtk+-3.0 (> 3.22)"),
            ("!libiconv", "not libiconv"),
            ("!uclibc<1.0", "not uclibc (< 1.0)"),
            ("musl>", "error: \"musl>\" has an operator but no version"),
            ("musl><Q1abc=", "error: \"musl><Q1abc=\" has the unknown operator \"><\""),
            ("!", "error: \"\" is no name of a package"),
            ("=1", "error: \"\" is no name of a package"),
            ("!!a", "error: \"!a\" is no name of a package"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn provides_take_an_exact_version_only() {
        let provide = parse_provide("so:libz.so.1=1.3.2").unwrap();
        assert_eq!(
            (provide.name.as_str(), provide.version.as_deref()),
            ("so:libz.so.1", Some("1.3.2"))
        );
        assert_eq!(parse_provide("/bin/sh").unwrap().version, None);
        assert!(parse_provide("a>1").is_err());
        assert!(parse_provide("a>~1").is_err());
    }
}
