//! Bounded decompression of what repositories and packages hold: xz, gzip, zstd,
//! lzma or nothing. Which is used is told by a file's name or by its owner; the
//! caller says how large the result may be.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// Most memory that an xz decoder may ask for, in bytes: enough for the largest
/// dictionary of `xz -9`.
const XZ_MEMORY: u64 = 256 << 20;
/// Largest zstd window, as a power of two (128 MiB).
const ZSTD_WINDOW: u32 = 27;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, `.gz`.
    Gzip,
    /// xz, `.xz`.
    Xz,
    /// Zstandard, `.zst`.
    Zstd,
    /// The format of LZMA Utils, which old rpm packages use.
    Lzma,
}

/// Why compressed bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    /// The result is larger than allowed.
    #[error("it unpacks to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The bytes are damaged or cut off.
    #[error("its compressed data is damaged: {0}")]
    Damaged(std::io::Error),
}

impl Compression {
    /// The compression that the end of a file's name tells, and the name without
    /// that end; a name without a known end is of a plain file.
    pub fn of_name(name: &str) -> (Self, &str) {
        for (end, compression) in [(".xz", Self::Xz), (".gz", Self::Gzip), (".zst", Self::Zstd)] {
            if let Some(stem) = name.strip_suffix(end) {
                return (compression, stem);
            }
        }
        (Self::None, name)
    }

    /// Unpacks `bytes` into at most `limit` bytes; `expected` is how many there
    /// will be, as far as known, and only saves copying.
    ///
    /// # Errors
    /// [`CompressionError`].
    pub fn unpack(
        self,
        bytes: &[u8],
        expected: u64,
        limit: u64,
    ) -> Result<Vec<u8>, CompressionError> {
        let expected = if self == Self::None { bytes.len() as u64 } else { expected };
        collect(self.reader(bytes)?, expected, limit)
    }

    /// Unpacks `bytes` as a stream, for readers that keep none of it. How much
    /// comes out is theirs to limit.
    ///
    /// # Errors
    /// [`CompressionError::Damaged`] for what is wrong at the start; what is wrong
    /// later comes out of the stream.
    pub fn reader(self, bytes: &[u8]) -> Result<Box<dyn Read + '_>, CompressionError> {
        let damaged = CompressionError::Damaged;
        let xz = |stream: Result<Stream, liblzma::stream::Error>| {
            let stream = stream.map_err(|error| damaged(error.into()))?;
            Ok(Box::new(XzDecoder::new_stream(bytes, stream)))
        };
        Ok(match self {
            Self::None => Box::new(bytes),
            Self::Gzip => Box::new(MultiGzDecoder::new(bytes)),
            Self::Xz => xz(Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED))?,
            Self::Lzma => xz(Stream::new_lzma_decoder(XZ_MEMORY))?,
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(bytes).map_err(damaged)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(damaged)?;
                Box::new(decoder)
            }
        })
    }
}

fn collect(source: impl Read, expected: u64, limit: u64) -> Result<Vec<u8>, CompressionError> {
    // The expectation comes from the file's own description: it may be believed
    // only so far before there are bytes to show for it.
    let room = usize::try_from(expected.min(limit).min(256 << 20)).unwrap_or(0);
    let mut unpacked = Vec::with_capacity(room);
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut unpacked)
        .map_err(CompressionError::Damaged)?;
    if unpacked.len() as u64 > limit {
        return Err(CompressionError::TooLarge { limit });
    }
    Ok(unpacked)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    pub(crate) fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => bytes.to_vec(),
            Compression::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Xz => {
                let mut out = liblzma::write::XzEncoder::new(Vec::new(), 6);
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 3).unwrap(),
            Compression::Lzma => {
                let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
                let stream = Stream::new_lzma_encoder(&options).unwrap();
                let mut out = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
        }
    }

    #[test]
    fn every_kind_unpacks_and_keeps_its_limit() {
        let plain = b"a line that repeats\n".repeat(5000);
        let size = plain.len() as u64;
        for name in ["x.xz", "x.gz", "x.zst", "x"] {
            let (kind, stem) = Compression::of_name(name);
            assert_eq!(stem, "x");
            let packed = pack(kind, &plain);
            assert_eq!(kind.unpack(&packed, 0, size).unwrap(), plain, "{name}");
            let error = kind.unpack(&packed, u64::MAX, size - 1).unwrap_err();
            assert!(matches!(error, CompressionError::TooLarge { .. }), "{name}: {error}");
        }
        let packed = pack(Compression::Lzma, &plain);
        assert_eq!(Compression::Lzma.unpack(&packed, 0, size).unwrap(), plain);
        assert!(Compression::Lzma.unpack(&packed, 0, size - 1).is_err());
    }

    #[test]
    fn joined_streams_count_together() {
        let plain = b"a line that repeats\n".repeat(5000);
        let size = plain.len() as u64;
        for kind in [Compression::Xz, Compression::Gzip, Compression::Zstd] {
            let joined = pack(kind, &plain).repeat(3);
            assert_eq!(kind.unpack(&joined, 0, 3 * size).unwrap(), plain.repeat(3), "{kind:?}");
            let error = kind.unpack(&joined, 0, 3 * size - 1).unwrap_err();
            assert!(matches!(error, CompressionError::TooLarge { .. }), "{kind:?}: {error}");
        }
    }

    #[test]
    fn a_stream_that_asks_for_gigabytes_of_memory_is_refused() {
        // A zstd frame whose header asks for a window of 2 GiB.
        let window = b"\x28\xb5\x2f\xfd\0\xa8\x01\0\0";
        let error = Compression::Zstd.unpack(window, 0, 1 << 20).unwrap_err();
        assert!(matches!(error, CompressionError::Damaged(_)), "{error}");
        let smaller = b"\x28\xb5\x2f\xfd\0\x88\x01\0\0";
        assert_eq!(Compression::Zstd.unpack(smaller, 0, 1 << 20).unwrap(), b"");
        // An xz block whose header asks for a dictionary of 1.5 GiB; its CRC is right.
        let seed = include_bytes!("../../../fuzz/seeds/deb_compression/xz-dictionary");
        let error = Compression::Xz.unpack(&seed[1..], 0, 1 << 20).unwrap_err();
        assert!(error.to_string().to_lowercase().contains("memory"), "{error}");
    }

    #[test]
    fn damage_and_truncation_are_noticed() {
        let plain = b"a line that repeats\n".repeat(5000);
        for kind in [Compression::Xz, Compression::Gzip, Compression::Zstd, Compression::Lzma] {
            let packed = pack(kind, &plain);
            for cut in [0, 3, packed.len() / 2, packed.len() - 1] {
                assert!(kind.unpack(&packed[..cut], 0, 1 << 20).is_err(), "{kind:?} cut to {cut}");
            }
            let mut altered = packed.clone();
            let middle = altered.len() / 2;
            altered[middle] ^= 0xff;
            let result = kind.unpack(&altered, 0, 1 << 20);
            // zstd frames made here carry no checksum, so a change may go through
            // as other bytes, but never as the same and never past the limit.
            assert!(result.map_or(true, |bytes| bytes != plain), "{kind:?}");
        }
    }
}
