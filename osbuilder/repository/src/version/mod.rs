//! Version orders, one a packaging system, and the question the solver asks of
//! them: does this version meet that constraint? Nothing here knows where a
//! version string came from.

pub mod apk;
pub mod deb;
pub mod rpm;

use std::cmp::Ordering;

use crate::package::{Comparison, Family};

/// Orders two versions as the packaging system `family` does.
pub fn compare(family: Family, left: &str, right: &str) -> Ordering {
    match family {
        Family::Deb => deb::compare(left, right),
        Family::Apk => apk::compare(left, right),
        Family::Rpm => rpm::compare(left, right),
    }
}

/// Whether `version` stands in relation `op` to `wanted`.
///
/// [`Comparison::Fuzzy`] holds for `wanted` itself and for what continues it at
/// a part's border: `1.2` matches `1.2`, `1.2.3` and `1.2-r4`, never `1.20`. Only
/// apk writes it; elsewhere it asks for the same version.
///
/// In rpm `version` may be a range, and a version without a release speaks of
/// all releases; see [`rpm::overlap`].
pub fn satisfies(family: Family, version: &str, op: Comparison, wanted: &str) -> bool {
    if family == Family::Rpm {
        let (provided, version) = rpm::split_range(version);
        return rpm::overlap(provided, version, op, wanted);
    }
    match op {
        Comparison::Less => compare(family, version, wanted).is_lt(),
        Comparison::LessEqual => compare(family, version, wanted).is_le(),
        Comparison::Equal => compare(family, version, wanted).is_eq(),
        Comparison::GreaterEqual => compare(family, version, wanted).is_ge(),
        Comparison::Greater => compare(family, version, wanted).is_gt(),
        Comparison::Fuzzy => match family {
            Family::Apk => apk::fuzzy_matches(version, wanted),
            Family::Deb | Family::Rpm => compare(family, version, wanted).is_eq(),
        },
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
            ("1.0", Fuzzy, "1.00", true),
            ("1.2.3", Fuzzy, "1.2", false),
        ];
        for (version, op, wanted, expected) in table {
            assert_eq!(
                satisfies(Family::Deb, version, op, wanted),
                expected,
                "{version} {op} {wanted}"
            );
        }
        // Parts decide, not characters.
        let fuzzy = [
            ("1.2.3", "1.2", true),
            ("1.20", "1.2", false),
            ("1.2", "1.2.3", false),
            ("1.2_pre1", "1.2_p", false),
            ("1.2_rc01-r3", "1.2_rc1", true),
        ];
        for (version, wanted, expected) in fuzzy {
            assert_eq!(
                satisfies(Family::Apk, version, Fuzzy, wanted),
                expected,
                "{version} ~ {wanted}"
            );
        }
    }
}
