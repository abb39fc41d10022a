//! Debian relationship fields (`Depends`, `Conflicts`, `Provides` …) as the
//! shared [`Relation`] and [`Requirement`]. Binary packages only: build profiles
//! and architecture lists of source packages are refused.

use crate::package::{Comparison, Provide, Relation, Requirement};

/// Most relations that one field may hold.
const MAX_RELATIONS: usize = 20_000;

/// Reads `a (>= 1) | b, c` for a package of `architecture`; `None` where the
/// text is no such list.
pub fn requirements(text: &str, architecture: &str) -> Option<Vec<Requirement>> {
    let mut requirements = Vec::new();
    for clause in clauses(text)? {
        let alternatives: Option<Vec<Relation>> =
            clause.split('|').map(|item| relation(item, architecture)).collect();
        requirements.push(Requirement { alternatives: alternatives? });
    }
    Some(requirements)
}

/// Reads `a (<< 1), b`: a list without alternatives.
pub fn relations(text: &str, architecture: &str) -> Option<Vec<Relation>> {
    clauses(text)?.map(|item| relation(item, architecture)).collect()
}

/// Reads `a, b (= 2)`: the names that a package provides.
pub fn provides(text: &str, architecture: &str) -> Option<Vec<Provide>> {
    clauses(text)?
        .map(|item| {
            let Relation { name, constraint } = relation(item, architecture)?;
            let version = match constraint {
                None => None,
                Some((Comparison::Equal, version)) => Some(version),
                Some(_) => return None,
            };
            Some(Provide { name, version })
        })
        .collect()
}

/// The parts between commas; empty ones, which a trailing comma leaves, are skipped.
fn clauses(text: &str) -> Option<impl Iterator<Item = &str>> {
    if memchr::memchr_iter(b',', text.as_bytes()).count() >= MAX_RELATIONS {
        return None;
    }
    Some(text.split(',').map(str::trim_ascii).filter(|clause| !clause.is_empty()))
}

fn relation(item: &str, architecture: &str) -> Option<Relation> {
    let item = item.trim_ascii();
    let (name, constraint) = match item.split_once('(') {
        None => (item, None),
        Some((name, rest)) => {
            let inner = rest.strip_suffix(')')?.trim_ascii();
            let digits = inner.find(|c| !matches!(c, '<' | '=' | '>'))?;
            let (op, version) = inner.split_at(digits);
            let op = match op {
                // The old spellings `<` and `>` mean "or equal" (Policy 7.1).
                "<<" => Comparison::Less,
                "<=" | "<" => Comparison::LessEqual,
                "=" => Comparison::Equal,
                ">=" | ">" => Comparison::GreaterEqual,
                ">>" => Comparison::Greater,
                _ => return None,
            };
            let version = version.trim_ascii();
            if version.is_empty() || version.contains(|c: char| c.is_whitespace() || c == '(') {
                return None;
            }
            (name.trim_ascii(), Some((op, version.to_owned())))
        }
    };
    // In a universe of one architecture `:any` and `:native` change nothing. A
    // foreign one stays part of the name, which then no package has.
    let name = match name.split_once(':') {
        Some((bare, qualifier)) if ["any", "native", architecture].contains(&qualifier) => bare,
        _ => name,
    };
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b':' | b'_');
    if name.is_empty() || !name.bytes().all(valid) {
        return None;
    }
    Some(Relation { name: name.to_owned(), constraint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(text: &str) -> Option<String> {
        let list = requirements(text, "amd64")?;
        Some(list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn relations_are_read() {
        let table = [
            ("", ""),
            ("libc6 (>= 2.38)", "libc6 (>= 2.38)"),
            ("a|b (<<1) ,\n c:any (= 1:2~x-3),", "a | b (< 1), c (= 1:2~x-3)"),
            ("a:amd64, b:i386, c:native", "a, b:i386, c"),
            ("a (< 1), b (> 2)", "a (<= 1), b (>= 2)"),
            ("g++-14 (>> 14.2)", "g++-14 (> 14.2)"),
        ];
        for (text, expected) in table {
            assert_eq!(spell(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in [
            "a b",
            "a (1)",
            "a (>=)",
            "a (>= 1",
            "a | ",
            "a (=> 1)",
            "a [amd64]",
            "a <!nocheck>",
            "(>= 1)",
            "a (>= 1) x",
            "a (>= 1 2)",
            "ä",
        ] {
            assert_eq!(spell(text), None, "{text}");
        }
        assert_eq!(spell(&"a,".repeat(MAX_RELATIONS + 1)), None);
    }

    #[test]
    fn provides_take_only_exact_versions() {
        assert_eq!(
            provides("mta, libx-abi (= 3)", "amd64"),
            Some(vec![
                Provide { name: "mta".into(), version: None },
                Provide { name: "libx-abi".into(), version: Some("3".into()) },
            ])
        );
        assert_eq!(provides("libx-abi (>= 3)", "amd64"), None);
        assert_eq!(provides("a | b", "amd64"), None);
    }
}
