//! What was measured, for people.

use std::fmt::Write as _;

use super::measured::{AIM_BINARY, AIM_RESIDENT, After, Measured};

const MIB: f64 = (1 << 20) as f64;

impl Measured {
    /// All figures, beside the aims; `binary` are the bytes of the stripped agent.
    #[must_use]
    pub fn to_text(&self, binary: u64) -> String {
        let mut out = String::new();
        // A String takes everything.
        let _ = self.write(&mut out, binary);
        out
    }

    fn write(&self, out: &mut String, binary: u64) -> std::fmt::Result {
        let sizes = [
            ("agent, stripped", binary, AIM_BINARY),
            ("resident after boot", self.boot.resident, AIM_RESIDENT),
        ];
        for (name, found, aim) in sizes {
            let word = if found < aim { "" } else { ": missed" };
            let (found, aim) = (found as f64 / MIB, aim >> 20);
            writeln!(out, "{name:<26}{found:10.2} MiB   aim: under {aim} MiB{word}")?;
        }
        writeln!(out, "\n{:<26}{:>10}{:>12}{:>12}", "microseconds", "p50", "p99", "max")?;
        for timed in &self.times {
            let (name, spread) = (&timed.name, timed.spread);
            let (p50, p99, max) = (spread.p50, spread.p99, spread.max);
            writeln!(out, "{name:<26}{p50:10}{p99:12}{max:12}   {} times", spread.count)?;
        }
        writeln!(out)?;
        for stream in &self.streams {
            let (name, rate) = (&stream.name, stream.rate() as f64 / MIB);
            writeln!(out, "{name:<26}{rate:10.2} MiB/s")?;
        }
        let boot = After { count: 0, footprint: self.boot };
        series(out, "after boot", &[boot])?;
        series(out, "containers at once", &self.held)?;
        series(out, "further processes, gone", &self.execs)?;
        series(out, "containers, gone", &self.cycles)?;
        let grown = self.grown();
        writeln!(out, "\n{}", if grown.is_empty() { "nothing grew" } else { "GROWN" })?;
        grown.iter().try_for_each(|sentence| writeln!(out, "  {sentence}"))
    }
}

fn series(out: &mut String, name: &str, series: &[After]) -> std::fmt::Result {
    let heads = ["agent KiB", "files", "processes", "mounts", "cgroups", "free MiB"];
    write!(out, "\n{name:<26}")?;
    heads.iter().try_for_each(|head| write!(out, "{head:>11}"))?;
    writeln!(out)?;
    for After { count, footprint } in series {
        let now = footprint;
        let (resident, available) = (now.resident >> 10, now.available >> 20);
        let figures = [resident, now.open_files, now.processes, now.mounts, now.cgroups, available];
        write!(out, "{count:>10}{:16}", "")?;
        figures.iter().try_for_each(|figure| write!(out, "{figure:>11}"))?;
        writeln!(out)?;
    }
    Ok(())
}
