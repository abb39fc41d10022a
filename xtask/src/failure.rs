//! How a failure looks: one clear message, its causes below it, and the exit
//! status that scripts rely on.

use artifact_store::StoreError;
use kernel_builder::KernelError;
use osbuilder::BuildError;
use std::fmt::Write as _;
use std::io;

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
        let texts = self.texts();
        let mut out = format!("error: {}\n", texts[0]);
        if let Some(problem) = self.problem() {
            out += &excerpt(problem, color);
            return out;
        }
        for text in &texts[1..] {
            let text = text.replace('\n', "\n    ");
            writeln!(out, "  because: {text}").expect("a String takes everything");
        }
        out
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let texts = self.texts();
        let mut json =
            serde_json::json!({"error": texts[0], "because": texts[1..], "status": self.status});
        // A guest that did not boot has more to tell than a message.
        if let Some(boot) = self.error.downcast_ref::<boot_check::BootFailure>() {
            json["boot"] = serde_json::from_str(&boot.to_json()).unwrap_or_default();
        }
        json
    }

    /// The failure and its causes. The system's word for a full disk is left out
    /// where the sentence above it has said which disk and what to do.
    fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for cause in self.error.chain() {
            let full = cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
            if !(full && texts.last().is_some_and(|outer| outer.contains("no space left"))) {
                texts.push(cause.to_string());
            }
        }
        texts
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
            || matches!(
                error.downcast_ref(),
                Some(StoreError::BadProxy { .. } | StoreError::BadNetrc { .. })
            )
            || matches!(
                error.downcast_ref(),
                Some(
                    KernelError::Architecture { .. }
                        | KernelError::Folder { .. }
                        | KernelError::NoFragments { .. }
                        | KernelError::Fragments { .. }
                )
            )
            || error.downcast_ref::<BuildError>().is_some_and(BuildError::is_input);
        Self { error, status: if input { 2 } else { 1 } }
    }
}

/// The place of a problem with the lines around it. The report's own head would
/// only repeat message, file and line.
fn excerpt(problem: &recipe::Problem, color: bool) -> String {
    let theme = if color {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    };
    let mut report = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme);
    if handler.render_report(&mut report, problem).is_err() {
        return String::new();
    }
    let lines = report.lines().skip_while(|line| !line.contains('╭')).skip(1);
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}
