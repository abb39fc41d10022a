//! The spans of an agent as the host sees them: the server in this process, and a Unix
//! socket in the place of the trace port. What is read here is read by types of this
//! file's own, so that the form on the wire is checked too.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use kata_agent::os::{Os, Recorder};
use kata_agent::reaper::{Reaper, Scope};
use kata_agent::sandbox::Paths;
use kata_agent::server::{Agent, Server};
use kata_agent::trace::{Dial, Line, Moment, Tracer};
use kata_agent_api::agent::{
    CreateContainerRequest, ExecProcessRequest, GetOOMEventRequest, ReseedRandomDevRequest,
    SignalProcessRequest,
};
use kata_agent_api::agent_ttrpc::AgentServiceClient;
use kata_agent_api::{connect, oci};
use serde::Deserialize;
use tempfile::TempDir;
use ttrpc::context::{Context, with_duration};

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    span_context: SpanContext,
    parent_span_id: u64,
    span_kind: String,
    name: String,
    start_time: Time,
    end_time: Time,
    attributes: Attributes,
    events: Empty,
    links: Empty,
    status_code: String,
    status_message: String,
    resource: Resource,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanContext {
    trace_id: u128,
    span_id: u64,
    trace_flags: u8,
    is_remote: bool,
    trace_state: Option<Vec<(String, String)>>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Time {
    secs_since_epoch: u64,
    nanos_since_epoch: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
enum Value {
    String(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    map: BTreeMap<String, Value>,
    evict_list: Vec<String>,
    max_len: u32,
    dropped_count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {
    queue: Option<Vec<()>>,
    max_len: u32,
    dropped_count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    attrs: BTreeMap<String, Value>,
}

impl Span {
    fn status(&self) -> (&str, &str) {
        (&self.status_code, &self.status_message)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.map.get(name).map(|Value::String(text)| text.as_str())
    }
}

/// All that comes until the agent says that nothing more comes.
fn bytes_of(mut line: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    line.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The next span, waited for.
fn next_span(mut line: &UnixStream) -> Span {
    let mut header = [0; 8];
    line.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::try_from(u64::from_be_bytes(header)).unwrap()];
    line.read_exact(&mut payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// The spans in whole frames, and how many bytes of one more there are.
fn spans_in(mut bytes: &[u8]) -> (Vec<Span>, usize) {
    let mut spans = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk() {
        let length = usize::try_from(u64::from_be_bytes(*header)).unwrap();
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        spans.push(serde_json::from_slice(payload).unwrap());
        bytes = rest;
    }
    (spans, bytes.len())
}

/// Gives these lines away, one after the other; then nobody listens any more.
fn dial(lines: impl IntoIterator<Item = UnixStream>) -> Dial {
    let mut lines = lines.into_iter().collect::<Vec<_>>().into_iter();
    Box::new(move || match lines.next() {
        Some(line) => Ok(Box::new(line) as Box<dyn Line>),
        None => Err(ErrorKind::ConnectionRefused.into()),
    })
}

struct Guest {
    _folder: TempDir,
    server: Server,
    rpc: AgentServiceClient,
    tracer: Tracer,
}

impl Guest {
    async fn start(dial: Dial) -> Self {
        let tracer = Tracer::with_dial(dial, Moment::now());
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths {
            run: folder.path().join("run"),
            resolv_conf: folder.path().join("etc/resolv.conf"),
        };
        let reaper = Arc::new(Reaper::new(Scope::OwnChildren));
        reaper.start().unwrap();
        let agent = Agent::new(Arc::new(Recorder::new()) as Arc<dyn Os>, reaper, paths);
        let agent = Arc::new(agent.with_tracer(tracer.clone()));
        let address = format!("unix://{}/agent.sock", folder.path().display());
        let server = Server::start(&address, agent).await.unwrap();
        tracer.serving();
        let rpc = AgentServiceClient::new(connect::connect(&address, LONG).await.unwrap());
        Self { _folder: folder, server, rpc, tracer }
    }

    /// Ends as the agent does.
    async fn end(self) {
        self.server.stop().await;
        let tracer = self.tracer;
        tokio::task::spawn_blocking(move || tracer.end(true)).await.unwrap();
    }

    /// Ends, and returns what the host's end of `line` got.
    async fn end_and_read(self, line: UnixStream) -> Vec<u8> {
        let reader = tokio::task::spawn_blocking(move || bytes_of(line));
        self.end().await;
        reader.await.unwrap()
    }

    async fn reseed(&self, context: Context) {
        let request = ReseedRandomDevRequest { data: vec![7; 8], ..Default::default() };
        self.rpc.reseed_random_dev(context, &request).await.unwrap();
    }

    async fn signal(&self, context: Context) {
        let request = SignalProcessRequest {
            container_id: "nobody".into(),
            exec_id: "nothing".into(),
            ..Default::default()
        };
        self.rpc.signal_process(context, &request).await.unwrap_err();
    }
}

fn plain() -> Context {
    with_duration(LONG)
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no {name} in {spans:#?}"));
    assert!(found.next().is_none(), "two of {name} in {spans:#?}");
    span
}

#[tokio::test]
async fn a_life_as_spans() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::start(dial([ours])).await;
    guest.reseed(plain()).await;
    guest.signal(plain()).await;
    let (spans, rest) = spans_in(&guest.end_and_read(theirs).await);
    assert_eq!(rest, 0);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["start", "reseed_random_dev", "signal_process", "kata-agent"]);

    let life = named(&spans, "kata-agent");
    assert_eq!((life.parent_span_id, life.span_kind.as_str()), (0, "Internal"));
    assert_ne!((life.span_context.trace_id, life.span_context.span_id), (0, 0));
    for span in &spans {
        assert_eq!(span.span_context.trace_id, life.span_context.trace_id);
        assert_eq!((span.span_context.trace_flags, span.span_context.is_remote), (1, false));
        assert_eq!(span.span_context.trace_state, None);
        assert!(span.start_time >= life.start_time && span.end_time >= span.start_time);
        assert!(span.start_time.secs_since_epoch > 1_600_000_000, "wall clock");
        for empty in [&span.events, &span.links] {
            assert_eq!((&empty.queue, empty.dropped_count), (&None, 0));
            assert!(empty.max_len > 0);
        }
        let attributes = &span.attributes;
        assert_eq!(attributes.map.len(), attributes.evict_list.len());
        assert!(attributes.max_len > 2 && attributes.dropped_count == 0);
        let service = Value::String("kata-agent".into());
        assert_eq!(span.resource.attrs["service.name"], service);
    }
    for span in &spans[..3] {
        assert_eq!(span.parent_span_id, life.span_context.span_id);
        assert_ne!(span.span_context.span_id, life.span_context.span_id);
    }
    assert_eq!(named(&spans, "start").start_time, life.start_time);
    assert_eq!(named(&spans, "start").span_kind, "Internal");

    let reseed = named(&spans, "reseed_random_dev");
    assert_eq!(reseed.span_kind, "Server");
    assert_eq!(reseed.status(), ("Ok", ""));
    assert!(reseed.attributes.map.is_empty());
    let signal = named(&spans, "signal_process");
    assert_eq!(signal.status(), ("Error", "NOT_FOUND"));
    assert_eq!(signal.attribute("container_id"), Some("nobody"));
    assert_eq!(signal.attribute("exec_id"), Some("nothing"));
}

#[tokio::test]
async fn a_request_belongs_to_its_callers_trace() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::start(dial([ours])).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut sampled = plain();
    sampled.add("traceparent".into(), format!("00-{trace}-b7ad6b7169203331-01"));
    sampled.add("tracestate".into(), "vendor=1".into());
    guest.reseed(sampled).await;
    let mut not_kept = plain();
    not_kept.add("traceparent".into(), format!("00-{trace}-b7ad6b7169203331-00"));
    guest.signal(not_kept).await;
    let (spans, _) = spans_in(&guest.end_and_read(theirs).await);
    let span = named(&spans, "reseed_random_dev");
    assert_eq!(span.span_context.trace_id, u128::from_str_radix(trace, 16).unwrap());
    assert_eq!(span.parent_span_id, 0xb7ad_6b71_6920_3331);
    assert_ne!(span.span_context.span_id, span.parent_span_id);
    assert_eq!(span.span_context.trace_state, Some(vec![("vendor".into(), "1".into())]));
    assert!(!spans.iter().any(|span| span.name == "signal_process"), "{spans:#?}");
}

#[tokio::test]
async fn no_environment_gets_into_a_span() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::start(dial([ours])).await;
    let process = oci::Process {
        Args: vec!["s3cret-argument".into()],
        // The last one is not even well formed, which an error may say.
        Env: vec!["TOKEN=s3cret-value".into(), "s3cret-name".into(), "=s3cret\0".into()],
        Cwd: "relative".into(),
        ..Default::default()
    };
    let spec = oci::Spec { Process: Some(process.clone()).into(), ..Default::default() };
    let mut create = CreateContainerRequest::new();
    create.container_id = "box".into();
    create.OCI = Some(spec).into();
    guest.rpc.create_container(plain(), &create).await.unwrap_err();
    let mut exec = ExecProcessRequest::new();
    exec.container_id = "box".into();
    exec.process = Some(process).into();
    guest.rpc.exec_process(plain(), &exec).await.unwrap_err();
    let bytes = guest.end_and_read(theirs).await;
    let (spans, _) = spans_in(&bytes);
    for name in ["create_container", "exec_process"] {
        let span = named(&spans, name);
        assert_eq!(span.attribute("container_id"), Some("box"));
        assert_eq!(span.status_code, "Error");
        // A code and no message, for that may quote anything.
        let code = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        assert!(span.status_message.bytes().all(code), "{}", span.status_message);
    }
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_call_that_was_given_up_has_a_span_too() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::start(dial([ours])).await;
    let soon = with_duration(Duration::from_millis(50));
    guest.rpc.get_oom_event(soon, &GetOOMEventRequest::new()).await.unwrap_err();
    // It is there before the end: nothing but giving up has ended it.
    let found = move || {
        theirs.set_read_timeout(Some(LONG)).unwrap();
        std::iter::repeat_with(|| next_span(&theirs)).find(|span| span.name == "get_oom_event")
    };
    let span = tokio::task::spawn_blocking(found).await.unwrap().unwrap();
    assert_eq!(span.status(), ("Error", "CANCELLED"));
    guest.end().await;
}

/// Far more requests than there is room for their spans: were one of them held up by
/// the host, this would not end.
#[tokio::test]
async fn a_host_that_does_not_read_holds_nobody_up() {
    const CALLS: usize = 3_000;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::start(dial([ours])).await;
    let calls = async {
        for _ in 0..CALLS {
            guest.signal(plain()).await;
        }
    };
    tokio::time::timeout(LONG, calls).await.unwrap();
    tokio::time::timeout(LONG, guest.end()).await.unwrap();
    // Nothing was read until now.
    theirs.set_nonblocking(true).unwrap();
    let mut bytes = Vec::new();
    let _ = (&theirs).read_to_end(&mut bytes);
    let (spans, _) = spans_in(&bytes);
    assert_eq!(spans[0].name, "start");
    assert!(spans.len() < CALLS, "the host read on");
}

#[tokio::test]
async fn a_host_that_is_not_there_holds_nobody_up() {
    let guest = Guest::start(dial([])).await;
    guest.reseed(plain()).await;
    tokio::time::timeout(LONG, guest.end()).await.unwrap();
}

#[tokio::test]
async fn a_line_that_broke_is_made_anew() {
    let (broken, gone) = UnixStream::pair().unwrap();
    drop(gone);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::start(dial([broken, ours])).await;
    guest.reseed(plain()).await;
    let (spans, rest) = spans_in(&guest.end_and_read(theirs).await);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!((names, rest), (vec!["start", "reseed_random_dev", "kata-agent"], 0));
}
