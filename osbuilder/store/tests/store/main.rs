//! The store against a real server on the loopback device, as one program.

// Marked as tests, so that the lints know even the functions between them.
#[cfg(test)]
mod batch;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod login;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod server;
#[cfg(test)]
mod upkeep;
