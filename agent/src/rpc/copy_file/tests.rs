//! Files come out as asked, and no request leads out of the folder.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

struct Folder {
    /// The folder above, where an attack would land.
    outer: TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = Self { outer: tempfile::tempdir().unwrap() };
        fs::create_dir(folder.root()).unwrap();
        fs::write(folder.outer.path().join("secret"), "untouched").unwrap();
        folder
    }

    fn root(&self) -> std::path::PathBuf {
        self.outer.path().join("shared")
    }

    fn request(&self, name: &str, data: &[u8]) -> CopyFileRequest {
        CopyFileRequest {
            path: self.root().join(name).display().to_string(),
            file_size: i64::try_from(data.len()).unwrap(),
            file_mode: libc::S_IFREG | 0o640,
            dir_mode: 0o711,
            uid: -1,
            gid: -1,
            data: data.to_vec(),
            ..CopyFileRequest::default()
        }
    }

    fn copy(&self, request: &CopyFileRequest) -> Result<(), Fault> {
        copy(&self.root(), request)
    }

    fn check_untouched(&self) {
        let mut names: Vec<_> = fs::read_dir(self.outer.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["secret", "shared"]);
        assert_eq!(fs::read_to_string(self.outer.path().join("secret")).unwrap(), "untouched");
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_file_in_new_folders() {
    let folder = Folder::new();
    folder.copy(&folder.request("a/..data/c", b"text")).unwrap();
    let file = folder.root().join("a/..data/c");
    assert_eq!(fs::read(&file).unwrap(), b"text");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o640, 0o711));
    folder.copy(&folder.request("a/..data/c", b"new")).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    folder.copy(&folder.request("empty", b"")).unwrap();
    assert_eq!(fs::read(folder.root().join("empty")).unwrap(), b"");
}

#[test]
fn chunks_appear_only_when_whole() {
    let folder = Folder::new();
    let whole = folder.request("f", b"0123456789");
    let chunk =
        |offset: i64, data: &[u8]| CopyFileRequest { offset, data: data.to_vec(), ..whole.clone() };
    let late = folder.copy(&chunk(4, b"4567"));
    assert!(matches!(late, Err(Fault::FailedPrecondition(_))), "{late:?}");
    folder.copy(&chunk(0, b"0123")).unwrap();
    assert!(!folder.root().join("f").exists());
    let gap = folder.copy(&chunk(6, b"6789"));
    assert!(matches!(gap, Err(Fault::FailedPrecondition(_))), "{gap:?}");
    folder.copy(&chunk(4, b"4567")).unwrap();
    folder.copy(&chunk(4, b"4567")).unwrap();
    folder.copy(&chunk(8, b"89")).unwrap();
    assert_eq!(fs::read(folder.root().join("f")).unwrap(), b"0123456789");
    let names = fs::read_dir(folder.root()).unwrap().count();
    assert_eq!(names, 1, "nothing temporary is left");
}

#[test]
fn folders_and_links() {
    let folder = Folder::new();
    let mut request = folder.request("d", b"");
    request.file_mode = libc::S_IFDIR | 0o1777;
    folder.copy(&request).unwrap();
    folder.copy(&request).unwrap();
    assert_eq!(mode(&folder.root().join("d")), 0o1777);

    let mut request = folder.request("d/link", b"/somewhere/else");
    request.file_mode = libc::S_IFLNK | 0o777;
    folder.copy(&request).unwrap();
    request.data = b"other".to_vec();
    folder.copy(&request).unwrap();
    assert_eq!(fs::read_link(folder.root().join("d/link")).unwrap(), Path::new("other"));

    let blocked = folder.copy(&folder.request("d", b"x"));
    assert!(matches!(blocked, Err(Fault::FailedPrecondition(_))), "{blocked:?}");
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 1, "nothing temporary is left");
}

#[test]
fn the_longest_names_work_and_longer_ones_are_refused() {
    let folder = Folder::new();
    // Around the length at which the temporary name gets too long too.
    for length in [243, 244, 245, 255] {
        let names = ["a", "b"].map(|last| "n".repeat(length - 1) + last);
        let chunk = |name: &str, offset: usize, data: &[u8]| CopyFileRequest {
            offset: i64::try_from(offset).unwrap(),
            data: data.to_vec(),
            ..folder.request(name, b"0123")
        };
        // Two at once do not get into each other's way.
        folder.copy(&chunk(&names[0], 0, b"01")).unwrap();
        folder.copy(&chunk(&names[1], 0, b"ab")).unwrap();
        folder.copy(&chunk(&names[0], 2, b"23")).unwrap();
        folder.copy(&chunk(&names[1], 2, b"cd")).unwrap();
        assert_eq!(fs::read(folder.root().join(&names[0])).unwrap(), b"0123");
        assert_eq!(fs::read(folder.root().join(&names[1])).unwrap(), b"abcd");
        let mut link = folder.request(&names[0], b"target");
        link.file_mode = libc::S_IFLNK | 0o777;
        folder.copy(&link).unwrap();
        assert_eq!(fs::read_link(folder.root().join(&names[0])).unwrap(), Path::new("target"));
    }
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 8);
    for name in ["n".repeat(256), "d".repeat(256) + "/f"] {
        let refused = folder.copy(&folder.request(&name, b"x"));
        assert!(matches!(refused, Err(Fault::InvalidArgument(_))), "{refused:?}");
    }
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 8, "nothing temporary is left");
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
    let folder = Folder::new();
    let pipe = folder.root().join(".kata-copy.f");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let chunk = CopyFileRequest { offset: 2, data: b"23".to_vec(), ..folder.request("f", b"0123") };
    let try_it = || {
        let (root, chunk) = (folder.root(), chunk.clone());
        let (sender, outcome) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(copy(&root, &chunk)));
        let outcome = outcome.recv_timeout(std::time::Duration::from_secs(60));
        let outcome = outcome.expect("nobody is waited for");
        assert!(matches!(outcome, Err(Fault::FailedPrecondition(_))), "{outcome:?}");
    };
    try_it();
    // Nor does it get the data when somebody reads there.
    let mut reader = File::from(
        nix::fcntl::open(&pipe, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty()).unwrap(),
    );
    try_it();
    let mut data = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut data).unwrap();
    assert!(data.is_empty(), "{data:?}");
    // A copy from the beginning gets over it.
    folder.copy(&folder.request("f", b"new")).unwrap();
    assert_eq!(fs::read(folder.root().join("f")).unwrap(), b"new");
}

#[test]
fn no_path_leads_out() {
    let folder = Folder::new();
    symlink("..", folder.root().join("up")).unwrap();
    symlink("../secret", folder.root().join("file")).unwrap();
    symlink("/", folder.root().join("top")).unwrap();
    symlink(".", folder.root().join("self")).unwrap();
    let attack = |path: String| CopyFileRequest { path, ..folder.request("x", b"evil") };
    let root = folder.root().display().to_string();
    for path in [
        format!("{root}/../secret"),
        format!("{root}/a/../../secret"),
        format!("{root}/up/secret"),
        format!("{root}/up/new"),
        format!("{root}/self/new"),
        format!("{root}{root}/top/tmp/evil"),
        format!("{root}/top/tmp/evil"),
        format!("{root}-other/x"),
        "/etc/evil".to_owned(),
        "secret".to_owned(),
        String::new(),
        root.clone(),
    ] {
        match folder.copy(&attack(path.clone())) {
            Err(Fault::InvalidArgument(_) | Fault::FailedPrecondition(_)) => {}
            // The doubled path is an honest one: it stays below.
            Ok(()) if path.starts_with(&format!("{root}{root}")) => {}
            other => panic!("{path}: {other:?}"),
        }
        folder.check_untouched();
    }
    // The last step may be a link that is there: it is replaced, not followed.
    folder.copy(&attack(format!("{root}/file"))).unwrap();
    assert_eq!(fs::read(folder.root().join("file")).unwrap(), b"evil");
    folder.check_untouched();
}

#[test]
fn a_second_name_of_another_file_is_not_written_to() {
    let folder = Folder::new();
    fs::hard_link(folder.outer.path().join("secret"), folder.root().join(".kata-copy.f")).unwrap();
    let chunk = CopyFileRequest { offset: 2, data: b"23".to_vec(), ..folder.request("f", b"0123") };
    let outcome = folder.copy(&chunk);
    assert!(matches!(outcome, Err(Fault::FailedPrecondition(_))), "{outcome:?}");
    folder.check_untouched();
    folder.copy(&folder.request("f", b"0123")).unwrap();
    folder.check_untouched();
}

#[test]
fn a_folder_that_turns_into_a_link_all_the_time_leads_nowhere() {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    use std::sync::atomic::{AtomicBool, Ordering};
    let folder = Folder::new();
    let (real, link) = (folder.root().join("a"), folder.root().join("b"));
    fs::create_dir(&real).unwrap();
    symlink("..", &link).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat2(AT_FDCWD, &real, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
            }
        });
        for round in 0..1000 {
            let mut request = folder.request("a/secret", b"evil");
            request.file_mode = match round % 3 {
                0 => libc::S_IFREG | 0o600,
                1 => libc::S_IFLNK | 0o777,
                _ => libc::S_IFDIR | 0o700,
            };
            // Where it is a link at that moment it is refused, and written otherwise.
            let outcome = folder.copy(&request);
            let fine = matches!(
                outcome,
                Ok(()) | Err(Fault::InvalidArgument(_) | Fault::FailedPrecondition(_))
            );
            if !fine {
                stop.store(true, Ordering::Relaxed);
                panic!("{outcome:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    folder.check_untouched();
}

#[test]
fn owners_are_given_where_they_are_named() {
    let folder = Folder::new();
    let own = fs::metadata(folder.root()).unwrap();
    // Who is not root can only give what is theirs already.
    let (uid, gid) = if own.uid() == 0 { (1234, 2345) } else { (own.uid(), own.gid()) };
    for (name, kind) in [("f", libc::S_IFREG), ("d", libc::S_IFDIR), ("l", libc::S_IFLNK)] {
        let request = CopyFileRequest {
            file_mode: kind | 0o755,
            uid: i32::try_from(uid).unwrap(),
            gid: i32::try_from(gid).unwrap(),
            ..folder.request(name, b"x")
        };
        folder.copy(&request).unwrap();
        let there = fs::symlink_metadata(folder.root().join(name)).unwrap();
        assert_eq!((there.uid(), there.gid()), (uid, gid), "{name}");
    }
    folder.copy(&folder.request("g", b"x")).unwrap();
    let there = fs::metadata(folder.root().join("g")).unwrap();
    assert_eq!((there.uid(), there.gid()), (own.uid(), own.gid()), "-1 leaves it");
    let special = CopyFileRequest {
        file_mode: libc::S_IFREG | 0o6755,
        uid: i32::try_from(uid).unwrap(),
        ..folder.request("s", b"x")
    };
    folder.copy(&special).unwrap();
    assert_eq!(mode(&folder.root().join("s")), 0o6755, "a new owner takes no bits away");
}

#[test]
fn a_huge_file_takes_no_room_before_it_is_there() {
    let folder = Folder::new();
    let huge = CopyFileRequest { file_size: i64::MAX, ..folder.request("f", b"0123") };
    folder.copy(&huge).unwrap();
    assert!(!folder.root().join("f").exists());
    assert_eq!(fs::metadata(folder.root().join(".kata-copy.f")).unwrap().len(), 4);
    let end = CopyFileRequest { offset: i64::MAX - 4, ..huge.clone() };
    let outcome = folder.copy(&end);
    assert!(matches!(outcome, Err(Fault::FailedPrecondition(_))), "{outcome:?}");
    let beyond = folder.copy(&CopyFileRequest { offset: i64::MAX - 3, ..huge });
    assert!(matches!(beyond, Err(Fault::InvalidArgument(_))), "{beyond:?}");
    folder.copy(&folder.request("f", b"small")).unwrap();
    assert_eq!(fs::read(folder.root().join("f")).unwrap(), b"small");
}

#[test]
fn nonsense_is_refused() {
    let folder = Folder::new();
    let good = folder.request("f", b"data");
    let invalid = |request: CopyFileRequest| {
        let outcome = folder.copy(&request);
        assert!(matches!(outcome, Err(Fault::InvalidArgument(_))), "{outcome:?}");
    };
    invalid(CopyFileRequest { offset: -1, ..good.clone() });
    invalid(CopyFileRequest { file_size: -1, ..good.clone() });
    invalid(CopyFileRequest { file_size: 3, ..good.clone() });
    invalid(CopyFileRequest { offset: i64::MAX, ..good.clone() });
    invalid(CopyFileRequest { file_mode: libc::S_IFBLK | 0o600, ..good.clone() });
    invalid(CopyFileRequest { file_mode: libc::S_IFIFO | 0o600, ..good.clone() });
    invalid(folder.request("a\0b", b"data"));
    invalid(folder.request(&"d/".repeat(3000), b"data"));
    let link = CopyFileRequest { file_mode: libc::S_IFLNK | 0o777, ..good };
    for target in [&b""[..], b"a\0b", &[b'a'; 4096]] {
        invalid(CopyFileRequest { data: target.to_vec(), ..link.clone() });
    }
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 0);
}
