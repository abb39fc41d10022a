//! apk's spelling of checksums: `Q1` and the base64 of a SHA-1. Kept apart so
//! that the index reader and whoever writes an index agree on it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters of the base64 of 20 bytes, padding left out.
const CHARACTERS: usize = 27;

/// Reads `Q1…`; nothing for any other form.
#[must_use]
pub fn parse_checksum(text: &str) -> Option<[u8; 20]> {
    let body = text.strip_prefix("Q1")?.strip_suffix('=')?;
    if body.len() != CHARACTERS {
        return None;
    }
    let mut digest = [0_u8; 20];
    let (mut bits, mut held, mut filled) = (0_u32, 0_u32, 0_usize);
    for byte in body.bytes() {
        let value = ALPHABET.iter().position(|&c| c == byte)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            *digest.get_mut(filled)? = u8::try_from((bits >> held) & 0xff).ok()?;
            filled += 1;
        }
    }
    // 27 characters hold two bits more than 20 bytes; a canonical text has them zero.
    (bits & 0b11 == 0).then_some(digest)
}

/// Writes a SHA-1 as `Q1…`.
#[must_use]
pub fn format_checksum(digest: &[u8; 20]) -> String {
    let mut text = String::from("Q1");
    for chunk in digest.chunks(3) {
        let byte = |i: usize| usize::from(chunk.get(i).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                let index = (bits >> (18 - 6 * place)) & 0x3f;
                text.push(char::from(ALPHABET[index]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_and_written_alike() {
        let text = "Q1VFqm8pEgmviZMrdh2eQiwneFlsw=";
        let digest = parse_checksum(text).unwrap();
        assert_eq!(hex::encode(digest), "545aa6f291209af89932b761d9e422c2778596cc");
        assert_eq!(format_checksum(&digest), text);
        assert_eq!(parse_checksum(&format_checksum(&[0xff; 20])), Some([0xff; 20]));
        assert_eq!(parse_checksum(&format_checksum(&[0; 20])), Some([0; 20]));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "Q1",
            "Q1=",
            "Q2VFqm8pEgmviZMrdh2eQiwneFlsw=",
            "Q1VFqm8pEgmviZMrdh2eQiwneFlsw",
            "Q1VFqm8pEgmviZMrdh2eQiwneFls*=",
            "Q1VFqm8pEgmviZMrdh2eQiwneFlsx=",
            "Q1VFqm8pEgmviZMrdh2eQiwneFlswAAAA=",
        ] {
            assert_eq!(parse_checksum(text), None, "{text}");
        }
    }
}
