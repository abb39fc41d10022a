//! Makes spans: of the agent's life, its start and its RPCs. It must not know who
//! gets them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use ttrpc::asynchronous::TtrpcContext;

use super::attributes::{self, Attribute};
use super::export::Exporter;
use super::ids::Ids;
use super::line::{self, Dial};
use super::moment::Moment;
use super::parent::Parent;
use super::record::{Kind, Place, Record};

/// Makes spans, or none where nobody asked for them.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Life>>);

/// The agent's own span, which all are below that have no other parent.
#[derive(Debug)]
struct Life {
    exporter: Exporter,
    ids: Ids,
    place: Place,
    begun: Moment,
}

impl Life {
    /// Below the agent's own span.
    fn below(&self) -> Place {
        let Place { trace_id, span_id, .. } = self.place;
        Place { trace_id, span_id: self.ids.span(), parent: span_id, state: Vec::new() }
    }

    /// Below the caller's span.
    fn below_caller(&self, caller: Parent) -> Place {
        let Parent { trace_id, span_id, state, .. } = caller;
        Place { trace_id, span_id: self.ids.span(), parent: span_id, state }
    }

    fn own(&self, name: &'static str, place: Place, outcome: Result<(), String>) {
        self.exporter.send(Record {
            place,
            kind: Kind::Internal,
            name,
            start: self.begun.wall(),
            end: self.begun.since(),
            attributes: Vec::new(),
            outcome,
        });
    }
}

impl Tracer {
    /// Sends spans to the host if they are `wanted`. The agent began at `begun`.
    #[must_use]
    pub fn start(wanted: bool, begun: Moment) -> Self {
        if wanted { Self::with_dial(line::to_the_host(), begun) } else { Self::default() }
    }

    /// Sends spans over what `dial` makes.
    #[must_use]
    pub fn with_dial(dial: Dial, begun: Moment) -> Self {
        let exporter = match Exporter::start(dial) {
            Ok(exporter) => exporter,
            Err(error) => {
                log::warn!("no spans: {error}");
                return Self::default();
            }
        };
        let ids = Ids::default();
        let place =
            Place { trace_id: ids.trace(), span_id: ids.span(), parent: 0, state: Vec::new() };
        Self(Some(Arc::new(Life { exporter, ids, place, begun })))
    }

    /// The agent serves: its start is over.
    pub fn serving(&self) {
        if let Some(life) = &self.0 {
            life.own("start", life.below(), Ok(()));
        }
    }

    /// The agent ends, well or not. Waits a bounded time until the host has all spans.
    pub fn end(&self, well: bool) {
        if let Some(life) = &self.0 {
            let outcome = if well { Ok(()) } else { Err("UNKNOWN".to_owned()) };
            life.own("kata-agent", life.place.clone(), outcome);
            life.exporter.close();
        }
    }

    /// Begins the span of an RPC; there is none if the caller does not keep its trace.
    #[must_use]
    pub fn rpc<R: Any>(&self, name: &'static str, context: &TtrpcContext, request: &R) -> Span {
        Span(self.0.as_ref().and_then(|life| {
            let place = match Parent::of(&context.metadata) {
                Some(caller) if !caller.sampled => return None,
                Some(caller) => life.below_caller(caller),
                None => life.below(),
            };
            let attributes = attributes::of(request);
            let life = Arc::clone(life);
            Some(Box::new(Open { life, place, name, begun: Moment::now(), attributes }))
        }))
    }
}

struct Open {
    life: Arc<Life>,
    place: Place,
    name: &'static str,
    begun: Moment,
    attributes: Vec<Attribute>,
}

/// The span of an RPC. Whoever drops it without [`Span::end`] gave up.
pub struct Span(Option<Box<Open>>);

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Span").field(&self.0.as_ref().map(|open| open.name)).finish()
    }
}

impl Span {
    /// The request has been answered.
    pub fn end<T>(mut self, answer: &ttrpc::Result<T>) {
        if self.0.is_some() {
            self.close(match answer {
                Ok(_) => Ok(()),
                // The code alone: a message may quote what the request said.
                Err(ttrpc::Error::RpcStatus(status)) => Err(format!("{:?}", status.code())),
                Err(_) => Err("UNKNOWN".to_owned()),
            });
        }
    }

    fn close(&mut self, outcome: Result<(), String>) {
        let Some(open) = self.0.take() else { return };
        let Open { life, place, name, begun, attributes } = *open;
        let (start, end) = (begun.wall(), begun.since());
        life.exporter.send(Record {
            place,
            kind: Kind::Server,
            name,
            start,
            end,
            attributes,
            outcome,
        });
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.close(Err("CANCELLED".to_owned()));
        }
    }
}
