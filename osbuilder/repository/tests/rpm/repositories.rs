//! Whole repositories: opened, chosen from, fetched and unpacked.

use artifact_store::Silent;

use super::*;

fn plain(name: &str, preamble: &str) -> String {
    let install = format!(
        "mkdir -p usr/bin usr/share/{name}; echo {name} > usr/bin/{name}; echo d > usr/share/{name}/data"
    );
    spec(name, preamble, &install, &format!("/usr/bin/{name}\n/usr/share/{name}/data"))
}

#[test]
fn two_signed_repositories_are_joined() {
    let world = World::new();
    let base = [
        plain("app", "Requires: /usr/bin/tool, virtual >= 2, (extra if tool), (none if absent)"),
        plain("tool", "Epoch: 2\nConflicts: (app with app < 1)"),
        plain("old", "Provides: virtual = 1"),
    ];
    let more = [
        plain("new", "Provides: virtual = 3\nRequires: /usr/share/deep/data\nObsoletes: old < 2"),
        plain("extra", "Recommends: none-of-these"),
        plain("deep", ""),
        plain("none", ""),
    ];
    world.repository("9/BaseOS", &base, &["--general-compress-type=xz"]);
    world.repository("9/AppStream", &more, &["--general-compress-type=gz"]);
    let mut source = world.source(&["9/BaseOS", "9/AppStream"], Trust::Signed);
    let index = world.open(&source).unwrap();
    assert_eq!(index.packages.len(), 7);
    assert_eq!(index.signed_by, source.keyring.fingerprints());
    assert!(index.date.is_some_and(|date| date > 1_700_000_000));
    let tool = index.packages.iter().find(|package| package.name == "tool").unwrap();
    assert_eq!(tool.version, "2:1.0-1");
    assert_eq!(tool.location, "9/BaseOS/Packages/tool-1.0-1.x86_64.rpm");
    assert_eq!((tool.source.as_str(), tool.license.as_deref()), ("tool", Some("MIT")));

    // Without names nobody's list of all files is read, so one path is nobody's.
    assert_eq!(
        choose(&index, &["app"]),
        "cannot install app (asked for):\n  app 1.0-1 needs virtual (>= 2):\n    new 1.0-1 needs \
         /usr/share/deep/data, but no package is or provides /usr/share/deep/data"
    );
    source.wanted = vec!["app".to_owned()];
    let index = world.open(&source).unwrap();
    assert_eq!(choose(&index, &["app"]), "app deep extra new tool");
    assert_eq!(
        choose(&index, &["app", "old"]),
        "cannot install app (asked for):\n  app 1.0-1 needs virtual (>= 2):\n    new 1.0-1 \
         conflicts with old 1.0-1, which is asked for"
    );

    let packages: Vec<&Package> = index.packages.iter().collect();
    let blobs = world.store.fetch_all(&rpm::requests(&index, &packages), 2, &Silent).unwrap();
    for (package, blob) in packages.iter().zip(&blobs) {
        let proof = source.proof(false);
        let unpacked = rpm::payload(package, &blob.read().unwrap(), &proof).unwrap();
        assert!(unpacked.data_tar.len() > 1024);
    }
}

#[test]
fn sha512_and_pins_are_taken() {
    let world = World::new();
    world.repository("", &[plain("app", "")], &["--repomd-checksum=sha512"]);
    let repomd = fs::read(world.mirror().join("repodata/repomd.xml")).unwrap();
    let sha256: [u8; 32] = Sha256::digest(&repomd).into();
    let index = world.open(&world.source(&[""], Trust::Pinned { sha256: vec![sha256] })).unwrap();
    assert_eq!(index.index_sha256, sha256);
    assert_eq!(
        index.signed_by,
        [format!("the recipe, which pins the sha256 {}", hex::encode(sha256))]
    );
    assert_eq!(index.packages[0].location, "Packages/app-1.0-1.x86_64.rpm");

    let pinned = vec![[7; 32]];
    let error = world.open(&world.source(&[""], Trust::Pinned { sha256: pinned })).unwrap_err();
    let expected = format!("its SHA-256 is {}, but 0707", hex::encode(sha256));
    assert!(told(&error).contains(&expected), "{}", told(&error));
}

#[test]
fn signed_packages_vouch_for_themselves() {
    let world = World::new();
    let packages: Vec<PathBuf> = [
        plain("app", "Requires: lib >= 1, /usr/bin/tool, (extra if lib)\nConflicts: foe < 2"),
        plain("lib", "Obsoletes: older < 3\nProvides: /usr/bin/given"),
        plain("tool", ""),
        plain("extra", ""),
    ]
    .iter()
    .flat_map(|spec| world.shop.build(spec, Build::default()))
    .collect();
    world.shop.sign(&packages, KEY);
    world.shop.index(&world.mirror(), &packages, &[]);
    let source = world.source(&[""], Trust::SignedPackages);
    let index = world.open(&source).unwrap();
    let keys = source.keyring.fingerprints();
    assert_eq!(index.signed_by, [format!("nobody; each package by {}", keys[0])]);
    assert_eq!(choose(&index, &["app"]), "app extra lib tool");
    for package in &index.packages {
        let bytes = fs::read(world.mirror().join(&package.location)).unwrap();
        assert_eq!(rpm::check(package, &bytes, &source.proof(false)).unwrap(), keys);
        for locked in [true, false] {
            let unpacked = rpm::payload(package, &bytes, &source.proof(locked)).unwrap();
            assert_eq!(unpacked.signed_by, keys);
        }
    }

    // What the index says and the header doesn't is a lie, either way round.
    let app = index.packages.iter().find(|package| package.name == "app").unwrap();
    let bytes = fs::read(world.mirror().join(&app.location)).unwrap();
    let lie = |change: &dyn Fn(&mut Package)| {
        let mut package = app.clone();
        change(&mut package);
        let error = rpm::check(&package, &bytes, &source.proof(false)).unwrap_err();
        told(&error).trim_start_matches("the package app 1.0-1 can't be used: ").to_owned()
    };
    type Change<'a> = &'a dyn Fn(&mut Package);
    let table: [(Change<'_>, &str); 8] = [
        (&|p| p.depends.clear(), "the index hides that it needs "),
        (&|p| p.depends[0].alternatives[0].name.push('x'), "the index says that it needs "),
        (&|p| p.rich.clear(), "the index hides that it needs or excludes (extra if lib)"),
        (&|p| p.conflicts.clear(), "the index hides that it conflicts with foe (< 2)"),
        (
            &|p| p.replaces.push(Relation::any("lib")),
            "the index says that it obsoletes lib, its own header does not",
        ),
        (
            &|p| p.provides.push(repository::Provide { name: "sh".into(), version: None }),
            "the index says that it provides sh, its own header does not",
        ),
        (
            &|p| p.provides.push(repository::Provide { name: "/bin/sh".into(), version: None }),
            "the index says that it provides /bin/sh, its own header does not",
        ),
        (&|p| p.provides.clear(), "the index hides that it provides app = 1.0-1"),
    ];
    for (change, expected) in table {
        let text = lie(change);
        assert!(text.starts_with(expected), "{text}");
    }
    let renamed = Package { name: "appx".to_owned(), ..app.clone() };
    let error = rpm::payload(&renamed, &bytes, &source.proof(true)).unwrap_err();
    assert!(told(&error).contains("the index calls its name `appx`"), "{}", told(&error));
}

#[test]
fn modular_packages_and_other_architectures_are_left_out() {
    let world = World::new();
    let specs = [plain("app", ""), plain("nodejs", "Epoch: 1"), plain("npm", "BuildArch: noarch")];
    let mut packages: Vec<PathBuf> =
        specs.iter().flat_map(|spec| world.shop.build(spec, Build::default())).collect();
    let other = Build { architecture: "aarch64", ..Build::default() };
    packages.extend(world.shop.build(&plain("foreign", ""), other));
    let modules = world.folder.path().join("modules.yaml");
    fs::write(
        &modules,
        "---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: \"18\"\n  \
         version: 1\n  context: abcdef12\n  summary: x\n  description: y\n  license:\n    module: \
         [MIT]\n  artifacts:\n    rpms:\n    - nodejs-1:1.0-1.x86_64\n...\n",
    )
    .unwrap();
    world.shop.index(&world.mirror(), &packages, &[]);
    fixture::run(
        std::process::Command::new("modifyrepo_c")
            .arg("--mdtype=modules")
            .arg(&modules)
            .arg(world.mirror().join("repodata")),
    );
    world.shop.sign_index(&world.mirror(), KEY);
    let index = world.open(&world.source(&[""], Trust::Signed)).unwrap();
    let mut names: Vec<&str> = index.packages.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["app", "npm"]);
}

/// Debian's createrepo_c is too old for zstd, so its primary.xml is packed anew.
#[test]
fn zstd_indexes_are_read() {
    let world = World::new();
    world.repository("", &[plain("app", "")], &[]);
    let repodata = world.mirror().join("repodata");
    let files = fs::read_dir(&repodata).unwrap().map(|file| file.unwrap().path());
    let primary: Vec<PathBuf> =
        files.filter(|p| p.to_string_lossy().ends_with("-primary.xml.gz")).collect();
    let packed = fs::read(&primary[0]).unwrap();
    let name = primary[0].file_name().unwrap().to_string_lossy().into_owned();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut plain).unwrap();
    let anew = zstd::encode_all(&plain[..], 3).unwrap();
    fs::write(repodata.join("primary.xml.zst"), &anew).unwrap();
    let repomd = repodata.join("repomd.xml");
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let text = fs::read_to_string(&repomd)
        .unwrap()
        .replace(&name, "primary.xml.zst")
        .replace(&digest(&packed), &digest(&anew))
        .replace(&format!("<size>{}<", packed.len()), &format!("<size>{}<", anew.len()));
    fs::write(&repomd, text).unwrap();
    world.shop.sign_index(&world.mirror(), KEY);
    let index = world.open(&world.source(&[""], Trust::Signed)).unwrap();
    assert_eq!(choose(&index, &["app"]), "app");
}
