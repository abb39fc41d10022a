//! Reading the XML of an index as a stream, with bounds on everything: the size
//! of the whole, of one tag or text, and the depth. Entities other than XML's own
//! five and characters by number are refused, and so are document types. It knows
//! no elements by name.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::error::IndexError;

/// Deepest nesting; the deepest real element is the fifth.
const MAX_DEPTH: usize = 16;
/// Longest tag or run of text, in bytes.
const MAX_ITEM: usize = 1 << 20;

/// What comes next in a document.
pub(super) enum Item<'a> {
    /// An element begins; how deep it is, the root being 1.
    Start(usize, Element<'a>),
    /// Some text; one run may come in several pieces.
    Text(&'a str),
    /// The element at this depth ends.
    End(usize),
}

/// A start tag.
pub(super) struct Element<'a> {
    tag: &'a BytesStart<'a>,
}

impl<'a> Element<'a> {
    /// Its name without a prefix.
    pub fn name(&self) -> &'a str {
        self.tag.local_name().into_inner()
    }

    /// Calls `take` with the name (without a prefix) and value of each attribute.
    pub fn attributes(&self, mut take: impl FnMut(&str, &str)) -> Result<(), String> {
        for attribute in self.tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| error.to_string())?;
            take(attribute.key.local_name().into_inner(), &value);
        }
        Ok(())
    }

    /// The value of one attribute.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, String> {
        let mut found = None;
        self.attributes(|key, value| {
            if key == name {
                found = Some(value.to_owned());
            }
        })?;
        Ok(found)
    }
}

/// Gives each item of a document to `visit`, whose errors are sentences; gives
/// how many bytes the document has, of which `limit` are allowed.
pub(super) fn walk(
    document: impl Read,
    limit: u64,
    visit: &mut dyn FnMut(Item<'_>) -> Result<(), String>,
) -> Result<u64, IndexError> {
    let inner = BufReader::with_capacity(1 << 16, document);
    let mut reader = Reader::from_reader(Bounded { inner, item: MAX_ITEM, all: limit, read: 0 });
    reader.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    let mut depth = 0;
    loop {
        buffer.clear();
        reader.get_mut().item = MAX_ITEM;
        let at = reader.buffer_position();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|error| IndexError::Xml { at, reason: error.to_string() })?;
        let done = match event {
            Event::Start(tag) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    Err("it is nested too deeply".to_owned())
                } else {
                    visit(Item::Start(depth, Element { tag: &tag }))
                }
            }
            // Ends match their starts, which the reader checks.
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                visit(Item::End(depth + 1))
            }
            Event::Text(text) => visit(Item::Text(&text.xml10_content())),
            Event::CData(text) => visit(Item::Text(&text.xml10_content())),
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(c)) => visit(Item::Text(c.encode_utf8(&mut [0; 4]))),
                Ok(None) => match &*entity.into_inner() {
                    "lt" => visit(Item::Text("<")),
                    "gt" => visit(Item::Text(">")),
                    "amp" => visit(Item::Text("&")),
                    "quot" => visit(Item::Text("\"")),
                    "apos" => visit(Item::Text("'")),
                    _ => Err("it uses an entity that XML does not have by itself".to_owned()),
                },
                Err(error) => Err(error.to_string()),
            },
            Event::DocType(_) => Err("it has a document type".to_owned()),
            Event::Eof if depth > 0 => Err("it is cut off".to_owned()),
            Event::Eof => return Ok(reader.get_ref().read),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => Ok(()),
        };
        done.map_err(|reason| IndexError::Xml { at, reason })?;
    }
}

/// A reader that fails where one item, or all of them, grow too large.
struct Bounded<R> {
    inner: R,
    /// Bytes left for the item that is being read.
    item: usize,
    /// Bytes left for all.
    all: u64,
    read: u64,
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        if self.all == 0 {
            return Err(io::Error::other("it is larger than it may be"));
        }
        if self.item == 0 {
            return Err(io::Error::other("a tag or text is longer than 1 MiB"));
        }
        let room = self.item.min(usize::try_from(self.all).unwrap_or(usize::MAX));
        Ok(&bytes[..bytes.len().min(room)])
    }

    fn consume(&mut self, amount: usize) {
        self.item = self.item.saturating_sub(amount);
        self.all = self.all.saturating_sub(amount as u64);
        self.read += amount as u64;
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let amount = bytes.len().min(into.len());
        into[..amount].copy_from_slice(&bytes[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}
