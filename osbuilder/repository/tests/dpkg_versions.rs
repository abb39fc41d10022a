//! Our order of Debian versions against dpkg's, over thousands of generated
//! pairs that look for trouble: tildes, epochs, leading zeros, long numbers,
//! letters beside other characters, and pairs that differ in one place only.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use repository::version::deb::compare;
use std::fmt::Write as _;
use std::process::Command;

const PAIRS: usize = 3000;

/// A small reproducible generator, so that a failure names the same pair again.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn piece(&mut self) -> &'static str {
        const PIECES: [&str; 26] = [
            "0",
            "1",
            "2",
            "9",
            "10",
            "007",
            "00",
            "99999999999999999999",
            "18446744073709551616",
            "000000000000000000001",
            ".",
            ".",
            "~",
            "~~",
            "+",
            "a",
            "b",
            "rc",
            "Z",
            "dfsg",
            "~bpo",
            "git2024",
            "+b",
            "+deb",
            "~+",
            ".~",
        ];
        PIECES[self.below(PIECES.len())]
    }

    fn pieces(&mut self, most: usize) -> String {
        let count = self.below(most);
        (0..count).map(|_| self.piece()).collect()
    }

    fn version(&mut self) -> String {
        let mut version = String::new();
        if self.below(3) == 0 {
            // dpkg takes epochs up to the largest int.
            version += ["0:", "1:", "01:", "2:", "10:", "2147483647:"][self.below(6)];
        }
        version += ["0", "1", "2", "00", "09", "10"][self.below(6)];
        version += &self.pieces(6);
        // Dashes belong to the upstream version but for the last one.
        if self.below(3) == 0 {
            version += "-";
            version += &self.pieces(3);
        }
        if self.below(2) == 0 {
            version += "-";
            version += ["0", "1", "01", "~1", "a"][self.below(5)];
            version += &self.pieces(4);
        }
        // An empty revision is none that dpkg takes.
        version.trim_end_matches('-').to_owned()
    }

    /// The same version with something put in or taken out at one place.
    fn neighbour(&mut self, version: &str) -> String {
        let start = version.find(':').map_or(1, |colon| colon + 2);
        let at = start + self.below(version.len() - start + 1);
        let (head, tail) = version.split_at(at);
        let changed = match self.below(4) {
            0 => head.to_owned(),
            1 => format!("{head}{}", tail.get(1..).unwrap_or_default()),
            _ => format!("{head}{}{tail}", self.piece()),
        };
        changed.trim_end_matches('-').to_owned()
    }
}

#[test]
fn dpkg_agrees_on_generated_pairs() {
    let mut noise = Noise(20_250_809);
    let pairs: Vec<(String, String)> = std::iter::repeat_with(|| {
        let left = noise.version();
        let right = if noise.below(2) == 0 { noise.version() } else { noise.neighbour(&left) };
        (left, right)
    })
    .take(PAIRS)
    .collect();
    // One shell asks for all of them: dpkg compares one pair a call.
    let mut script = String::new();
    for (left, right) in &pairs {
        writeln!(
            script,
            "if dpkg --compare-versions '{left}' lt '{right}'; then echo -1\n\
             elif dpkg --compare-versions '{left}' eq '{right}'; then echo 0\nelse echo 1; fi"
        )
        .unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let output = Command::new("sh").arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "this test compares with dpkg, on Debian or where it is: {said}");
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), pairs.len());
    let wrong: Vec<String> = pairs
        .iter()
        .zip(answers)
        .filter(|((left, right), said)| (compare(left, right) as i8).to_string() != *said)
        .map(|((left, right), said)| format!("{left} against {right}: dpkg says {said}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {PAIRS} pairs:\n{}", wrong.len(), wrong.join("\n"));
}
