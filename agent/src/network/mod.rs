//! Links, addresses, routes and neighbours of the guest, over the kernel's routing
//! netlink. Works in the network namespace of the thread that calls, and holds
//! nothing between two calls: the kernel knows best. Knows the messages of the API,
//! not how they arrive.

mod counts;
mod field;
mod interface;
mod link;
mod neighbor;
mod route;
mod socket;
pub mod tables;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use counts::link_counts;
pub use interface::{list_interfaces, update_interface};
pub use neighbor::add_neighbors;
pub use route::{list_routes, update_routes};

use socket::Refused;

/// Why the network is not as asked for.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A field of the request makes no sense.
    #[error("{field}: {problem}")]
    Field {
        /// Its path in the request.
        field: String,
        /// One clause.
        problem: String,
    },
    /// No such link.
    #[error("there is no link {wanted}; there are {there}")]
    NoLink {
        /// What was looked for.
        wanted: String,
        /// Names and addresses of all links.
        there: String,
    },
    /// The kernel refused.
    #[error("{what}: {source}{}{said}", if .said.is_empty() { "" } else { ": " })]
    Kernel {
        /// What could not be done.
        what: String,
        /// The error.
        source: io::Error,
        /// The kernel's own words; may be empty.
        said: String,
    },
}

/// Held while something is changed in more than one step, so that two requests do
/// not mix.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that the kernel refused while doing `what`.
fn refused(what: impl Into<String>) -> impl FnOnce(Refused) -> NetworkError {
    let what = what.into();
    move |Refused { source, said }| NetworkError::Kernel { what, source, said }
}

/// For fuzzing, and in tests: any bytes as a request, and as an answer of the kernel.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    use protobuf::Message;
    let links = [link::Link { index: 1, name: "eth0".to_owned(), ..link::Link::default() }];
    if let Ok(request) = kata_agent_api::types::Interface::parse_from_bytes(bytes) {
        interface::check(&request);
    }
    if let Ok(request) = kata_agent_api::types::Route::parse_from_bytes(bytes) {
        let _ = route::Wanted::of(0, &request, &links);
    }
    if let Ok(request) = kata_agent_api::types::ARPNeighbor::parse_from_bytes(bytes) {
        let _ = neighbor::Wanted::of(0, &request, &links);
    }
    socket::fuzz(bytes);
    let _ = link::Link::parse(bytes);
}

#[cfg(test)]
mod tests;
