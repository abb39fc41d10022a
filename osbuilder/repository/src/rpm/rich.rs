//! Rich dependencies: `(a >= 1 or (b and c))`, `(x if y else z)`, as text. It
//! reads their grammar, bounded in depth and length, and knows no packages.

use crate::package::{Comparison, Expression, Relation};

/// Deepest nesting and most operands; real ones have three and some dozens.
const MAX_DEPTH: usize = 16;
const MAX_OPERANDS: usize = 512;
/// Most clauses that an expression may come to, as "if … then one of …".
const MAX_CLAUSES: usize = 256;

/// Reads one boolean expression; an error is a sentence that names it.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { rest: text, operands: 0 };
    let result = parser.group(0).and_then(|expression| {
        parser.blanks();
        if !parser.rest.is_empty() {
            return Err("something follows its end");
        }
        if clauses(&expression, true).max(clauses(&expression, false)) > MAX_CLAUSES {
            return Err("it is too complicated");
        }
        Ok(expression)
    });
    result.map_err(|reason| {
        let shown: String = text.chars().take(200).collect();
        format!("`{}` is no boolean dependency: {reason}", shown.escape_debug())
    })
}

/// The comparison that an operator's text stands for.
pub(super) fn comparison(text: &str) -> Option<Comparison> {
    Some(match text {
        "<" => Comparison::Less,
        "<=" | "=<" => Comparison::LessEqual,
        "=" | "==" => Comparison::Equal,
        ">=" | "=>" => Comparison::GreaterEqual,
        ">" => Comparison::Greater,
        _ => return None,
    })
}

/// A version in its one spelling: without an epoch of zero or an empty release.
pub(super) fn canonical(version: &str) -> String {
    let version = match version.split_once(':') {
        Some((epoch, rest)) if !rest.contains(':') && epoch.bytes().all(|b| b == b'0') => rest,
        _ => version,
    };
    version.trim_end_matches('-').to_owned()
}

/// How many clauses it takes to say that the expression holds, or doesn't.
fn clauses(expression: &Expression, holds: bool) -> usize {
    let list = |all: &[Expression], and: bool| {
        let parts = all.iter().map(|one| clauses(one, holds));
        if and {
            parts.fold(0, usize::saturating_add)
        } else {
            parts.fold(1, usize::saturating_mul)
        }
    };
    match expression {
        Expression::Relation(_) | Expression::With(_) | Expression::Without(..) => 1,
        Expression::And(all) => list(all, holds),
        Expression::Or(all) => list(all, !holds),
        Expression::If { then, condition, otherwise }
        | Expression::Unless { then, condition, otherwise } => {
            let most = |one: &Expression| clauses(one, true).max(clauses(one, false));
            let first = most(then).saturating_mul(most(condition));
            let second = otherwise.as_ref().map_or(1, |otherwise| {
                most(otherwise).saturating_mul(most(condition)).saturating_add(1)
            });
            first.saturating_mul(second)
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    operands: usize,
}

impl<'a> Parser<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// `(` operands and the word between them `)`.
    fn group(&mut self, depth: usize) -> Result<Expression, &'static str> {
        if depth == MAX_DEPTH {
            return Err("it is nested too deeply");
        }
        self.rest = self.rest.strip_prefix('(').ok_or("it does not begin with a bracket")?;
        let first = self.operand(depth)?;
        let word = self.word();
        let expression = match word {
            "" => first,
            "and" => Expression::And(self.chain(first, word, depth)?),
            "or" => Expression::Or(self.chain(first, word, depth)?),
            "with" => Expression::With(self.chain(first, word, depth)?),
            "without" => {
                let but = self.operand(depth)?;
                Expression::Without(Box::new(first), Box::new(but))
            }
            "if" | "unless" => {
                let then = Box::new(first);
                let condition = Box::new(self.operand(depth)?);
                let otherwise = match self.word() {
                    "" => None,
                    "else" => Some(Box::new(self.operand(depth)?)),
                    _ => return Err("it mixes operators"),
                };
                if word == "if" {
                    Expression::If { then, condition, otherwise }
                } else {
                    Expression::Unless { then, condition, otherwise }
                }
            }
            _ => return Err("it has an unknown operator"),
        };
        self.blanks();
        self.rest =
            self.rest.strip_prefix(')').ok_or("a bracket is missing or it mixes operators")?;
        Ok(expression)
    }

    /// The operands that follow `first`, all divided by the same word.
    fn chain(
        &mut self,
        first: Expression,
        word: &str,
        depth: usize,
    ) -> Result<Vec<Expression>, &'static str> {
        let mut all = vec![first];
        loop {
            all.push(self.operand(depth)?);
            match self.word() {
                "" => return Ok(all),
                next if next == word => {}
                _ => return Err("it mixes operators"),
            }
        }
    }

    /// The word between two operands; empty at a closing bracket.
    fn word(&mut self) -> &'a str {
        self.blanks();
        let end = self.rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, &'static str> {
        self.operands += 1;
        if self.operands > MAX_OPERANDS {
            return Err("it has too many operands");
        }
        self.blanks();
        if self.rest.starts_with('(') {
            return self.group(depth + 1);
        }
        let name = self.name();
        if name.is_empty() {
            return Err("an operand is missing");
        }
        self.blanks();
        let end = self.rest.find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(self.rest.len());
        let (operator, rest) = self.rest.split_at(end);
        if operator.is_empty() {
            return Ok(Expression::Relation(Relation::any(name)));
        }
        let op = comparison(operator).ok_or("it has an unknown comparison")?;
        self.rest = rest;
        self.blanks();
        // `:` and `-` alone are an epoch and a release of nothing.
        let version = canonical(self.name());
        if version.is_empty() {
            return Err("a comparison has no version");
        }
        let constraint = Some((op, version));
        Ok(Expression::Relation(Relation { name: name.to_owned(), constraint }))
    }

    /// Up to a blank, or to a bracket that the name did not open; nothing where one
    /// that it opened stays open.
    fn name(&mut self) -> &'a str {
        let mut open = 0_usize;
        let end = self.rest.find(|c: char| match c {
            '(' => {
                open += 1;
                false
            }
            ')' if open == 0 => true,
            ')' => {
                open -= 1;
                false
            }
            c => c.is_whitespace(),
        });
        if open > 0 {
            return "";
        }
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn expressions_of_real_packages_are_read() {
        let same = [
            "(glibc-langpack-en or langpacks-core-en)",
            "(pcre2 >= 10.21 if grep)",
            "(python3dist(foo) >= 1.0~~ with python3dist(foo) < 2)",
            "((a and b and c) or (d if (e or f) else g))",
            "(kernel-core = 6.1-1 if kernel)",
            "(a unless b)",
            "(a unless (b and c) else d)",
            "(foo without bar)",
            "(libc.so.6(GLIBC_2.34)(64bit) if glibc(x86-64))",
        ];
        for text in same {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let respelled = [
            ("(a)", "a"),
            ("( a   >=1:2-3 and b<0:3 )", "(a >= 1:2-3 and b<0:3)"),
            ("(a >= 0:1 or b = 1-)", "(a >= 1 or b = 1)"),
            ("(a >= 1-- or b)", "(a >= 1 or b)"),
            ("(android or orwell)", "(android or orwell)"),
        ];
        for (text, expected) in respelled {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let table = [
            ("a", "it does not begin with a bracket"),
            ("(a", "a bracket is missing or it mixes operators"),
            ("(a and b or c)", "it mixes operators"),
            ("(a if b if c)", "it mixes operators"),
            ("(a xor b)", "it has an unknown operator"),
            ("(a and )", "an operand is missing"),
            ("(a >= )", "a comparison has no version"),
            ("(a < :)", "a comparison has no version"),
            ("(a < 0:-)", "a comparison has no version"),
            ("(a <> 1)", "it has an unknown comparison"),
            ("(a) b", "something follows its end"),
        ];
        for (text, reason) in table {
            assert_eq!(
                parse(text).unwrap_err(),
                format!("`{text}` is no boolean dependency: {reason}")
            );
        }
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        assert!(parse(&deep).unwrap_err().ends_with("it is nested too deeply"));
        let wide = format!("(a{})", " and a".repeat(MAX_OPERANDS));
        assert!(parse(&wide).unwrap_err().ends_with("it has too many operands"));
        let product = format!("({})", ["(a and b)"; 12].join(" or "));
        assert!(parse(&product).unwrap_err().ends_with("it is too complicated"));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_the_same_again(text in "\\(([ab()<>= 1]|and |or |if |else |with ){0,30}\\)") {
            if let Ok(expression) = parse(&text) {
                prop_assert_eq!(parse(&bracketed(&expression)), Ok(expression));
            }
        }
    }

    /// A plain relation has no brackets of its own.
    fn bracketed(expression: &Expression) -> String {
        match expression {
            Expression::Relation(_) => format!("({expression})"),
            _ => expression.to_string(),
        }
    }
}
