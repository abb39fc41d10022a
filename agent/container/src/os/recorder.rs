//! An operating system that only writes down what was asked of it.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use super::{Capabilities, Os};

/// Records requests in order, one line each.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    lines: RefCell<Vec<String>>,
    failures: Vec<(String, i32)>,
    /// Capabilities that the bounding set and the permitted set hold.
    pub held: u64,
}

impl Recorder {
    /// One whose process holds these capabilities.
    pub fn holding(held: u64) -> Self {
        Self { held, ..Self::default() }
    }

    /// Lets every request whose line starts with `prefix` fail with `errno`.
    pub fn failing(mut self, prefix: &str, errno: i32) -> Self {
        self.failures.push((prefix.to_owned(), errno));
        self
    }

    /// What was asked, a line each.
    pub fn lines(&self) -> String {
        self.lines.borrow().iter().map(|line| format!("{line}\n")).collect()
    }

    fn note(&self, line: String) -> io::Result<()> {
        let failure = self.failures.iter().find(|(prefix, _)| line.starts_with(prefix.as_str()));
        let answer = failure.map_or(Ok(()), |(_, errno)| Err(io::Error::from_raw_os_error(*errno)));
        self.lines.borrow_mut().push(line);
        answer
    }
}

impl Os for Recorder {
    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        self.note(format!("write {} {text}", file.display()))
    }
    fn host_name(&self, name: &str) -> io::Result<()> {
        self.note(format!("host name {name}"))
    }
    fn domain_name(&self, name: &str) -> io::Result<()> {
        self.note(format!("domain name {name}"))
    }
    fn umask(&self, mask: u32) {
        let _ = self.note(format!("umask {mask:04o}"));
    }
    fn personality(&self, domain: u32) -> io::Result<()> {
        self.note(format!("personality {domain:#x}"))
    }
    fn session_keyring(&self, name: &str, rights: u32) -> io::Result<()> {
        self.note(format!("keyring {name} {rights:#x}"))
    }
    fn shut(&self) -> io::Result<()> {
        self.note("shut".to_owned())
    }
    fn no_new_privileges(&self) -> io::Result<()> {
        self.note("no new privileges".to_owned())
    }
    fn seccomp(&self, program: &[libc::sock_filter], flags: u32) -> io::Result<()> {
        self.note(format!("seccomp {} instructions, flags {flags:#x}", program.len()))
    }
    fn is_bounded(&self, capability: u8) -> io::Result<bool> {
        if capability > 40 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok(self.held & (1 << capability) != 0)
    }
    fn drop_bounding(&self, capability: u8) -> io::Result<()> {
        self.note(format!("drop bounding {capability}"))
    }
    fn keep_capabilities(&self, keep: bool) -> io::Result<()> {
        self.note(format!("keep capabilities {keep}"))
    }
    fn permitted(&self) -> io::Result<u64> {
        Ok(self.held)
    }
    fn set_capabilities(&self, sets: Capabilities) -> io::Result<()> {
        let Capabilities { effective, permitted, inheritable } = sets;
        self.note(format!("capabilities {effective:x} {permitted:x} {inheritable:x}"))
    }
    fn clear_ambient(&self) -> io::Result<()> {
        self.note("clear ambient".to_owned())
    }
    fn raise_ambient(&self, capability: u8) -> io::Result<()> {
        self.note(format!("raise ambient {capability}"))
    }
    fn groups(&self, groups: &[u32]) -> io::Result<()> {
        self.note(format!("groups {groups:?}"))
    }
    fn group(&self, group: u32) -> io::Result<()> {
        self.note(format!("group {group}"))
    }
    fn user(&self, user: u32) -> io::Result<()> {
        self.note(format!("user {user}"))
    }
    fn change_directory(&self, to: &Path) -> io::Result<()> {
        self.note(format!("cd {}", to.display()))
    }
}
