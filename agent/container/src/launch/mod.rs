//! The starter's side of a new process: what it begins with, the talk until it is
//! ready, and what must be done for it from outside.

mod clone;
mod maps;

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use oci_spec::runtime::{Linux, LinuxNamespaceType};

use self::clone::{Beginning, ChildrenIn, Within};
use crate::children::{Children, Exit};
use crate::error::{During, Error};
use crate::protocol::{self, FromStage, Received, Setup, ToStage};
use crate::spec::given;
use crate::stage::ARGUMENT;
use crate::{namespaces, procfs, rlimits};

/// A process whose set-up is under way or done.
#[derive(Debug)]
pub(crate) struct Launched {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub exit: Exit,
    pub socket: UnixStream,
    /// The terminal's master, once it has been sent.
    pub terminal: Option<OwnedFd>,
    last_step: String,
    deadline: Instant,
    patience: Duration,
}

/// What is needed beside the set-up itself.
pub(crate) struct Launch<'a> {
    pub children: &'a dyn Children,
    pub cgroup: BorrowedFd<'a>,
    pub stdio: [BorrowedFd<'a>; 3],
    /// The first process of the container that is joined.
    pub target: Option<BorrowedFd<'a>>,
    /// How long the whole set-up may take, hooks with a timeout of their own apart.
    pub patience: Duration,
}

/// Namespaces that must begin with the process itself: the pid namespace, since it is
/// entered by children only, and with it the user namespace, which must own it.
struct First {
    flags: i32,
    joined: Vec<(CloneFlags, &'static str, File)>,
    maps: bool,
}

fn first_namespaces(linux: &Linux) -> Result<First, Error> {
    let mut first = First { flags: 0, joined: Vec::new(), maps: false };
    let joined_before = namespaces::are_joined_before(linux);
    for one in linux.namespaces().iter().flatten() {
        match (one.typ(), given(one.path().as_deref())) {
            (LinuxNamespaceType::Pid, None) => first.flags |= libc::CLONE_NEWPID,
            (LinuxNamespaceType::User, None) => {
                first.flags |= libc::CLONE_NEWUSER;
                first.maps = true;
            }
            (kind, Some(path)) if kind == LinuxNamespaceType::Pid || joined_before(kind) => {
                let what = || format!("can't open the {kind} namespace {}", path.display());
                let file = File::open(path).during(what)?;
                first.joined.push((namespaces::flag(kind), namespaces::file(kind), file));
            }
            _ => {}
        }
    }
    let joins_user =
        linux.namespaces().iter().flatten().any(|one| {
            one.typ() == LinuxNamespaceType::User && given(one.path().as_deref()).is_some()
        });
    if joins_user && first.flags & libc::CLONE_NEWPID != 0 {
        return Err(crate::spec::Invalid::new(
            "linux.namespaces",
            "a new pid namespace in a joined user namespace is not possible in this guest",
        )
        .into());
    }
    Ok(first)
}

/// Makes the process and hands it its set-up. It is ended and collected when that
/// fails.
pub(crate) fn launch(launch: &Launch<'_>, setup: Setup) -> Result<Launched, Error> {
    let (ours, theirs) = UnixStream::pair().during(|| "can't make a socket")?;
    let first = match (&setup.joins, setup.spec.linux()) {
        (None, Some(linux)) => first_namespaces(linux)?,
        _ => First { flags: 0, joined: Vec::new(), maps: false },
    };
    let beginning = Beginning {
        namespaces: first.flags,
        waits_for_maps: first.maps,
        cgroup: launch.cgroup,
        socket: theirs.as_fd(),
        stdio: launch.stdio,
        target: launch.target,
        argument: ARGUMENT,
    };
    let exit = Exit::default();
    let mut made = None;
    let mut within: Vec<Within<'_>> =
        first.joined.iter().map(|(kind, name, file)| (*kind, *name, file.as_fd())).collect();
    within.extend(launch.target.map(|target| (CloneFlags::CLONE_NEWPID, "pid", target)));
    let mut start = || -> io::Result<i32> {
        let _in = ChildrenIn::new(&within)?;
        let process = clone::make(&beginning)?;
        let pid = process.pid;
        made = Some(process);
        Ok(pid)
    };
    launch
        .children
        .spawn(&mut start, exit.teller())
        .during(|| "can't make the container's process")?;
    drop(theirs);
    let Some(made) = made else {
        return Err(Error::Stage("the process was not started".to_owned()));
    };
    let launched = Launched {
        pid: made.pid,
        pidfd: made.pidfd,
        exit,
        socket: ours,
        terminal: None,
        last_step: "the program starts again".to_owned(),
        deadline: Instant::now() + launch.patience,
        patience: launch.patience,
    };
    match launched.begin(setup, first.maps) {
        Ok(()) => Ok(launched),
        Err(error) => Err(launched.give_up(error)),
    }
}

impl Launched {
    fn begin(&self, setup: Setup, maps: bool) -> Result<(), Error> {
        if maps && let Some(linux) = setup.spec.linux() {
            maps::write(self.pid, linux)?;
            (&self.socket).write_all(&[0]).during(|| "can't tell that users are mapped")?;
        }
        if let Some(score) = setup.process.oom_score_adj() {
            // Written from outside: within a user namespace it could not be lowered.
            procfs::write(self.pid, "oom_score_adj", &score.to_string())?;
        }
        // A process that failed at once has closed its end; it has said why before.
        match protocol::send(&self.socket, &ToStage::Setup(Box::new(setup))) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            sent => sent.during(|| "can't send the set-up"),
        }
    }

    /// Talks until the process is ready or, when `until_it_runs`, until it runs its
    /// program. `hooks` runs the hooks of the runtime.
    pub(crate) fn follow(
        &mut self,
        limits: &[oci_spec::runtime::PosixRlimit],
        until_it_runs: bool,
        hooks: &mut dyn FnMut(i32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let received = protocol::receive(&self.socket, Some(self.deadline))
                .during(|| "can't hear the container's process")?;
            match received {
                Received::Message(FromStage::At(step, more)) => {
                    self.deadline += Duration::from_secs(more);
                    self.last_step = step;
                }
                Received::Message(FromStage::Namespaces) => {
                    let before = Instant::now();
                    hooks(self.pid)?;
                    // Hooks have timeouts of their own.
                    self.deadline += before.elapsed();
                    self.answer(&ToStage::Go)?;
                }
                Received::Message(FromStage::Terminal) => {
                    let master = protocol::receive_descriptor(&self.socket, self.deadline)
                        .during(|| "can't receive the terminal")?;
                    self.terminal = Some(master);
                }
                Received::Message(FromStage::Limits) => {
                    for limit in limits {
                        rlimits::set(self.pid, limit)
                            .during(|| format!("can't set the limit {:?}", limit.typ()))?;
                    }
                    self.answer(&ToStage::Go)?;
                }
                Received::Message(FromStage::Ready) => {
                    self.last_step = "the program is to run".to_owned();
                    if !until_it_runs {
                        return Ok(());
                    }
                }
                Received::Message(FromStage::Failed(text)) => return Err(Error::Stage(text)),
                Received::End if until_it_runs && self.has_begun() => return Ok(()),
                Received::End => return Err(self.ended()),
                Received::Failure(step, errno) => {
                    let errno = nix::errno::Errno::from_raw(errno);
                    let step = clone::failed_step(step);
                    return Err(Error::Stage(format!("the new process can't {step}: {errno}")));
                }
                Received::TimedOut => {
                    return Err(Error::TimedOut(self.patience, self.last_step.clone()));
                }
            }
        }
    }

    /// The end of the talk means that the program runs only after all was said.
    fn has_begun(&self) -> bool {
        self.last_step == "the program is to run"
    }

    fn ended(&self) -> Error {
        let code = self.exit.wait(Duration::from_secs(1));
        let how = match code {
            Some(code) if code > 128 => format!("was killed by signal {}", code - 128),
            Some(code) => format!("ended with {code}"),
            None => "closed its socket".to_owned(),
        };
        Error::Stage(format!("the new process {how}, while: {}", self.last_step))
    }

    fn answer(&self, message: &ToStage) -> Result<(), Error> {
        protocol::send(&self.socket, message).during(|| "can't answer the container's process")
    }

    /// Lets the program run, and sees that it does.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        self.deadline = Instant::now() + self.patience;
        if let Err(error) = self.answer(&ToStage::Start) {
            // It has ended meanwhile, perhaps with a word.
            log::debug!("{error}");
        }
        "the program is to run".clone_into(&mut self.last_step);
        self.follow(&[], true, &mut |_| Ok(()))
    }

    /// Ends the process and waits until it has been collected; returns what failed.
    pub(crate) fn give_up(&self, error: Error) -> Error {
        let _ = crate::process::send_signal(&self.pidfd, libc::SIGKILL);
        if self.exit.wait(Duration::from_secs(10)).is_none() {
            let text = format!("the process {} does not end", self.pid);
            return error.and_then_clean_up(Err(Error::Stage(text)));
        }
        error
    }
}
