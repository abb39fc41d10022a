//! Reads Kconfig files line by line into a [`Kconfig`]; knows the language's
//! words and nesting, not what the options mean.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path};

use super::expr::{quoted, shorten};
use super::{Condition, Definition, Expr, Kconfig, KconfigError, Kind, Selected};
use crate::fragment::{Place, is_symbol};

/// Largest file, most bytes and files together, deepest nesting. Linux 6.12 has
/// 240 KiB, 3 MB and 900 files for one architecture, and nests about 10 deep.
const FILE_LIMIT: usize = 4 << 20;
const BYTES_LIMIT: usize = 64 << 20;
const FILES_LIMIT: usize = 10_000;
const DEPTH_LIMIT: usize = 40;

pub(super) fn read(tree: &Path, srcarch: &str) -> Result<Kconfig, KconfigError> {
    let mut parser =
        Parser { tree, srcarch, out: Kconfig::default(), files: 0, bytes: 0, open: Vec::new() };
    parser.file("Kconfig", &Place { file: "the tree".to_owned(), line: 0 }, 0)?;
    Ok(parser.out)
}

/// Something that encloses lines.
enum Block {
    If(Condition),
    Menu(Vec<Condition>),
    Choice { number: usize, depends: Vec<Condition> },
}

/// What the attribute lines that follow belong to.
enum Target {
    Nothing,
    Config(String),
    /// A menu, choice or comment; only its conditions matter.
    Block,
}

struct Parser<'a> {
    tree: &'a Path,
    srcarch: &'a str,
    out: Kconfig,
    files: usize,
    bytes: usize,
    open: Vec<Block>,
}

impl Parser<'_> {
    fn file(&mut self, name: &str, from: &Place, depth: usize) -> Result<(), KconfigError> {
        let too_much = |limit, what| KconfigError::TooMuch { place: from.clone(), limit, what };
        if depth > DEPTH_LIMIT {
            return Err(too_much(DEPTH_LIMIT, "files inside each other"));
        }
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            let problem = format!("{name:?} leaves the source tree");
            return Err(KconfigError::Syntax { place: from.clone(), problem });
        }
        let path = self.tree.join(name);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes))
            .map_err(|source| KconfigError::Read { path, from: from.to_string(), source })?;
        self.files += 1;
        self.bytes += bytes.len();
        if bytes.len() > FILE_LIMIT || self.bytes > BYTES_LIMIT {
            return Err(too_much(BYTES_LIMIT, "bytes"));
        }
        if self.files > FILES_LIMIT {
            return Err(too_much(FILES_LIMIT, "files"));
        }
        let opened = self.open.len();
        self.lines(name, &String::from_utf8_lossy(&bytes), depth)?;
        if self.open.len() != opened {
            let place = Place { file: name.to_owned(), line: 0 };
            let problem = "an if, menu or choice is not closed".to_owned();
            return Err(KconfigError::Syntax { place, problem });
        }
        Ok(())
    }

    fn lines(&mut self, name: &str, text: &str, depth: usize) -> Result<(), KconfigError> {
        let mut target = Target::Nothing;
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, first)) = lines.next() {
            let place = Place { file: name.to_owned(), line: index + 1 };
            let mut line = first.to_owned();
            while line.ends_with('\\') {
                line.pop();
                let Some((_, next)) = lines.next() else { break };
                line.push_str(next);
            }
            let (word, rest) = split(strip_comment(line.trim()));
            match word {
                "" => {}
                "help" => {
                    // The text is all that is indented as deep as its first line.
                    let mut deep = None;
                    while let Some((_, next)) = lines.peek() {
                        let indent = indent(next);
                        if !next.trim().is_empty() && indent < *deep.get_or_insert(indent.max(1)) {
                            break;
                        }
                        lines.next();
                    }
                }
                "source" => {
                    target = Target::Nothing;
                    let file = self.expand(text_of(rest), &place)?;
                    self.file(&file, &place, depth + 1)?;
                }
                word => self.line(word, rest, place, &mut target)?,
            }
        }
        Ok(())
    }

    fn expand(&self, name: &str, place: &Place) -> Result<String, KconfigError> {
        let name = name.replace("$(SRCARCH)", self.srcarch);
        if name.contains('$') {
            let problem = format!("cannot tell which file {name:?} is");
            return Err(KconfigError::Syntax { place: place.clone(), problem });
        }
        Ok(name)
    }

    fn line(
        &mut self,
        word: &str,
        rest: &str,
        place: Place,
        target: &mut Target,
    ) -> Result<(), KconfigError> {
        match word {
            "config" | "menuconfig" => *target = self.config(rest, place)?,
            "choice" => {
                self.out.choices.push(Vec::new());
                let number = self.out.choices.len() - 1;
                self.open(Block::Choice { number, depends: Vec::new() }, &place)?;
                *target = Target::Block;
            }
            "menu" => {
                self.open(Block::Menu(Vec::new()), &place)?;
                *target = Target::Block;
            }
            "if" => {
                let condition = condition(rest, &place)?;
                self.open(Block::If(condition), &place)?;
                *target = Target::Nothing;
            }
            "endif" | "endmenu" | "endchoice" => {
                let closes = self.open.pop().is_some_and(|block| {
                    matches!(
                        (block, word),
                        (Block::If(_), "endif")
                            | (Block::Menu(_), "endmenu")
                            | (Block::Choice { .. }, "endchoice")
                    )
                });
                if !closes {
                    return Err(syntax(&place, format!("{word} closes nothing")));
                }
                *target = Target::Nothing;
            }
            "comment" | "mainmenu" => *target = Target::Nothing,
            _ => match target {
                Target::Config(symbol) => {
                    let symbol = symbol.clone();
                    self.attribute(&symbol, word, rest, &place)?;
                }
                Target::Block => self.block_attribute(word, rest, &place)?,
                // Macro definitions, and conditions of comments.
                Target::Nothing => {}
            },
        }
        Ok(())
    }

    fn open(&mut self, block: Block, place: &Place) -> Result<(), KconfigError> {
        if self.open.len() >= DEPTH_LIMIT {
            let (place, limit) = (place.clone(), DEPTH_LIMIT);
            return Err(KconfigError::TooMuch { place, limit, what: "blocks inside each other" });
        }
        self.open.push(block);
        Ok(())
    }

    fn config(&mut self, name: &str, place: Place) -> Result<Target, KconfigError> {
        if !is_symbol(name) {
            return Err(syntax(&place, format!("{:?} is no option's name", shorten(name))));
        }
        let mut definition = Definition {
            place,
            kind: None,
            prompt: false,
            prompt_if: Vec::new(),
            depends: Vec::new(),
            ranges: Vec::new(),
            choice: None,
        };
        for block in &self.open {
            match block {
                Block::If(condition) => definition.depends.push(condition.clone()),
                Block::Menu(conditions) => definition.depends.extend(conditions.iter().cloned()),
                Block::Choice { number, depends } => {
                    definition.depends.extend(depends.iter().cloned());
                    definition.choice = Some(*number);
                }
            }
        }
        if let Some(members) = definition.choice.and_then(|n| self.out.choices.get_mut(n)) {
            members.push(name.to_owned());
        }
        self.out.symbols.entry(name.to_owned()).or_default().push(definition);
        Ok(Target::Config(name.to_owned()))
    }

    fn attribute(
        &mut self,
        symbol: &str,
        word: &str,
        rest: &str,
        place: &Place,
    ) -> Result<(), KconfigError> {
        if matches!(word, "select" | "imply") {
            let (name, when) = split_if(rest);
            if word == "select" {
                let condition = when.map(|when| parse(when, place)).transpose()?;
                let selected = Selected { by: symbol.to_owned(), condition, place: place.clone() };
                self.out.selected.entry(name.to_owned()).or_default().push(selected);
            }
            return Ok(());
        }
        let definitions = self.out.symbols.get_mut(symbol);
        let Some(definition) = definitions.and_then(|all| all.last_mut()) else { return Ok(()) };
        let kind = match word {
            "bool" | "def_bool" => Some(Kind::Bool),
            "tristate" | "def_tristate" => Some(Kind::Tristate),
            "int" => Some(Kind::Int),
            "hex" => Some(Kind::Hex),
            "string" => Some(Kind::Text),
            _ => None,
        };
        definition.kind = kind.or(definition.kind);
        match word {
            "depends" => definition.depends.push(condition(depends_on(rest, place)?, place)?),
            "bool" | "tristate" | "int" | "hex" | "string" | "prompt" if !rest.is_empty() => {
                definition.prompt = true;
                if let Some(when) = split_if(rest).1 {
                    definition.prompt_if.push(condition(when, place)?);
                }
            }
            "range" => {
                let (bounds, when) = split_if(rest);
                if let Some((low, high)) = bounds.split_once(char::is_whitespace) {
                    let when = when.map(|when| parse(when, place)).transpose()?;
                    definition.ranges.push((low.to_owned(), high.trim().to_owned(), when));
                }
            }
            // Defaults and the like do not say why a request was not met.
            _ => {}
        }
        Ok(())
    }

    fn block_attribute(
        &mut self,
        word: &str,
        rest: &str,
        place: &Place,
    ) -> Result<(), KconfigError> {
        let text = match word {
            "depends" => depends_on(rest, place)?,
            // An invisible menu keeps users out, which is a reason just as well.
            "visible" => rest.strip_prefix("if").map_or(rest, str::trim),
            _ => return Ok(()),
        };
        let condition = condition(text, place)?;
        match self.open.last_mut() {
            Some(Block::Menu(conditions)) => conditions.push(condition),
            Some(Block::Choice { depends, .. }) => depends.push(condition),
            _ => {}
        }
        Ok(())
    }
}

fn syntax(place: &Place, problem: String) -> KconfigError {
    KconfigError::Syntax { place: place.clone(), problem }
}

fn parse(text: &str, place: &Place) -> Result<Expr, KconfigError> {
    Expr::parse(text).map_err(|problem| syntax(place, problem))
}

fn condition(text: &str, place: &Place) -> Result<Condition, KconfigError> {
    Ok(Condition { expr: parse(text, place)?, place: place.clone() })
}

fn depends_on<'a>(rest: &'a str, place: &Place) -> Result<&'a str, KconfigError> {
    rest.strip_prefix("on").ok_or_else(|| syntax(place, "depends without on".to_owned()))
}

/// The first word of a line and what follows it. A hyphen belongs to a word:
/// `if-success = …` defines a macro and opens nothing.
fn split(line: &str) -> (&str, &str) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let (word, rest) = line.split_at(line.find(|c| !is_word(c)).unwrap_or(line.len()));
    (word, rest.trim())
}

/// Cuts off ` if CONDITION`, which follows a prompt, a value or a name; an `if`
/// in the prompt's quotes is text.
fn split_if(rest: &str) -> (&str, Option<&str>) {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let from = quote
        .and_then(|quote| quoted(rest, quote))
        .map_or(0, |(_, after)| rest.len() - after.len());
    let found = rest[from..]
        .find("if")
        .into_iter()
        .chain(rest[from..].match_indices("if").skip(1).map(|(at, _)| at));
    for at in found {
        let before = rest[..from + at].chars().next_back();
        let after = rest[from + at + 2..].chars().next();
        let starts = before.is_none_or(|c| c.is_whitespace() || c == '"' || c == '\'');
        let ends = after.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '!' | '$'));
        if starts && ends {
            return (rest[..from + at].trim(), Some(rest[from + at + 2..].trim()));
        }
    }
    (rest, None)
}

fn text_of(rest: &str) -> &str {
    rest.trim_matches(['"', '\''])
}

/// Cuts a `#` comment that is not inside quotes.
fn strip_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return line[..at].trim_end(),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    line
}

fn indent(line: &str) -> usize {
    let mut columns = 0;
    for c in line.chars() {
        match c {
            ' ' => columns += 1,
            '\t' => columns = (columns / 8 + 1) * 8,
            _ => break,
        }
    }
    columns
}
