//! A container, from its making to its end.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oci_spec::runtime::{ContainerState, Hook, LinuxResources, Process as ProcessSpec, Spec};

use crate::cgroup::{self, Cgroup, OomWatch, Policy, Stats};
use crate::error::{During, Error};
use crate::hooks::{Moment, state};
use crate::launch::{Launch, Launched, launch};
use crate::options::Options;
use crate::process::{self, Process, Stdio};
use crate::protocol::{Join, Setup};
use crate::spec::{self, Surroundings};
use crate::{hooks, id, namespaces};

/// Ids of all containers of this process, so that none is there twice.
static IDS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// An id that is taken until this goes.
#[derive(Debug)]
struct Name(String);

impl Name {
    fn take(id: &str) -> Result<Self, Error> {
        id::check(id)?;
        let mut ids = IDS.lock().unwrap_or_else(PoisonError::into_inner);
        if !ids.insert(id.to_owned()) {
            return Err(Error::Exists(id.to_owned()));
        }
        Ok(Self(id.to_owned()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        IDS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is made; the program does not run yet.
    Created,
    /// The program runs.
    Running,
    /// It stands still.
    Paused,
    /// It has ended.
    Stopped,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// A container that was made. Its methods may be called from several threads; those
/// that start a process or wait for one block, and must not be called where
/// [`Children`](crate::Children) are collected.
#[derive(Debug)]
pub struct Container {
    name: Name,
    spec: Spec,
    bundle: PathBuf,
    options: Options,
    cgroup: Cgroup,
    first: Process,
    /// The talk with the first process, until it runs its program.
    waiting: Mutex<Option<Launched>>,
    deleted: Mutex<bool>,
}

impl Container {
    /// Makes a container whose program waits for [`start`](Self::start). `bundle` is the
    /// folder that relative paths of the spec are relative to.
    ///
    /// # Errors
    ///
    /// The first thing that can't be; then nothing of the container is left.
    pub fn create(
        id: &str,
        spec: Spec,
        bundle: &Path,
        stdio: Stdio,
        options: &Options,
    ) -> Result<Self, Error> {
        let name = Name::take(id)?;
        let surroundings = Surroundings { network_is_the_pods: options.network_is_the_pods };
        spec::check(&spec, surroundings)?;
        let linux = spec.linux().clone().unwrap_or_default();
        let path = cgroup::path_of(linux.cgroups_path().as_deref(), id)?;
        let cgroup = Cgroup::make(&options.cgroup_root, &path)?;
        let making = Making { id, spec: &spec, bundle, options, cgroup: &cgroup };
        match making.first_process(stdio) {
            Ok((first, launched)) => Ok(Self {
                name,
                spec,
                bundle: bundle.to_owned(),
                options: options.clone(),
                cgroup,
                first,
                waiting: Mutex::new(Some(launched)),
                deleted: Mutex::new(false),
            }),
            Err(error) => Err(error.and_then_clean_up(cgroup.remove())),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.name.0
    }

    /// The spec it was made from.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its first process.
    #[must_use]
    pub fn first(&self) -> &Process {
        &self.first
    }

    /// Its first process, to take its streams.
    #[must_use]
    pub fn first_mut(&mut self) -> &mut Process {
        &mut self.first
    }

    /// The folder of its cgroup.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        self.cgroup.folder()
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Launched>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is in its life.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.first.exit.code().is_some() {
            Status::Stopped
        } else if self.waiting().is_some() {
            Status::Created
        } else if self.cgroup.is_frozen().unwrap_or(false) {
            Status::Paused
        } else {
            Status::Running
        }
    }

    fn must_be(&self, allowed: &[Status], asked: &'static str) -> Result<(), Error> {
        let status = self.status();
        if allowed.contains(&status) {
            return Ok(());
        }
        Err(Error::State { id: self.id().to_owned(), state: status.name(), asked })
    }

    /// Lets the program run, then runs the poststart hooks.
    ///
    /// # Errors
    ///
    /// When it runs already or has ended, or can't be executed. A poststart hook's
    /// failure ends the container.
    pub fn start(&self) -> Result<(), Error> {
        self.must_be(&[Status::Created], "to start it")?;
        let Some(mut launched) = self.waiting().take() else {
            return self.must_be(&[], "to start it");
        };
        if let Err(error) = launched.start() {
            return Err(launched.give_up(error));
        }
        let hooks = self.spec.hooks().as_ref().and_then(|all| all.poststart().clone());
        let state =
            state(self.id(), &self.spec, &self.bundle, ContainerState::Running, self.first.pid)?;
        self.run_hooks("poststart", &hooks.unwrap_or_default(), &state)
            .map_err(|error| launched.give_up(error))
    }

    fn run_hooks(&self, kind: &'static str, all: &[Hook], state: &str) -> Result<(), Error> {
        let moment = Moment { kind, state, folder: Some(&self.bundle) };
        hooks::run(&*self.options.children, &moment, all, self.options.patience)
    }

    /// Runs one more program in the container. What `process` leaves out of limits,
    /// capabilities, labels and "no new privileges" is as for the first one.
    ///
    /// # Errors
    ///
    /// When the container does not run, or the program can't.
    pub fn exec(&self, process: &ProcessSpec, stdio: Stdio) -> Result<Process, Error> {
        let process = self.completed(process);
        spec::check_process(&process)?;
        self.must_be(&[Status::Created, Status::Running], "a further process")?;
        let ends = process::open(stdio, process.terminal() == Some(true))?;
        let limits = process.rlimits().clone().unwrap_or_default();
        let setup = Setup {
            id: self.id().to_owned(),
            process,
            spec: self.spec.clone(),
            rootfs: PathBuf::new(),
            bundle: PathBuf::new(),
            cgroup: PathBuf::new(),
            joins: Some(Join { namespaces: namespaces::differing(self.first.pid)? }),
            runtime_hooks: false,
        };
        let [input, output, error] = &ends.own;
        let mut launched = launch(
            &Launch {
                children: &*self.options.children,
                cgroup: self.cgroup.as_fd(),
                stdio: [input.as_fd(), output.as_fd(), error.as_fd()],
                target: Some(self.first.pidfd.as_fd()),
                patience: self.options.patience,
            },
            setup,
        )?;
        if let Err(error) = launched.follow(&limits, true, &mut |_| Ok(())) {
            return Err(launched.give_up(error));
        }
        let mut streams = ends.streams;
        streams.terminal = launched.terminal.take();
        let Launched { pid, pidfd, exit, .. } = launched;
        Ok(Process { pid, pidfd, exit, streams })
    }

    fn completed(&self, process: &ProcessSpec) -> ProcessSpec {
        let mut process = process.clone();
        let Some(first) = self.spec.process() else { return process };
        if process.capabilities().is_none() {
            process.set_capabilities(first.capabilities().clone());
        }
        if process.rlimits().as_ref().is_none_or(Vec::is_empty) {
            process.set_rlimits(first.rlimits().clone());
        }
        if process.no_new_privileges().is_none() {
            process.set_no_new_privileges(first.no_new_privileges());
        }
        if process.apparmor_profile().is_none() {
            process.set_apparmor_profile(first.apparmor_profile().clone());
        }
        if process.selinux_label().is_none() {
            process.set_selinux_label(first.selinux_label().clone());
        }
        if process.oom_score_adj().is_none() {
            process.set_oom_score_adj(first.oom_score_adj());
        }
        process
    }

    /// Sends a signal to every process of the container. SIGKILL reaches those too that
    /// stand still.
    ///
    /// # Errors
    ///
    /// When the cgroup can't be read or signalled; a stopped container takes any signal.
    pub fn signal_all(&self, signal: i32) -> Result<(), Error> {
        if !self.cgroup.folder().exists() {
            return Ok(());
        }
        if signal == libc::SIGKILL { self.cgroup.kill() } else { self.cgroup.signal(signal) }
    }

    /// Stops all processes where they are.
    ///
    /// # Errors
    ///
    /// When the container does not run, or does not stop.
    pub fn pause(&self) -> Result<(), Error> {
        self.must_be(&[Status::Created, Status::Running], "to pause it")?;
        self.cgroup.freeze()
    }

    /// Lets them go on.
    ///
    /// # Errors
    ///
    /// When the container is not paused.
    pub fn resume(&self) -> Result<(), Error> {
        self.must_be(&[Status::Paused], "to resume it")?;
        self.cgroup.thaw()
    }

    /// Changes limits; those that are not named stay. Device rules, if there are any, take
    /// the place of all earlier ones.
    ///
    /// # Errors
    ///
    /// When a limit can't be, or the container has ended.
    pub fn update(&self, resources: &LinuxResources) -> Result<(), Error> {
        spec::check_resources(resources)?;
        self.must_be(&[Status::Created, Status::Running, Status::Paused], "new limits")?;
        self.cgroup.limit(resources)?;
        let rules = resources.devices().as_deref().unwrap_or_default();
        if rules.is_empty() {
            return Ok(());
        }
        let nodes = self.spec.linux().as_ref().and_then(|linux| linux.devices().as_deref());
        self.cgroup.limit_devices(&Policy::new(rules, nodes.unwrap_or_default())?)
    }

    /// What its processes have used, and its limits, as the kernel counts them.
    ///
    /// # Errors
    ///
    /// When the cgroup has gone, or a file of it can't be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.cgroup.stats()
    }

    /// Watches for processes that the kernel kills for want of memory, from now on.
    ///
    /// # Errors
    ///
    /// When the cgroup has gone, or there are too many watches.
    pub fn oom_watch(&self) -> Result<OomWatch, Error> {
        self.cgroup.oom_watch()
    }

    /// Ends what still runs, waits for its end, takes the cgroup away and runs the
    /// poststop hooks. A second call does nothing.
    ///
    /// # Errors
    ///
    /// The first failure; the rest is done all the same.
    pub fn delete(&self) -> Result<(), Error> {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if *deleted {
            return Ok(());
        }
        let mut result = self.signal_all(libc::SIGKILL);
        drop(self.waiting().take());
        if self.first.exit.wait(Duration::from_secs(10)).is_none() {
            let text = format!("the container {} does not end", self.id());
            result = both(result, Err(Error::Stage(text)));
        }
        let removed = self.cgroup.remove();
        *deleted = removed.is_ok() && result.is_ok();
        result = both(result, removed);
        let hooks = self.spec.hooks().as_ref().and_then(|all| all.poststop().clone());
        let state = state(self.id(), &self.spec, &self.bundle, ContainerState::Stopped, 0)?;
        for hook in hooks.unwrap_or_default() {
            // They clean up: none is left out because of another.
            if let Err(error) = self.run_hooks("poststop", &[hook], &state) {
                log::warn!("{error}");
            }
        }
        result
    }
}

fn both(first: Result<(), Error>, then: Result<(), Error>) -> Result<(), Error> {
    match first {
        Ok(()) => then,
        Err(error) => Err(error.and_then_clean_up(then)),
    }
}

/// What the making of a container needs, while there is none.
struct Making<'a> {
    id: &'a str,
    spec: &'a Spec,
    bundle: &'a Path,
    options: &'a Options,
    cgroup: &'a Cgroup,
}

impl Making<'_> {
    fn first_process(&self, stdio: Stdio) -> Result<(Process, Launched), Error> {
        let Self { id, spec, bundle, options, cgroup } = *self;
        let (Some(process), Some(root)) = (spec.process().clone(), spec.root()) else {
            return Err(spec::Invalid::new("process", "is missing").into());
        };
        if let Some(resources) = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref())
        {
            cgroup.limit(resources)?;
        }
        let policy = policy(spec)?;
        let rootfs = bundle.join(root.path());
        let rootfs = rootfs
            .canonicalize()
            .during(|| format!("can't find the root filesystem {}", rootfs.display()))?;
        let ends = process::open(stdio, process.terminal() == Some(true))?;
        let limits = process.rlimits().clone().unwrap_or_default();
        let hooks = spec.hooks().clone().unwrap_or_default();
        #[allow(deprecated, reason = "runtimes still send prestart hooks")]
        let prestart = hooks.prestart().clone().unwrap_or_default();
        let create_runtime = hooks.create_runtime().clone().unwrap_or_default();
        let setup = Setup {
            id: id.to_owned(),
            process,
            spec: spec.clone(),
            rootfs,
            bundle: bundle.to_owned(),
            cgroup: cgroup.folder().to_owned(),
            joins: None,
            // Device rules come before hooks, but after the mounts: a block device may be
            // mounted that the container must not open.
            runtime_hooks: true,
        };
        let [input, output, error] = &ends.own;
        let mut launched = launch(
            &Launch {
                children: &*options.children,
                cgroup: cgroup.as_fd(),
                stdio: [input.as_fd(), output.as_fd(), error.as_fd()],
                target: None,
                patience: options.patience,
            },
            setup,
        )?;
        let mut run = |pid: i32| {
            cgroup.limit_devices(&policy)?;
            let state = &state(id, spec, bundle, ContainerState::Creating, pid)?;
            for (kind, all) in [("prestart", &prestart), ("createRuntime", &create_runtime)] {
                let moment = Moment { kind, state, folder: Some(bundle) };
                hooks::run(&*options.children, &moment, all, options.patience)?;
            }
            Ok(())
        };
        if let Err(error) = launched.follow(&limits, false, &mut run) {
            return Err(launched.give_up(error));
        }
        let mut streams = ends.streams;
        streams.terminal = launched.terminal.take();
        let pidfd = launched.pidfd.try_clone().during(|| "can't keep the process's descriptor");
        match pidfd {
            Ok(pidfd) => {
                let exit = launched.exit.clone();
                Ok((Process { pid: launched.pid, pidfd, exit, streams }, launched))
            }
            Err(error) => Err(launched.give_up(error)),
        }
    }
}

fn policy(spec: &Spec) -> Result<Policy, spec::Invalid> {
    let Some(linux) = spec.linux() else { return Policy::new(&[], &[]) };
    let rules = linux.resources().as_ref().and_then(|resources| resources.devices().as_deref());
    let nodes = linux.devices().as_deref();
    Policy::new(rules.unwrap_or_default(), nodes.unwrap_or_default())
}
