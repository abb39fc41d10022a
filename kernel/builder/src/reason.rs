//! Why Kconfig did not do what a line asked: found from the definitions of the
//! option and the values of the final configuration. It decides nothing; the
//! kernel's own tool has.

use std::fmt;

use crate::dotconfig::DotConfig;
use crate::edit::nearest;
use crate::fragment::{Place, Requested, Setting};
use crate::kconfig::{Condition, Definition, Kconfig, Kind, Tri, number};

/// Most selecting options that are listed.
const LISTED: usize = 6;

/// Kconfig's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No option of this name in this kernel and architecture.
    Unknown {
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// The value is not of the option's type.
    WrongType {
        /// The option's type.
        kind: Kind,
        /// Where it is defined.
        place: Place,
    },
    /// The number is outside the option's range.
    OutOfRange {
        /// Lowest, as written.
        low: String,
        /// Highest, as written.
        high: String,
        /// Where the option is defined.
        place: Place,
    },
    /// Dependencies that do not hold.
    Unmet(Vec<Blocker>),
    /// Another member of a choice was taken.
    OtherChoice {
        /// The member.
        chosen: String,
        /// Where the option is defined.
        place: Place,
    },
    /// Users cannot set it; others select it.
    NoPrompt {
        /// Some of the options that do.
        selected_by: Vec<String>,
        /// Where the option is defined.
        place: Place,
    },
    /// It was to be off, but options that are on select it.
    Selected(Vec<(String, Place)>),
    /// It was to be off, but is on by default and not offered to users.
    Default {
        /// Where the option is defined.
        place: Place,
    },
    /// None of the above.
    Unexplained,
}

/// One condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// Where it is written.
    pub place: Place,
    /// The condition, or the part of it that fails.
    pub condition: String,
    /// The options in it: name, value, and what could be done.
    pub values: Vec<(String, String, String)>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = "\n    ";
        match self {
            Self::Unknown { nearest } => {
                write!(f, "{indent}this kernel has no such option")?;
                nearest.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean CONFIG_{name}?"))
            }
            Self::WrongType { kind, place } => {
                write!(f, "{indent}{place}: its type is {kind}, so the value does not fit")
            }
            Self::OutOfRange { low, high, place } => {
                write!(f, "{indent}{place}: its range is {low} to {high}")
            }
            Self::Unmet(blockers) => {
                for blocker in blockers {
                    write!(f, "{indent}{}: needs {}", blocker.place, blocker.condition)?;
                    for (name, value, hint) in &blocker.values {
                        write!(f, "{indent}    {name} is {value}; {hint}")?;
                    }
                }
                Ok(())
            }
            Self::OtherChoice { chosen, place } => {
                write!(f, "{indent}{place}: of this choice CONFIG_{chosen} was taken")
            }
            Self::NoPrompt { selected_by, place } => {
                write!(f, "{indent}{place}: it cannot be set by hand; ")?;
                f.write_str(&selectors(selected_by))
            }
            Self::Selected(by) => {
                for (name, place) in by {
                    write!(f, "{indent}{place}: CONFIG_{name}, which is on, selects it")?;
                }
                Ok(())
            }
            Self::Default { place } => {
                write!(f, "{indent}{place}: it is on by default and cannot be set by hand")
            }
            Self::Unexplained => write!(f, "{indent}Kconfig gives no reason that could be found"),
        }
    }
}

fn selectors(by: &[String]) -> String {
    if by.is_empty() {
        "no option selects it".to_owned()
    } else {
        format!("it is selected by {}", by.join(", "))
    }
}

/// Finds the reason for a line that was not met.
pub(crate) fn reason(kconfig: &Kconfig, config: &DotConfig, requested: &Requested) -> Reason {
    let symbol = requested.symbol.as_str();
    let definitions = kconfig.definitions(symbol);
    let Some(first) = definitions.first() else {
        let nearest = nearest(symbol, kconfig.names()).map(str::to_owned);
        return Reason::Unknown { nearest };
    };
    let place = first.place.clone();
    if let Some(kind) = kconfig.kind(symbol).filter(|kind| !fits(&requested.setting, *kind)) {
        return Reason::WrongType { kind, place };
    }
    if requested.setting == Setting::No {
        return why_on(kconfig, config, symbol, definitions);
    }
    let offered: Vec<&Definition> = definitions.iter().filter(|d| d.prompt).collect();
    if offered.is_empty() {
        return Reason::NoPrompt { selected_by: names(kconfig, symbol), place };
    }
    let value = |name: &str| config.get(name);
    let mut blockers = Vec::new();
    for definition in offered {
        let failing: Vec<&Condition> = definition
            .depends
            .iter()
            .chain(&definition.prompt_if)
            .filter(|condition| matches!(condition.expr.eval(&value), Tri::No | Tri::Mod))
            .collect();
        if failing.is_empty() {
            return why_not_taken(kconfig, config, requested, definition);
        }
        for condition in failing {
            blockers.extend(explain(kconfig, config, condition));
        }
    }
    blockers.dedup();
    Reason::Unmet(blockers)
}

fn fits(setting: &Setting, kind: Kind) -> bool {
    match (setting, kind) {
        (Setting::Yes | Setting::No, kind) => matches!(kind, Kind::Bool | Kind::Tristate),
        (Setting::Value(value), Kind::Text) => value.starts_with('"'),
        (Setting::Value(value), Kind::Int) => value.parse::<i128>().is_ok(),
        (Setting::Value(value), Kind::Hex) => value.starts_with("0x"),
        (Setting::Value(_), Kind::Bool | Kind::Tristate) => false,
    }
}

fn why_on(
    kconfig: &Kconfig,
    config: &DotConfig,
    symbol: &str,
    definitions: &[Definition],
) -> Reason {
    let value = |name: &str| config.get(name);
    let by: Vec<(String, Place)> = kconfig
        .selected_by(symbol)
        .iter()
        .filter(|selected| config.get(&selected.by).is_some())
        .filter(|s| s.condition.as_ref().is_none_or(|c| c.eval(&value) != Tri::No))
        .take(LISTED)
        .map(|selected| (selected.by.clone(), selected.place.clone()))
        .collect();
    match definitions.first() {
        _ if !by.is_empty() => Reason::Selected(by),
        Some(first) if first.choice.is_some() => {
            Reason::OtherChoice { chosen: symbol.to_owned(), place: first.place.clone() }
        }
        Some(first) => Reason::Default { place: first.place.clone() },
        None => Reason::Unexplained,
    }
}

/// Offered and allowed, and yet not taken: a choice or a range.
fn why_not_taken(
    kconfig: &Kconfig,
    config: &DotConfig,
    requested: &Requested,
    definition: &Definition,
) -> Reason {
    let place = definition.place.clone();
    let members = definition.choice.map_or(&[][..], |number| kconfig.choice(number));
    if let Some(chosen) = members.iter().find(|member| config.get(member) == Some("y")) {
        return Reason::OtherChoice { chosen: chosen.clone(), place };
    }
    let value = |name: &str| config.get(name);
    let Setting::Value(wanted) = &requested.setting else { return Reason::Unexplained };
    let bound = |text: &str| number(config.get(text).unwrap_or(text));
    for (low, high, when) in &definition.ranges {
        let applies = when.as_ref().is_none_or(|when| when.eval(&value) != Tri::No);
        let outside = match (number(wanted), bound(low), bound(high)) {
            (Some(wanted), Some(low), Some(high)) => wanted < low || wanted > high,
            _ => false,
        };
        if applies && outside {
            let spell = |text: &str| config.get(text).unwrap_or(text).to_owned();
            return Reason::OutOfRange { low: spell(low), high: spell(high), place };
        }
    }
    Reason::Unexplained
}

fn explain(kconfig: &Kconfig, config: &DotConfig, condition: &Condition) -> Vec<Blocker> {
    let value = |name: &str| config.get(name);
    condition
        .expr
        .blockers(&value)
        .into_iter()
        .map(|part| {
            let mut symbols = part.symbols();
            symbols.sort_unstable();
            symbols.dedup();
            let values = symbols
                .into_iter()
                .map(|name| {
                    let value = config.get(name).unwrap_or("n").to_owned();
                    (name.to_owned(), value, hint(kconfig, config, name))
                })
                .collect();
            Blocker { place: condition.place.clone(), condition: part.to_string(), values }
        })
        .collect()
}

fn hint(kconfig: &Kconfig, config: &DotConfig, name: &str) -> String {
    let definitions = kconfig.definitions(name);
    let Some(first) = definitions.first() else {
        return "this architecture has no such option".to_owned();
    };
    let is_on = config.get(name).is_some();
    if definitions.iter().any(|definition| definition.prompt) {
        let verb = if is_on { "is asked for or on by default" } else { "can be asked for" };
        format!("it {verb} ({})", first.place)
    } else if is_on {
        format!("it cannot be set by hand ({})", first.place)
    } else {
        selectors(&names(kconfig, name))
    }
}

fn names(kconfig: &Kconfig, symbol: &str) -> Vec<String> {
    let mut names: Vec<String> = kconfig.selected_by(symbol).iter().map(|s| s.by.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(LISTED);
    names
}
