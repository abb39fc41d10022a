//! Handlebars templates of recipes, in strict mode: a variable that does not
//! exist is an error that names file and line, never an empty string.

use crate::problem::{Problem, nearest};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy, Output, RenderContext,
    RenderErrorReason, Renderable,
};
use serde_json::Value;

/// A renderer with the variables of one build.
pub struct Templates {
    engine: Handlebars<'static>,
    variables: Value,
}

impl Templates {
    /// A renderer that offers `variables`, a JSON object.
    pub fn new(variables: Value) -> Self {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        // The built-in ones take a variable that does not exist for false.
        engine.register_helper("if", Box::new(StrictIf { wanted: true }));
        engine.register_helper("unless", Box::new(StrictIf { wanted: false }));
        engine.register_escape_fn(handlebars::no_escape);
        Self { engine, variables }
    }

    /// Renders `text`, the content of `file`.
    ///
    /// # Errors
    /// A syntax error or a missing variable, with its place.
    pub fn render(&self, file: &str, text: &str) -> Result<String, Problem> {
        if let Err(error) = handlebars::Template::compile(text) {
            let (line, column) = error.pos().unwrap_or((1, 1));
            // The parser lists every token it would have taken: no help to anyone.
            let reason = error.reason().to_string();
            let short = reason.split(": expected").next().unwrap_or(&reason);
            let message = format!("template: {short}");
            return Err(Problem::new(file, text, line as u64, column as u64, message));
        }
        self.engine.render_template(text, &self.variables).map_err(|error| {
            let line = error.line_no.unwrap_or(1) as u64;
            let column = error.column_no.unwrap_or(1) as u64;
            let new = |message| Problem::new(file, text, line, column, message);
            match error.reason() {
                RenderErrorReason::MissingVariable(Some(name)) => {
                    let known = names(&self.variables, "");
                    let problem = new(format!("the template variable `{name}` does not exist"));
                    match nearest(name, known.iter().map(String::as_str)) {
                        Some(near) => problem.with_help(format!("did you mean `{near}`?")),
                        None => problem.with_help(format!("there are {}", known.join(", "))),
                    }
                }
                reason => new(format!("template: {reason}")),
            }
        })
    }
}

/// `{{#if}}` and `{{#unless}}` for which a missing variable is a mistake.
struct StrictIf {
    wanted: bool,
}

impl HelperDef for StrictIf {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let name = helper.name().to_owned();
        let param = helper
            .param(0)
            .ok_or(RenderErrorReason::Other(format!("`{name}` wants a variable")))?;
        if param.is_value_missing() {
            return Err(RenderErrorReason::MissingVariable(param.relative_path().cloned()).into());
        }
        let taken = if param.value().is_truthy(false) == self.wanted {
            helper.template()
        } else {
            helper.inverse()
        };
        taken.map_or(Ok(()), |template| template.render(engine, context, state, out))
    }
}

fn names(value: &Value, prefix: &str) -> Vec<String> {
    let Value::Object(map) = value else { return vec![prefix.to_owned()] };
    map.iter()
        .flat_map(|(key, value)| {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            names(value, &path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, expected: &str) {
        let templates = Templates::new(json!({"agent": {"version": "1.2.3"}, "distro": "x<y"}));
        let seen = match templates.render("f.hbs", text) {
            Ok(text) => text,
            Err(problem) => problem.to_string(),
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn renders_without_escaping() {
        check("{{distro}} {{agent.version}}\n", "x<y 1.2.3\n");
    }

    #[test]
    fn names_a_missing_variable_and_its_place() {
        check(
            "a\n{{agent.verson}}\n",
            "f.hbs:2:1: the template variable `agent.verson` does not exist; did you mean `agent.version`?",
        );
    }

    #[test]
    fn conditions_are_strict_too() {
        check("{{#if distro}}a{{else}}b{{/if}}{{#unless distro}}c{{/unless}}", "a");
        check(
            "{{#if agent.versio}}a{{/if}}",
            "f.hbs:1:1: the template variable `agent.versio` does not exist; did you mean `agent.version`?",
        );
    }

    #[test]
    fn names_the_place_of_a_syntax_error() {
        let templates = Templates::new(json!({}));
        let problem = templates.render("f.hbs", "ok\n{{#if a}} {{/each}}\n").unwrap_err();
        assert_eq!((problem.file(), problem.line()), ("f.hbs", 2), "{problem}");
    }
}
