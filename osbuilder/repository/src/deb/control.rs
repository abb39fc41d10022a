//! Debian control syntax ("deb822"): paragraphs of `Field: value` lines, where a
//! line that begins with a blank continues the value above. Everything borrows
//! from the input and nothing recurses, so that an index of fifty megabytes is
//! read in one pass. Which fields mean what is decided elsewhere.

use memchr::{memchr, memmem};

/// Longest paragraph that is accepted, in bytes. The largest in a real archive
/// are some hundred kilobytes.
pub const MAX_PARAGRAPH: usize = 8 << 20;

/// Why control data could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ControlError {
    /// A line is neither a field nor a continuation.
    #[error("`{line}` is neither a field nor the continuation of one")]
    NotAField {
        /// The line, shortened.
        line: String,
    },
    /// A paragraph is larger than [`MAX_PARAGRAPH`].
    #[error("a paragraph is larger than {MAX_PARAGRAPH} bytes")]
    TooLarge,
    /// A field that is needed is not there.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field occurs twice in a paragraph.
    #[error("the field {0} is given twice")]
    Twice(&'static str),
    /// A value is not what its field may hold.
    #[error("the field {field} can't be `{value}`")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value, shortened.
        value: String,
    },
}

impl ControlError {
    /// The error for a `field` that can't hold `value`.
    pub fn value(field: &'static str, value: &[u8]) -> Self {
        Self::Value { field, value: shorten(value) }
    }
}

/// The beginning of some bytes as text that is fit for a message.
pub(crate) fn shorten(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(60)];
    let text = String::from_utf8_lossy(head);
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if head.len() < bytes.len() {
        clean.push('…');
    }
    clean
}

/// One field: its name, and its value without the blanks around it. A value of
/// several lines keeps its line breaks and leading blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written.
    pub name: &'a [u8],
    /// The value, trimmed at both ends.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value as text; `name` is for the message.
    pub fn text(&self, name: &'static str) -> Result<&'a str, ControlError> {
        std::str::from_utf8(self.value).map_err(|_| ControlError::value(name, self.value))
    }
}

/// Splits control data into its paragraphs.
pub fn paragraphs(bytes: &[u8]) -> Paragraphs<'_> {
    Paragraphs { rest: bytes }
}

/// Iterator over the paragraphs of control data.
#[derive(Debug, Clone)]
pub struct Paragraphs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let [b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let end = memmem::find(self.rest, b"\n\n").map_or(self.rest.len(), |i| i + 1);
        let (paragraph, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(paragraph)
    }
}

/// The fields of one paragraph.
pub fn fields(paragraph: &[u8]) -> Fields<'_> {
    Fields { rest: paragraph }
}

/// Iterator over the fields of a paragraph; it ends after the first error.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if self.rest.len() > MAX_PARAGRAPH {
            self.rest = &[];
            return Some(Err(ControlError::TooLarge));
        }
        let mut end = line_end(self.rest, 0);
        let first = &self.rest[..end];
        let name_end = match memchr(b':', first) {
            Some(i) if i > 0 && !matches!(first[0], b' ' | b'\t' | b'#' | b'-') => i,
            _ => {
                let line = shorten(first.trim_ascii());
                self.rest = &[];
                return Some(Err(ControlError::NotAField { line }));
            }
        };
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end = line_end(self.rest, end);
        }
        let field =
            Field { name: &first[..name_end], value: self.rest[name_end + 1..end].trim_ascii() };
        self.rest = &self.rest[end..];
        Some(Ok(field))
    }
}

/// The index after the line that begins at `start`, its break included.
fn line_end(bytes: &[u8], start: usize) -> usize {
    memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i + 1)
}

/// Sets `slot` to a field's value, or says that the field was there before.
pub(crate) fn once<'a>(
    slot: &mut Option<&'a [u8]>,
    name: &'static str,
    value: &'a [u8],
) -> Result<(), ControlError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ControlError::Twice(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<(String, String)>>, ControlError> {
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        paragraphs(text.as_bytes())
            .map(|paragraph| {
                fields(paragraph)
                    .map(|field| field.map(|f| (text_of(f.name), text_of(f.value))))
                    .collect()
            })
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn paragraphs_fields_and_continuations() {
        let text = "\n\nA: 1\nB:\n x\n\ty: z\nC:  3 \n\n\n\nA: 2";
        assert_eq!(
            read(text),
            Ok(vec![
                vec![pair("A", "1"), pair("B", "x\n\ty: z"), pair("C", "3")],
                vec![pair("A", "2")],
            ])
        );
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("\n\n"), Ok(vec![]));
    }

    #[test]
    fn strange_lines_are_refused() {
        for text in ["no colon here\n", " begins with a blank: x\n", ": no name\n", "A: 1\nrest"] {
            assert!(matches!(read(text), Err(ControlError::NotAField { .. })), "{text:?}");
        }
        let huge = format!("A: {}\n", "x".repeat(MAX_PARAGRAPH));
        assert_eq!(read(&huge), Err(ControlError::TooLarge));
    }

    #[test]
    fn a_message_shows_a_short_clean_piece() {
        let error = ControlError::value("Size", "7\u{7}x".repeat(40).as_bytes());
        let text = error.to_string();
        assert!(text.chars().count() < 100 && !text.contains('\u{7}'), "{text}");
    }
}
