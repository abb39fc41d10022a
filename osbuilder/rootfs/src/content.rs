//! File bytes that are shared, never copied: a range of one buffer in memory.
//!
//! A package's archive is read once; each of its files is a range of it. It
//! must not know trees or archives.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a regular file. Cloning is cheap.
#[derive(Clone)]
pub struct Content {
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Content {
    /// Makes a content out of part of a shared buffer; `None` when the range
    /// isn't inside it.
    #[must_use]
    pub fn slice(buffer: Arc<Vec<u8>>, range: Range<usize>) -> Option<Self> {
        buffer.get(range.clone())?;
        Some(Self { buffer, range })
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // The constructors checked the range; an empty answer can't happen.
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether the file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { buffer: Arc::new(bytes), range }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes().to_vec())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Megabytes of file in a failed assertion help nobody.
        write!(formatter, "Content({} bytes)", self.len())
    }
}
