//! A request as a policy sees it: JSON with the protocol's own names, numbers as
//! numbers, every field there. `type` is called `type_`, by which policies know it.
//! Bytes that are merely carried are left out, but for where a link leads.

use protobuf::reflect::{
    FieldDescriptor, ReflectFieldRef, ReflectValueRef, RuntimeFieldType, RuntimeType,
};
use protobuf::{MessageDyn, MessageFull};
use serde_json::{Map, Number, Value, json};

const LINK: u64 = 0o120_000;
const KIND: u64 = 0o170_000;

pub(super) fn of(request: &impl MessageFull) -> Value {
    let mut value = object(request);
    // The data of a link is its target, which a policy must be able to judge.
    let is_link = value.get("file_mode").and_then(Value::as_u64).is_some_and(|m| m & KIND == LINK);
    let data = request.descriptor_dyn().field_by_name("data").filter(|_| is_link);
    if let Some(data) = data
        && let ReflectFieldRef::Optional(bytes) = data.get_reflect(request)
        && let Some(ReflectValueRef::Bytes(bytes)) = bytes.value()
        && let Some(map) = value.as_object_mut()
    {
        map.insert("symlink_src".to_owned(), json!(String::from_utf8_lossy(bytes)));
    }
    value
}

fn object(message: &dyn MessageDyn) -> Value {
    let mut map = Map::new();
    for field in message.descriptor_dyn().fields() {
        let name = if field.name() == "type" { "type_" } else { field.name() };
        let value = match field.get_reflect(message) {
            ReflectFieldRef::Optional(value) => match value.value() {
                Some(ReflectValueRef::Bytes(_)) => continue,
                Some(value) => one(&value),
                // Messages, and the few numbers that know absence.
                None if may_be_absent(&field) => Value::Null,
                None => match field.get_singular_field_or_default(message) {
                    ReflectValueRef::Bytes(_) => continue,
                    value => one(&value),
                },
            },
            ReflectFieldRef::Repeated(list) => list.into_iter().map(|value| one(&value)).collect(),
            ReflectFieldRef::Map(entries) => {
                let entry = |(key, value): (ReflectValueRef<'_>, ReflectValueRef<'_>)| {
                    (key.to_str().unwrap_or_default().to_owned(), one(&value))
                };
                Value::Object(entries.into_iter().map(entry).collect())
            }
        };
        map.insert(name.to_owned(), value);
    }
    Value::Object(map)
}

/// Whether a field may be absent, so that this is not the same as its default.
fn may_be_absent(field: &FieldDescriptor) -> bool {
    let kind = field.runtime_field_type();
    let message = matches!(kind, RuntimeFieldType::Singular(RuntimeType::Message(_)));
    message || field.proto().has_oneof_index()
}

fn one(value: &ReflectValueRef<'_>) -> Value {
    match value {
        ReflectValueRef::U32(number) => json!(number),
        ReflectValueRef::U64(number) => json!(number),
        ReflectValueRef::I32(number) => json!(number),
        ReflectValueRef::I64(number) => json!(number),
        ReflectValueRef::F32(number) => Number::from_f64(f64::from(*number)).into(),
        ReflectValueRef::F64(number) => Number::from_f64(*number).into(),
        ReflectValueRef::Bool(flag) => json!(flag),
        ReflectValueRef::String(text) => json!(text),
        ReflectValueRef::Bytes(_) => Value::Null,
        ReflectValueRef::Enum(kind, number) => {
            kind.value_by_number(*number).map_or_else(|| json!(number), |value| json!(value.name()))
        }
        ReflectValueRef::Message(message) => object(&**message),
    }
}

#[cfg(test)]
mod tests {
    use kata_agent_api::agent::{CopyFileRequest, CreateContainerRequest};
    use kata_agent_api::oci;
    use protobuf::MessageField;

    use super::*;

    #[test]
    fn requests_as_policies_know_them() {
        let request = CreateContainerRequest {
            container_id: "c".into(),
            OCI: MessageField::some(oci::Spec {
                Mounts: vec![oci::Mount { type_: "proc".into(), ..Default::default() }],
                Annotations: [("a".to_owned(), "b".to_owned())].into(),
                Process: MessageField::some(oci::Process {
                    OOMScoreAdj: -3,
                    Args: vec!["sh".into()],
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let input = of(&request);
        assert_eq!(input["container_id"], "c");
        assert_eq!(input["sandbox_pidns"], false);
        assert_eq!(input["OCI"]["Mounts"][0]["type_"], "proc");
        assert_eq!(input["OCI"]["Annotations"], json!({"a": "b"}));
        assert_eq!(input["OCI"]["Process"]["OOMScoreAdj"], -3);
        assert_eq!(input["OCI"]["Process"]["Args"], json!(["sh"]));
        assert_eq!(input["OCI"]["Linux"], Value::Null);
        assert_eq!(input["string_user"], Value::Null);
    }

    #[test]
    fn of_a_copy_only_a_link_s_target_is_told() {
        let copy = |file_mode, data: &[u8]| {
            of(&CopyFileRequest { file_mode, data: data.to_vec(), ..Default::default() })
        };
        assert!(copy(0o100_644, b"secret").get("data").is_none());
        assert_eq!(copy(0o120_777, b"../etc")["symlink_src"], "../etc");
    }
}
