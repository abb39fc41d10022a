//! The order of Alpine package versions, and apk's fuzzy match.
//!
//! A version is read as a run of parts: digits, further digits after dots, one
//! letter, `_suffix` with an optional number, `~` and a commit hash, `-r` and a
//! revision. It knows strings only, neither packages nor constraints.

use std::cmp::Ordering;

/// Suffixes in their order; those before [`PLAIN`] make a version older than
/// the same version without them.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];

/// Index in [`SUFFIXES`] from which a suffix makes a version newer.
const PLAIN: usize = 4;

/// What a part is. The order is that of their places in a version, which is
/// also, reversed, their weight where two versions differ in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    First,
    Digits,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    Invalid,
}

/// One part of a version; `text` is without its leading mark.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    kind: Kind,
    text: &'a str,
    /// Index in [`SUFFIXES`], for suffixes.
    suffix: usize,
}

impl<'a> Part<'a> {
    fn new(kind: Kind, text: &'a str) -> Self {
        Self { kind, text, suffix: 0 }
    }

    /// Whether this part makes the version older than one that ends here.
    fn is_prerelease(&self) -> bool {
        self.kind == Kind::Suffix && self.suffix < PLAIN
    }

    /// Orders two parts of the same kind.
    fn compare(&self, other: &Self) -> Ordering {
        match self.kind {
            // As in decimal fractions: 1.01 is older than 1.1.
            Kind::Digits if self.text.starts_with('0') || other.text.starts_with('0') => {
                self.text.cmp(other.text)
            }
            Kind::First | Kind::Digits | Kind::SuffixNumber | Kind::Revision => {
                compare_numbers(self.text, other.text)
            }
            Kind::Suffix => self.suffix.cmp(&other.suffix),
            Kind::Letter | Kind::Hash | Kind::Invalid => self.text.cmp(other.text),
            Kind::End => Ordering::Equal,
        }
    }
}

/// Reads parts one by one; after [`Kind::End`] or [`Kind::Invalid`] nothing new comes.
struct Parts<'a> {
    rest: &'a str,
    last: Option<Kind>,
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version, last: None }
    }

    /// Takes as many characters as `accept` allows, none of which is left out.
    fn take(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let length = self.rest.bytes().take_while(|&b| accept(b)).count();
        // Only ASCII is ever accepted, so this is a character border.
        let (head, tail) = self.rest.split_at(length);
        self.rest = tail;
        head
    }

    fn next(&mut self) -> Part<'a> {
        let whole = self.rest;
        let part = self.read().unwrap_or_else(|| Part::new(Kind::Invalid, whole));
        self.last = Some(part.kind);
        part
    }

    /// The next part, or nothing where the text breaks the rules.
    fn read(&mut self) -> Option<Part<'a>> {
        let digits = |b: u8| b.is_ascii_digit();
        let Some(last) = self.last else {
            return filled(Part::new(Kind::First, self.take(digits)));
        };
        let Some(first) = self.rest.bytes().next() else {
            return Some(Part::new(Kind::End, ""));
        };
        match first {
            b'a'..=b'z' if last <= Kind::Digits => {
                let (letter, tail) = self.rest.split_at(1);
                self.rest = tail;
                Some(Part::new(Kind::Letter, letter))
            }
            b'.' if last <= Kind::Digits => {
                self.rest = &self.rest[1..];
                filled(Part::new(Kind::Digits, self.take(digits)))
            }
            b'0'..=b'9' if last == Kind::Suffix => {
                Some(Part::new(Kind::SuffixNumber, self.take(digits)))
            }
            b'_' if last <= Kind::SuffixNumber => {
                self.rest = &self.rest[1..];
                let text = self.take(|b| b.is_ascii_lowercase());
                let suffix = SUFFIXES.iter().position(|&s| s == text)?;
                Some(Part { kind: Kind::Suffix, text, suffix })
            }
            b'~' if last < Kind::Hash => {
                self.rest = &self.rest[1..];
                let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                filled(Part::new(Kind::Hash, self.take(hex)))
            }
            b'-' if last < Kind::Revision => {
                self.rest = self.rest.strip_prefix("-r")?;
                filled(Part::new(Kind::Revision, self.take(digits)))
            }
            _ => None,
        }
    }
}

/// The part, unless its text is empty.
fn filled(part: Part<'_>) -> Option<Part<'_>> {
    (!part.text.is_empty()).then_some(part)
}

/// Orders two runs of digits by value, however long they are.
fn compare_numbers(left: &str, right: &str) -> Ordering {
    let left = left.trim_start_matches('0');
    let right = right.trim_start_matches('0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Orders two versions as apk does.
///
/// What is no valid version is read up to its first flaw and stands just before
/// the version that ends there, so that the order is total for any input.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (Parts::new(left), Parts::new(right));
    loop {
        let (a, b) = (left.next(), right.next());
        if a.kind != b.kind {
            return match (a.is_prerelease(), b.is_prerelease()) {
                (true, _) => Ordering::Less,
                (_, true) => Ordering::Greater,
                // The version that goes on with a weightier part is newer.
                _ => b.kind.cmp(&a.kind),
            };
        }
        let order = a.compare(&b);
        if order.is_ne() || a.kind >= Kind::End {
            return order;
        }
    }
}

/// Whether `version` meets `~wanted`: it is that version or continues it with
/// further parts. `1.2` matches `1.2.3` and `1.2_rc1-r4`, never `1.20`.
pub fn fuzzy_matches(version: &str, wanted: &str) -> bool {
    let (mut version, mut wanted) = (Parts::new(version), Parts::new(wanted));
    loop {
        let (a, b) = (version.next(), wanted.next());
        if b.kind == Kind::End {
            return true;
        }
        if a.kind != b.kind || a.compare(&b).is_ne() {
            return false;
        }
        if a.kind == Kind::Invalid {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line ascends from left to right.
    const ASCENDING: &[&[&str]] = &[
        &["1.2_alpha", "1.2_alpha1", "1.2_beta", "1.2_pre", "1.2_rc", "1.2_rc1", "1.2_rc2"],
        &["1.2_rc2-r9", "1.2", "1.2-r0", "1.2-r1", "1.2-r10"],
        &["1.2", "1.2_cvs", "1.2_svn", "1.2_git", "1.2_hg", "1.2_p", "1.2_p1", "1.2_p10"],
        &["1.2_p1", "1.2a", "1.2b", "1.2.1", "1.10", "2"],
        &["1.0", "1.00", "1.01", "1.010", "1.1", "1.9", "1.10"],
        &["0", "0.1", "1", "9", "10", "20240101"],
        &["1.2_rc1_p1", "1.2_p1_rc1", "1.2_p1", "1.2_p1_p1", "1.2_p2"],
        &["1.2", "1.2~abc", "1.2~abd", "1.2_p20250101~0"],
        &["6.5_p20251123-r0", "6.5_p20251123-r1", "6.5_p20260101-r0"],
        &["3.5.6-r0", "3.5.7-r0", "3.5.10-r0", "3.6.0_alpha1-r0", "3.6.0-r0"],
        &["99999999999999999999998", "99999999999999999999999", "100000000000000000000000"],
    ];

    #[test]
    fn versions_ascend() {
        for line in ASCENDING {
            for (i, left) in line.iter().enumerate() {
                for (j, right) in line.iter().enumerate() {
                    assert_eq!(compare(left, right), i.cmp(&j), "{left} against {right}");
                }
            }
        }
    }

    #[test]
    fn versions_equal_though_spelled_otherwise() {
        for (left, right) in [("01.2", "1.2"), ("1.2_rc01", "1.2_rc1"), ("1.2-r01", "1.2-r1")] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} against {right}");
        }
    }

    #[test]
    fn fuzzy_matches_whole_parts_only() {
        let table = [
            ("1.2", "1.2", true),
            ("1.2.3-r4", "1.2", true),
            ("1.2-r4", "1.2", true),
            ("1.2_rc1", "1.2", true),
            ("1.2a", "1.2", true),
            ("1.20", "1.2", false),
            ("1.2", "1.2.3", false),
            ("1.02", "1.2", false),
            ("3.11.4-r0", "3.11", true),
            ("3.1.4-r0", "3.11", false),
        ];
        for (version, wanted, expected) in table {
            assert_eq!(fuzzy_matches(version, wanted), expected, "{version} ~ {wanted}");
        }
    }

    #[test]
    fn flawed_versions_are_still_ordered() {
        let flawed = [
            "", "a", "1.", "1..2", "1.2_", "1.2_zeta", "1.2-1", "1.2-r", "1.2 ", "1.2ab", "1.2é",
            "é", "1-r1_p1", "1~",
        ];
        for version in flawed {
            assert_eq!(compare(version, version), Ordering::Equal);
            for other in flawed.iter().chain(["1", "1.2", "2"].iter()) {
                assert_eq!(compare(version, other), compare(other, version).reverse());
            }
        }
        assert_eq!(compare("1.2-1", "1.2"), Ordering::Less);
    }
}
