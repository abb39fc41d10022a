//! Single files from a real server: cache, mirrors, retries, resuming, limits.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::desk::{Desk, Log, digest, want, want_prefix};
use crate::server::{Reply, Server};
use artifact_store::{Expect, Silent, Store, StoreError};

const BODY: &[u8] = b"the very bytes that were asked for, and no others";
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_file_is_fetched_once_and_then_comes_from_the_store() {
    let (desk, server, log) = (Desk::new(), Server::file(BODY), Log::default());
    let request = want(BODY, &[server.url("file")]);
    let blob = desk.store().fetch(&request, &log).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
    assert_eq!((blob.sha256, blob.size), (digest(BODY), 49));
    assert_eq!(fs::metadata(blob.path()).unwrap().permissions().mode() & 0o777, 0o400);
    assert_eq!(blob.served_by, Some(server.url("file")));
    let again = desk.store().fetch(&request, &log).unwrap();
    assert_eq!((again.path(), again.served_by.as_ref()), (blob.path(), None));
    assert_eq!(server.connections(), 1);
    assert_eq!(
        log.lines(),
        [
            "thing started Some(49)",
            "thing +49",
            "thing finished cached=false",
            "thing finished cached=true"
        ]
    );
    assert!(desk.unfinished().is_empty());
}

#[test]
fn a_changed_file_in_the_store_is_removed_and_fetched_again() {
    let (desk, server) = (Desk::new(), Server::file(BODY));
    let request = want(BODY, &[server.url("file")]);
    let path = desk.store().fetch(&request, &Silent).unwrap().path().to_path_buf();
    let tamper = || {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [b'x'; 49]).unwrap();
    };
    tamper();
    assert_eq!(desk.store().fetch(&request, &Silent).unwrap().read().unwrap(), BODY);
    assert_eq!(server.connections(), 2);
    tamper();
    let error = desk.offline().fetch(&request, &Silent).unwrap_err();
    assert!(matches!(error, StoreError::Offline { .. }), "{error}");
    assert!(!path.exists());
}

#[test]
fn the_next_mirror_helps_and_a_missing_file_is_not_asked_for_twice() {
    let desk = Desk::new();
    let missing = Server::start(|_| Reply::status("404 Not Found"));
    let corrupt = Server::start(|_| Reply::ok(&[b'x'; 49]));
    let (good, unused) = (Server::file(BODY), Server::file(BODY));
    let urls = [&missing, &corrupt, &good, &unused].map(|server| server.url("file"));
    let blob = desk.store().fetch(&want(BODY, &urls), &Silent).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
    let counts = [&missing, &corrupt, &good, &unused].map(|server| server.calls().len());
    assert_eq!(counts, [1, 1, 1, 0]);
}

#[test]
fn every_mirror_is_named_with_its_reason() {
    let desk = Desk::new();
    let missing = Server::start(|_| Reply::status("404 Not Found"));
    let corrupt = Server::start(|_| Reply::ok(&[b'x'; 49]));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [
        missing.url("a"),
        corrupt.url("b"),
        format!("http://{closed}/c").parse().unwrap(),
        desk.file("d", b"").join("nowhere").unwrap(),
        "ftp://u:secret@example.org/e".parse().unwrap(),
    ];
    let text = desk.store().fetch(&want(BODY, &urls), &Silent).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "cannot fetch thing: all 5 mirrors failed");
    for (line, (url, reason)) in lines[1..].iter().zip([
        (urls[0].as_str(), "404 Not Found"),
        (urls[1].as_str(), "wrong digest"),
        (urls[2].as_str(), "Connection refused"),
        (urls[3].as_str(), "there is no such file"),
        ("ftp://u:***@example.org/e", "the scheme ftp is not supported"),
    ]) {
        assert!(line.starts_with(&format!("  {url}: ")) && line.contains(reason), "{line}");
    }
    assert!(lines[6].contains("--mirror"), "{text}");
    assert!(desk.unfinished().is_empty());
}

#[test]
fn a_passing_failure_is_tried_again() {
    let (desk, log) = (Desk::new(), Log::default());
    let server = Server::start(|call| match call.earlier {
        0 => Reply::status("500 Internal Server Error"),
        _ => Reply::ok(BODY),
    });
    desk.store().fetch(&want(BODY, &[server.url("file")]), &log).unwrap();
    let retrying = "thing retrying: the server answered 500 Internal Server Error";
    assert!(log.lines().contains(&retrying.to_owned()), "{:?}", log.lines());
}

#[test]
fn a_server_that_trickles_is_given_up() {
    let desk = Desk::new();
    let body = vec![b'x'; 1 << 20];
    let whole = body.clone();
    let server =
        Server::start(move |call| Reply { trickling: true, ..Reply::ranged(call, &whole) });
    let mut options = desk.options();
    options.pace_period = SHORT;
    let store = Store::open(options).unwrap();
    let error = store.fetch(&want(&body, &[server.url("file")]), &Silent).unwrap_err();
    let StoreError::AllMirrorsFailed { attempts, .. } = error else { panic!("{error}") };
    let reason = &attempts[0].1;
    assert!(reason.starts_with("the server is too slow: ") && reason.ends_with("(tried twice)"));
    // What did come in was not asked for again.
    assert!(server.calls()[1].header("range").is_some());
}

#[test]
fn the_head_of_an_answer_may_not_trickle_either() {
    let desk = Desk::new();
    let long = format!("X-Long: {}", "x".repeat(1 << 15));
    let server = Server::start(move |_| Reply { slow_head: true, ..Reply::ok(BODY).with(&long) });
    let mut options = desk.options();
    (options.read_timeout, options.pace_period) = (SHORT, SHORT);
    let store = Store::open(options).unwrap();
    let error = store.fetch(&want(BODY, &[server.url("file")]), &Silent).unwrap_err();
    assert!(error.to_string().contains("the server went silent (tried twice)"), "{error}");
}

#[test]
fn retries_end() {
    let desk = Desk::new();
    let server = Server::start(|_| Reply::status("429 Too Many Requests").with("Retry-After: 0"));
    let request = want(BODY, &[server.url("file")]);
    let error = desk.store().fetch(&request, &Silent).unwrap_err();
    let StoreError::AllMirrorsFailed { label, attempts } = error else { panic!("{error}") };
    assert_eq!(label, "thing");
    let reason = "the server answered 429 Too Many Requests (tried twice)";
    assert_eq!(attempts, [(server.url("file").to_string(), reason.to_owned())]);
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn a_cut_transfer_goes_on_where_it_ended() {
    let (desk, log) = (Desk::new(), Log::default());
    let server = Server::start(|call| match call.earlier {
        0 => Reply::ok(BODY).with("ETag: \"v1\"").cut(20),
        _ => Reply::ranged(call, BODY),
    });
    let blob = desk.store().fetch(&want(BODY, &[server.url("file")]), &log).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].header("range"), Some("bytes=20-"));
    assert_eq!(calls[1].header("if-range"), Some("\"v1\""));
    assert!(log.lines().contains(&"thing +29".to_owned()), "{:?}", log.lines());
}

#[test]
fn a_server_without_ranges_makes_it_start_over() {
    let desk = Desk::new();
    let server = Server::start(|call| match call.earlier {
        0 => Reply::ok(BODY).cut(20),
        _ => Reply::ok(BODY),
    });
    let blob = desk.store().fetch(&want(BODY, &[server.url("file")]), &Silent).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
    assert_eq!(server.calls()[1].header("range"), Some("bytes=20-"));
}

#[test]
fn a_wrong_beginning_is_dropped_once_the_whole_proves_wrong() {
    let desk = Desk::new();
    let server = Server::start(|call| match call.earlier {
        0 => Reply::ok(&[b'x'; 49]).cut(20),
        _ => Reply::ranged(call, BODY),
    });
    let blob = desk.store().fetch(&want(BODY, &[server.url("file")]), &Silent).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
    let ranges: Vec<_> = server.calls().iter().map(|c| c.header("range").is_some()).collect();
    assert_eq!(ranges, [false, true, false]);
}

#[test]
fn a_later_process_goes_on_with_what_was_left() {
    let desk = Desk::new();
    let server = Server::start(|call| match call.earlier {
        0 => Reply::ok(BODY).cut(20),
        _ => Reply::ranged(call, BODY),
    });
    let request = want(BODY, &[server.url("file")]);
    let mut options = desk.options();
    options.retries = 0;
    Store::open(options).unwrap().fetch(&request, &Silent).unwrap_err();
    assert_eq!(desk.unfinished().len(), 1);
    assert_eq!(desk.store().fetch(&request, &Silent).unwrap().read().unwrap(), BODY);
    assert_eq!(server.calls()[1].header("range"), Some("bytes=20-"));
    assert!(desk.unfinished().is_empty());
}

#[test]
fn a_range_that_the_server_refuses_makes_it_start_over() {
    let desk = Desk::new();
    let server = Server::start(|call| match call.earlier {
        0 => Reply::ok(BODY).cut(20),
        1 => Reply::status("416 Range Not Satisfiable"),
        _ => Reply::ok(BODY),
    });
    let blob = desk.store().fetch(&want(BODY, &[server.url("file")]), &Silent).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
}

#[test]
fn wrong_bytes_show_both_digests() {
    let (desk, server) = (Desk::new(), Server::start(|_| Reply::ok(&[b'x'; 49])));
    let error = desk.store().fetch(&want(BODY, &[server.url("f")]), &Silent).unwrap_err();
    assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("expected sha256 {}", hex::encode(digest(BODY)))), "{text}");
    assert!(text.contains(&format!("got {}", hex::encode(digest(&[b'x'; 49])))), "{text}");
    assert!(desk.unfinished().is_empty(), "wrong bytes must not stay");
}

#[test]
fn too_many_bytes_are_refused_announced_or_not() {
    let desk = Desk::new();
    let announced = Server::start(|_| Reply::ok(&[0; 300]));
    let streamed = Server::start(|_| Reply { length: None, ..Reply::ok(&[0; 300]) });
    for server in [&announced, &streamed] {
        let mut request = want(&[0; 300], &[server.url("f")]);
        (request.max_size, request.size) = (299, None);
        let error = desk.store().fetch(&request, &Silent).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { limit: 299, .. }), "{error}");
        request.max_size = 300;
        request.size = Some(200);
        let error = desk.store().fetch(&request, &Silent).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { limit: 200, .. }), "{error}");
        assert!(desk.unfinished().is_empty());
    }
    let mut request = want(&[0; 300], &[announced.url("f")]);
    request.size = Some(400);
    let text = desk.store().fetch(&request, &Silent).unwrap_err().to_string();
    assert!(text.contains("it has 300 bytes where 400 were expected"), "{text}");
}

#[test]
fn a_silent_server_is_given_up() {
    let desk = Desk::new();
    let server = Server::start(|_| Reply { silent: true, ..Reply::ok(BODY).cut(10) });
    let mut options = desk.options();
    (options.retries, options.read_timeout) = (0, Duration::from_millis(200));
    let request = want(BODY, &[server.url("f")]);
    let text = Store::open(options).unwrap().fetch(&request, &Silent).unwrap_err().to_string();
    assert!(text.contains("the server went silent"), "{text}");
}

#[test]
fn redirects_are_followed() {
    let desk = Desk::new();
    let server = Server::start(|call| match call.target.as_str() {
        "/old" => Reply::status("302 Found").with("Location: /new"),
        _ => Reply::ok(BODY),
    });
    desk.store().fetch(&want(BODY, &[server.url("old")]), &Silent).unwrap();
}

#[test]
fn offline_opens_no_connection_and_says_what_is_missing() {
    let (desk, server) = (Desk::new(), Server::file(BODY));
    let request = want(BODY, &[server.url("a"), server.url("b")]);
    let error = desk.offline().fetch(&request, &Silent).unwrap_err();
    let StoreError::Offline { label, urls } = &error else { panic!("{error}") };
    assert_eq!(label, "thing");
    assert_eq!(urls, &[server.url("a").to_string(), server.url("b").to_string()]);
    desk.store().fetch(&request, &Silent).unwrap();
    assert_eq!(server.connections(), 1);
    desk.offline().fetch(&request, &Silent).unwrap();
    assert_eq!(server.connections(), 1);
}

#[test]
fn local_files_work_offline_and_are_proven_all_the_same() {
    let desk = Desk::new();
    let (good, bad) = (desk.file("good", BODY), desk.file("bad", &[b'x'; 49]));
    let error = desk.offline().fetch(&want(BODY, std::slice::from_ref(&bad)), &Silent).unwrap_err();
    assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error}");
    let folder = desk.file("x", b"").join(".").unwrap();
    let error = desk.offline().fetch(&want(BODY, &[folder]), &Silent).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let blob = desk.offline().fetch(&want(BODY, &[bad, good.clone()]), &Silent).unwrap();
    assert_eq!(blob.read().unwrap(), BODY);
    fs::remove_file(good.to_file_path().unwrap()).unwrap();
    desk.offline().fetch(&want(BODY, &[good]), &Silent).unwrap();
}

#[test]
fn an_identity_of_its_own_is_checked_each_time() {
    static ACCEPT: AtomicBool = AtomicBool::new(true);
    let (desk, server) = (Desk::new(), Server::file(BODY));
    let wrong = want_prefix("wrong", b"some other bytes", &[server.url("f")]);
    let error = desk.store().fetch(&wrong, &Silent).unwrap_err();
    assert!(
        matches!(&error, StoreError::Rejected { reason, .. } if reason == "the prefix is wrong")
    );

    let mut right = want_prefix("right", b"the very", &[server.url("f")]);
    let blob = desk.store().fetch(&right, &Silent).unwrap();
    assert_eq!(blob.sha256, digest(BODY));
    let before = server.calls().len();
    desk.store().fetch(&right, &Silent).unwrap();
    assert_eq!(server.calls().len(), before, "it must come from the store");

    let check = |_: &[u8]| ACCEPT.load(Ordering::SeqCst).then_some(()).ok_or("no".to_owned());
    right.expect =
        Expect::Check { cache_key: "right".to_owned(), check: std::sync::Arc::new(check) };
    desk.offline().fetch(&right, &Silent).unwrap();
    ACCEPT.store(false, Ordering::SeqCst);
    let error = desk.offline().fetch(&right, &Silent).unwrap_err();
    assert!(matches!(error, StoreError::Offline { .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let desk = Desk::new();
    desk.file("store", b"a file in the way");
    let error = Store::open(desk.options()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { path, .. } if *path == desk.temp.path().join("store"))
    );
}

#[test]
fn derived_values_are_kept() {
    let desk = Desk::new();
    assert_eq!(desk.store().derived("key").unwrap(), None);
    desk.store().put_derived("key", b"value").unwrap();
    assert_eq!(desk.offline().derived("key").unwrap().unwrap(), b"value");
}
