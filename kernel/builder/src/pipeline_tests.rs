//! Tests of the whole way, with a source of a few files and programs that only
//! pretend: what is built, what is answered from before, and what is left after
//! a failure.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use artifact_store::{Silent, StoreOptions};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::*;
use crate::spec::Source;

/// Does what the kernel's make would, and notes each call. A file named `trap`
/// beside it makes it do something else.
const MAKE: &str = r##"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
trap=$(cat "$here/trap" 2>/dev/null)
for word; do case "$word" in O=*) objects=${word#O=} ;; esac; target=$word; done
cd "$objects" || exit 1
case "$target" in
allnoconfig)
    [ "$trap" = lose ] && { grep -v NET "$KCONFIG_ALLCONFIG" > .config; exit 0; }
    cp "$KCONFIG_ALLCONFIG" .config ;;
bzImage)
    mkdir -p arch/x86/boot
    echo "$KBUILD_BUILD_TIMESTAMP $KBUILD_BUILD_USER $HOME" > arch/x86/boot/bzImage
    [ "$trap" = fail ] && { echo "a.c:1: error: no such thing"; exit 2; }
    [ "$trap" = change ] && echo "CONFIG_MORE=y" >> .config
    echo elf > vmlinux ;;
esac
exit 0
"##;

struct Machine {
    dir: tempfile::TempDir,
    spec: KernelSpec,
    options: BuildOptions,
    store: Store,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, script) in ["gcc", "as", "ld", "objcopy", "flex", "bison", "bc", "awk", "cmp"]
            .map(|name| (name, "#!/bin/sh\necho 1.0\n"))
            .into_iter()
            .chain([("make", MAKE)])
        {
            write(&at("bin").join(name), script);
            fs::set_permissions(at("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        write(&at("configs/common/net.conf"), "# Why.\nCONFIG_NET=y\n");
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in [
            ("linux/Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 48\nEXTRAVERSION =\n"),
            ("linux/Kconfig", "config NET\n\tbool \"Network\"\n\tdepends on WIRES\n"),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        fs::write(at("linux.tar"), &tar).unwrap();
        let spec = KernelSpec {
            version: "6.12".to_owned(),
            source: Source::Tarball {
                urls: vec![Url::from_file_path(at("linux.tar")).unwrap()],
                sha256: Sha256::digest(&tar).into(),
            },
            fragments: vec![at("configs/common/net.conf")],
            patches: Vec::new(),
            architecture: "x86_64".to_owned(),
            source_date_epoch: 1_767_225_600,
            flavour: "kata".to_owned(),
        };
        let options = BuildOptions {
            work_dir: at("work"),
            out_dir: at("out"),
            jobs: 2,
            keep_tree: false,
            update: false,
        };
        let store = Store::open(StoreOptions::new(at("store"))).unwrap();
        Self { dir, spec, options, store }
    }

    fn build(&self) -> Result<Built, KernelError> {
        let mut path = self.dir.path().join("bin").into_os_string();
        path.push(":/usr/bin:/bin");
        build_with(&self.spec, &self.store, &self.options, &Silent, path)
    }

    fn trap(&self, what: &str) {
        write(&self.dir.path().join("bin/trap"), what);
    }

    fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.dir.path().join("bin/calls")).unwrap_or_default();
        calls.lines().count()
    }

    fn outputs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.options.out_dir) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_kernel_is_built_once() {
    let machine = Machine::new();
    let first = machine.build().unwrap();
    assert!(!first.cached);
    assert_eq!(first.version, "6.12.48");
    assert_eq!(first.proof, Proof { requested: 3, built_in: 1 });
    assert_eq!(
        machine.outputs(),
        [
            "config-6.12.48-kata",
            "kernel-6.12.48-kata.manifest.json",
            "vmlinux-6.12.48-kata",
            "vmlinuz-6.12.48-kata"
        ]
    );
    let config = fs::read_to_string(&first.config).unwrap();
    assert!(config.contains("CONFIG_LOCALVERSION=\"-kata\"\n"), "{config}");
    // Neither this user's name nor home reached the image.
    assert_eq!(fs::read_to_string(&first.vmlinuz).unwrap(), "Thu Jan  1 00:00:00 UTC 2026 kata \n");
    let manifest = fs::read_to_string(&first.manifest).unwrap();
    assert!(!manifest.contains(machine.dir.path().to_str().unwrap()), "{manifest}");
    assert_eq!(machine.calls(), 2);
    assert_eq!(fs::read_dir(machine.options.work_dir.join("objects")).unwrap().count(), 0);

    let second = machine.build().unwrap();
    assert!(second.cached);
    assert_eq!((second.key, second.proof), (first.key, first.proof));
    assert_eq!(machine.calls(), 2, "nothing was started");
}

#[test]
fn a_changed_output_or_input_is_built_anew() {
    let mut machine = Machine::new();
    let first = machine.build().unwrap();
    fs::write(&first.vmlinux, "other").unwrap();
    assert!(!machine.build().unwrap().cached);
    assert_eq!(fs::read_to_string(&first.vmlinux).unwrap(), "elf\n");
    fs::remove_file(&first.config).unwrap();
    assert!(!machine.build().unwrap().cached);
    machine.spec.source_date_epoch += 1;
    let later = machine.build().unwrap();
    assert!(!later.cached);
    assert_ne!(later.key, first.key);
    machine.options.update = true;
    assert!(machine.build().unwrap().cached, "an update that finds nothing new");
}

#[test]
fn a_failed_build_leaves_nothing_and_the_next_one_works() {
    let machine = Machine::new();
    machine.trap("fail");
    let error = machine.build().unwrap_err().to_string();
    assert!(error.starts_with("compiling the kernel failed; "), "{error}");
    assert!(error.ends_with("\n  a.c:1: error: no such thing"), "{error}");
    assert!(machine.outputs().is_empty());
    machine.trap("change");
    assert!(matches!(machine.build().unwrap_err(), KernelError::ConfigChanged { .. }));
    assert!(machine.outputs().is_empty());
    // What an interrupted build may leave, in every folder.
    let work = &machine.options.work_dir;
    let tree = fs::read_dir(work.join("source")).unwrap().next().unwrap().unwrap().path();
    fs::rename(&tree, tree.with_extension("partial")).unwrap();
    write(&machine.options.out_dir.join(".vmlinuz-6.12.48-kata.partial"), "half");
    machine.trap("");
    assert!(!machine.build().unwrap().cached);
    assert_eq!(machine.outputs().len(), 4, "{:?}", machine.outputs());
}

#[test]
fn a_lost_option_stops_the_build_with_its_reason() {
    let machine = Machine::new();
    machine.trap("lose");
    assert_eq!(
        machine.build().unwrap_err().to_string(),
        "one requested option did not survive Kconfig:\n\
         common/net.conf:2: CONFIG_NET=y became n\n    \
         Kconfig:3: needs WIRES\n        WIRES is n; this architecture has no such option"
    );
    assert_eq!(machine.calls(), 1, "nothing was compiled");
}

#[test]
fn patches_are_applied_or_refused() {
    let mut machine = Machine::new();
    let patch = machine.dir.path().join("patches/a.patch");
    machine.spec.patches = vec![patch.clone()];
    let script = "#!/bin/sh\ngrep -q good && echo patched > Kconfig.patched\n";
    let program = machine.dir.path().join("bin/patch");
    write(&program, script);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    write(&patch, "bad");
    let error = machine.build().unwrap_err().to_string();
    assert!(error.starts_with("applying patches/a.patch failed"), "{error}");
    write(&patch, "good");
    machine.build().unwrap();
    let sources = fs::read_dir(machine.options.work_dir.join("source")).unwrap();
    let patched =
        sources.filter(|dir| dir.as_ref().unwrap().path().join("Kconfig.patched").exists());
    assert_eq!(patched.count(), 1);
}

#[test]
fn wrong_specifications_are_refused_before_any_work() {
    let check = |change: &dyn Fn(&mut KernelSpec), expected: &str| {
        let mut machine = Machine::new();
        change(&mut machine.spec);
        let error = machine.build().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(machine.calls(), 0);
    };
    check(&|spec| spec.architecture = "s390x".into(), "kernels for s390x cannot be built");
    check(&|spec| spec.flavour = "../x".into(), "the flavour \"../x\" must be one word");
    check(
        &|spec| spec.version = "6.13".into(),
        "the source is Linux 6.12.48, but 6.13 was asked for",
    );
    check(
        &|spec| spec.fragments.extend(spec.fragments.clone()),
        "common/net.conf:2: CONFIG_NET is asked for again; it is already at common/net.conf:2",
    );
    check(
        &|spec| {
            if let Source::Tarball { sha256, .. } = &mut spec.source {
                sha256[0] ^= 1;
            }
        },
        "cannot be fetched",
    );
}

#[test]
fn a_folder_that_makefiles_would_split_is_refused_before_make_runs() {
    for folder in ["with space", "with:colon"] {
        let mut machine = Machine::new();
        machine.options.work_dir = machine.dir.path().join(folder);
        let error = machine.build().unwrap_err();
        assert!(matches!(error, KernelError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("use a checkout in another folder"), "{error}");
        assert!(!machine.options.work_dir.exists());
    }
}
