//! Damage to bytes, as a strategy that proptest can shrink.

use proptest::prelude::*;

/// One change of a text. Places are counted modulo the length at that time, so
/// that every edit fits every text.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Puts a byte in the place of another.
    Set(usize, u8),
    /// Flips one bit.
    Flip(usize, u8),
    /// Cuts the text off.
    Cut(usize),
    /// Takes some bytes out.
    Remove(usize, usize),
    /// Puts bytes in between.
    Insert(usize, Vec<u8>),
    /// Repeats some bytes where they stand.
    Repeat(usize, usize),
}

/// A few edits in a row.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = || any::<usize>();
    // Bytes that mean something to the one format or other.
    let telling = prop::sample::select(b"\0\n\r\t -.:~+_/=\"#09az\x1f\x80\xff".to_vec());
    let byte = prop_oneof![telling, any::<u8>()].boxed();
    let edit = prop_oneof![
        4 => (place(), byte.clone()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        3 => (place(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        1 => place().prop_map(Edit::Cut),
        1 => (place(), 1..40_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        2 => (place(), prop::collection::vec(byte, 1..12)).prop_map(|(at, b)| Edit::Insert(at, b)),
        1 => (place(), 1..80_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ];
    prop::collection::vec(edit, 1..8)
}

/// The text after all edits.
pub(crate) fn apply(mut text: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let length = text.len().max(1);
        match edit {
            Edit::Set(at, byte) => {
                if let Some(place) = text.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Edit::Flip(at, bit) => {
                if let Some(place) = text.get_mut(at % length) {
                    *place ^= 1 << bit;
                }
            }
            Edit::Cut(at) => text.truncate(at % length),
            Edit::Remove(at, count) => {
                let at = (at % length).min(text.len());
                let end = at.saturating_add(*count).min(text.len());
                text.drain(at..end);
            }
            Edit::Insert(at, bytes) => {
                let at = (at % length).min(text.len());
                text.splice(at..at, bytes.iter().copied());
            }
            Edit::Repeat(at, count) => {
                let at = (at % length).min(text.len());
                let end = at.saturating_add(*count).min(text.len());
                let piece = text[at..end].to_vec();
                text.splice(end..end, piece);
            }
        }
    }
    text
}
