//! Bills against the public schemas, by the validators of the SPDX and CycloneDX
//! projects. They are installed with pip into `target/tools/sbom-validators`; without
//! Python or network this test fails, it is never skipped.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod sbom_fixture;

use osbuilder::contents::Contents;
use osbuilder::sbom::{PackageKind, Subject, cyclonedx, spdx};
use rootfs::{Meta, Origin};
use sbom_fixture::{manifest, record, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pinned, so that a new release of a validator can't turn the tests red.
const VALIDATORS: [&str; 2] =
    ["spdx-tools==0.8.5", "cyclonedx-python-lib[json-validation]==11.12.0"];

const SPDX: &str = "
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
document = parse_file(sys.argv[1])
problems = validate_full_spdx_document(document, 'SPDX-2.3')
for problem in problems:
    print(problem.validation_message, problem.context)
sys.exit(1 if problems else 0)
";

const CYCLONEDX: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
print(problem or '')
sys.exit(1 if problem else 0)
";

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}\n{said}")) }
}

/// The folder with the validators, made on first use; whole or not at all. No
/// virtual environment: Debian's Python brings that in a package of its own.
fn validators() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools");
    let folder = tools.join("sbom-validators");
    if !folder.exists() {
        fs::create_dir_all(&tools).unwrap();
        let fresh = tempfile::Builder::new().prefix("sbom-validators-").tempdir_in(&tools).unwrap();
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(fresh.path());
        // It goes into a folder of ours, not among the system's own packages.
        pip.env("PIP_BREAK_SYSTEM_PACKAGES", "1").args(VALIDATORS);
        run(&mut pip).unwrap();
        // Another test may have been faster; then that one is as good.
        if let Err(error) = fs::rename(fresh.path(), &folder) {
            assert!(folder.exists(), "{error}");
        }
    }
    folder
}

fn validate(validators: &Path, script: &str, bill: &[u8]) -> Result<(), String> {
    // The SPDX validator goes by the ending of the name.
    let file = tempfile::Builder::new().suffix(".spdx.json").tempfile().unwrap();
    fs::write(file.path(), bill).unwrap();
    let mut python = Command::new("python3");
    run(python.env("PYTHONPATH", validators).args(["-c", script]).arg(file.path()))
}

fn check(validators: &Path, subject: &Subject<'_>) {
    validate(validators, SPDX, &spdx(subject)).unwrap();
    validate(validators, CYCLONEDX, &cyclonedx(subject)).unwrap();
}

#[test]
fn bills_are_valid_by_the_public_schemas() {
    let validators = validators();
    let mut toy = manifest();
    let contents = Contents::of(&tree());
    check(
        &validators,
        &Subject { described: (&toy).into(), contents: Some(&contents), kind: PackageKind::Deb },
    );
    check(
        &validators,
        &Subject { described: (&toy).into(), contents: None, kind: PackageKind::Rpm },
    );

    // Everything at its oddest: an apk without SHA-256, licences in the distro's
    // own words, a local mirror, names that no identifier may hold.
    let mut odd = record("libstdc++", "1:2~rc1_p3-r0", "a \"quoted\" reason", None);
    odd.identity = "apk-control-sha1:00ff".into();
    odd.license = Some("GPL-2.0-or-later AND something else".into());
    toy.packages.push(odd);
    toy.mirror.url = "file:///srv/mirror".into();
    let mut tree = tree();
    let meta = || Meta::root(0o755, Origin::package("libstdc++"));
    tree.put_file("usr/bin/p ng\n\\", "x", meta()).unwrap();
    tree.set_xattr("usr/bin/p ng\n\\", "security.capability", vec![1; 20]).unwrap();
    tree.put_file("usr/bin/ü", "y", Meta::root(0o2755, Origin::Builder)).unwrap();
    let contents = Contents::of(&tree);
    assert_eq!(contents.privileged.len(), 3);
    check(
        &validators,
        &Subject { described: (&toy).into(), contents: Some(&contents), kind: PackageKind::Apk },
    );
}

#[test]
fn the_validators_do_refuse() {
    let validators = validators();
    let toy = manifest();
    let subject = Subject { described: (&toy).into(), contents: None, kind: PackageKind::Deb };
    let broken = |bill: Vec<u8>, from: &str, to: &str| {
        let text = String::from_utf8(bill).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    };
    let spdx = broken(spdx(&subject), "\"SPDXRef-Agent\"", "\"SPDXRef-Nobody_\"");
    validate(&validators, SPDX, &spdx).unwrap_err();
    let cyclonedx = broken(cyclonedx(&subject), "\"library\"", "\"something\"");
    validate(&validators, CYCLONEDX, &cyclonedx).unwrap_err();
}
