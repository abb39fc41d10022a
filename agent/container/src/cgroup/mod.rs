//! The container's cgroup in the unified hierarchy (cgroup v2). What a spec asks for
//! becomes a list of writes first ([`plan`]), so that its order is known without root.

mod cpu;
mod devices;
mod events;
mod freezer;
mod hugetlb;
mod io;
mod memory;
mod path;
mod pids;
mod stats;
mod update;

use std::fs::{self, File};
use std::io::{self as stdio, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;

pub(crate) use self::devices::{Policy, program as device_program};
pub use self::events::{OomNews, OomWatch};
pub(crate) use self::path::path_of;
pub use self::stats::{
    CpuStats, HugetlbStats, IoEntry, IoStats, MemoryCounter, MemoryStats, PidsStats, Stats,
    Throttling,
};
use crate::error::{During, Error};
use crate::spec::Invalid;

/// One order to a controller: a file of the cgroup and what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub file: String,
    pub value: String,
    /// The kernel may have no such file when the value only says what is so anyway.
    pub optional: bool,
    /// The first word of the file stays, and the value follows it.
    pub keeps: bool,
}

impl Write {
    fn new(file: impl Into<String>, value: impl Into<String>) -> Self {
        Self { file: file.into(), value: value.into(), optional: false, keeps: false }
    }

    fn keeping(file: impl Into<String>, value: impl Into<String>) -> Self {
        Self { keeps: true, ..Self::new(file, value) }
    }

    fn optional(file: impl Into<String>, value: impl Into<String>) -> Self {
        Self { optional: true, ..Self::new(file, value) }
    }
}

/// A limit as the kernel reads it; a negative one means none at all.
fn limit(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// All orders that `resources` asks for, in the order in which they are written.
pub(crate) fn plan(resources: &LinuxResources) -> Result<Vec<Write>, Invalid> {
    let mut writes = Vec::new();
    if let Some(memory) = resources.memory() {
        memory::plan(memory, &mut writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        cpu::plan(cpu, &mut writes)?;
    }
    if let Some(pids) = resources.pids() {
        pids::plan(*pids, &mut writes);
    }
    if let Some(io) = resources.block_io() {
        io::plan(io, &mut writes)?;
    }
    hugetlb::plan(resources.hugepage_limits().as_deref().unwrap_or_default(), &mut writes)?;
    unified(resources, &mut writes)?;
    Ok(writes)
}

/// Files by their names, which overrule what was converted.
fn unified(resources: &LinuxResources, writes: &mut Vec<Write>) -> Result<(), Invalid> {
    let mut all: Vec<_> = resources.unified().iter().flatten().collect();
    all.sort();
    for (file, value) in all {
        let at = "linux.resources.unified";
        let is_name = file.contains('.') && !file.contains(['/', '\0']) && !file.starts_with('.');
        if !is_name {
            return Err(Invalid::new(at, format!("{file:?} is no file of a cgroup")));
        }
        // These would move processes, or change what others rely on.
        if file.starts_with("cgroup.")
            && !["cgroup.max.depth", "cgroup.max.descendants"].contains(&file.as_str())
        {
            return Err(Invalid::new(at, format!("{file} is not a limit")));
        }
        crate::spec::text(value, at)?;
        // A file of several lines takes one at a time.
        writes.extend(value.lines().map(|line| Write::new(file.as_str(), line)));
    }
    Ok(())
}

/// A cgroup that is there.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    open: File,
    /// Folders that were made for it, the innermost last.
    made: Vec<PathBuf>,
    attached: devices::Attached,
}

/// How long a cgroup may take until its last process has left it.
const LEAVING: Duration = Duration::from_secs(5);

impl Cgroup {
    /// Makes the cgroup at `path` below `root`, the hierarchy's mount point, and lets
    /// it have every controller that there is.
    pub(crate) fn make(root: &Path, path: &Path) -> Result<Self, Error> {
        let mut made = Vec::new();
        match Self::make_each(root, path, &mut made) {
            Ok(cgroup) => Ok(cgroup),
            Err(error) => Err(error.and_then_clean_up(remove_folders(&made))),
        }
    }

    fn make_each(root: &Path, path: &Path, made: &mut Vec<PathBuf>) -> Result<Self, Error> {
        let mut folder = root.to_owned();
        let parts: Vec<_> = path.components().collect();
        for (number, part) in parts.iter().enumerate() {
            enable(&folder)?;
            folder.push(part);
            let what = || format!("can't make the cgroup {}", folder.display());
            match fs::create_dir(&folder) {
                Ok(()) => made.push(folder.clone()),
                Err(error) if error.kind() == stdio::ErrorKind::AlreadyExists => {
                    let last = number + 1 == parts.len();
                    // Another's processes would be killed with the container.
                    if last && !read(&folder, "cgroup.procs")?.trim().is_empty() {
                        return Err(Error::System {
                            what: format!("the cgroup {} has processes already", folder.display()),
                            source: error,
                        });
                    }
                }
                Err(error) => return Err(error).during(what),
            }
        }
        let open =
            File::open(&folder).during(|| format!("can't open the cgroup {}", folder.display()))?;
        let attached = devices::Attached::default();
        Ok(Self { folder, open, made: std::mem::take(made), attached })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.as_fd()
    }

    /// Its folder in the mounted hierarchy.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Carries out orders.
    pub(crate) fn apply(&self, writes: &[Write]) -> Result<(), Error> {
        for one in writes {
            let path = self.folder.join(&one.file);
            let written = if one.keeps {
                read_file(&path).and_then(|text| {
                    let first = text.split_ascii_whitespace().next().unwrap_or("max");
                    write(&path, &format!("{first} {}", one.value))
                })
            } else {
                write(&path, &one.value)
            };
            match written {
                Err(error) if error.kind() == stdio::ErrorKind::NotFound => {
                    if !one.optional {
                        return Err(Error::NoController {
                            file: one.file.clone(),
                            wanted: one.value.clone(),
                        });
                    }
                }
                written => written
                    .during(|| format!("can't write {:?} to {}", one.value, path.display()))?,
            }
        }
        Ok(())
    }

    /// Whether a process is in it or below it.
    pub(crate) fn is_populated(&self) -> Result<bool, Error> {
        Ok(read(&self.folder, "cgroup.events")?.lines().any(|line| line == "populated 1"))
    }

    /// Every process in it and below it.
    pub(crate) fn processes(&self) -> Result<Vec<i32>, Error> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let listed = match read(&folder, "cgroup.procs") {
                Ok(listed) => listed,
                // A cgroup of the container's own has just gone.
                Err(_) if folder != self.folder => continue,
                Err(error) => return Err(error),
            };
            // Processes that this pid namespace does not see are listed as 0.
            found.extend(
                listed.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|&pid| pid > 0),
            );
            folders.extend(below(&folder));
        }
        Ok(found)
    }

    /// Ends every process in it and below it, frozen ones too.
    pub(crate) fn kill(&self) -> Result<(), Error> {
        match write(&self.folder.join("cgroup.kill"), "1") {
            // Before Linux 5.14.
            Err(error) if error.kind() == stdio::ErrorKind::NotFound => self.signal(libc::SIGKILL),
            killed => killed.during(|| format!("can't kill {}", self.folder.display())),
        }
    }

    /// Sends a signal to every process; none escapes by forking, since all stand still
    /// meanwhile.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Error> {
        let was_frozen = self.is_frozen()?;
        if !was_frozen {
            self.freeze()?;
        }
        let sent = self.processes().and_then(|all| {
            for pid in all {
                // SAFETY: the call takes numbers only.
                let done = unsafe { libc::kill(pid, signal) };
                match nix::errno::Errno::result(done) {
                    Ok(_) | Err(nix::errno::Errno::ESRCH) => {}
                    Err(errno) => {
                        return Err(errno).during(|| format!("can't signal the process {pid}"));
                    }
                }
            }
            Ok(())
        });
        let thawed = if was_frozen { Ok(()) } else { self.thaw() };
        match sent {
            Ok(()) => thawed,
            Err(error) => Err(error.and_then_clean_up(thawed)),
        }
    }

    /// Takes the cgroup away, with those that the container made below it. Waits a
    /// little for processes that are ending.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let until = Instant::now() + LEAVING;
        if self.folder.exists() {
            if self.is_populated()? {
                self.kill()?;
            }
            self.await_event("populated 0", until)?;
            let mut all = vec![self.folder.clone()];
            let mut next = 0;
            while let Some(folder) = all.get(next) {
                let inner = below(folder);
                all.extend(inner);
                next += 1;
            }
            remove_folders(&all)?;
        }
        // Those further up go when no one else is in them.
        for folder in self.made.iter().rev().filter(|folder| **folder != self.folder) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Removes folders, the last one first.
fn remove_folders(folders: &[PathBuf]) -> Result<(), Error> {
    for folder in folders.iter().rev() {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == stdio::ErrorKind::NotFound => {}
            removed => {
                removed.during(|| format!("can't remove the cgroup {}", folder.display()))?;
            }
        }
    }
    Ok(())
}

/// Cgroups directly below one.
fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Lets the cgroups within one have its controllers, each that can be had.
fn enable(folder: &Path) -> Result<(), Error> {
    let there = read(folder, "cgroup.controllers")?;
    let given = read(folder, "cgroup.subtree_control")?;
    for controller in there.split_ascii_whitespace() {
        if given.split_ascii_whitespace().any(|one| one == controller) {
            continue;
        }
        if let Err(error) = write(&folder.join("cgroup.subtree_control"), &format!("+{controller}"))
        {
            // Its absence shows when a limit needs it.
            log::debug!("no {controller} below {}: {error}", folder.display());
        }
    }
    Ok(())
}

/// Files of cgroups are small; a longer one is cut.
const MOST_BYTES: u64 = 1 << 20;

fn read(folder: &Path, file: &str) -> Result<String, Error> {
    let path = folder.join(file);
    read_file(&path).during(|| format!("can't read {}", path.display()))
}

fn read_file(path: &Path) -> stdio::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    File::open(path)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes at once: each write is one order.
fn write(path: &Path, value: &str) -> stdio::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests;
