//! Logins that the user keeps in a netrc file: which host gets which.
//!
//! Reads the classic words (`machine`, `default`, `login`, `password`,
//! `account`, `macdef`), quoted values and comments. It must not know requests,
//! and no error or debug output of it may show a word of the file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::HeaderValue;
use url::Url;

use crate::error::StoreError;

/// A file of logins larger than this is something else.
const LIMIT: u64 = 1 << 20;

/// The logins of one file.
#[derive(Default)]
pub(crate) struct Netrc(Vec<Entry>);

#[derive(Default)]
struct Entry {
    /// `None` for hosts that no other entry names.
    host: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netrc").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}

/// A line's number and what is wrong there; never what the line says.
type Fault = (usize, &'static str);

impl Netrc {
    pub(crate) fn read(path: &Path) -> Result<Self, StoreError> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
            .map_err(|source| StoreError::io(path, source))?;
        let bad = |(line, reason)| StoreError::BadNetrc { path: path.to_path_buf(), line, reason };
        if bytes.len() as u64 > LIMIT {
            return Err(bad((1, "the file is larger than 1 MiB")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            bad((line, "the text is not UTF-8"))
        })?;
        Self::parse(text).map_err(bad)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut words = Words { rest: text.chars().peekable(), line: 1 };
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(word) = words.next()? {
            let line = words.line;
            match word.as_str() {
                "machine" => {
                    let host = Some(words.value()?.to_ascii_lowercase());
                    entries.push(Entry { host, ..Entry::default() });
                }
                "default" => entries.push(Entry::default()),
                "login" | "password" | "account" => {
                    let value = Some(words.value()?);
                    let entry = entries.last_mut();
                    let entry = entry.ok_or((line, "a login stands before any machine"))?;
                    match word.as_str() {
                        "login" => entry.login = value,
                        "password" => entry.password = value,
                        // Only FTP ever asked for an account.
                        _ => {}
                    }
                }
                "macdef" => {
                    words.value()?;
                    words.skip_macro();
                }
                _ if word.starts_with('#') => words.skip_line(),
                _ => {
                    return Err((
                        line,
                        "a word is neither machine, default, login, password, account nor macdef",
                    ));
                }
            }
        }
        Ok(Self(entries))
    }

    /// The header for a URL that does not bring its own login.
    pub(crate) fn authorization(&self, url: &Url) -> Option<HeaderValue> {
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let find = |name: Option<&str>| self.0.iter().find(|entry| entry.host.as_deref() == name);
        let entry = find(Some(&host)).or_else(|| find(None))?;
        if entry.login.is_none() && entry.password.is_none() {
            return None;
        }
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let pair = format!("{}:{}", part(&entry.login), part(&entry.password));
        let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(value).ok()?;
        // Whoever prints headers then leaves this one out.
        value.set_sensitive(true);
        Some(value)
    }
}

struct Words<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Words<'_> {
    fn char(&mut self) -> Option<char> {
        let char = self.rest.next()?;
        self.line += usize::from(char == '\n');
        Some(char)
    }

    fn next(&mut self) -> Result<Option<String>, Fault> {
        while self.rest.next_if(|char| *char != '\n' && char.is_whitespace()).is_some()
            || self.rest.peek() == Some(&'\n')
        {
            if self.rest.peek() == Some(&'\n') {
                self.char();
            }
        }
        if self.rest.next_if_eq(&'"').is_some() {
            return self.quoted().map(Some);
        }
        let mut word = String::new();
        while let Some(char) = self.rest.next_if(|char| !char.is_whitespace()) {
            word.push(char);
        }
        Ok((!word.is_empty()).then_some(word))
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let open = (self.line, "a quoted value does not end on its line");
        let mut word = String::new();
        loop {
            match self.char().ok_or(open)? {
                '\n' => return Err(open),
                '"' => break,
                '\\' => word.push(match self.char().ok_or(open)? {
                    '\n' => return Err(open),
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                }),
                other => word.push(other),
            }
        }
        match self.rest.peek() {
            Some(char) if !char.is_whitespace() => {
                Err((self.line, "a quoted value is followed by more without a space"))
            }
            _ => Ok(word),
        }
    }

    fn value(&mut self) -> Result<String, Fault> {
        let line = self.line;
        self.next()?.ok_or((line, "the last word's value is missing"))
    }

    fn skip_line(&mut self) {
        while self.char().is_some_and(|char| char != '\n') {}
    }

    /// A macro goes on until an empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while self.rest.peek().is_some() {
            let mut empty = true;
            while let Some(char) = self.char().filter(|char| *char != '\n') {
                empty &= char == '\r';
            }
            if empty {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(netrc: &Netrc, url: &str) -> Option<String> {
        let value = netrc.authorization(&Url::parse(url).unwrap())?;
        let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        Some(String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap())
    }

    #[test]
    fn each_host_has_its_login() {
        let netrc = Netrc::parse(concat!(
            "# machine not.example login a password b\n",
            "macdef init\n  machine macro.example login x\n\tput it\n\n",
            "machine One.example login me # password no\n  password #1\n",
            "machine ::1\tpassword token account ignored\r\n",
            "machine quoted.example login \"a b\" password \"p\\\"\\\\ \\tq\"\n",
            "machine nothing.example\n",
            "machine one.example login other password later\n",
            "default login anonymous password guest",
        ))
        .unwrap();
        for (url, login) in [
            ("https://one.EXAMPLE:8443/a", Some("me:#1")),
            ("http://[::1]:80/", Some(":token")),
            ("http://quoted.example/", Some("a b:p\"\\ \tq")),
            ("http://nothing.example/", None),
            ("http://not.example/", Some("anonymous:guest")),
            ("http://macro.example/", Some("anonymous:guest")),
            ("http://sub.one.example/", Some("anonymous:guest")),
            ("http://u@one.example/", None),
            ("http://u:p@one.example/", None),
            ("http://:p@one.example/", None),
        ] {
            assert_eq!(pair(&netrc, url).as_deref(), login, "{url}");
        }
        assert!(!format!("{netrc:?}").contains("me"));
        let header = netrc.authorization(&Url::parse("http://one.example").unwrap()).unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named_with_its_line_and_not_shown() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("netrc");
        for (line, text) in [
            (1, &b"secret"[..]),
            (2, b"\nlogin secret"),
            (3, b"machine a\nlogin b\npassword a secret\n"),
            (2, b"machine a login b\npassword"),
            (2, b"machine a login b\npassword \"secret\n"),
            (2, b"machine a\r\npassword \"secret\"x\n"),
            (2, b"machine a\npassword \"secret\\"),
            (5, b"macdef m\nsecret\nsecret\n\nsecret"),
            (2, b"machine a\nlogin secret\xff"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Netrc::read(&path).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}:{line}: ", path.display())), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let huge = vec![b' '; usize::try_from(LIMIT).unwrap() + 1];
        std::fs::write(&path, huge).unwrap();
        assert!(Netrc::read(&path).unwrap_err().to_string().contains("1 MiB"));
        let missing = Netrc::read(&temp.path().join("none")).unwrap_err();
        assert!(matches!(missing, StoreError::Io { .. }), "{missing:?}");
    }
}
