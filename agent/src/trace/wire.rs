//! Spans as bytes: eight of them say how many follow, most significant first, and
//! those are JSON as serde makes it of `SpanData` of the crate opentelemetry 0.14,
//! which is what Kata's own agent sends since it gave up bincode. Field names and their
//! order are that crate's. It must not know where the bytes go.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::record::{Kind, Record};
use crate::VERSION;

/// Bytes of the length before each span.
const HEADER: usize = size_of::<u64>();

/// That many attributes, events and links a span may have there.
const MOST: u32 = 128;

#[derive(Serialize)]
struct SpanData<'a> {
    span_context: SpanContext<'a>,
    parent_span_id: u64,
    span_kind: Kind,
    name: &'static str,
    start_time: Time,
    end_time: Time,
    attributes: Attributes<'a>,
    events: Queue,
    links: Queue,
    status_code: &'static str,
    status_message: &'a str,
    resource: Resource,
}

#[derive(Serialize)]
struct SpanContext<'a> {
    trace_id: u128,
    span_id: u64,
    trace_flags: u8,
    is_remote: bool,
    trace_state: Option<&'a [(String, String)]>,
}

/// Since 1970.
#[derive(Serialize)]
struct Time {
    secs_since_epoch: u64,
    nanos_since_epoch: u32,
}

#[derive(Serialize)]
enum Value<'a> {
    String(&'a str),
}

#[derive(Serialize)]
struct Attributes<'a> {
    map: BTreeMap<&'static str, Value<'a>>,
    /// Names, the latest first.
    evict_list: Vec<&'static str>,
    max_len: u32,
    dropped_count: u32,
}

/// Of events or links; there are none.
#[derive(Serialize)]
struct Queue {
    queue: Option<()>,
    max_len: u32,
    dropped_count: u32,
}

#[derive(Serialize)]
struct Resource {
    attrs: BTreeMap<&'static str, Value<'static>>,
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        // A guest's clock may well be older than 1970 until somebody sets it.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { secs_since_epoch: since.as_secs(), nanos_since_epoch: since.subsec_nanos() }
    }
}

impl Queue {
    const EMPTY: Self = Self { queue: None, max_len: MOST, dropped_count: 0 };
}

/// A span as it goes over the line.
///
/// # Errors
///
/// What the writer of JSON says.
pub(super) fn frame(record: &Record) -> serde_json::Result<Vec<u8>> {
    let place = &record.place;
    let attributes = &record.attributes;
    let (status_code, status_message) = match &record.outcome {
        Ok(()) => ("Ok", ""),
        Err(code) => ("Error", code.as_str()),
    };
    let service = [("service.name", "kata-agent"), ("service.version", VERSION)];
    let span = SpanData {
        span_context: SpanContext {
            trace_id: place.trace_id,
            span_id: place.span_id,
            trace_flags: 1,
            is_remote: false,
            trace_state: (!place.state.is_empty()).then_some(&place.state),
        },
        parent_span_id: place.parent,
        span_kind: record.kind,
        name: record.name,
        start_time: record.start.into(),
        end_time: record.end.into(),
        attributes: Attributes {
            map: attributes.iter().map(|(name, text)| (*name, Value::String(text))).collect(),
            evict_list: attributes.iter().rev().map(|(name, _)| *name).collect(),
            max_len: MOST,
            dropped_count: 0,
        },
        events: Queue::EMPTY,
        links: Queue::EMPTY,
        status_code,
        status_message,
        resource: Resource {
            attrs: service.into_iter().map(|(name, text)| (name, Value::String(text))).collect(),
        },
    };
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, &span)?;
    let length = (bytes.len() - HEADER) as u64;
    bytes[..HEADER].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::Place;
    use super::*;

    fn record() -> Record {
        Record {
            place: Place {
                trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
                span_id: 0xb7ad_6b71_6920_3331,
                parent: u64::MAX,
                state: vec![("a".into(), "b".into()), ("c".into(), "d".into())],
            },
            kind: Kind::Server,
            name: "create_container",
            start: UNIX_EPOCH + Duration::new(5, 7),
            end: UNIX_EPOCH + Duration::new(6, 999_999_999),
            attributes: vec![("container_id", "abc".into()), ("exec_id", "e\"1".into())],
            outcome: Err("NOT_FOUND".into()),
        }
    }

    /// Bytes that opentelemetry 0.14 with its feature `serialize` made of the same
    /// span, but for the order within `map`, which is no order there.
    const EXPECTED: &str = concat!(
        r#"{"span_context":{"trace_id":14576827793038113322513871894673895836,"#,
        r#""span_id":13235353014750950193,"trace_flags":1,"is_remote":false,"#,
        r#""trace_state":[["a","b"],["c","d"]]},"parent_span_id":18446744073709551615,"#,
        r#""span_kind":"Server","name":"create_container","#,
        r#""start_time":{"secs_since_epoch":5,"nanos_since_epoch":7},"#,
        r#""end_time":{"secs_since_epoch":6,"nanos_since_epoch":999999999},"#,
        r#""attributes":{"map":{"container_id":{"String":"abc"},"exec_id":{"String":"e\"1"}},"#,
        r#""evict_list":["exec_id","container_id"],"max_len":128,"dropped_count":0},"#,
        r#""events":{"queue":null,"max_len":128,"dropped_count":0},"#,
        r#""links":{"queue":null,"max_len":128,"dropped_count":0},"#,
        r#""status_code":"Error","status_message":"NOT_FOUND","resource":{"attrs":"#,
        r#"{"service.name":{"String":"kata-agent"},"service.version":{"String":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}}}}"#,
    );

    #[test]
    fn the_exact_bytes() {
        let bytes = frame(&record()).unwrap();
        let (header, json) = bytes.split_at(HEADER);
        assert_eq!(header, (EXPECTED.len() as u64).to_be_bytes());
        assert_eq!(String::from_utf8_lossy(json), EXPECTED);
    }

    #[test]
    fn what_went_well_and_has_nothing_to_add() {
        let mut record = record();
        record.place.state.clear();
        record.attributes.clear();
        record.outcome = Ok(());
        // A clock that nobody has set.
        record.start = UNIX_EPOCH - Duration::from_secs(1);
        let json = String::from_utf8(frame(&record).unwrap().split_off(HEADER)).unwrap();
        for part in [
            r#""trace_state":null"#,
            r#""status_code":"Ok","status_message":"""#,
            r#""start_time":{"secs_since_epoch":0,"nanos_since_epoch":0}"#,
            r#""attributes":{"map":{},"evict_list":[],"#,
        ] {
            assert!(json.contains(part), "{json} lacks {part}");
        }
    }
}
