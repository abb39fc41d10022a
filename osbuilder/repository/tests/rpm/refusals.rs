//! What must stop a build: indexes and packages that were altered, cut off,
//! swapped, signed by others or by keys that expired.

use super::*;

fn small(name: &str) -> String {
    spec(name, "", &format!("mkdir -p usr; echo {name} > usr/{name}"), &format!("/usr/{name}"))
}

#[test]
fn an_altered_index_is_refused() {
    let world = World::new();
    world.repository("r", &[small("app")], &[]);
    let source = world.source(&["r"], Trust::Signed);
    let repodata = world.mirror().join("r/repodata");
    let repomd = repodata.join("repomd.xml");
    let good = fs::read(&repomd).unwrap();
    let asc = repodata.join("repomd.xml.asc");
    let signature = fs::read(&asc).unwrap();
    assert!(world.open(&source).is_ok());

    let refused = |expected: &str| {
        let text = told(&world.open(&source).unwrap_err());
        assert!(text.contains(expected), "{text}");
    };
    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(&repomd, &altered).unwrap();
    refused("signed another text; the file was altered");
    fs::write(&repomd, &good[..good.len() / 2]).unwrap();
    refused("signed another text; the file was altered");
    fs::write(&repomd, &good).unwrap();

    fs::remove_file(&asc).unwrap();
    refused("repomd.xml.asc");
    fs::write(&asc, &signature[..signature.len() / 2]).unwrap();
    refused("damaged");
    world.shop.key("Other <other@example.org>", "ed25519", "never", None);
    world.shop.sign_index(&world.mirror().join("r"), "other@example.org");
    refused("is not in the keyring");
    fs::write(&asc, &signature).unwrap();
    assert!(world.open(&source).is_ok());

    // The index files are covered by their digests, and their sizes.
    let primary = fs::read_dir(&repodata).unwrap().map(|entry| entry.unwrap().path());
    let primary =
        primary.into_iter().find(|p| p.to_string_lossy().contains("primary.xml")).unwrap();
    let bytes = fs::read(&primary).unwrap();
    let store = Store::open(StoreOptions::new(world.folder.path().join("other"))).unwrap();
    for damaged in [bytes[..bytes.len() - 1].to_vec(), {
        let mut bytes = bytes.clone();
        bytes[20] ^= 1;
        bytes
    }] {
        fs::write(&primary, damaged).unwrap();
        let error = rpm::open(&store, &source, &Silent).unwrap_err();
        assert!(told(&error).contains("can't open the rpm repository r"), "{}", told(&error));
    }
}

#[test]
fn a_key_that_expired_vouches_for_nothing() {
    let mut world = World::new();
    world.key = world.shop.key(
        "Past <past@example.org>",
        "rsa2048",
        "2020-06-01",
        Some("20200101T000000!"),
    );
    let packages = world.shop.build(&small("app"), Build::default());
    world.shop.index(&world.mirror(), &packages, &[]);
    let repomd = world.mirror().join("repodata/repomd.xml");
    world.shop.sign_in_the_past(&repomd, "past@example.org", "20200102T000000!");
    let error = world.open(&world.source(&[""], Trust::Signed)).unwrap_err();
    assert!(told(&error).contains("has expired"), "{}", told(&error));
    let mut source = world.source(&[""], Trust::Signed);
    source.now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_580_000_000);
    assert!(world.open(&source).is_ok());
}

#[test]
fn sources_that_make_no_sense_are_refused() {
    let world = World::new();
    let bad = |change: &dyn Fn(&mut RpmSource)| {
        let mut source = world.source(&["r"], Trust::Signed);
        change(&mut source);
        world.open(&source).unwrap_err().to_string()
    };
    assert_eq!(bad(&|s| s.mirrors.clear()), "the rpm source names no mirror");
    assert_eq!(bad(&|s| s.repositories.clear()), "the rpm source names no repository");
    assert_eq!(bad(&|s| s.keyring = Keyring::default()), "the rpm source trusts no key");
    assert_eq!(
        bad(&|s| s.repositories.push("../up".to_owned())),
        "the rpm source names `../up`, which is no folder below a mirror"
    );
    assert_eq!(
        bad(&|s| s.trust = Trust::Pinned { sha256: Vec::new() }),
        "the rpm source pins 0 digests for 1 repositories"
    );
}

#[test]
fn packages_not_signed_by_a_trusted_key_are_refused() {
    let world = World::new();
    let unsigned = world.shop.build(&small("app"), Build::default());
    let attempt = |file: &Path| {
        let source = world.source(&[""], Trust::SignedPackages);
        let (package, bytes) = indexed(file);
        told(&rpm::payload(&package, &bytes, &source.proof(true)).unwrap_err())
    };
    let text = attempt(&unsigned[0]);
    assert!(text.ends_with("no signature by a trusted key: the file has none"), "{text}");
    world.shop.key("Other <other@example.org>", "rsa2048", "never", None);
    world.shop.sign(&unsigned, "other@example.org");
    let text = attempt(&unsigned[0]);
    assert!(text.contains("is not in the keyring"), "{text}");
}

/// No byte of a signed package can change without being noticed, but for those
/// that say nothing; and no cut goes unnoticed.
#[test]
fn no_change_of_a_signed_package_goes_unnoticed() {
    let world = World::new();
    let packages = world.shop.build(&small("app"), Build::default());
    world.shop.sign(&packages, KEY);
    let source = world.source(&[""], Trust::SignedPackages);
    let (package, good) = indexed(&packages[0]);
    let proof = source.proof(true);
    let expected = rpm::payload(&package, &good, &proof).unwrap();
    let header = 96 + 16;
    for at in (0..good.len()).step_by(7) {
        let mut altered = good.clone();
        altered[at] ^= 0x40;
        match rpm::payload(&package, &altered, &proof) {
            Err(_) => {}
            // The lead and spare room in the signature header mean nothing.
            Ok(same) => assert!(same == expected && at < header + 8000, "byte {at}"),
        }
        assert!(rpm::payload(&package, &good[..at], &proof).is_err(), "cut at {at}");
    }
}

#[test]
fn no_change_of_a_package_makes_the_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Workshop::new(folder.path());
    let packages = shop.build(&small("app"), Build { payload: "w.ufdio", ..Build::default() });
    let (package, good) = indexed(&packages[0]);
    for at in 0..good.len() {
        for byte in [0, 0xff, good[at] ^ 1] {
            let mut altered = good.clone();
            altered[at] = byte;
            let _ = rpm::payload(&package, &altered, &rpm::Proof::Index);
        }
    }
}

#[test]
fn packages_that_unpack_to_more_than_they_say_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Workshop::new(folder.path());
    let big = spec("big", "", "mkdir usr; truncate -s 70M usr/zeros", "/usr/zeros");
    for payload in ["w9.gzdio", "w2.xzdio", "w3.zstdio"] {
        let packages = shop.build(&big, Build { payload, ..Build::default() });
        let (mut package, bytes) = indexed(&packages[0]);
        assert!(bytes.len() < 1 << 20, "it is a bomb");
        package.installed_size = 10;
        let error = rpm::payload(&package, &bytes, &rpm::Proof::Index).unwrap_err();
        assert!(
            told(&error).contains("it unpacks to more than 67108884 bytes"),
            "{}",
            told(&error)
        );
    }
}

#[test]
fn sizes_in_repomd_are_checked() {
    let world = World::new();
    world.repository("", &[small("app")], &[]);
    let repomd = world.mirror().join("repodata/repomd.xml");
    let good = fs::read_to_string(&repomd).unwrap();
    let attempt = |text: String, expected: &str| {
        fs::write(&repomd, &text).unwrap();
        let sha256 = vec![Sha256::digest(&text).into()];
        match world.open(&world.source(&[""], Trust::Pinned { sha256 })) {
            Ok(_) => assert_eq!(expected, ""),
            Err(error) => {
                let text = told(&error);
                assert!(!expected.is_empty() && text.contains(expected), "{text}");
            }
        }
    };
    attempt(good.clone(), "");
    attempt(good.replace("<open-size>", "<open-size>1"), "but repomd.xml says 1");
    let smaller = good.replacen("<open-size>", "<open-size>1</open-size><x>", 1);
    attempt(smaller.replacen("</open-size>\n", "</x>\n", 1), "it is larger than it may be");
    attempt(good.replacen("<size>", "<size>9", 1), "can't open the rpm repository");
    attempt(good.replace("type=\"sha256\"", "type=\"sha\""), "sha256 and sha512 are accepted");
    attempt(good.replace("type=\"primary\"", "type=\"other\""), "no file of the type primary");
    attempt(good.replace("href=\"repodata", "href=\"../repodata"), "no path below the repository");
}
