//! The nearest known name to a misspelt one. It knows only strings.

/// The candidate with the fewest edits from `word`, if few enough to be a slip
/// rather than another word. Of several as near the first in order wins.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.len() / 4).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["EXT4_FS", "EROFS_FS", "VIRTIO_VSOCKETS", "VIRTIO_BLK"];
        assert_eq!(nearest("VIRTIO_VSOCKET", known), Some("VIRTIO_VSOCKETS"));
        assert_eq!(nearest("ETX4_FS", known), Some("EXT4_FS"));
        assert_eq!(nearest("SOUND", known), None);
    }
}
