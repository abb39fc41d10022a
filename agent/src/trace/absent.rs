//! What is left of tracing in an agent that was built without it: the same names,
//! with nothing in them. It must not do anything but say so once.

use ttrpc::asynchronous::TtrpcContext;

/// A point in time that nobody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Moment;

impl Moment {
    /// Does not even look at the clock.
    #[must_use]
    pub fn now() -> Self {
        Self
    }
}

/// Makes no spans.
#[derive(Debug, Clone, Default)]
pub struct Tracer(());

impl Tracer {
    /// Says that there will be no spans where they are `wanted`.
    #[must_use]
    pub fn start(wanted: bool, _: Moment) -> Self {
        if wanted {
            log::warn!("no spans: tracing is not built in (the feature tracing of the agent)");
        }
        Self(())
    }

    /// The agent serves.
    pub fn serving(&self) {}

    /// A request has come.
    #[must_use]
    pub fn rpc<R>(&self, _: &'static str, _: &TtrpcContext, _: &R) -> Span {
        Span
    }

    /// The agent ends.
    pub fn end(&self, _: bool) {}
}

/// No span.
#[derive(Debug)]
pub struct Span;

impl Span {
    /// A request has been answered.
    pub fn end<T>(self, _: &ttrpc::Result<T>) {}
}
