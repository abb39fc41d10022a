//! Spans for whoever wants to see where a guest's time goes: one for the agent's
//! life, one for its start and one for each RPC, sent to the host, where
//! kata-trace-forwarder listens. With the feature `tracing` and `agent.trace` only;
//! without the feature nothing of this costs a byte. It must not know what a request
//! does, and nothing of a request but its ids gets into a span.

#[cfg(not(feature = "tracing"))]
mod absent;
#[cfg(feature = "tracing")]
mod attributes;
#[cfg(feature = "tracing")]
mod export;
#[cfg(feature = "tracing")]
mod ids;
#[cfg(feature = "tracing")]
mod line;
#[cfg(feature = "tracing")]
mod moment;
#[cfg(feature = "tracing")]
mod parent;
#[cfg(feature = "tracing")]
mod queue;
#[cfg(feature = "tracing")]
mod record;
#[cfg(feature = "tracing")]
mod tracer;
#[cfg(feature = "tracing")]
mod wire;

#[cfg(not(feature = "tracing"))]
pub use absent::{Moment, Span, Tracer};
#[cfg(feature = "tracing")]
pub use line::{Dial, Line};
#[cfg(feature = "tracing")]
pub use moment::Moment;
#[cfg(feature = "tracing")]
pub use tracer::{Span, Tracer};
