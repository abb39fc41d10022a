//! Many files at once, and indexes that only the caller can judge.

use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::desk::{Desk, Log, want};
use crate::server::{Reply, Server};
use artifact_store::{Silent, StoreError};

#[test]
fn files_come_in_order_at_the_same_time_and_equal_ones_once() {
    // Nobody is served before four requests are there together.
    let gate = Arc::new((Mutex::new(0), Condvar::new()));
    let server = Server::start(move |call| {
        let (count, arrived) = &*gate;
        let mut count = count.lock().unwrap();
        *count += 1;
        arrived.notify_all();
        let limit = Duration::from_secs(30);
        let (count, result) = arrived.wait_timeout_while(count, limit, |count| *count < 4).unwrap();
        drop(count);
        if result.timed_out() {
            return Reply::status("404 Not Found");
        }
        Reply::ok(call.target.as_bytes())
    });
    let names = ["/a", "/b", "/c", "/a", "/d", "/e"];
    let requests: Vec<_> =
        names.iter().map(|n| want(n.as_bytes(), &[server.url(&n[1..])])).collect();
    let desk = Desk::new();
    let blobs = desk.store().fetch_all(&requests, 4, &Silent).unwrap();
    let read: Vec<_> =
        blobs.iter().map(|blob| String::from_utf8(blob.read().unwrap()).unwrap()).collect();
    assert_eq!(read, names);
    assert_eq!(server.calls().len(), 5);
}

#[test]
fn the_first_failure_ends_the_batch() {
    let server = Server::start(|call| match call.target.as_str() {
        "/bad" => Reply::status("404 Not Found"),
        _ => Reply::ok(b"good"),
    });
    let good = want(b"good", &[server.url("good")]);
    let mut bad = want(b"bad", &[server.url("bad")]);
    bad.label = "the bad one".to_owned();
    let never = (0..50_u8).map(|n| want(&[n; 10], &[server.url("never")]));
    let requests: Vec<_> = [good, bad].into_iter().chain(never).collect();
    let error = Desk::new().store().fetch_all(&requests, 1, &Silent).unwrap_err();
    assert!(
        matches!(&error, StoreError::AllMirrorsFailed { label, .. } if label == "the bad one"),
        "{error}"
    );
    assert_eq!(server.calls().len(), 2, "nothing may be started after a failure");
}

#[test]
fn a_failure_ends_the_waits_of_the_others() {
    // The bad file fails only once the busy one has been asked for, so that the
    // other thread is about to wait a minute for its second try.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let server = Server::start(move |call| {
        let (asked, changed) = &*gate;
        if call.target == "/busy" {
            *asked.lock().unwrap() = true;
            changed.notify_all();
            return Reply::status("503 Service Unavailable").with("Retry-After: 60");
        }
        let limit = Duration::from_secs(30);
        drop(changed.wait_timeout_while(asked.lock().unwrap(), limit, |asked| !*asked));
        Reply::status("404 Not Found")
    });
    let requests = ["bad", "busy"].map(|name| want(name.as_bytes(), &[server.url(name)]));
    Desk::new().store().fetch_all(&requests, 2, &Silent).unwrap_err();
    let targets: Vec<_> = server.calls().iter().map(|call| call.target.clone()).collect();
    assert_eq!(targets.len(), 2, "{targets:?}: the busy server must not be asked again");
}

#[test]
fn many_users_of_one_folder_do_not_disturb_each_other() {
    let body: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let body = &body[..1 << 20];
    let (desk, server) = (Desk::new(), Server::file(body));
    let request = want(body, &[server.url("file")]);
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = desk.store();
                start.wait();
                let blob = store.fetch(&request, &Silent).unwrap();
                assert!(blob.read().unwrap() == body, "the bytes differ");
            });
        }
    });
    assert!(desk.unfinished().is_empty(), "{:?}", desk.unfinished());
}

#[test]
fn no_request_is_no_error() {
    assert!(Desk::new().store().fetch_all(&[], 4, &Silent).unwrap().is_empty());
}

fn signed(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(b"signed") { Ok(()) } else { Err("the signature is wrong".to_owned()) }
}

#[test]
fn an_index_comes_from_the_first_mirror_whose_copy_is_accepted() {
    let (desk, log) = (Desk::new(), Log::default());
    let (forged, good) = (Server::file(b"forged"), Server::file(b"signed 1"));
    let urls = [forged.url("i"), good.url("i")];
    let index = desk.store().fetch_index("key", &urls, 100, &log, &signed).unwrap();
    assert_eq!((index.bytes.as_slice(), &index.url), (&b"signed 1"[..], &urls[1]));
    assert_eq!(log.lines().last().unwrap(), "key finished cached=false");

    let error = desk.store().fetch_index("key", &urls[..1], 100, &log, &signed).unwrap_err();
    assert!(matches!(error, StoreError::Rejected { .. }), "{error}");
    let twice = [forged.url("a"), forged.url("b")];
    let text = desk.store().fetch_index("key", &twice, 100, &log, &signed).unwrap_err().to_string();
    assert_eq!(text.matches("the signature is wrong").count(), 2, "{text}");
    let error = desk.store().fetch_index("key", &urls[1..], 7, &log, &signed).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { limit: 7, .. }), "{error}");

    // Only the accepted copy was remembered, and it is judged again.
    let before = (forged.connections(), good.connections());
    let again = desk.offline().fetch_index("key", &urls, 100, &log, &signed).unwrap();
    assert_eq!(again, index);
    assert_eq!(log.lines().last().unwrap(), "key finished cached=true");
    let expired = |_: &[u8]| Err("it has expired".to_owned());
    let text =
        desk.offline().fetch_index("key", &urls, 100, &log, &expired).unwrap_err().to_string();
    assert!(text.contains("the copy kept from") && text.contains("it has expired"), "{text}");
    let error = desk.offline().fetch_index("other", &urls, 100, &log, &signed).unwrap_err();
    assert!(matches!(error, StoreError::Offline { .. }), "{error}");
    assert_eq!((forged.connections(), good.connections()), before);
}

#[test]
fn a_cut_index_is_mended_only_with_parts_of_the_same_version() {
    for (etag, ranged) in [("ETag: \"v1\"", true), ("ETag: W/\"v1\"", false)] {
        let desk = Desk::new();
        let server = Server::start(move |call| match call.earlier {
            0 => Reply::ok(b"signed index").with(etag).cut(6),
            _ => Reply::ranged(call, b"signed index"),
        });
        let urls = [server.url("i")];
        let index = desk.store().fetch_index("key", &urls, 100, &Silent, &signed).unwrap();
        assert_eq!(index.bytes, b"signed index");
        assert_eq!(server.calls()[1].header("range").is_some(), ranged);
    }
}

#[test]
fn a_local_index_is_read_offline_and_never_replaced_by_an_older_copy() {
    let desk = Desk::new();
    let url = desk.file("index", b"signed local");
    let index = desk
        .offline()
        .fetch_index("key", std::slice::from_ref(&url), 100, &Silent, &signed)
        .unwrap();
    assert_eq!(index.bytes, b"signed local");
    desk.file("index", b"forged");
    let error = desk
        .offline()
        .fetch_index("key", std::slice::from_ref(&url), 100, &Silent, &signed)
        .unwrap_err();
    assert!(matches!(error, StoreError::Rejected { .. }), "{error}");
}
