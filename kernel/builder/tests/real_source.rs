//! The project's own fragments against a real kernel source. Ignored unless
//! asked for, since it needs a source of 150 MB, the host tools and, for the
//! second test, many minutes: give the tarball in KATA_KERNEL_TARBALL and run
//! with `--run-ignored all`.

#![allow(clippy::unwrap_used, reason = "a test's set-up may fail where it stands")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use artifact_store::{Silent, Store, StoreOptions};
use kernel_builder::{BuildOptions, DotConfig, KernelError, KernelSpec, Source};
use sha2::{Digest as _, Sha256};
use url::Url;

struct Setup {
    dir: tempfile::TempDir,
    spec: KernelSpec,
    store: Store,
}

fn setup() -> Setup {
    let tarball = env::var_os("KATA_KERNEL_TARBALL").expect("KATA_KERNEL_TARBALL names a tarball");
    let tarball = PathBuf::from(tarball).canonicalize().unwrap();
    let sha256 = Sha256::digest(fs::read(&tarball).unwrap()).into();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let spec = KernelSpec {
        version: "6.12".to_owned(),
        source: Source::Tarball { urls: vec![Url::from_file_path(&tarball).unwrap()], sha256 },
        fragments: kernel_builder::fragments_in(&configs, "x86_64").unwrap(),
        patches: Vec::new(),
        architecture: "x86_64".to_owned(),
        source_date_epoch: 1_767_225_600,
        flavour: "kata".to_owned(),
    };
    let dir = match env::var_os("KATA_KERNEL_TEST_DIR") {
        Some(parent) => tempfile::tempdir_in(parent).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let store = Store::open(StoreOptions::new(dir.path().join("store"))).unwrap();
    Setup { dir, spec, store }
}

fn options(dir: &Path) -> BuildOptions {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    BuildOptions {
        work_dir: dir.join("work"),
        out_dir: dir.join("out"),
        jobs,
        keep_tree: false,
        update: false,
    }
}

#[test]
#[ignore = "needs a kernel source in KATA_KERNEL_TARBALL"]
fn every_line_of_the_fragments_survives_and_a_bad_one_is_explained() {
    let mut setup = setup();
    let options = options(setup.dir.path());
    let ready = kernel_builder::configure(&setup.spec, &setup.store, &options, &Silent).unwrap();
    let config = DotConfig::parse(&fs::read_to_string(&ready.config).unwrap());
    for symbol in ["VIRTIO_VSOCKETS", "NVDIMM_DAX", "FUSE_DAX", "CGROUP_BPF", "DM_VERITY", "PVH"] {
        assert_eq!(config.get(symbol), Some("y"), "{symbol}");
    }
    assert_eq!(config.get("MODULES"), None);
    println!("{}: {:?}", ready.version, ready.proof);

    let bad = setup.dir.path().join("bad.conf");
    fs::write(
        &bad,
        "# Wrong in all the usual ways.\nCONFIG_XEN_PVH=y\nCONFIG_VIRTIO_FSS=y\nCONFIG_ZONEFS_FS=y\n\
         CONFIG_NETFS_SUPPORT=y\n# CONFIG_CRYPTO_HASH is not set\nCONFIG_LOG_BUF_SHIFT=99\n",
    )
    .unwrap();
    setup.spec.fragments.push(bad);
    let error =
        kernel_builder::configure(&setup.spec, &setup.store, &options, &Silent).unwrap_err();
    let KernelError::Lost { lost } = &error else { panic!("{error}") };
    println!("{error}");
    assert_eq!(lost.len(), 6);
    let text = error.to_string();
    for expected in [
        "needs XEN\n",
        "did you mean CONFIG_VIRTIO_FS?",
        "BLK_DEV_ZONED is n",
        "it cannot be set by hand",
        "selects it",
        "its range is 12 to 25",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
#[ignore = "needs a kernel source in KATA_KERNEL_TARBALL and many minutes"]
fn two_folders_give_the_same_kernel() {
    let setup = setup();
    let mut files = Vec::new();
    for folder in ["a", "another/folder"] {
        let options = options(&setup.dir.path().join(folder));
        let built = kernel_builder::build(&setup.spec, &setup.store, &options, &Silent).unwrap();
        assert!(!built.cached);
        let again = kernel_builder::build(&setup.spec, &setup.store, &options, &Silent).unwrap();
        assert!(again.cached);
        files.push([&built.vmlinuz, &built.vmlinux, &built.config].map(|f| fs::read(f).unwrap()));
    }
    assert!(files[0] == files[1], "the two kernels differ");
}
