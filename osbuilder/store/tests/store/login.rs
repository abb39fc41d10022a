//! Logins from a netrc file: who is told, who is not, and where they never show.

use std::fs;
use std::path::PathBuf;

use crate::desk::{Desk, want};
use crate::server::{Reply, Server};
use artifact_store::{Silent, Store, StoreError};

const BODY: &[u8] = b"behind a login";
/// "me:pass word" in base64.
const BASIC: &str = "Basic bWU6cGFzcyB3b3Jk";
const LOGIN: &str = "machine 127.0.0.1 login me password \"pass word\"\n";

fn store(desk: &Desk, text: &str) -> Result<Store, StoreError> {
    let path = desk.temp.path().join("netrc");
    fs::write(&path, text).unwrap();
    let mut options = desk.options();
    options.netrc = Some(path);
    Store::open(options)
}

/// Gives the file at `/file` to whoever knows the password.
fn guarded() -> Server {
    Server::start(|call| match (call.target.as_str(), call.header("authorization")) {
        ("/moved", Some(BASIC)) => Reply::status("302 Found").with("Location: file"),
        ("/round", Some(BASIC)) => Reply::status("302 Found").with("Location: /round"),
        ("/local", Some(BASIC)) => Reply::status("302 Found").with("Location: file:///etc/hosts"),
        ("/file", Some(BASIC)) => Reply::ranged(call, BODY),
        _ => Reply::status("401 Unauthorized"),
    })
}

fn files_below(folder: PathBuf) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

#[test]
fn a_url_without_a_login_gets_its_hosts() {
    let (desk, server) = (Desk::new(), guarded());
    let store = store(&desk, LOGIN).unwrap();
    for path in ["file", "moved"] {
        let blob = store.fetch(&want(BODY, &[server.url(path)]), &Silent).unwrap();
        assert_eq!(blob.read().unwrap(), BODY);
        fs::remove_file(blob.path()).unwrap();
    }
    let index =
        store.fetch_index("index", &[server.url("moved")], 99, &Silent, &|_| Ok(())).unwrap();
    assert_eq!(index.bytes, BODY);
    for path in files_below(desk.temp.path().join("store")) {
        let bytes = fs::read(&path).unwrap();
        for secret in ["pass word", "bWU6cGFzcyB3b3Jk"] {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn another_host_or_none_at_all_is_told_nothing() {
    let (desk, server) = (Desk::new(), guarded());
    let store = store(&desk, "machine other.example login me password secret\n").unwrap();
    let error = store.fetch(&want(BODY, &[server.url("file")]), &Silent).unwrap_err().to_string();
    assert!(error.contains("401") && !error.contains("secret"), "{error}");
    assert_eq!(server.calls()[0].header("authorization"), None);
}

#[test]
fn a_urls_own_login_wins() {
    let desk = Desk::new();
    let server = Server::file(BODY);
    let mut url = server.url("file");
    url.set_username("own").unwrap();
    url.set_password(Some("word")).unwrap();
    store(&desk, LOGIN).unwrap().fetch(&want(BODY, &[url]), &Silent).unwrap();
    // "own:word" in base64.
    assert_eq!(server.calls()[0].header("authorization"), Some("Basic b3duOndvcmQ="));
}

#[test]
fn a_redirect_elsewhere_leaves_the_login_behind() {
    // The same address, but another port is another server. Even `default` is
    // for the hosts that we ask, not for those that answers name.
    for text in [LOGIN, "default login me password \"pass word\"\n"] {
        let (desk, other) = (Desk::new(), Server::file(BODY));
        let to = format!("Location: {}", other.url("there"));
        let first = Server::start(move |_| Reply::status("307 Temporary Redirect").with(&to));
        let request = want(BODY, &[first.url("here")]);
        store(&desk, text).unwrap().fetch(&request, &Silent).unwrap();
        assert_eq!(first.calls()[0].header("authorization"), Some(BASIC));
        assert_eq!(other.calls()[0].header("authorization"), None);
    }
}

#[test]
fn redirects_that_lead_nowhere_fail_without_showing_the_login() {
    let (desk, server) = (Desk::new(), guarded());
    let store = store(&desk, LOGIN).unwrap();
    for (path, reason) in [("round", "redirects too often"), ("local", "neither http nor https")] {
        let error = store.fetch(&want(BODY, &[server.url(path)]), &Silent).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(reason), "{text}");
        assert!(!text.contains("pass word") && !text.contains("bWU6"), "{text}");
    }
    assert!(!format!("{store:?}").contains("pass word"));
}

#[test]
fn a_bad_file_is_named_with_its_line_where_the_network_is_on() {
    let desk = Desk::new();
    let error = store(&desk, "machine a\nlogin b secret\n").unwrap_err();
    assert!(matches!(error, StoreError::BadNetrc { line: 2, .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("netrc:2: ") && !text.contains("secret"), "{text}");
    let mut options = desk.options();
    options.netrc = Some(desk.temp.path().join("netrc"));
    options.offline = true;
    Store::open(options).unwrap();
}
