//! Runs one bundle as `runc run` does.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use guest_container::{Container, Options, OwnChildren, Stdio};
use oci_spec::runtime::Spec;

/// Longer than any case takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn options(cgroup_root: &Path) -> Options {
    let mut options = Options::new(Arc::new(OwnChildren));
    options.cgroup_root = cgroup_root.to_owned();
    // A test's machine is busier than a guest.
    options.patience = PATIENCE;
    options
}

/// Runs a bundle to its end and returns its exit code.
pub fn run(id: &str, bundle: &Path, cgroup_root: &Path) -> Result<i32, String> {
    let spec = Spec::load(bundle.join("config.json")).map_err(|error| error.to_string())?;
    let copy = |stream: &dyn AsFdLike| stream.copy().map_err(|error| error.to_string());
    let stdio = Stdio::Given([copy(&io::stdin())?, copy(&io::stdout())?, copy(&io::stderr())?]);
    let mut container = Container::create(id, spec, bundle, stdio, &options(cgroup_root))
        .map_err(|error| text(&error))?;
    let streams = container.first_mut().take_streams();
    let reader =
        streams.terminal.map(|master| std::thread::spawn(move || drain(master, &mut io::stdout())));
    let ran = container
        .start()
        .map_err(|error| text(&error))
        .and_then(|()| container.first().exit().wait(PATIENCE).ok_or("it does not end".to_owned()));
    if let Some(reader) = reader {
        let _ = reader.join();
    }
    let deleted = container.delete().map_err(|error| text(&error));
    let code = ran?;
    deleted?;
    Ok(code)
}

/// A standard stream.
trait AsFdLike {
    fn copy(&self) -> io::Result<OwnedFd>;
}

impl<T: AsFd> AsFdLike for T {
    fn copy(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
}

/// Repeats what a terminal shows until its last user has gone, which is an error there.
pub fn drain(master: OwnedFd, to: &mut dyn Write) {
    let mut master = std::fs::File::from(master);
    let mut room = [0; 4096];
    while let Ok(read) = master.read(&mut room) {
        if read == 0 || to.write_all(room.get(..read).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = to.flush();
}

/// An error with its causes.
pub fn text(error: &guest_container::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let _ = write!(text, ": {one}");
        cause = one.source();
    }
    text
}
