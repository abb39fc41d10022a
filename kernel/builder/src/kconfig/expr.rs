//! Expressions of Kconfig: reading them, showing them, and their value under a
//! given configuration. They know no files and no options' definitions.

use std::fmt;

/// Deepest nesting of parentheses and negations that is read.
const DEPTH: usize = 64;

/// A value of the three-valued logic, or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tri {
    /// n
    No,
    /// m
    Mod,
    /// y
    Yes,
    /// It hangs on a macro, such as a question to the compiler.
    Unknown,
}

impl fmt::Display for Tri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "n",
            Self::Mod => "m",
            Self::Yes => "y",
            Self::Unknown => "?",
        })
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// An option, or the words y, m and n.
    Symbol(String),
    /// Quoted text.
    Text(String),
    /// `$(…)`, as written.
    Macro(String),
    /// `!a`
    Not(Box<Expr>),
    /// `a && b && …`
    And(Vec<Expr>),
    /// `a || b || …`
    Or(Vec<Expr>),
    /// `a = b` and its relatives, with the operator as written.
    Compare(Box<Expr>, &'static str, Box<Expr>),
}

const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

impl Expr {
    /// Reads a whole expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text.trim() };
        let expr = reader.or(0)?;
        if reader.rest.is_empty() { Ok(expr) } else { Err(format!("unexpected {:?}", reader.rest)) }
    }

    /// The value under a configuration: `value` gives an option's value as
    /// `.config` spells it, or none where the option is off or unknown.
    pub fn eval<'a>(&self, value: &impl Fn(&str) -> Option<&'a str>) -> Tri {
        match self {
            Self::Symbol(name) => match value_of(name, value) {
                "y" => Tri::Yes,
                "m" => Tri::Mod,
                _ => Tri::No,
            },
            Self::Text(text) => {
                if text == "y" {
                    Tri::Yes
                } else {
                    Tri::No
                }
            }
            Self::Macro(_) => Tri::Unknown,
            Self::Not(inner) => match inner.eval(value) {
                Tri::No => Tri::Yes,
                Tri::Yes => Tri::No,
                other => other,
            },
            Self::And(parts) => fold(parts, value, Tri::No, Tri::Yes),
            Self::Or(parts) => fold(parts, value, Tri::Yes, Tri::No),
            Self::Compare(left, operator, right) => compare(left, operator, right, value),
        }
    }

    /// The smallest parts that keep the whole from being y: of a conjunction the
    /// ones that are n, of a disjunction all.
    pub fn blockers<'a, 'e>(&'e self, value: &impl Fn(&str) -> Option<&'a str>) -> Vec<&'e Expr> {
        match self {
            Self::And(parts) => parts
                .iter()
                .filter(|part| matches!(part.eval(value), Tri::No | Tri::Mod))
                .flat_map(|part| part.blockers(value))
                .collect(),
            other => vec![other],
        }
    }

    /// The options named in it, in order.
    pub fn symbols(&self) -> Vec<&str> {
        match self {
            Self::Symbol(name) if matches!(name.as_str(), "y" | "m" | "n") => Vec::new(),
            Self::Symbol(name) => vec![name],
            Self::Text(_) | Self::Macro(_) => Vec::new(),
            Self::Not(inner) => inner.symbols(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::symbols).collect(),
            Self::Compare(left, _, right) => [left.symbols(), right.symbols()].concat(),
        }
    }
}

fn fold<'a>(
    parts: &[Expr],
    value: &impl Fn(&str) -> Option<&'a str>,
    ends: Tri,
    neutral: Tri,
) -> Tri {
    let values: Vec<Tri> = parts.iter().map(|part| part.eval(value)).collect();
    for wanted in [ends, Tri::Unknown, Tri::Mod] {
        if values.contains(&wanted) {
            return wanted;
        }
    }
    neutral
}

fn value_of<'a: 'r, 'r>(name: &'r str, value: &impl Fn(&str) -> Option<&'a str>) -> &'r str {
    let is_literal =
        matches!(name, "y" | "m" | "n") || name.starts_with(|c: char| c.is_ascii_digit());
    // 64BIT and others begin with a digit, and are options all the same.
    value(name).unwrap_or(if is_literal && name != "64BIT" { name } else { "n" })
}

fn compare<'a>(
    left: &Expr,
    operator: &str,
    right: &Expr,
    value: &impl Fn(&str) -> Option<&'a str>,
) -> Tri {
    let plain = |expr: &Expr| match expr {
        Expr::Symbol(name) => Some(value_of(name, value).trim_matches('"').to_owned()),
        Expr::Text(text) => Some(text.clone()),
        _ => None,
    };
    let (Some(left), Some(right)) = (plain(left), plain(right)) else { return Tri::Unknown };
    let order = match (number(&left), number(&right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.cmp(&right),
    };
    let holds = match operator {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    };
    if holds { Tri::Yes } else { Tri::No }
}

pub(crate) fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Symbol(name) => f.write_str(name),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Macro(text) => f.write_str(text),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) | Self::Compare(..) => write!(f, "!({inner})"),
                _ => write!(f, "!{inner}"),
            },
            Self::And(parts) => list(f, parts, "&&"),
            Self::Or(parts) => list(f, parts, "||"),
            Self::Compare(left, operator, right) => write!(f, "{left} {operator} {right}"),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn or(&mut self, depth: usize) -> Result<Expr, String> {
        let mut parts = vec![self.and(depth)?];
        while self.take("||") {
            parts.push(self.and(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr, String> {
        let mut parts = vec![self.comparison(depth)?];
        while self.take("&&") {
            parts.push(self.comparison(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn comparison(&mut self, depth: usize) -> Result<Expr, String> {
        let left = self.atom(depth)?;
        for operator in OPERATORS {
            if self.take(operator) {
                let right = self.atom(depth)?;
                return Ok(Expr::Compare(Box::new(left), operator, Box::new(right)));
            }
        }
        Ok(left)
    }

    fn atom(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > DEPTH {
            return Err(format!("an expression nests deeper than {DEPTH}"));
        }
        if self.take("!") {
            // Kconfig binds `!` closer than comparisons.
            return Ok(Expr::Not(Box::new(self.atom(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err("a ) is missing".to_owned()) };
        }
        if self.rest.starts_with("$(") {
            let end = macro_end(self.rest).ok_or("a $( has no end")?;
            let (text, rest) = self.rest.split_at(end);
            let text = text.to_owned();
            self.rest = rest.trim_start();
            return Ok(Expr::Macro(text));
        }
        if let Some(quote @ ('"' | '\'')) = self.rest.chars().next() {
            let (text, rest) = quoted(self.rest, quote).ok_or("a quote has no end")?;
            self.rest = rest.trim_start();
            return Ok(if text.contains("$(") { Expr::Macro(text) } else { Expr::Text(text) });
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(format!("expected an option, found {:?}", shorten(self.rest)));
        }
        let (word, rest) = self.rest.split_at(end);
        let word = word.to_owned();
        self.rest = rest.trim_start();
        Ok(Expr::Symbol(word))
    }
}

fn macro_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The text in quotes at the beginning of `text`, and what follows.
pub(super) fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?.1),
            c if c == quote => return Some((out, &text[at + c.len_utf8()..])),
            c => out.push(c),
        }
    }
    None
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}
