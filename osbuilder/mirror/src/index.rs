//! Writing `APKINDEX.tar.gz`.

use std::fmt::Write as _;
use std::io;

use repository::apk::format_checksum;

use crate::archive::{Segment, gzip};
use crate::installed::Installed;

/// One package of the index.
pub(crate) struct Entry<'a> {
    pub package: &'a Installed,
    /// SHA-1 of the control stream of the file as made here.
    pub identity: [u8; 20],
    /// Bytes of the file as made here.
    pub size: u64,
}

/// The index as one gzip stream, not signed yet. Its time is that of its newest
/// package, so that it depends on nothing else.
pub(crate) fn content(entries: &[Entry<'_>], description: &str) -> io::Result<Vec<u8>> {
    let mut text = String::new();
    for entry in entries {
        stanza(&mut text, entry);
    }
    let time = entries.iter().map(|entry| entry.package.build_time).max().unwrap_or(0);
    let mut segment = Segment::new(time);
    segment.plain("DESCRIPTION", 0o644, description.as_bytes())?;
    segment.plain("APKINDEX", 0o644, text.as_bytes())?;
    gzip(&segment.ended()?)
}

fn stanza(text: &mut String, entry: &Entry<'_>) {
    let package = entry.package;
    let mut line = |letter: char, value: &str| {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{letter}:{value}");
        }
    };
    line('C', &format_checksum(&entry.identity));
    line('P', &package.name);
    line('V', &package.version);
    line('A', &package.architecture);
    line('S', &entry.size.to_string());
    line('I', &package.installed_size.to_string());
    line('T', &package.description);
    line('U', &package.url);
    line('L', &package.license);
    line('o', &package.origin);
    line('m', &package.maintainer);
    line('t', &package.build_time.to_string());
    line('c', &package.commit);
    line('k', &package.provider_priority);
    line('D', &package.depends.join(" "));
    line('p', &package.provides.join(" "));
    line('i', &package.install_if.join(" "));
    text.push('\n');
}
