//! The order of Debian versions (Debian Policy 5.6.12): epoch, upstream version,
//! revision. Pure string work; it accepts any string, so that a strange version
//! in an index is ordered like dpkg would rather than refused half-way.

use std::cmp::Ordering;

/// Orders two Debian versions: `1.0~rc1 < 1.0 < 1.0-1 < 1:0.9`.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Parts::of(left), Parts::of(right));
    compare_digits(left.epoch.as_bytes(), right.epoch.as_bytes())
        .then_with(|| compare_part(left.upstream.as_bytes(), right.upstream.as_bytes()))
        .then_with(|| compare_part(left.revision.as_bytes(), right.revision.as_bytes()))
}

/// The three parts of a version; a missing epoch is zero and a missing revision
/// sorts like `0`, which is what an empty string does below.
struct Parts<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Self {
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
            _ => ("", version),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, upstream, revision }
    }
}

/// Compares one part: runs of non-digits and runs of digits in turn.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_word, left_rest) = split_run(left, |b| !b.is_ascii_digit());
        let (right_word, right_rest) = split_run(right, |b| !b.is_ascii_digit());
        let (left_number, left_rest) = split_run(left_rest, |b| b.is_ascii_digit());
        let (right_number, right_rest) = split_run(right_rest, |b| b.is_ascii_digit());
        let order = compare_words(left_word, right_word)
            .then_with(|| compare_digits(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// The longest head of `bytes` whose bytes all match, and the rest.
fn split_run(bytes: &[u8], matches: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&b| !matches(b)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Compares runs of non-digits byte by byte: `~` before the end of the run,
/// letters before everything else.
fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    for i in 0..left.len().max(right.len()) {
        let order = weight(left.get(i)).cmp(&weight(right.get(i)));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Where a byte of a non-digit run sorts; `None` is the run's end.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(&b) if b.is_ascii_alphabetic() => i32::from(b),
        Some(&b) => i32::from(b) + 256,
    }
}

/// Compares decimal numbers of any length without turning them into integers.
fn compare_digits(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_run(left, |b| b == b'0');
    let (_, right) = split_run(right, |b| b == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_pairs_are_ordered() {
        let ascending = [
            "~~",
            "~~a",
            "~",
            "",
            "0.1",
            "0.2~rc1",
            "0.2",
            "0.2-0ubuntu1",
            "0.2-1~bpo12+1",
            "0.2-1",
            "0.2-1+b1",
            "0.2-1.1",
            "0.2-2",
            "0.2.1-1",
            "0.10-1",
            "0.10a-1",
            "0.10+dfsg-1",
            "99999999999999999999999.1",
            "99999999999999999999999.2",
            "a",
            "1:0.1",
            "2:0",
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), i.cmp(&j), "{left:?} against {right:?}");
            }
        }
    }

    #[test]
    fn spelling_does_not_matter() {
        for (left, right) in [("1.0", "1.00"), ("0:1", "1"), ("1.0-0", "1.0"), ("1.", "1.0")] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} against {right}");
        }
    }
}
