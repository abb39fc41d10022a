//! Storages of a sandbox, seen from the operating system's side.

use expect_test::{Expect, expect};

use super::*;
use crate::os::Recorder;

fn storage(driver: &str, fstype: &str, options: &[&str], mount_point: &str) -> Storage {
    Storage {
        driver: driver.into(),
        fstype: fstype.into(),
        options: options.iter().map(ToString::to_string).collect(),
        mount_point: mount_point.into(),
        ..Storage::default()
    }
}

fn check(storage: &Storage, expected: &Expect) {
    let os = Recorder::new();
    let outcome = match add_storage(&os, storage) {
        Ok(undo) => format!("undo {undo:?}\n"),
        Err(error) => format!("error {error}\n"),
    };
    expected.assert_eq(&(os.log() + &outcome));
}

#[test]
fn shared_memory_is_a_tmpfs() {
    let shm = storage("ephemeral", "tmpfs", &["noexec", "mode=1777", "size=64"], "/run/k/shm");
    check(
        &shm,
        &expect![[r#"
            mkdir /run/k/shm 755
            mount tmpfs /run/k/shm tmpfs noexec,mode=1777,size=64
            undo Some("/run/k/shm")
        "#]],
    );
}

#[test]
fn local_folders_get_mode_and_group() {
    check(
        &storage("local", "local", &["mode=0777", "fsgid=1000"], "/run/k/local"),
        &expect![[r#"
            mkdir /run/k/local 755
            chmod /run/k/local 777
            chgrp /run/k/local 1000
            undo None
        "#]],
    );
}

#[test]
fn what_is_not_there_is_named() {
    let text = |storage: &Storage| add_storage(&Recorder::new(), storage).unwrap_err().to_string();
    assert!(text(&storage("blk", "ext4", &[], "/a")).contains("\"blk\" is not implemented"));
    assert!(text(&storage("ephemeral", "hugetlbfs", &[], "/a")).contains("hugetlbfs"));
    for point in ["", "/", "a/b", "/a/../b"] {
        assert!(text(&storage("local", "", &[], point)).contains("plain absolute"), "{point}");
    }
    assert!(text(&storage("local", "", &["mode=9"], "/a")).contains("mode=9"));
    assert!(text(&storage("local", "", &["fsgid=-1"], "/a")).contains("fsgid=-1"));
}

#[test]
fn a_half_made_storage_is_undone() {
    let os = Recorder::new().failing("chgrp", 1);
    let broken = storage("ephemeral", "tmpfs", &["fsgid=5"], "/a");
    assert!(add_storage(&os, &broken).is_err());
    assert!(os.log().ends_with("chgrp /a 5\nunmount /a lazily\n"), "{}", os.log());
}
