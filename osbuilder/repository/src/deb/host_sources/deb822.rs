//! apt's newer syntax, one entry a stanza of fields.
//!
//! Knows fields and stanzas; it must not judge where they lead.

use super::{Entry, Parsed};

/// Field names in lower case and the words of their values.
type Stanza = Vec<(String, Vec<String>)>;

pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let (mut stanza, mut first, mut broken) = (Stanza::new(), 0, None);
    // A last empty line ends the last stanza.
    for (index, line) in text.lines().chain([""]).enumerate() {
        let number = index + 1;
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            let fields = std::mem::take(&mut stanza);
            match broken.take() {
                Some(problem) => parsed.warnings.push(problem),
                None if fields.is_empty() => {}
                None => match entry(&fields) {
                    Ok(Some(entry)) => parsed.entries.push(Entry { line: first, ..entry }),
                    Ok(None) => {}
                    Err(reason) => parsed.warnings.push((first, reason.to_owned())),
                },
            }
            continue;
        }
        let mut fail = |reason: &str| {
            broken.get_or_insert((number, reason.to_owned()));
        };
        if line.starts_with([' ', '\t']) {
            match stanza.last_mut() {
                Some((_, words)) => words.extend(line.split_whitespace().map(str::to_owned)),
                None => fail("a continued line without a field before it"),
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            fail("a line without a colon");
            continue;
        };
        if stanza.is_empty() {
            first = number;
        }
        let name = name.trim().to_ascii_lowercase();
        if stanza.iter().any(|(other, _)| *other == name) {
            fail("a field that the stanza has already");
        }
        stanza.push((name, value.split_whitespace().map(str::to_owned).collect()));
    }
    parsed
}

/// `None` for a stanza without an enabled entry for binary packages.
fn entry(stanza: &Stanza) -> Result<Option<Entry>, &'static str> {
    let field = |wanted: &str| {
        stanza.iter().find(|(name, _)| name == wanted).map(|(_, words)| words.clone())
    };
    let enabled = field("enabled").and_then(|words| words.first().cloned());
    // The words that apt takes for a no.
    let no = ["no", "false", "without", "off", "disable", "0"];
    if enabled.is_some_and(|word| no.contains(&word.to_ascii_lowercase().as_str())) {
        return Ok(None);
    }
    let types = field("types").ok_or("the stanza has no Types")?;
    if types.iter().any(|kind| kind != "deb" && kind != "deb-src") {
        return Err("Types may hold deb and deb-src only");
    }
    if !types.iter().any(|kind| kind == "deb") {
        return Ok(None);
    }
    let filled = |name: &str| field(name).filter(|words| !words.is_empty());
    let uris = filled("uris").ok_or("the stanza has no URIs")?;
    let suites = filled("suites").ok_or("the stanza has no Suites")?;
    let components = filled("components").unwrap_or_default();
    let folders = suites.iter().filter(|suite| suite.ends_with('/')).count();
    match (folders, components.is_empty()) {
        // A folder of packages without suites: not the layout of a main archive.
        (n, true) if n == suites.len() => Ok(None),
        (0, false) => Ok(Some(Entry { uris, suites, components, line: 0 })),
        (_, true) => Err("the stanza has no Components"),
        (_, false) => Err("a suite that is a folder cannot have components"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = Vec<(usize, String)>;

    /// The URIs and the warnings, each with its line.
    fn uris(text: &str) -> (Lines, Lines) {
        let parsed = parse(text);
        (parsed.entries.iter().map(|e| (e.line, e.uris.join(" "))).collect(), parsed.warnings)
    }

    #[test]
    fn stanzas_comments_and_continued_lines_are_understood() {
        let text = "# about\n\
            types: deb deb-src\n\
            # between\n\
            URIs: http://one\n \
              http://two\n\
            \thttp://three\n\
            Suites: s s-updates\n\
            Components: main\n\
            Signed-By:\n -----BEGIN\n .\n text: with a colon\n\
            \n\n\
            Types: deb\nURIs: http://four\nSuites: s\nComponents: main";
        let (entries, warnings) = uris(text);
        let one = "http://one http://two http://three".to_owned();
        assert_eq!(entries, [(2, one), (15, "http://four".to_owned())]);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn disabled_and_source_stanzas_are_passed_over() {
        let rest = "URIs: u\nSuites: s\nComponents: main\n";
        for head in
            ["Types: deb\nEnabled: no\n", "Enabled: FALSE\nTypes: deb\n", "Types: deb-src\n"]
        {
            assert_eq!(uris(&format!("{head}{rest}")), (Vec::new(), Vec::new()), "{head}");
        }
        assert_eq!(uris(&format!("Types: deb\nEnabled: yes\n{rest}")).0.len(), 1);
        assert_eq!(uris("Types: deb\nURIs: u\nSuites: ./\n"), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_bad_stanza_is_reported_and_does_not_hide_the_next() {
        let good = "Types: deb\nURIs: good\nSuites: s\nComponents: main\n";
        for (bad, line, reason) in [
            ("Types: deb\nnonsense\nURIs: u\n", 2, "a line without a colon"),
            (" indented\n", 1, "a continued line without a field before it"),
            ("URIs: u\nSuites: s\nComponents: main\n", 1, "the stanza has no Types"),
            ("Types: rpm\nURIs: u\nSuites: s\n", 1, "Types may hold deb and deb-src only"),
            ("Types: deb\nSuites: s\nComponents: main\n", 1, "the stanza has no URIs"),
            ("Types: deb\nURIs: u\nSuites:\n", 1, "the stanza has no Suites"),
            ("Types: deb\nURIs: u\nSuites: s\n", 1, "the stanza has no Components"),
            ("Types: deb\nTypes: deb\nURIs: u\n", 2, "a field that the stanza has already"),
            (
                "Types: deb\nURIs: u\nSuites: ./\nComponents: main\n",
                1,
                "a suite that is a folder cannot have components",
            ),
        ] {
            let (entries, warnings) = uris(&format!("{bad}\n{good}"));
            assert_eq!(warnings, [(line, reason.to_owned())], "{bad}");
            assert_eq!(entries.len(), 1, "{bad}");
        }
    }
}
