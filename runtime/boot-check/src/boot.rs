//! One boot from start to power-off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hypervisor::accelerator::{Accelerator, HostProbe, choose};
use hypervisor::qemu::QemuVm;
use hypervisor::{Hypervisor, HypervisorError, VmExit};
use kata_agent_api::BootReport as GuestReport;
use kata_agent_api::connect::Address;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::agent::{self, Agent, AskError};
use crate::bench;
use crate::checks::{CLOCK_TOLERANCE_MS, Check, clock_skew_ms, examine};
use crate::classify::{Diagnosis, Evidence, FailureClass, classify, is_last_word, stage_reached};
use crate::failure::{BootFailure, Outcome};
use crate::report::BootReport;
use crate::request::{BootRequest, Suite};
use crate::timeline::{Moments, Stage, timeline};

/// How many console lines a failure carries.
const TAIL: usize = 25;
/// How long a hypervisor may take to leave when asked.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a guest may take from the end of its sandbox to power-off.
const POWER_OFF_PATIENCE: Duration = Duration::from_secs(60);
/// How long a panicked guest may take to reset before it is given up.
const PANIC_PATIENCE: Duration = Duration::from_secs(3);
/// How often systemd is asked whether it has finished starting.
const SETTLE_POLL: Duration = Duration::from_millis(200);

/// Boots a guest as `request` says, asks and compares everything, and sees it
/// power off. Nothing of it is left running afterwards.
///
/// # Errors
/// The guest did not boot, or is not what was expected; see [`BootFailure`].
pub async fn boot(request: &BootRequest) -> Outcome {
    let mut run = Run {
        request,
        accelerator: None,
        vm: None,
        moments: Moments::default(),
        checks: Vec::new(),
    };
    let result = run.run().await;
    if let (Err(_), Some(vm)) = (&result, run.vm.as_mut()) {
        let _ = vm.stop(STOP_PATIENCE).await;
    }
    result.map_err(|stop| Box::new(run.failure(stop)))
}

/// A boot under way.
struct Run<'a> {
    request: &'a BootRequest,
    accelerator: Option<Accelerator>,
    vm: Option<QemuVm>,
    moments: Moments,
    checks: Vec<Check>,
}

/// What ends a boot early.
struct Stop {
    stage: Stage,
    diagnosis: Diagnosis,
}

/// What the agent said about itself and its guest.
struct Answers {
    version: String,
    guest: GuestReport,
}

impl Run<'_> {
    async fn run(&mut self) -> Result<BootReport, Stop> {
        let deadline = Instant::now() + self.request.timeout;
        let accelerator = self.start().await.map_err(|error| hypervisor_failed(&error))?;
        let agent = self.wait_for_agent(deadline).await?;
        self.moments.ready = Some(self.elapsed());
        let asked = timeout_at(deadline, self.ask(&agent)).await;
        let answers = asked.unwrap_or_else(|_| {
            Err(unanswered("the questions were not answered before the deadline"))
        })?;
        self.moments.checked = Some(self.elapsed());
        if let Some(suite) = &self.request.suite {
            let checks = self.run_suite(suite).await?;
            self.checks.extend(checks);
        }
        let mut measured = None;
        if let Some(asked) = &self.request.bench {
            let found = bench::run(self.address()?, asked).await;
            measured = Some(found.map_err(|trouble| unanswered(&trouble.to_string()))?);
        }
        self.power_off(&agent).await?;
        self.moments.off = Some(self.elapsed());
        self.verdict()?;
        let lines = self.vm.as_ref().map(|vm| vm.console().lines()).unwrap_or_default();
        Ok(BootReport {
            accelerator: accelerator.name().to_owned(),
            icount: accelerator.is_icount(),
            memory_mib: self.request.memory_mib,
            cpus: self.request.cpus,
            agent_version: answers.version,
            timeline: timeline(&lines, &self.moments),
            checks: self.checks.clone(),
            guest: answers.guest,
            measured,
        })
    }

    async fn start(&mut self) -> Result<Accelerator, HypervisorError> {
        let probe = HostProbe::of_this_host();
        let accelerator = choose(self.request.accelerator, self.request.icount, probe)?;
        self.accelerator = Some(accelerator);
        self.moments.icount = accelerator.is_icount();
        let machine = self.request.machine(accelerator).validate()?;
        let vm = self.vm.insert(QemuVm::new(machine, self.request.tools.clone()));
        vm.start().await?;
        Ok(accelerator)
    }

    /// Where the agent is.
    fn address(&self) -> Result<Address, Stop> {
        let vsock = self.vm.as_ref().and_then(Hypervisor::vsock);
        let vsock = vsock.ok_or_else(|| hypervisor_failed(&HypervisorError::NotStarted))?;
        Ok(agent::address(&vsock))
    }

    fn elapsed(&self) -> Duration {
        self.vm.as_ref().map(|vm| vm.console().elapsed()).unwrap_or_default()
    }

    fn console(&self) -> Vec<String> {
        let lines = self.vm.as_ref().map(|vm| vm.console().lines()).unwrap_or_default();
        lines.into_iter().map(|line| line.text).collect()
    }

    /// Waits for whichever is first: an answer, the end of the machine, a last
    /// word that does not end it, or the deadline.
    async fn wait_for_agent(&self, deadline: Instant) -> Result<Agent, Stop> {
        let Some(vm) = &self.vm else {
            return Err(hypervisor_failed(&HypervisorError::NotStarted));
        };
        let (address, console) = (self.address()?, vm.console());
        let exit = tokio::select! {
            agent = agent::wait_until_ready(&address, &console) => return Ok(agent),
            exit = vm.wait() => exit.ok(),
            () = past_hope(vm) => timeout(PANIC_PATIENCE, vm.wait()).await.ok().and_then(Result::ok),
            () = tokio::time::sleep_until(deadline) => None,
        };
        Err(self.explain(exit.as_ref()))
    }

    /// Asks the console why the agent does not answer.
    fn explain(&self, exit: Option<&VmExit>) -> Stop {
        let console = self.console();
        let events = self.vm.as_ref().map(Hypervisor::events).unwrap_or_default();
        let initrd = self.request.rootfs.is_initrd();
        let diagnosis = classify(&Evidence { console: &console, events: &events, exit, initrd });
        Stop { stage: stage_reached(&console), diagnosis }
    }

    async fn ask(&mut self, agent: &Agent) -> Result<Answers, Stop> {
        let version = agent.version().await.map_err(|error| unanswered(&error.to_string()))?;
        if let Some(expected) = &self.request.expect.agent_version
            && *expected != version
        {
            return Err(version_mismatch(expected, &version));
        }
        self.checks.push(Check::new("version", true, version.clone()));
        let (detailed, block) =
            agent.details().await.map_err(|error| unanswered(&error.to_string()))?;
        let same = detailed == version;
        let detail =
            format!("the agent says {detailed}; memory blocks of {} MiB", block / (1024 * 1024));
        self.checks.push(Check::new("guest details", same, detail));
        if !self.moments.icount {
            self.check_clock(agent, "clock at boot").await?;
        }
        agent.set_clock(now()).await.map_err(|error| unanswered(&error.to_string()))?;
        // A counted guest's clock leaps whenever it idles; it was set, and
        // that is all that can be said of it.
        if !self.moments.icount {
            self.check_clock(agent, "clock after setting").await?;
        }
        let guest = settled(agent).await.map_err(|error| unanswered(&error.to_string()))?;
        if guest.agent_ready_ns != 0 {
            self.moments.agent_listening_ns = Some(guest.agent_ready_ns);
        }
        self.checks.extend(examine(&guest, &self.request.expect));
        let created = agent.create_sandbox().await;
        self.checks.push(answered("create sandbox", &created));
        Ok(Answers { version, guest })
    }

    /// Every case becomes a check. They have deadlines of their own.
    async fn run_suite(&self, suite: &Suite) -> Result<Vec<Check>, Stop> {
        let setting = agent_suite::Setting {
            address: self.address()?,
            busybox: suite.busybox.clone(),
            debian: self.request.debian_node(),
            only: suite.only.clone(),
        };
        let mut each = |outcome: &agent_suite::Outcome| {
            let trouble = outcome.trouble.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(case = outcome.name, took = ?outcome.took, %trouble, "suite");
        };
        let ran = agent_suite::run(&setting, &mut each).await;
        let outcomes = ran.map_err(|trouble| unanswered(&trouble.to_string()))?;
        let check = |outcome: &agent_suite::Outcome| {
            let detail = match &outcome.trouble {
                Some(trouble) => trouble.to_string(),
                None => format!("{} ms", outcome.took.as_millis()),
            };
            Check::new(&format!("suite {}", outcome.name), outcome.trouble.is_none(), detail)
        };
        Ok(outcomes.iter().map(check).collect())
    }

    async fn check_clock(&mut self, agent: &Agent, name: &str) -> Result<(), Stop> {
        let before = now_ms();
        let clock = agent.report().await.map_err(|error| unanswered(&error.to_string()))?.clock;
        let guest = clock
            .seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(clock.nanoseconds / 1_000_000));
        let skew = clock_skew_ms(guest, before, now_ms());
        let passed = skew.unsigned_abs() <= CLOCK_TOLERANCE_MS.unsigned_abs();
        self.checks.push(Check::new(name, passed, format!("{skew} ms from the host's")));
        if passed { Ok(()) } else { Err(clock_wrong(skew)) }
    }

    /// Ends the sandbox and sees the guest power off by itself.
    async fn power_off(&mut self, agent: &Agent) -> Result<(), Stop> {
        let destroyed = agent.destroy_sandbox().await;
        self.checks.push(answered("destroy sandbox", &destroyed));
        let Some(vm) = &self.vm else { return Ok(()) };
        let exit = timeout(POWER_OFF_PATIENCE, vm.wait()).await;
        let check = match exit {
            Ok(Ok(exit)) if exit.is_guest_shutdown() => {
                Check::new("power-off", true, "by the guest itself")
            }
            Ok(Ok(exit)) => {
                let detail =
                    format!("{} after {:?} {}", exit.process, exit.events, exit.stderr.join("; "));
                Check::new("power-off", false, detail)
            }
            Ok(Err(error)) => Check::new("power-off", false, error.to_string()),
            Err(_) => {
                let seconds = POWER_OFF_PATIENCE.as_secs();
                Check::new("power-off", false, format!("the guest still runs {seconds} s later"))
            }
        };
        let passed = check.passed;
        self.checks.push(check);
        if passed {
            Ok(())
        } else {
            self.verdict().map_err(|stop| Stop { stage: Stage::PowerOff, ..stop })
        }
    }

    /// Fails if any comparison did.
    fn verdict(&self) -> Result<(), Stop> {
        let failed = self.checks.iter().filter(|check| !check.passed);
        let names: Vec<String> = failed.map(|check| check.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let explanation =
            format!("the guest answers, but is not as expected: {}", names.join(", "));
        let class = FailureClass::ChecksFailed { names };
        Err(Stop {
            stage: Stage::Checks,
            diagnosis: Diagnosis { class, explanation, evidence: None, suspect: None },
        })
    }

    fn failure(&self, stop: Stop) -> BootFailure {
        let lines = self.vm.as_ref().map(|vm| vm.console().lines()).unwrap_or_default();
        let tail =
            lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| line.text.clone());
        BootFailure {
            stage: stop.stage,
            diagnosis: stop.diagnosis,
            console_tail: tail.collect(),
            timeline: timeline(&lines, &self.moments),
            checks: self.checks.clone(),
        }
    }
}

/// Returns when the console shows that the kernel or init has given up.
async fn past_hope(vm: &QemuVm) {
    let console = vm.console();
    let mut changes = console.watch();
    loop {
        changes.borrow_and_update();
        if console.lines().iter().any(|line| is_last_word(&line.text)) {
            return;
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The guest's report once systemd, if there is one, has finished starting:
/// before that, a unit that is going to fail has not failed yet. The caller's
/// deadline ends this when systemd never finishes.
async fn settled(agent: &Agent) -> Result<GuestReport, AskError> {
    loop {
        let guest = agent.report().await?;
        if !matches!(guest.systemd.state.as_str(), "initializing" | "starting") {
            return Ok(guest);
        }
        sleep(SETTLE_POLL).await;
    }
}

fn answered(name: &str, answer: &Result<(), AskError>) -> Check {
    match answer {
        Ok(()) => Check::new(name, true, "answered"),
        Err(error) => Check::new(name, false, error.to_string()),
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn now_ms() -> i64 {
    i64::try_from(now().as_millis()).unwrap_or(i64::MAX)
}

fn hypervisor_failed(error: &HypervisorError) -> Stop {
    let mut explanation = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        explanation.push_str(": ");
        explanation.push_str(&cause.to_string());
        source = cause.source();
    }
    let class = FailureClass::HypervisorFailed;
    let suspect = refused_kernel(&explanation).then(|| {
        String::from("the file given as kernel: a bzImage, or a vmlinux with a PVH note, is wanted")
    });
    Stop {
        stage: Stage::Firmware,
        diagnosis: Diagnosis { class, explanation, evidence: None, suspect },
    }
}

/// Whether the hypervisor's complaint is one it makes of a file that is no kernel.
/// QEMU takes anything that is not ELF for a kernel of the nineties.
fn refused_kernel(explanation: &str) -> bool {
    let words = ["kernel too old", "load kernel", "invalid kernel header", "PVH"];
    words.iter().any(|word| explanation.contains(word))
}

fn unanswered(reason: &str) -> Stop {
    let suspect =
        Some(String::from("the agent: does it serve this call, and is it still running?"));
    let class = FailureClass::AgentSilent;
    Stop {
        stage: Stage::Checks,
        diagnosis: Diagnosis { class, explanation: reason.to_owned(), evidence: None, suspect },
    }
}

fn version_mismatch(expected: &str, found: &str) -> Stop {
    let explanation = format!("the guest's agent is {found}, expected {expected}");
    let suspect = Some(String::from("the agent put into the image: build the image again"));
    let class =
        FailureClass::VersionMismatch { expected: expected.to_owned(), found: found.to_owned() };
    Stop {
        stage: Stage::Checks,
        diagnosis: Diagnosis { class, explanation, evidence: None, suspect },
    }
}

fn clock_wrong(skew_ms: i64) -> Stop {
    let explanation = format!("the guest's clock is {skew_ms} ms away from the host's");
    let suspect = Some(String::from(
        "CONFIG_RTC_CLASS, CONFIG_RTC_HCTOSYS, CONFIG_PTP_1588_CLOCK_KVM, chrony",
    ));
    let class = FailureClass::ClockWrong { skew_ms };
    Stop {
        stage: Stage::Checks,
        diagnosis: Diagnosis { class, explanation, evidence: None, suspect },
    }
}
