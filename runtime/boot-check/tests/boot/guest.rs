//! Finds the guests to boot, boots them and makes sure that nothing stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use boot_check::{
    AcceleratorChoice, BootFailure, BootReport, BootRequest, Breakage, Init, RootDriver, Rootfs,
    boot,
};

/// Long enough for a guest that comes up on a host with much else to do.
const LONG: Duration = Duration::from_secs(240);
/// For guests that never answer: what they show, they show in the first seconds.
const SHORT: Duration = Duration::from_secs(30);

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// What the environment names, else the project's own file of that name.
fn given(variable: &str, prefix: &str, suffix: &str) -> PathBuf {
    if let Some(value) = std::env::var_os(variable) {
        return value.into();
    }
    let folder = target().join("kata").join(std::env::consts::ARCH);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(prefix) && name.ends_with(suffix)
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| {
        panic!(
            "there is no {prefix}*{suffix} in {} and {variable} is not set; run `cargo xtask \
             build-kernel`, `cargo xtask build-image --distro alpine` and `--distro debian`",
            folder.display()
        )
    })
}

/// The initrd with the agent as /init.
pub fn initrd() -> Rootfs {
    Rootfs::Initrd(given("KATA_TEST_INITRD", "kata-alpine-", ".initrd"))
}

/// The image, given to the guest as `driver` says.
pub fn image(driver: RootDriver) -> Rootfs {
    let path = given("KATA_TEST_IMAGE", "kata-debian-", ".img");
    Rootfs::Image { path, driver, fstype: "ext4".into() }
}

/// The image, whose files are Debian's.
pub fn debian() -> PathBuf {
    given("KATA_TEST_IMAGE", "kata-debian-", ".img")
}

/// A program of the host.
pub fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|f| f.is_file());
    found.unwrap_or_else(|| panic!("{name} is not on PATH; run `cargo xtask setup ci`"))
}

/// Changes a healthy request, boots it and makes sure that nothing stays.
pub fn run(
    rootfs: Rootfs,
    change: impl FnOnce(&mut BootRequest),
) -> Result<BootReport, Box<BootFailure>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let kernel = given("KATA_TEST_KERNEL", "vmlinuz-", "-kata");
    let agent_init = std::env::var_os("KATA_TEST_IMAGE_INIT").is_some_and(|init| init == "agent");
    let agent_init = agent_init && !rootfs.is_initrd();
    let mut request = BootRequest::new(kernel, rootfs, dir.path());
    if agent_init {
        request.expect.init = Init::Agent;
    }
    request.accelerator = AcceleratorChoice::Tcg;
    request.timeout = LONG;
    let tools = std::env::var_os("KATA_TEST_TOOLS").map(PathBuf::from);
    request.tools.tools_dir = Some(tools.unwrap_or_else(|| target().join("tools/bin")));
    change(&mut request);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(boot(&request));
    assert_no_children();
    outcome
}

/// Boots a guest that was broken and returns why it failed. `silent` guests say
/// nothing more than they said in their first seconds.
pub fn broken(rootfs: Rootfs, breakage: Breakage, silent: bool) -> Box<BootFailure> {
    let failure = run(rootfs, |request| {
        breakage.apply(request);
        if silent {
            request.timeout = SHORT;
        }
    })
    .expect_err("a broken guest must not pass");
    println!("{failure}");
    failure
}

/// The tests of one process run one after the other or each in its own process
/// (nextest), so a child that is there now was left over.
fn assert_no_children() {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        // pid (comm) state ppid
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).unwrap_or("");
        assert_ne!(parent, own, "a child is left: {stat}");
    }
}
