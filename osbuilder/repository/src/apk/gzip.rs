//! Splitting a file into its gzip streams, exactly at their borders, since what
//! is signed or hashed is the compressed bytes of one stream. It knows nothing
//! of what the streams hold.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::error::ApkError;

/// Unpacks the gzip stream at the start of `bytes`, at most `limit` bytes of it.
/// Returns the content and the compressed length of the stream.
pub(super) fn first_stream(
    bytes: &[u8],
    limit: u64,
    what: &'static str,
) -> Result<(Vec<u8>, usize), ApkError> {
    let mut decoder = GzDecoder::new(bytes);
    let mut content = Vec::new();
    (&mut decoder)
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| ApkError::Gzip { what, reason: error.to_string() })?;
    if u64::try_from(content.len()).is_ok_and(|length| length > limit) {
        return Err(ApkError::TooLarge { what, limit });
    }
    // A slice is consumed byte by byte as the stream needs, so the rest begins
    // right behind the stream's trailer.
    Ok((content, bytes.len() - decoder.into_inner().len()))
}

/// Unpacks all of `bytes`, one gzip stream after another, at most `limit` bytes.
pub(super) fn all_streams(
    mut bytes: &[u8],
    limit: u64,
    what: &'static str,
) -> Result<Vec<u8>, ApkError> {
    let mut content = Vec::new();
    while !bytes.is_empty() {
        let used = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let (part, length) =
            first_stream(bytes, limit.saturating_sub(used), what).map_err(|error| match error {
                ApkError::TooLarge { what, .. } => ApkError::TooLarge { what, limit },
                other => other,
            })?;
        if content.is_empty() {
            content = part;
        } else {
            content.extend_from_slice(&part);
        }
        bytes = &bytes[length..];
    }
    Ok(content)
}

/// Whether `bytes` begin with a gzip stream whose content begins with `prefix`.
/// No more than that is unpacked.
pub(super) fn content_starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    let mut start = Vec::new();
    let length = u64::try_from(prefix.len()).unwrap_or(u64::MAX);
    GzDecoder::new(bytes).take(length).read_to_end(&mut start).is_ok() && start == prefix
}
