//! What a caller says about the trace that its request belongs to: `traceparent` and
//! `tracestate` of W3C's trace context, in the request's metadata. It must not trust
//! them: what is not well formed is as if it were not there.

use std::collections::HashMap;

/// Longest `tracestate` that is passed on, in bytes.
const LONGEST_STATE: usize = 512;

/// The caller's span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    /// Whether the caller keeps this trace at all.
    pub(super) sampled: bool,
    /// What other systems on the way want to know; passed on as it is.
    pub(super) state: Vec<(String, String)>,
}

impl Parent {
    /// The span that a request was sent from, if its metadata say so.
    pub(super) fn of(metadata: &HashMap<String, Vec<String>>) -> Option<Self> {
        // Two of them would be two parents.
        let [value] = metadata.get("traceparent")?.as_slice() else { return None };
        let (trace_id, span_id, sampled) = ids(value.trim())?;
        let state = metadata.get("tracestate").map(|values| values.join(","));
        let state = state.and_then(|state| members(&state)).unwrap_or_default();
        Some(Self { trace_id, span_id, sampled, state })
    }
}

/// Trace, span and whether it is sampled, of `00-<32 digits>-<16 digits>-<2 digits>`.
fn ids(value: &str) -> Option<(u128, u64, bool)> {
    let mut parts = value.split('-');
    let mut part = |digits: usize| {
        let text = parts.next().filter(|text| text.len() == digits)?;
        text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(text)
    };
    let version = part(2)?;
    let trace_id = u128::from_str_radix(part(32)?, 16).ok()?;
    let span_id = u64::from_str_radix(part(16)?, 16).ok()?;
    let flags = u8::from_str_radix(part(2)?, 16).ok()?;
    // Later versions may add parts; this one has none, and ff is no version.
    let well_formed = match version {
        "00" => parts.next().is_none(),
        other => other != "ff",
    };
    (well_formed && trace_id != 0 && span_id != 0).then_some((trace_id, span_id, flags & 1 == 1))
}

/// The members of a list such as `a=1,b=2`; none if one of them is not well formed.
fn members(list: &str) -> Option<Vec<(String, String)>> {
    if list.len() > LONGEST_STATE {
        return None;
    }
    let printable = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    list.split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let good = !key.is_empty() && printable(member) && !value.contains('=');
            good.then(|| (key.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn metadata(pairs: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
        let mut metadata = HashMap::<String, Vec<String>>::new();
        for (key, value) in pairs {
            metadata.entry((*key).to_owned()).or_default().push((*value).to_owned());
        }
        metadata
    }

    #[test]
    fn a_parent_and_its_state() {
        let metadata = metadata(&[("traceparent", GOOD), ("tracestate", "a=1, b@c=2")]);
        let expected = Parent {
            trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span_id: 0xb7ad_6b71_6920_3331,
            sampled: true,
            state: vec![("a".into(), "1".into()), ("b@c".into(), "2".into())],
        };
        assert_eq!(Parent::of(&metadata), Some(expected));
    }

    #[test]
    fn what_is_no_parent() {
        assert_eq!(Parent::of(&metadata(&[])), None);
        assert_eq!(Parent::of(&metadata(&[("traceparent", GOOD), ("traceparent", GOOD)])), None);
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        ] {
            assert_eq!(Parent::of(&metadata(&[("traceparent", bad)])), None, "{bad}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02-more";
        let parent = Parent::of(&metadata(&[("traceparent", later)])).unwrap();
        assert!(!parent.sampled);
    }

    #[test]
    fn a_state_that_is_not_well_formed_is_left_out_and_the_parent_kept() {
        let long = format!("a={}", "x".repeat(LONGEST_STATE));
        for bad in ["a", "=1", "a=1=2", "a=1,b", "a=\u{e9}", "a=\n1\nb", long.as_str()] {
            let metadata = metadata(&[("traceparent", GOOD), ("tracestate", bad)]);
            assert_eq!(Parent::of(&metadata).unwrap().state, [], "{bad}");
        }
    }
}
