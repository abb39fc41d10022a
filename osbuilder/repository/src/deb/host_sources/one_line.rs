//! apt's older syntax, one entry a line: `deb [options] uri suite components…`.
//!
//! Knows the words of a line; it must not judge where they lead.

use super::{Entry, Parsed};

pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (index, line) in text.lines().enumerate() {
        match entry(line) {
            Ok(Some(entry)) => parsed.entries.push(Entry { line: index + 1, ..entry }),
            Ok(None) => {}
            Err(reason) => parsed.warnings.push((index + 1, reason.to_owned())),
        }
    }
    parsed
}

/// `None` for a line without an enabled entry for binary packages.
fn entry(line: &str) -> Result<Option<Entry>, &'static str> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let Some((kind, rest)) = line.split_once(char::is_whitespace) else {
        return if line.is_empty() { Ok(None) } else { Err("the line ends after its type") };
    };
    match kind {
        "deb" => {}
        "deb-src" => return Ok(None),
        _ => return Err("the type is neither deb nor deb-src"),
    }
    let mut rest = rest.trim_start();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']').ok_or("the options' bracket stays open")?;
        let disabled =
            |option: &str| option.split_once('=').is_some_and(|(k, v)| k == "enabled" && v == "no");
        if options.split_whitespace().any(disabled) {
            return Ok(None);
        }
        rest = after.trim_start();
    }
    // The name of a disc holds blanks and brackets, and is of no use anyway.
    if rest.starts_with("cdrom:") {
        return Ok(None);
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let uri = words.next().ok_or("the URI is missing")?;
    let suite = words.next().ok_or("the suite is missing")?;
    let components: Vec<String> = words.collect();
    match (suite.ends_with('/'), components.is_empty()) {
        // A folder of packages without suites: not the layout of a main archive.
        (true, true) => return Ok(None),
        (true, false) => return Err("a suite that is a folder cannot have components"),
        (false, true) => return Err("the components are missing"),
        (false, false) => {}
    }
    Ok(Some(Entry { uris: vec![uri], suites: vec![suite], components, line: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_blanks_are_understood() {
        let expected = Entry {
            uris: vec!["http://example.org/debian".to_owned()],
            suites: vec!["s".to_owned()],
            components: vec!["main".to_owned(), "contrib".to_owned()],
            line: 0,
        };
        for line in [
            "deb http://example.org/debian s main contrib",
            "  deb\thttp://example.org/debian  s main  contrib # why",
            "deb [arch=amd64,arm64 signed-by=/k.gpg] http://example.org/debian s main contrib",
            "deb [ arch=amd64 ] http://example.org/debian s main contrib",
        ] {
            assert_eq!(entry(line).unwrap().unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_entry_gives_none_and_what_is_wrong_a_reason() {
        for line in [
            "",
            "   # deb http://example.org/debian s main",
            "deb-src http://example.org/debian s main",
            "deb [enabled=no] http://example.org/debian s main",
            "deb http://example.org/debian ./",
            "deb cdrom:[a b [c] d]/ s main",
        ] {
            assert_eq!(entry(line), Ok(None), "{line}");
        }
        for line in [
            "deb",
            "rpm http://example.org/debian s main",
            "deb [arch=amd64 http://example.org/debian s main",
            "deb []",
            "deb http://example.org/debian",
            "deb http://example.org/debian s",
            "deb http://example.org/debian ./ main",
        ] {
            assert!(entry(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_bad_line_does_not_hide_its_neighbours() {
        let parsed = parse("deb u s main\nnonsense\ndeb v s main\n");
        assert_eq!(parsed.entries.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(parsed.warnings, [(2, "the line ends after its type".to_owned())]);
    }
}
