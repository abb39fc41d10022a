//! The order of rpm versions: epoch, version, release, each read as a row of
//! digits and letters in which `~` is older than the end and `^` newer than it
//! but older than anything else. It also knows when two ranges of versions meet,
//! since rpm's provides may be ranges. It accepts any string and knows no package.

use std::cmp::Ordering;

use crate::package::Comparison;

/// Orders two versions `epoch:version-release`; a missing epoch is 0 and a
/// missing release is older than any.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Parts::of(left), Parts::of(right));
    left.compare_base(&right).then_with(|| match (left.release, right.release) {
        (Some(left), Some(right)) => segments(left, right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    })
}

/// An operator before a version, as ranges that packages provide have it; a
/// plain version stands for itself.
pub fn split_range(version: &str) -> (Comparison, &str) {
    let words = [
        ("<= ", Comparison::LessEqual),
        (">= ", Comparison::GreaterEqual),
        ("< ", Comparison::Less),
        ("> ", Comparison::Greater),
    ];
    for (word, op) in words {
        if let Some(rest) = version.strip_prefix(word) {
            return (op, rest);
        }
    }
    (Comparison::Equal, version)
}

/// Whether some version is in both ranges. Where only one side names a release,
/// that side's version is one of those that the other may mean by `=`.
pub fn overlap(left_op: Comparison, left: &str, right_op: Comparison, right: &str) -> bool {
    let (left, right) = (Parts::of(left), Parts::of(right));
    let mut order = left.compare_base(&right);
    if order.is_eq() {
        let filled = |parts: &Parts<'_>| parts.release.is_some_and(|release| !release.is_empty());
        match (filled(&left), filled(&right)) {
            (true, true) => {
                order = segments(left.release.unwrap_or(""), right.release.unwrap_or(""));
            }
            (true, false) if includes_equal(right_op) => return true,
            (false, true) if includes_equal(left_op) => return true,
            _ => {}
        }
    }
    let up = |op| matches!(op, Comparison::Greater | Comparison::GreaterEqual);
    let down = |op| matches!(op, Comparison::Less | Comparison::LessEqual);
    match order {
        Ordering::Less => up(left_op) || down(right_op),
        Ordering::Greater => down(left_op) || up(right_op),
        Ordering::Equal => {
            (includes_equal(left_op) && includes_equal(right_op))
                || (up(left_op) && up(right_op))
                || (down(left_op) && down(right_op))
        }
    }
}

fn includes_equal(op: Comparison) -> bool {
    !matches!(op, Comparison::Less | Comparison::Greater)
}

/// The parts of a version.
struct Parts<'a> {
    epoch: &'a str,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
            _ => ("", text),
        };
        let epoch = if epoch.is_empty() { "0" } else { epoch };
        match rest.rsplit_once('-') {
            Some((version, release)) => Self { epoch, version, release: Some(release) },
            None => Self { epoch, version: rest, release: None },
        }
    }

    fn compare_base(&self, other: &Self) -> Ordering {
        segments(self.epoch, other.epoch).then_with(|| segments(self.version, other.version))
    }
}

/// Orders two parts, run by run. Whatever is neither a digit, an ASCII letter,
/// `~` nor `^` only divides runs.
fn segments(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        left = after(left, |b| !counts(b));
        right = after(right, |b| !counts(b));
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            // Neither is at its end, so the one that goes on with a caret is older.
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.is_ascii_digit(), b.is_ascii_digit()) {
                // Numbers are newer than letters.
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                (digits, _) => {
                    let same = |b: u8| {
                        if digits { b.is_ascii_digit() } else { b.is_ascii_alphabetic() }
                    };
                    let (a, b) = (after(left, same), after(right, same));
                    let (run_a, run_b) =
                        (&left[..left.len() - a.len()], &right[..right.len() - b.len()]);
                    let order = if digits { numbers(run_a, run_b) } else { run_a.cmp(run_b) };
                    if order.is_ne() {
                        return order;
                    }
                    (left, right) = (a, b);
                }
            },
        }
    }
}

fn counts(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^')
}

/// What follows the bytes that match.
fn after(bytes: &[u8], matches: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|&b| !matches(b)).unwrap_or(bytes.len());
    &bytes[end..]
}

/// Orders decimal numbers of any length.
fn numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (after(left, |b| b == b'0'), after(right, |b| b == b'0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    #[test]
    fn known_versions_ascend() {
        let ascending = [
            "",
            "0.9-9",
            "1.0~rc1-1",
            "1.0~rc1^git1-1",
            "1.0~rc2-1",
            "1.0",
            "1.0-1.fc41~bootstrap",
            "1.0-1.fc41",
            "1.0-1.fc41.1",
            "1.0-1.fc42",
            "1.0-10",
            "1.0^",
            "1.0^git1-1",
            "1.0^20240101-1",
            "1.0a-1",
            "1.0.1-1",
            "1.1-1",
            "1.10-1",
            "99999999999999999999998-1",
            "99999999999999999999999-1",
            "1:0.1-1",
            "2:0-0",
        ];
        // `1.0` is nothing without a release, so it stands before those with one.
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                let expected = i.cmp(&j);
                assert_eq!(compare(left, right), expected, "{left:?} against {right:?}");
            }
        }
    }

    #[test]
    fn spelling_does_not_matter() {
        for (left, right) in
            [("1.0", "1_0"), ("1.05", "1.5"), ("0:1", "1"), (":1", "1"), ("1.", "1"), ("é1", "1")]
        {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} against {right}");
        }
    }

    #[test]
    fn ranges_meet_as_in_rpm() {
        use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual};
        let table = [
            (Equal, "1.0-5", Equal, "1.0", true),
            (Equal, "1.0-5", GreaterEqual, "1.0", true),
            (Equal, "1.0-5", LessEqual, "1.0", true),
            (Equal, "1.0-5", Greater, "1.0", false),
            (Equal, "1.0-5", Less, "1.0", false),
            (Equal, "1.0", Equal, "1.0-7", true),
            (Equal, "1.0-5", Equal, "1.0-7", false),
            (Equal, "1:1.0-5", Equal, "1.0", false),
            (Equal, "1:1.0-5", GreaterEqual, "3.0", true),
            (GreaterEqual, "2", GreaterEqual, "3", true),
            (GreaterEqual, "2", Less, "2", false),
            (GreaterEqual, "2", LessEqual, "2", true),
            (Greater, "2", Less, "3", true),
            (Less, "2", Greater, "2", false),
            (Less, "2", Less, "1", true),
            (LessEqual, "2", Equal, "3", false),
        ];
        for (a, left, b, right, expected) in table {
            assert_eq!(overlap(a, left, b, right), expected, "{a} {left} with {b} {right}");
            assert_eq!(overlap(b, right, a, left), expected, "{b} {right} with {a} {left}");
        }
        assert_eq!(split_range(">= 2.0-1"), (GreaterEqual, "2.0-1"));
        assert_eq!(split_range("2.0-1"), (Equal, "2.0-1"));
    }

    const PART: &str = "([0-9]{1,3}|[a-c]{1,2}|[.~^_+]){1,6}";

    proptest! {
        #[test]
        fn the_order_is_one(a in PART, b in PART, c in PART, any in "\\PC{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&any, &any), Ordering::Equal);
            prop_assert_eq!(compare(&any, &a), compare(&a, &any).reverse());
            let mut sorted = [a, b, c];
            sorted.sort_by(|x, y| compare(x, y));
            prop_assert!(compare(&sorted[0], &sorted[2]).is_le());
        }
    }

    /// A version of pieces that matter to the order.
    fn version(random: &mut StdRng) -> String {
        const PIECES: [&str; 18] = [
            "0",
            "1",
            "2",
            "10",
            "007",
            ".",
            ".",
            "~",
            "^",
            "a",
            "rc",
            "Z",
            "fc41",
            "_",
            "+",
            "git2024",
            "^20240101",
            "~~",
        ];
        let mut some = |most: usize| -> String {
            let count = random.gen_range(0..most);
            (0..count).map(|_| PIECES[random.gen_range(0..PIECES.len())]).collect()
        };
        let (version, release) = (some(6), some(3));
        let number = random.gen_range(0..4);
        let mut text = format!("{number}{version}");
        if random.gen_bool(0.25) {
            text.insert_str(0, &format!("{}:", random.gen_range(0..3)));
        }
        if random.gen_bool(0.5) {
            text.push_str(&format!("-{}{release}", random.gen_range(0..3)));
        }
        text
    }

    #[test]
    fn rpm_agrees_on_generated_pairs() {
        let mut random = StdRng::seed_from_u64(20_260_114);
        let tails = ["", "0", "~", "^", "a", ".0", "-1", "~rc1", "^git1"];
        for _ in 0..8 {
            let pairs: Vec<(String, String)> = (0..600)
                .map(|_| {
                    let left = version(&mut random);
                    let right = if random.gen_bool(0.33) {
                        format!("{left}{}", tails[random.gen_range(0..tails.len())])
                    } else {
                        version(&mut random)
                    };
                    (left, right)
                })
                .collect();
            let calls: String = pairs
                .iter()
                .map(|(a, b)| format!("print(rpm.vercmp('{a}','{b}')..' ') "))
                .collect();
            let output = Command::new("rpm")
                .args(["--eval", &format!("%{{lua:{calls}}}")])
                .output()
                .expect("this test compares with rpm; install the package rpm");
            let answers = String::from_utf8(output.stdout).unwrap();
            let answers: Vec<&str> = answers.split_whitespace().collect();
            assert_eq!(answers.len(), pairs.len(), "{}", String::from_utf8_lossy(&output.stderr));
            for ((left, right), answer) in pairs.iter().zip(answers) {
                let ours = (compare(left, right) as i8).to_string();
                assert_eq!(ours, answer, "{left} against {right}");
            }
        }
    }
}
