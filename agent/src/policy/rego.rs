//! A Rego policy: package `agent_policy`, a rule for each request by the name of its
//! type. A rule is true or false, or an object with `allowed` and `ops`, a JSON patch
//! of what the policy remembers as `data.pstate`.

use regorus::{Engine, Value};
use serde_json::json;

use super::PolicyError;

/// Where rules are.
const PACKAGE: &str = "data.agent_policy";
/// While this rule is true, what is not allowed is logged and done all the same.
const ONLY_LOG: &str = "AllowRequestsFailingPolicy";

/// In force where the guest image brings none.
pub(super) const ALLOW_ALL: &str = "package agent_policy\n\nallow_everything := true\n";

/// A policy with its memory.
#[derive(Debug)]
pub(super) struct Judge {
    engine: Engine,
    state: serde_json::Value,
    /// Whether the policy is the one that has no rules and needs none.
    allows_all: bool,
}

impl Judge {
    pub(super) fn new(file: &str, text: String) -> Result<Self, PolicyError> {
        let unusable = |reason: String| PolicyError::Unusable { file: file.to_owned(), reason };
        let allows_all = text == ALLOW_ALL;
        let mut engine = Engine::new();
        let package = engine
            .add_policy(file.to_owned(), text)
            .map_err(|error| unusable(error.to_string().trim().to_owned()))?;
        if package != PACKAGE {
            return Err(unusable(format!("its package is {package}, not {PACKAGE}")));
        }
        let mut judge = Self { engine, state: json!({}), allows_all };
        judge.remember().map_err(unusable)?;
        Ok(judge)
    }

    /// Hands the engine what the policy remembers.
    fn remember(&mut self) -> Result<(), String> {
        self.engine.clear_data();
        let data = json!({"pstate": self.state}).to_string();
        self.engine.add_data_json(&data).map_err(|error| error.to_string())
    }

    pub(super) fn check(
        &mut self,
        name: &str,
        input: serde_json::Value,
    ) -> Result<(), PolicyError> {
        if self.allows_all {
            return Ok(());
        }
        self.engine.set_input(Value::from(input));
        let verdict = self.evaluate(name).and_then(|value| self.obey(&value));
        match verdict {
            Ok(true) => Ok(()),
            Ok(false) if self.only_logs() => {
                log::warn!("the policy does not allow {name}, and is only to log that");
                Ok(())
            }
            Ok(false) => {
                log::warn!("the policy does not allow {name}");
                Err(PolicyError::Denied(name.to_owned()))
            }
            Err(reason) => {
                log::warn!("the policy can't judge {name}: {reason}");
                Err(PolicyError::Denied(name.to_owned()))
            }
        }
    }

    /// A rule that there is not is nothing.
    fn evaluate(&mut self, rule: &str) -> Result<serde_json::Value, String> {
        let value = match self.engine.eval_rule(format!("{PACKAGE}.{rule}")) {
            Ok(Value::Undefined) => return Ok(serde_json::Value::Null),
            Ok(value) => value,
            Err(error) if error.to_string().contains("not a valid rule path") => {
                return Ok(serde_json::Value::Null);
            }
            Err(error) => return Err(error.to_string().trim().to_owned()),
        };
        let text = value.to_json_str().map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Whether the verdict is yes; its operations are carried out then, all or none.
    fn obey(&mut self, verdict: &serde_json::Value) -> Result<bool, String> {
        let allowed = match verdict {
            serde_json::Value::Bool(allowed) => return Ok(*allowed),
            serde_json::Value::Object(object) => {
                object.get("allowed").and_then(serde_json::Value::as_bool) == Some(true)
            }
            _ => false,
        };
        let Some(operations) = verdict.get("ops").filter(|_| allowed) else { return Ok(allowed) };
        let patch: json_patch::Patch =
            serde_json::from_value(operations.clone()).map_err(|error| error.to_string())?;
        if patch.is_empty() {
            return Ok(true);
        }
        let mut state = self.state.clone();
        json_patch::patch(&mut state, &patch).map_err(|error| error.to_string())?;
        self.state = state;
        self.remember()?;
        Ok(true)
    }

    fn only_logs(&mut self) -> bool {
        self.evaluate(ONLY_LOG) == Ok(serde_json::Value::Bool(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rules: &str) -> Judge {
        Judge::new("p.rego", format!("package agent_policy\n{rules}\n")).unwrap()
    }

    fn ask(judge: &mut Judge, name: &str, input: serde_json::Value) -> bool {
        judge.check(name, input).is_ok()
    }

    #[test]
    fn rules_judge_by_the_request() {
        let mut judge = judge(
            "default Exec := false\n\
             Exec if input.process.Args[0] == \"ls\"\n\
             Start := true",
        );
        assert!(ask(&mut judge, "Exec", json!({"process": {"Args": ["ls"]}})));
        assert!(!ask(&mut judge, "Exec", json!({"process": {"Args": ["sh"]}})));
        assert!(ask(&mut judge, "Start", json!({})));
        assert!(!ask(&mut judge, "Unheard", json!({})));
        let error = judge.check("Exec", json!({})).unwrap_err().to_string();
        assert_eq!(error, "Exec is blocked by policy");
    }

    #[test]
    fn a_policy_remembers_what_it_allowed() {
        let mut judge = judge(
            "default Create := {\"allowed\": false}\n\
             Create := {\"allowed\": true, \"ops\": \
               [{\"op\": \"add\", \"path\": \"/made\", \"value\": input.id}]} if not data.pstate.made",
        );
        assert!(ask(&mut judge, "Create", json!({"id": "a"})));
        assert!(!ask(&mut judge, "Create", json!({"id": "b"})));
        assert_eq!(judge.state, json!({"made": "a"}));
    }

    #[test]
    fn a_policy_that_only_logs() {
        let mut judge = judge("AllowRequestsFailingPolicy := true\ndefault Exec := false");
        assert!(ask(&mut judge, "Exec", json!({})));
    }

    #[test]
    fn what_is_no_policy() {
        let said = |text: &str| Judge::new("p.rego", text.to_owned()).unwrap_err().to_string();
        assert!(said("package other").contains("its package is data.other"));
        assert!(said("package agent_policy\nx := ").contains("p.rego"));
        assert!(
            Judge::new("allow-all", ALLOW_ALL.to_owned()).unwrap().check("X", json!({})).is_ok()
        );
    }
}
