//! Looking after a store, alone and while other processes use it.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::desk::{Desk, digest, want, want_prefix};
use crate::server::{Reply, Server};
use artifact_store::{Collected, GcOptions, Kind, Request, Silent, Store, StoreOptions};

const DAY: Duration = Duration::from_secs(86400);

fn age(path: &Path, days: u32) {
    File::open(path).unwrap().set_modified(SystemTime::now() - DAY * days).unwrap();
}

fn put(desk: &Desk, bytes: &[u8], days: u32) -> PathBuf {
    let request = want(bytes, &[desk.file("source", bytes)]);
    let path = desk.offline().fetch(&request, &Silent).unwrap().path().to_path_buf();
    age(&path, days);
    path
}

fn sizes(report: &Collected) -> (Vec<u64>, Vec<u64>) {
    let sizes = |entries: &[artifact_store::Entry]| entries.iter().map(|e| e.size).collect();
    (sizes(&report.removed), sizes(&report.kept))
}

#[test]
fn files_of_this_machine_need_no_network() {
    let desk = Desk::new();
    let url = desk.file("source", b"local");
    let store = desk.offline();
    let blob = store.fetch(&want(b"local", std::slice::from_ref(&url)), &Silent).unwrap();
    assert_eq!(blob.read().unwrap(), b"local");
    let index = store.fetch_index("index", &[url], 9, &Silent, &|_| Ok(())).unwrap();
    assert_eq!(index.bytes, b"local");
    let away = "http://127.0.0.1:9/x".parse().unwrap();
    let request = want(b"second", &[away, desk.file("second", b"second")]);
    assert_eq!(store.fetch(&request, &Silent).unwrap().read().unwrap(), b"second");
}

#[test]
fn a_list_names_everything() {
    let desk = Desk::new();
    put(&desk, b"four", 3);
    let store = desk.offline();
    store.fetch(&want_prefix("key", b"fi", &[desk.file("f", b"fives")]), &Silent).unwrap();
    store.put_derived("value", b"").unwrap();
    fs::write(desk.temp.path().join("store/derived/notes"), "not ours").unwrap();
    let entries = store.list().unwrap();
    let mut blobs = [(b"four".as_slice(), 4), (b"fives", 5)].map(|(b, n)| (hex(digest(b)), n));
    blobs.sort();
    let found: Vec<_> = entries.iter().map(|e| (e.kind.name(), e.size)).collect();
    let expected = [("blob", blobs[0].1), ("blob", blobs[1].1), ("reference", 97), ("derived", 65)];
    assert_eq!(found, expected);
    assert_eq!((&entries[0].name, &entries[1].name), (&blobs[0].0, &blobs[1].0));
    let old = entries.iter().find(|entry| entry.size == 4).unwrap();
    assert!(old.used < SystemTime::now() - DAY * 2);
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn damaged_files_are_found_and_removed() {
    let desk = Desk::new();
    let (good, bad) = (put(&desk, b"good", 0), put(&desk, b"fine", 0));
    fs::set_permissions(&bad, Permissions::from_mode(0o600)).unwrap();
    fs::write(&bad, "fined").unwrap();
    let report = desk.offline().verify().unwrap();
    assert_eq!((report.checked, report.bytes), (2, 9));
    let damaged: Vec<_> = report.damaged.iter().map(|entry| entry.name.clone()).collect();
    assert_eq!(damaged, [hex(digest(b"fine"))]);
    assert!(good.exists() && !bad.exists());
    let report = desk.offline().verify().unwrap();
    assert_eq!((report.checked, report.bytes, report.damaged.len()), (1, 4, 0));
}

#[test]
fn old_files_go_and_then_the_longest_unused() {
    let desk = Desk::new();
    for (size, days) in [(100, 1), (200, 2), (300, 9)] {
        put(&desk, &vec![b'x'; size], days);
    }
    let store = desk.offline();
    let gc = |days: Option<u32>, max_size, dry_run| {
        let older_than = days.map(|days| DAY * days);
        sizes(&store.gc(&GcOptions { older_than, max_size, dry_run }).unwrap())
    };
    assert_eq!(gc(None, None, false), (vec![], vec![300, 200, 100]));
    assert_eq!(gc(Some(10), Some(600), false), (vec![], vec![300, 200, 100]));
    assert_eq!(gc(Some(0), None, true), (vec![300, 200, 100], vec![]));
    assert_eq!(gc(None, Some(299), true), (vec![300, 200], vec![100]));
    assert_eq!(gc(Some(5), Some(300), false), (vec![300], vec![200, 100]));
    assert_eq!(gc(None, Some(299), false), (vec![200], vec![100]));
    assert_eq!(gc(Some(0), None, false), (vec![100], vec![]));
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn what_an_open_store_has_given_stays() {
    let desk = Desk::new();
    let paths = [put(&desk, b"used", 9), put(&desk, b"idle", 9)];
    let all = GcOptions { older_than: Some(Duration::ZERO), ..GcOptions::default() };
    let build = desk.offline();
    let clone = build.clone();
    let used = build.fetch(&want(b"used", &[]), &Silent).unwrap();
    let new = build.fetch(&want(b"new", &[desk.file("n", b"new")]), &Silent).unwrap();
    drop(build);
    let removed = desk.offline().gc(&all).unwrap().removed;
    assert_eq!(removed.iter().map(|e| e.name.clone()).collect::<Vec<_>>(), [hex(digest(b"idle"))]);
    assert!(!paths[1].exists());
    assert_eq!((used.read().unwrap(), new.read().unwrap()), (b"used".into(), b"new".into()));
    drop(clone);
    // Once nobody holds it, age alone decides.
    age(&paths[0], 9);
    let old = GcOptions { older_than: Some(DAY), ..GcOptions::default() };
    let removed = desk.offline().gc(&old).unwrap().removed;
    assert_eq!(removed.iter().map(|e| e.kind).collect::<Vec<_>>(), [Kind::Blob]);
    assert!(!paths[0].exists() && new.path().exists());
}

/// How many different files the processes ask for.
const FILES: usize = 24;

fn body(number: usize) -> Vec<u8> {
    let line = format!("file {number} of many\n");
    line.repeat(100 + number * 40).into_bytes()
}

/// Not a test: one of the processes that share a store. Opens it again and
/// again, as one build after another would, and reads all it was given at the end.
#[test]
#[ignore = "started by the test of several processes"]
fn builds_in_a_row() {
    let (dir, base) = (env::var_os("STORE").unwrap(), env::var("SERVER").unwrap());
    let seed: usize = env::var("SEED").unwrap().parse().unwrap();
    let request = |number: usize| -> Request {
        want(&body(number), &[format!("{base}{number}").parse().unwrap()])
    };
    for round in 0..12 {
        let store = Store::open(StoreOptions::new(&dir)).unwrap();
        // Neighbours among processes and rounds overlap, but are not equal.
        let numbers: Vec<usize> = (0..8).map(|n| (seed * 3 + round * 5 + n) % FILES).collect();
        let requests: Vec<Request> = numbers.iter().map(|number| request(*number)).collect();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let blobs = store.fetch_all(&requests, 3, &Silent).unwrap();
                    for (number, blob) in numbers.iter().zip(&blobs) {
                        assert_eq!(blob.read().unwrap(), body(*number), "file {number}");
                    }
                });
            }
        });
    }
    println!("outcome: all verified");
}

fn start(desk: &Desk, server: &Server, seed: usize) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "upkeep::builds_in_a_row", "--ignored", "--nocapture"]);
    command.env("STORE", desk.temp.path().join("store")).env("SEED", seed.to_string());
    command.env("SERVER", server.url("").as_str()).env("NETRC", "/dev/null");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn several_processes_share_a_store_that_is_being_cleaned() {
    let desk = Desk::new();
    // Old files that somebody will ask for, and one that nobody will.
    let idle = put(&desk, b"nobody asks for this", 9);
    for number in 0..FILES / 2 {
        put(&desk, &body(number), 9);
    }
    let server = Server::start(|call| {
        let number = call.target.trim_start_matches('/').parse().unwrap();
        Reply::ranged(call, &body(number))
    });
    let mut children: Vec<Child> = (0..4).map(|seed| start(&desk, &server, seed)).collect();
    let all = GcOptions { older_than: Some(Duration::ZERO), ..GcOptions::default() };
    let mut removed = 0;
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        let store = desk.offline();
        removed += store.gc(&all).unwrap().removed.len();
        let report = store.verify().unwrap();
        assert_eq!(report.damaged, []);
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("outcome: all verified"), "{text}\n{errors}");
    }
    println!("{removed} files removed, {} fetched", server.calls().len());
    assert!(removed > 0 && !idle.exists());
    assert_eq!(desk.unfinished(), [] as [PathBuf; 0]);
}
