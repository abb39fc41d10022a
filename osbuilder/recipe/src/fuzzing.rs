//! Entry points for fuzzing; they exist in tests and with the feature `fuzzing`
//! and are no API.

use crate::{Draft, Init, Problem, Type, Versions};

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: &[Target] = &[("recipe_yaml", recipe), ("versions_yaml", versions)];

/// A recipe, on its own and on top of itself, for every choice that it offers.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let draft = match Draft::parse("recipe.yaml", text, "fixture") {
        Ok(draft) => draft,
        Err(problem) => return shown(&problem),
    };
    let whole = match draft.resolve(None) {
        Ok(recipe) => recipe,
        Err(problem) => return shown(&problem),
    };
    for architecture in ["x86_64", "aarch64"] {
        for kind in [Type::Image, Type::Initrd] {
            for init in [Init::Agent, Init::Systemd] {
                let _ = whole.select(Some(kind), Some(init), Some("debug"), architecture);
                let _ = whole.select(Some(kind), Some(init), None, architecture);
            }
        }
    }
    if let Ok(again) = Draft::parse("recipe.yaml", text, "fixture")
        && let Err(problem) = again.resolve(Some(&whole))
    {
        shown(&problem);
    }
}

/// The versions database.
pub fn versions(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(problem) = Versions::parse("versions.yaml", text) {
        shown(&problem);
    }
}

/// A problem can be shown with its place in the text.
fn shown(problem: &Problem) {
    let mut report = String::new();
    let handler = miette::NarratableReportHandler::new();
    assert!(handler.render_report(&mut report, problem).is_ok(), "{problem}");
}

#[cfg(test)]
mod tests {
    hostile::tests!(super::TARGETS);
}
