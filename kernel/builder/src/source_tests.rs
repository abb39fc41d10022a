//! Tests of what is read from a source: the version, and the archive inside a
//! Debian package.

use super::*;

fn makefile(text: &str) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Makefile"), text).unwrap();
    version(dir.path()).map_err(|error| error.to_string())
}

#[test]
fn the_version_is_the_makefiles() {
    let head = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 48\nEXTRAVERSION =";
    assert_eq!(makefile(&format!("{head}\nNAME = x\n")).unwrap(), "6.12.48");
    assert_eq!(makefile(&format!("{head} -rc1\n")).unwrap(), "6.12.48-rc1");
    for wrong in
        ["", "VERSION = 6\nPATCHLEVEL = 12\n", "VERSION = 6\nPATCHLEVEL = /\nSUBLEVEL = 1\n"]
    {
        assert!(makefile(wrong).unwrap_err().contains("Makefile"), "{wrong}");
    }
}

#[test]
fn the_archive_is_found_among_a_packages_files() {
    let mut builder = tar::Builder::new(Vec::new());
    let add = |builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    };
    add(&mut builder, "./usr/share/doc/copyright", b"x");
    add(&mut builder, "./usr/src/linux-source-6.12.tar.xz", b"archive");
    let tar = builder.into_inner().unwrap();
    assert_eq!(member(&tar, "linux-source-6.12").unwrap(), b"archive");
    let error = member(&tar, "linux-source-6.1").unwrap_err().to_string();
    assert_eq!(error, "linux-source-6.1 holds no ./usr/src/linux-source-6.1.tar.xz");
    assert!(member(b"no tar at all", "x").is_err());
}
