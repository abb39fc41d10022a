//! Entry points for fuzzing; they exist in tests and with the feature `fuzzing`
//! and are no API.

use crate::netrc::Netrc;

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: &[Target] = &[("netrc", netrc)];

/// A file of logins, asked for some hosts.
pub fn netrc(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Netrc::parse(text) {
        Err((line, reason)) => assert!(line <= 1 + text.matches('\n').count(), "{line}: {reason}"),
        Ok(logins) => {
            for url in ["http://a.example.org/", "http://[::1]/", "http://user@a.example.org/"] {
                let Ok(url) = url.parse() else { continue };
                let header = logins.authorization(&url);
                assert!(header.is_none_or(|header| header.is_sensitive()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    hostile::tests!(super::TARGETS);
}
