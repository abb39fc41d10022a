//! Our order of versions against the real apk's: chosen spellings, each with
//! each, and thousands of generated pairs that look for trouble.

use crate::apk::Apk;
use repository::version::apk::compare;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// Pairs made by [`Noise`].
const PAIRS: usize = 2000;

const CHOSEN: [&str; 36] = [
    "0",
    "1",
    "1.0",
    "1.00",
    "1.01",
    "1.010",
    "1.1",
    "1.2",
    "1.2a",
    "1.2b",
    "1.2.1",
    "1.10",
    "1.2_alpha",
    "1.2_alpha1",
    "1.2_beta2",
    "1.2_pre",
    "1.2_rc",
    "1.2_rc1",
    "1.2_cvs",
    "1.2_svn1",
    "1.2_git20250101",
    "1.2_hg",
    "1.2_p",
    "1.2_p1",
    "1.2_p10",
    "1.2-r0",
    "1.2-r1",
    "1.2-r10",
    "1.2_rc1-r3",
    "1.2_rc1_p1",
    "1.2_p1_rc1",
    "1.2~abc",
    "1.2~abd-r1",
    "01.2",
    "1.2-r01",
    "1.2a_p1",
];

/// A small reproducible generator, so that a failure names the same pair again.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    fn digits(&mut self) -> &'static str {
        // As many digits as apk's own arithmetic holds, and no more.
        self.of(&[
            "0",
            "1",
            "2",
            "9",
            "10",
            "11",
            "00",
            "01",
            "010",
            "007",
            "099",
            "20250101",
            "999999999999999999",
            "1000000000000000000",
            "000000000000000000001",
        ])
    }

    fn suffix(&mut self) -> String {
        let names = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
        let number = if self.below(3) > 0 { self.digits() } else { "" };
        format!("_{}{number}", self.of(&names))
    }

    fn version(&mut self) -> String {
        let mut version = self.digits().to_owned();
        for _ in 0..self.below(4) {
            version += &format!(".{}", self.digits());
        }
        if self.below(4) == 0 {
            version += self.of(&["a", "b", "z"]);
        }
        for _ in 0..self.below(3) {
            version += &self.suffix();
        }
        if self.below(6) == 0 {
            version += &format!("~{}", self.of(&["0", "a", "abc", "abd0", "00ff"]));
        }
        if self.below(2) == 0 {
            version += &format!("-r{}", self.digits());
        }
        version
    }

    /// A version near another one: most mistakes are about single parts.
    fn neighbour(&mut self, version: &str) -> String {
        let starts: Vec<usize> = version
            .match_indices(['.', '_', '-'])
            .map(|(at, _)| at)
            .chain([version.len()])
            .collect();
        let at = starts[self.below(starts.len())];
        let (head, tail) = version.split_at(at);
        let digits = self.digits();
        match self.below(5) {
            0 => head.to_owned(),
            1 => format!("{head}{}", self.suffix()),
            2 => format!("{head}.{digits}{tail}"),
            3 => {
                format!("{}{tail}", head.trim_end_matches(|c: char| c.is_ascii_digit()))
                    + self.of(&["", "-r1", "_p"])
            }
            _ => format!("{head}-r{digits}"),
        }
    }

    fn pair(&mut self) -> (String, String) {
        let left = self.version();
        let right = if self.below(2) == 0 { self.version() } else { self.neighbour(&left) };
        (left, right)
    }
}

#[test]
fn versions_are_ordered_as_the_real_apk_orders_them() {
    let dir = tempfile::tempdir().unwrap();
    let apk = Apk::extract(dir.path());
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (i, left) in CHOSEN.into_iter().enumerate() {
        pairs.extend(CHOSEN[i..].iter().map(|right| (left.to_owned(), (*right).to_owned())));
    }
    let mut noise = Noise(20_250_809);
    pairs.extend(std::iter::repeat_with(|| noise.pair()).take(PAIRS));
    // One shell asks for all of them: apk orders one pair a call.
    let command = apk.command().map(|word| format!("'{word}'")).join(" ");
    let mut script = String::new();
    for (left, right) in &pairs {
        writeln!(script, "{command} version -t '{left}' '{right}' || echo '?'").unwrap();
    }
    let file = dir.path().join("script");
    fs::write(&file, script).unwrap();
    let output = Command::new("sh").arg(&file).env_clear().output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), pairs.len(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut wrong = Vec::new();
    let mut compared = 0;
    for ((left, right), said) in pairs.iter().zip(answers) {
        let ours = match compare(left, right) {
            std::cmp::Ordering::Less => "<",
            std::cmp::Ordering::Equal => "=",
            std::cmp::Ordering::Greater => ">",
        };
        // What the generator made by accident and apk calls no version at all.
        if said != "?" {
            compared += 1;
            if ours != said {
                wrong.push(format!("{left} {said} {right}, not {ours}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} pairs:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > PAIRS, "only {compared} pairs were versions");
}
