//! SIGINT and SIGTERM: remove what is half written, say so, exit with status 1.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Starts the thread that waits for the signals.
pub(crate) fn install() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            osbuilder::abandon_partial_files();
            eprintln!("error: interrupted; nothing was half written, run it again to go on");
            #[expect(clippy::exit, reason = "the process ends here by design")]
            std::process::exit(1);
        }
    });
}
