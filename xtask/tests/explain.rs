//! The verbs that explain (plan, why, sizes, diff) as a caller sees them: the
//! real program in a fixture project, its words compared with what they were.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop")]

#[allow(dead_code, unused_imports, reason = "another test program uses the rest")]
mod fixture;

mod explain {
    mod diff;
    mod plan;
    mod sizes;
    mod why;

    use crate::fixture::{Fixture, Ran};
    use expect_test::Expect;

    /// Runs a verb to its end.
    fn ask(fixture: &Fixture, words: &[&str]) -> Ran {
        let mut command = fixture.bare();
        // What was fetched and from where is the log's business.
        command.args(words).env("KATA_LOG", "warn");
        fixture.run_command(command)
    }

    /// A verb that has to answer as expected, and to change no output.
    #[track_caller]
    fn check(fixture: &Fixture, words: &[&str], expected: &Expect) {
        let before = fixture.output();
        let ran = ask(fixture, words);
        expected.assert_eq(&format!("exit {}\n{}{}", ran.status, ran.stdout, ran.stderr));
        before.assert_same(&fixture.output());
    }

    /// The JSON document of a verb that has to answer.
    #[track_caller]
    fn document(fixture: &Fixture, words: &[&str]) -> serde_json::Value {
        let ran = ask(fixture, &[words, &["--json"]].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        serde_json::from_slice(&ran.document).unwrap()
    }
}
