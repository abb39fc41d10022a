//! Version orders, one a packaging system, and the question the solver asks of
//! them: does this version meet that constraint? Nothing here knows where a
//! version string came from.

pub mod apk;
pub mod deb;

use std::cmp::Ordering;

use crate::package::{Comparison, Family};

/// Orders two versions as the packaging system `family` does.
pub fn compare(family: Family, left: &str, right: &str) -> Ordering {
    match family {
        Family::Deb => deb::compare(left, right),
        Family::Apk => apk::compare(left, right),
    }
}

/// Whether `version` stands in relation `op` to `wanted`.
///
/// [`Comparison::Fuzzy`] holds for `wanted` itself and for what continues it at
/// a component's border: `1.2` matches `1.2`, `1.2.3` and `1.2-r4`, never `1.20`.
pub fn satisfies(family: Family, version: &str, op: Comparison, wanted: &str) -> bool {
    match op {
        Comparison::Less => compare(family, version, wanted).is_lt(),
        Comparison::LessEqual => compare(family, version, wanted).is_le(),
        Comparison::Equal => compare(family, version, wanted).is_eq(),
        Comparison::GreaterEqual => compare(family, version, wanted).is_ge(),
        Comparison::Greater => compare(family, version, wanted).is_gt(),
        Comparison::Fuzzy => continues(version, wanted),
    }
}

/// Whether `version` is `prefix` or continues it with a new component.
fn continues(version: &str, prefix: &str) -> bool {
    let Some(rest) = version.strip_prefix(prefix) else { return false };
    let last_is_digit = prefix.bytes().last().is_some_and(|b| b.is_ascii_digit());
    match rest.bytes().next() {
        None => true,
        Some(next) => !(last_is_digit && next.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_hold_as_written() {
        use Comparison::{Equal, Fuzzy, Greater, GreaterEqual, Less, LessEqual};
        let table = [
            ("1.0", Less, "1.1", true),
            ("1.1", Less, "1.1", false),
            ("1.1", LessEqual, "1.1", true),
            ("1.0~rc1", Less, "1.0", true),
            ("1:0.1", Greater, "9.9", true),
            ("1.0-1", GreaterEqual, "1.0", true),
            ("1.0", Equal, "1.00", true),
            ("1.2.3", Fuzzy, "1.2", true),
            ("1.20", Fuzzy, "1.2", false),
            ("1.2", Fuzzy, "1.2.3", false),
        ];
        for (version, op, wanted, expected) in table {
            assert_eq!(
                satisfies(Family::Deb, version, op, wanted),
                expected,
                "{version} {op} {wanted}"
            );
        }
    }
}
