//! Download progress: bars on a terminal, plain lines elsewhere.

use artifact_store::{Event, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use tracing::{info, warn};

/// Draws what the store tells.
pub(crate) struct Bars {
    state: Mutex<State>,
    drawn: Option<MultiProgress>,
}

#[derive(Default)]
struct State {
    bars: BTreeMap<String, ProgressBar>,
    totals: BTreeMap<String, u64>,
    fetched: usize,
    cached: usize,
}

impl Bars {
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = !quiet && std::io::stderr().is_terminal();
        Self { state: Mutex::default(), drawn: terminal.then(MultiProgress::new) }
    }
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        let Ok(mut state) = self.state.lock() else { return };
        match (event, &self.drawn) {
            (Event::Started { label, total }, Some(all)) => {
                let bar = all.add(ProgressBar::new(total.unwrap_or(0)));
                let form = "{msg:36!} {bytes:>11}/{total_bytes:11} {bar:30} {eta:>4}";
                if let Ok(style) = ProgressStyle::with_template(form) {
                    bar.set_style(style);
                }
                bar.set_message(label.to_owned());
                state.bars.insert(label.to_owned(), bar);
            }
            (Event::Advanced { label, bytes }, Some(_)) => {
                if let Some(bar) = state.bars.get(label) {
                    bar.inc(bytes);
                }
            }
            (Event::Started { label, total }, None) => {
                state.totals.insert(label.to_owned(), total.unwrap_or(0));
            }
            (Event::Finished { label, cached }, drawn) => {
                if let Some(bar) = state.bars.remove(label) {
                    bar.finish_and_clear();
                }
                let total = state.totals.remove(label);
                if cached {
                    state.cached += 1;
                } else {
                    state.fetched += 1;
                    if drawn.is_none() {
                        match total {
                            Some(bytes) if bytes > 0 => {
                                info!("done: {label} ({} KiB)", bytes / 1024);
                            }
                            _ => info!("done: {label}"),
                        }
                    }
                }
            }
            (Event::Retrying { label, why, in_ }, _) => {
                warn!("{label}: {why}; trying again in {:.1} s", in_.as_secs_f64());
            }
            (Event::Advanced { .. }, None) => {}
        }
    }
}
