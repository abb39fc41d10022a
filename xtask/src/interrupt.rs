//! SIGINT and SIGTERM: remove what is half written, say so, exit with status 1.

use crate::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Starts the thread that waits for the signals.
pub(crate) fn install(json: bool) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // Held to the end: the work that goes on meanwhile changes nothing more.
            let _abandoned = osbuilder::abandon_partial_files();
            let message = "interrupted; nothing was half written, run it again to go on";
            eprintln!("error: {message}");
            if json {
                println!("{:#}", Failure::from(anyhow::Error::msg(message)).json());
            }
            #[expect(clippy::exit, reason = "the process ends here by design")]
            std::process::exit(1);
        }
    });
}
