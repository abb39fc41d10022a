//! Containers that stay, and containers and processes that come and go.

use tokio::time::Instant;

use super::footprint::Footprint;
use super::measured::{After, Timed, warm};
use super::{Plan, pace};
use crate::container::{Container, Wanted, program};
use crate::guest::Guest;
use crate::trouble::{Trouble, call, equal};

/// How far apart footprints are, in cycles.
const APART: u32 = 100;

/// A container that stays until it is removed.
async fn sleeper<'a>(guest: &'a Guest, id: &str) -> Result<Container<'a>, Trouble> {
    Wanted::program(id, &["sleep", "1000000"]).start(guest).await
}

async fn after(guest: &Guest, count: u32) -> Result<After, Trouble> {
    Ok(After { count, footprint: Footprint::of(guest).await? })
}

/// Footprints with none, with as many containers at once as `counts` says, and with none
/// again; and the times of removing containers that run.
pub(super) async fn held(
    guest: &Guest,
    counts: &[u32],
    times: &mut Vec<Timed>,
) -> Result<Vec<After>, Trouble> {
    let mut found = vec![after(guest, 0).await?];
    let (mut containers, mut removing) = (Vec::new(), Vec::new());
    for &count in counts {
        while containers.len() < count as usize {
            let id = format!("bench-held-{}", containers.len());
            containers.push(sleeper(guest, &id).await?);
        }
        found.push(after(guest, count).await?);
    }
    for container in containers {
        let begun = Instant::now();
        container.remove().await?;
        removing.push(begun.elapsed());
    }
    times.push(Timed::new("removal of a running one", &removing));
    found.push(after(guest, 0).await?);
    Ok(found)
}

/// Footprints while processes come and go in one container, and the times of them.
pub(super) async fn execs(
    guest: &Guest,
    plan: &Plan,
    times: &mut Vec<Timed>,
) -> Result<Vec<After>, Trouble> {
    let container = sleeper(guest, "bench-execs").await?;
    times.push(pace::stats(guest, &container, plan.calls).await?);
    let (mut found, mut running) = (vec![after(guest, 0).await?], Vec::new());
    for number in 1..=plan.execs {
        let begun = Instant::now();
        let name = format!("bench-exec-{number}");
        let asked = container.ask_exec(&name, program(&["true"])).await;
        // Read to the end, as runtimes do.
        let ended = asked.map_err(call("ExecProcess"))?.ended().await?;
        equal("the exit code", &ended.code, &0)?;
        running.push(begun.elapsed());
        if is_due(number, plan.execs) {
            found.push(after(guest, number).await?);
        }
    }
    times.push(Timed::new("exec to its end", &running));
    container.remove().await?;
    Ok(found)
}

/// Footprints while containers come and go, and the times of them.
pub(super) async fn cycles(
    guest: &Guest,
    count: u32,
    times: &mut Vec<Timed>,
    step: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<After>, Trouble> {
    let wanted = Wanted::program("bench-cycle", &["true"]);
    let (mut found, mut running, mut removing) =
        (vec![after(guest, 0).await?], Vec::new(), Vec::new());
    for number in 1..=count {
        let begun = Instant::now();
        let container = wanted.start(guest).await?;
        equal("the exit code", &container.first().wait().await?, &0)?;
        running.push(begun.elapsed());
        let begun = Instant::now();
        container.remove().await?;
        removing.push(begun.elapsed());
        if is_due(number, count) {
            step(&format!("{number} of {count} cycles"));
            found.push(after(guest, number).await?);
        }
    }
    times.push(Timed::new("container to its end", &running));
    times.push(Timed::new("removal", &removing));
    Ok(found)
}

/// Whether a footprint is taken after so many of `total`.
fn is_due(number: u32, total: u32) -> bool {
    number == total || number == warm(total) || number.is_multiple_of(APART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footprints_are_taken_when_warm_and_at_the_end() {
        let due = |total| (1..=total).filter(|number| is_due(*number, total)).collect::<Vec<_>>();
        assert_eq!(due(20), [10, 20]);
        assert_eq!(due(150), [75, 100, 150]);
        assert_eq!(due(301), [100, 200, 300, 301]);
        assert_eq!(due(1), [1]);
        assert!(due(0).is_empty());
    }
}
