//! Indexes: signatures, contents, and what is refused.

use super::super::{ApkError, Keys, VerifiedIndex, read_index};
use super::fixture::{KEY, gzip, index, index_content, keys, package, pem, signature, tar};

const FOLDER: &str = "v3.23/main/x86_64";

fn read(file: &[u8]) -> Result<VerifiedIndex, ApkError> {
    read_index(file, &keys(), FOLDER, "x86_64")
}

fn refusal(file: &[u8]) -> String {
    read(file).unwrap_err().to_string()
}

#[test]
fn a_signed_index_is_read_in_full() {
    let text = format!(
        "{}C:Q1VFqm8pEgmviZMrdh2eQiwneFlsw=\nP:openrc\nV:0.63-r1\nA:x86_64\nS:218197\nI:1368229\n\
         D:/bin/sh so:libc.musl-x86_64.so.1 musl>=1.2 !sysvinit\np:cmd:rc=0.63-r1 init\nr:old-rc<1\nq:9\n",
        package("hello", "1.0-r0").stanza
    );
    let index = read(&index(&text)).unwrap();
    assert_eq!(index.signed_by, [KEY]);
    assert_eq!(index.description, "v3.23.6-1-gabc");
    assert_eq!(index.date, Some(1_700_000_000));
    let [hello, openrc] = index.packages.as_slice() else { panic!("{:?}", index.packages) };
    assert_eq!(hello.location, "v3.23/main/x86_64/hello-1.0-r0.apk");
    assert_eq!((hello.source.as_str(), hello.license.as_deref()), ("hello-src", Some("MIT")));
    // install_if brings nothing in.
    assert!(hello.depends.is_empty());
    let needs: Vec<String> = openrc.depends.iter().map(ToString::to_string).collect();
    assert_eq!(needs, ["/bin/sh", "so:libc.musl-x86_64.so.1", "musl (>= 1.2)"]);
    assert_eq!(openrc.conflicts[0].name, "sysvinit");
    assert_eq!(openrc.provides[0].version.as_deref(), Some("0.63-r1"));
    assert_eq!(openrc.provides[1].version, None);
    assert_eq!(openrc.replaces[0].to_string(), "old-rc (< 1)");
    assert_eq!((openrc.size, openrc.installed_size), (218_197, 1_368_229));
    assert_eq!(openrc.source, "openrc");
}

#[test]
fn each_known_hash_holds_and_one_trusted_signature_is_enough() {
    let content = index_content(&package("hello", "1").stanza);
    for algorithm in ["RSA", "RSA256", "RSA512"] {
        let file = [signature(1, KEY, algorithm, &content), content.clone()].concat();
        assert_eq!(read(&file).unwrap().signed_by, [KEY], "{algorithm}");
    }
    let stranger = signature(2, "stranger.rsa.pub", "RSA", &content);
    let file = [stranger, signature(1, KEY, "RSA", &content), content].concat();
    assert_eq!(read(&file).unwrap().signed_by, [KEY]);
}

#[test]
fn an_unsigned_index_is_refused() {
    let content = index_content(&package("hello", "1").stanza);
    assert_eq!(refusal(&content), "the index carries no signature, so nothing vouches for it");
    // A signature of an algorithm that is not known is none.
    let odd = gzip(&tar(&[(".SIGN.DSA.k.pub", b"x")], false));
    assert!(matches!(read(&[odd, content].concat()), Err(ApkError::Unsigned)));
}

#[test]
fn a_key_that_is_not_trusted_is_named_with_those_that_are() {
    let content = index_content("");
    let file = [signature(2, "stranger.rsa.pub", "RSA256", &content), content].concat();
    let message = refusal(&file);
    assert!(message.contains("signed with stranger.rsa.pub"), "{message}");
    assert!(message.contains(KEY), "{message}");
    let error = read_index(&file, &Keys::default(), FOLDER, "x86_64").unwrap_err();
    assert!(error.to_string().contains("the trusted keys are none"), "{error}");
}

#[test]
fn another_key_under_a_trusted_name_does_not_hold() {
    let content = index_content("");
    let file = [signature(2, KEY, "RSA", &content), content].concat();
    assert!(matches!(read(&file), Err(ApkError::BadSignature { .. })));
}

#[test]
fn every_altered_byte_behind_the_signature_is_noticed() {
    let file = index(&package("hello", "1").stanza);
    let content = index_content(&package("hello", "1").stanza);
    let start = file.len() - content.len();
    for at in start..file.len() {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(matches!(read(&altered), Err(ApkError::BadSignature { .. })), "byte {at}");
    }
}

#[test]
fn an_index_cut_off_anywhere_is_refused() {
    let file = index(&package("hello", "1").stanza);
    for length in (0..file.len()).step_by(7) {
        assert!(read(&file[..length]).is_err(), "{length} bytes pass");
    }
    let mut longer = file;
    longer.push(0);
    assert!(matches!(read(&longer), Err(ApkError::BadSignature { .. })));
}

#[test]
fn flawed_lines_are_named() {
    let stanza = package("hello", "1").stanza;
    let table = [
        ("P hello\n", "line 1 of the index: it is not of the form X:value"),
        ("P:../hello\n", "line 1 of the index: \"../hello\" is no name"),
        ("P:a\nV:1/2\n", "line 2 of the index: \"1/2\" is no version"),
        ("P:a\nS:big\n", "line 2 of the index: \"big\" is no size in bytes"),
        (
            "C:Q2abc\n",
            "line 1 of the index: \"Q2abc\" is no checksum of the form Q1 and base64 of a SHA-1",
        ),
        ("P:a\nV:1\nA:x86_64\nS:1\n\n", "line 5 of the index: the package above has no C: line"),
        ("D:a>\n", "line 1 of the index: \"a>\" has an operator but no version"),
    ];
    for (text, expected) in table {
        assert_eq!(refusal(&index(text)), expected);
    }
    let without_size =
        stanza.lines().filter(|l| !l.starts_with("S:")).collect::<Vec<_>>().join("\n");
    assert!(refusal(&index(&without_size)).contains("no S: line"));
}

#[test]
fn an_index_of_another_architecture_is_refused_though_its_signature_holds() {
    let any = package("docs", "2").stanza.replace("A:x86_64", "A:noarch");
    assert_eq!(read(&index(&any)).unwrap().packages.len(), 1);
    let foreign = package("hello", "1").stanza.replace("A:x86_64", "A:aarch64");
    assert_eq!(
        refusal(&index(&format!("{any}{foreign}"))),
        "the index lists hello 1 for aarch64, but the index of x86_64 was asked for"
    );
}

#[test]
fn an_index_without_its_list_is_refused() {
    let content = gzip(&tar(&[("DESCRIPTION", b"x")], true));
    let file = [signature(1, KEY, "RSA", &content), content].concat();
    assert_eq!(refusal(&file), "the index holds no APKINDEX");
}

#[test]
fn a_signature_segment_that_never_ends_is_a_bomb() {
    let huge = vec![0_u8; 3 << 20];
    let bomb = gzip(&tar(&[(".SIGN.RSA.a.rsa.pub", &huge)], false));
    let error = read(&bomb).unwrap_err();
    assert!(matches!(error, ApkError::TooLarge { what: "signature segment", .. }), "{error}");
}

#[test]
fn a_member_that_claims_more_than_it_holds_is_refused() {
    // One gibibyte by the header, none in the archive.
    let mut header = tar::Header::new_ustar();
    header.set_path("APKINDEX").unwrap();
    header.set_size(1 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let content = gzip(header.as_bytes());
    let file = [signature(1, KEY, "RSA", &content), content].concat();
    let message = refusal(&file);
    assert!(message.starts_with("the index is not a readable tar archive"), "{message}");
}

#[test]
fn only_rsa_keys_of_enough_bits_are_keys() {
    assert_eq!(keys().names(), [KEY]);
    for bytes in [
        b"".to_vec(),
        b"\xff\xfe".to_vec(),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_vec(),
    ] {
        let error =
            Keys::new([("good".to_owned(), pem(1)), ("bad.pub".to_owned(), bytes)]).unwrap_err();
        assert!(error.to_string().starts_with("bad.pub is no RSA public key"), "{error}");
    }
}
