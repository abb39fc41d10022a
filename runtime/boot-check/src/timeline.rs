//! How long each stage of a boot took, on the host's clock and on the guest's.
//!
//! The host's times come from the arrival of console lines; the guest's from
//! the stamps the kernel puts before its lines and from the agent. Under
//! instruction counting only the guest's are comparable between runs.

use std::time::Duration;

use hypervisor::ConsoleLine;
use serde::{Deserialize, Serialize};

/// What a boot goes through, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// From the start of the hypervisor to the kernel's first moment: firmware,
    /// loading and decompressing.
    Firmware,
    /// To the start of init.
    Kernel,
    /// To the agent's word that it listens.
    Init,
    /// To the first answer the host gets.
    Agent,
    /// Questions and comparisons.
    Checks,
    /// From the end of the sandbox to the end of the hypervisor.
    PowerOff,
}

impl Stage {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::Kernel => "kernel",
            Self::Init => "init",
            Self::Agent => "agent ready",
            Self::Checks => "checks",
            Self::PowerOff => "power-off",
        }
    }
}

/// One stage. Times are offsets: the host's from the start of the hypervisor,
/// the guest's from the start of its kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which.
    pub stage: Stage,
    /// Start on the host's clock, in microseconds.
    pub host_start_us: u64,
    /// End on the host's clock, in microseconds.
    pub host_end_us: u64,
    /// Length on the guest's clock in nanoseconds, where the guest can know it.
    pub guest_ns: Option<u64>,
}

/// The stages that were reached, in order and without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The stages.
    pub stages: Vec<StageTime>,
    /// Guest time from the start of its kernel to the agent listening, in
    /// nanoseconds: the figure to compare under instruction counting.
    pub guest_agent_listening_ns: Option<u64>,
}

/// What only the caller knows about a finished or failed boot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    /// The guest's time does not run with the host's.
    pub icount: bool,
    /// When the agent first answered.
    pub ready: Option<Duration>,
    /// When all questions were answered.
    pub checked: Option<Duration>,
    /// When the hypervisor had ended after that.
    pub off: Option<Duration>,
    /// The agent's own word when it listened, in nanoseconds since boot.
    pub agent_listening_ns: Option<u64>,
}

/// The words on the console that end a stage.
mod mark {
    pub(super) const INIT: [&str; 2] = ["Run ", " as init process"];
    pub(super) const AGENT: &str = "ttRPC server started";
    pub(super) const AGENT_STAMP: &str = "\"since_boot_ns\":";
}

/// Whether this line is the agent saying that it listens.
#[must_use]
pub fn agent_listens(text: &str) -> bool {
    text.contains(mark::AGENT)
}

/// The kernel's stamp at the head of a line, in nanoseconds since its start.
#[must_use]
pub fn stamp_ns(text: &str) -> Option<u64> {
    let (seconds, micros) = text.strip_prefix('[')?.split_once(']')?.0.trim().split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let micros: u64 = micros.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(micros * 1000)
}

/// Builds the timeline out of what was seen.
#[must_use]
pub fn timeline(lines: &[ConsoleLine], moments: &Moments) -> Timeline {
    let kernel_start = kernel_start(lines, moments.icount);
    let init = lines.iter().find(|line| mark::INIT.iter().all(|mark| line.text.contains(mark)));
    let init_ns = init.and_then(|line| stamp_ns(&line.text));
    let agent = lines.iter().find(|line| agent_listens(&line.text));
    let agent_ns = moments.agent_listening_ns.or(agent.and_then(|line| number_after(&line.text)));
    let agent_at = agent.map(|line| line.at).or(moments.ready);
    // A fast host connects before the agent's own line has come through the
    // serial port.
    let ready = moments.ready.map(|ready| agent_at.map_or(ready, |agent| ready.max(agent)));
    let ends = [
        (Stage::Firmware, kernel_start, None),
        (Stage::Kernel, init.map(|line| line.at), init_ns),
        (
            Stage::Init,
            agent_at,
            agent_ns.zip(init_ns).map(|(agent, init)| agent.saturating_sub(init)),
        ),
        (Stage::Agent, ready, None),
        (Stage::Checks, moments.checked, None),
        (Stage::PowerOff, moments.off, None),
    ];
    let mut stages = Vec::new();
    let mut start = 0;
    for (stage, end, guest_ns) in ends {
        let Some(end) = end else { break };
        let end = micros(end).max(start);
        stages.push(StageTime { stage, host_start_us: start, host_end_us: end, guest_ns });
        start = end;
    }
    Timeline { stages, guest_agent_listening_ns: agent_ns }
}

/// When the kernel began, on the host's clock. Its first lines are held back
/// until the serial port is set up, so their arrival says little; but a line
/// stamped `s` can't arrive earlier than `s` after the kernel's start, and the
/// promptest line gives the start. Under instruction counting the clocks do
/// not run together, and the first arrival is all there is.
fn kernel_start(lines: &[ConsoleLine], icount: bool) -> Option<Duration> {
    let mut stamped = lines.iter().filter_map(|line| Some((line.at, stamp_ns(&line.text)?)));
    if icount {
        return stamped.next().map(|(at, _)| at);
    }
    stamped.map(|(at, stamp)| at.saturating_sub(Duration::from_nanos(stamp))).min()
}

fn number_after(text: &str) -> Option<u64> {
    let rest = text.split_once(mark::AGENT_STAMP)?.1;
    // Log values are strings in some loggers and numbers in others.
    let rest = rest.trim_start_matches([' ', '"']);
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ms: u64, text: &str) -> ConsoleLine {
        ConsoleLine { at: Duration::from_millis(at_ms), text: text.into() }
    }

    fn console() -> Vec<ConsoleLine> {
        vec![
            line(90, "SeaBIOS (version 1.16)"),
            line(700, "[    0.000000] Linux version 6.12"),
            line(702, "[    0.400000] printk: console [ttyS0] enabled"),
            line(1000, "[    0.650000] Run /init as init process"),
            line(1200, r#"{"msg":"ttRPC server started","since_boot_ns":"#),
            line(1201, r#"{"msg":"ttRPC server started","since_boot_ns":"800000000"}"#),
        ]
    }

    fn moments() -> Moments {
        let at = |ms| Some(Duration::from_millis(ms));
        Moments { ready: at(1300), checked: at(1500), off: at(1900), ..Moments::default() }
    }

    #[test]
    fn stages_follow_each_other_without_gaps() {
        let timeline = timeline(&console(), &moments());
        let spans: Vec<_> = timeline
            .stages
            .iter()
            .map(|stage| (stage.stage.name(), stage.host_start_us / 1000, stage.host_end_us / 1000))
            .collect();
        assert_eq!(
            spans,
            [
                ("firmware", 0, 302),
                ("kernel", 302, 1000),
                ("init", 1000, 1200),
                ("agent ready", 1200, 1300),
                ("checks", 1300, 1500),
                ("power-off", 1500, 1900),
            ]
        );
        assert_eq!(timeline.stages[1].guest_ns, Some(650_000_000));
    }

    #[test]
    fn the_agents_own_figure_is_the_guests_time() {
        let lines = console();
        let told = Moments { agent_listening_ns: Some(750_000_000), ..moments() };
        assert_eq!(timeline(&lines, &told).guest_agent_listening_ns, Some(750_000_000));
        assert_eq!(timeline(&lines, &told).stages[2].guest_ns, Some(100_000_000));
        assert_eq!(timeline(&lines[5..], &moments()).guest_agent_listening_ns, Some(800_000_000));
    }

    #[test]
    fn under_icount_the_first_line_is_the_kernels_start() {
        let moments = Moments { icount: true, ..moments() };
        assert_eq!(timeline(&console(), &moments).stages[0].host_end_us, 700_000);
    }

    #[test]
    fn a_boot_that_stops_has_the_stages_it_reached() {
        let none = timeline(&console()[..1], &Moments::default());
        assert!(none.stages.is_empty());
        let kernel_only = timeline(&console()[..3], &Moments::default());
        assert_eq!(kernel_only.stages.len(), 1);
    }

    #[test]
    fn stamps_are_read_strictly() {
        assert_eq!(stamp_ns("[    1.193532] Run"), Some(1_193_532_000));
        assert_eq!(stamp_ns("[12345.000001] x"), Some(12_345_000_001_000));
        for other in
            ["[  OK  ] Reached", "[1.2] x", "1.193532] x", "[99999999999999999999.000000]", "["]
        {
            assert_eq!(stamp_ns(other), None, "{other}");
        }
    }
}
