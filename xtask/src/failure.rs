//! How a failure looks: one clear message, its causes below it, and the exit
//! status that scripts rely on.

use osbuilder::BuildError;
use std::fmt::Write as _;

/// A failed verb.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    status: u8,
}

impl Failure {
    /// Usage or invalid input: exit status 2.
    pub(crate) fn input(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), status: 2 }
    }

    pub(crate) fn exit_status(&self) -> u8 {
        self.status
    }

    /// For the terminal.
    pub(crate) fn render(&self, color: bool) -> String {
        let mut out = String::new();
        if let Some(problem) = self.problem() {
            let theme = if color {
                miette::GraphicalTheme::unicode()
            } else {
                miette::GraphicalTheme::unicode_nocolor()
            };
            let handler = miette::GraphicalReportHandler::new_themed(theme);
            if handler.render_report(&mut out, problem).is_ok() {
                return format!("error: {}\n", out.trim());
            }
            out.clear();
        }
        let mut causes = self.error.chain();
        if let Some(first) = causes.next() {
            writeln!(out, "error: {first}").expect("a String takes everything");
        }
        for cause in causes {
            let text = cause.to_string().replace('\n', "\n    ");
            writeln!(out, "  because: {text}").expect("a String takes everything");
        }
        out
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let causes: Vec<_> = self.error.chain().map(ToString::to_string).collect();
        serde_json::json!({"error": causes[0], "because": causes[1..], "status": self.status})
    }

    fn problem(&self) -> Option<&recipe::Problem> {
        if let Some(problem) = self.error.downcast_ref::<recipe::Problem>() {
            return Some(problem);
        }
        match self.error.downcast_ref::<BuildError>() {
            Some(BuildError::Problem(problem)) => Some(problem),
            _ => None,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let input = error.is::<recipe::Problem>()
            || error.downcast_ref::<BuildError>().is_some_and(BuildError::is_input);
        Self { error, status: if input { 2 } else { 1 } }
    }
}
