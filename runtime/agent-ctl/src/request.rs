//! The request of an RPC from text: `json://{…}`, `file://path` of a JSON file, or
//! `name=value` pairs. Works on any message by its description.

use std::fs::File;
use std::io::{self, Read};

use protobuf::MessageDyn;
use protobuf::reflect::{MessageDescriptor, RuntimeFieldType, RuntimeType};
use serde_json::{Map, Number, Value};

use crate::catalogue::nearest;

/// A request file longer than this is a mistake: the protocol's messages end at
/// 4 MiB.
const LARGEST_FILE: u64 = 8 << 20;

/// Why a text is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The file can't be read.
    #[error("can't read the request from {path}")]
    Read {
        /// As typed.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Not JSON, or JSON of another shape.
    #[error("the JSON does not fit {message}: {reason}")]
    Json {
        /// Full name of the message.
        message: String,
        /// Where and why.
        reason: String,
    },
    /// A word without an equals sign.
    #[error("{0:?} is neither name=value nor json://… nor file://…")]
    Word(String),
    /// No such field.
    #[error(
        "there is no field {field:?} in {message}{}",
        .nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default()
    )]
    Field {
        /// As typed.
        field: String,
        /// Full name of the message.
        message: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// The value does not fit the field.
    #[error("{field}={value}: a {wanted} is wanted")]
    Value {
        /// Name of the field.
        field: String,
        /// As typed.
        value: String,
        /// What would fit.
        wanted: &'static str,
    },
}

/// Builds a message from `text`; an empty text is the empty message.
pub fn build(
    descriptor: &MessageDescriptor,
    text: &str,
) -> Result<Box<dyn MessageDyn>, RequestError> {
    let json = if let Some(json) = text.strip_prefix("json://") {
        json.to_owned()
    } else if let Some(path) = text.strip_prefix("file://") {
        read(path).map_err(|source| RequestError::Read { path: path.to_owned(), source })?
    } else {
        pairs(descriptor, text)?.to_string()
    };
    let mut message = descriptor.new_instance();
    protobuf_json_mapping::merge_from_str(message.as_mut(), &json).map_err(|error| {
        RequestError::Json {
            message: descriptor.full_name().to_owned(),
            reason: error.to_string().replace('\n', " "),
        }
    })?;
    Ok(message)
}

fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// `name=value` pairs as a JSON object. `a.b=value` is field b of message a; a
/// repeated field takes one value per pair. Quotes keep blanks together.
fn pairs(descriptor: &MessageDescriptor, text: &str) -> Result<Value, RequestError> {
    let mut object = Map::new();
    for word in words(text) {
        let Some((name, value)) = word.split_once('=') else {
            return Err(RequestError::Word(word));
        };
        set(&mut object, descriptor, name, value)?;
    }
    Ok(Value::Object(object))
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            // Quotes in the middle belong to the value, as in JSON.
            (None, '"' | '\'') if word.is_empty() || word.ends_with('=') => {
                quote = Some(character);
            }
            (None, blank) if blank.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, other) => word.push(other),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn set(
    object: &mut Map<String, Value>,
    descriptor: &MessageDescriptor,
    name: &str,
    value: &str,
) -> Result<(), RequestError> {
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    let found = descriptor.fields().find(|field| field.name().eq_ignore_ascii_case(first));
    let Some(field) = found else {
        let names: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
        return Err(RequestError::Field {
            field: first.to_owned(),
            message: descriptor.full_name().to_owned(),
            nearest: nearest(first, names.iter().map(String::as_str)).map(str::to_owned),
        });
    };
    let key = field.name().to_owned();
    let wrong = |wanted| RequestError::Value {
        field: field.name().to_owned(),
        value: value.to_owned(),
        wanted,
    };
    match (field.runtime_field_type(), rest) {
        (RuntimeFieldType::Singular(RuntimeType::Message(inner)), Some(rest)) => {
            let slot = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
            match slot {
                Value::Object(slot) => set(slot, &inner, rest, value),
                _ => Err(wrong("message")),
            }
        }
        (_, Some(_)) => Err(wrong("message with fields of its own")),
        (RuntimeFieldType::Singular(kind), None) => {
            object.insert(key, scalar(&kind, value).map_err(wrong)?);
            Ok(())
        }
        (RuntimeFieldType::Repeated(kind), None) => {
            let item = scalar(&kind, value).map_err(wrong)?;
            match object.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(items) => items.push(item),
                _ => return Err(wrong("list")),
            }
            Ok(())
        }
        (RuntimeFieldType::Map(..), None) => {
            let json = serde_json::from_str(value).map_err(|_| wrong("JSON object"))?;
            object.insert(key, json);
            Ok(())
        }
    }
}

/// A JSON value as the protocol's JSON form wants it for that type.
fn scalar(kind: &RuntimeType, value: &str) -> Result<Value, &'static str> {
    let number = |number: Option<Number>| number.map(Value::Number).ok_or("number");
    match kind {
        RuntimeType::String => Ok(Value::String(value.to_owned())),
        RuntimeType::VecU8 => Ok(Value::String(base64(value.as_bytes()))),
        RuntimeType::Bool => value.parse().map(Value::Bool).map_err(|_| "true or false"),
        RuntimeType::U32 | RuntimeType::U64 => number(parse_unsigned(value).map(Number::from)),
        RuntimeType::I32 | RuntimeType::I64 => number(value.parse::<i64>().ok().map(Number::from)),
        RuntimeType::F32 | RuntimeType::F64 => {
            number(value.parse::<f64>().ok().and_then(Number::from_f64))
        }
        RuntimeType::Enum(_) => Ok(Value::String(value.to_owned())),
        RuntimeType::Message(_) => serde_json::from_str(value).map_err(|_| "JSON object"),
    }
}

/// Decimal; also `0o…` and `0x…`, in which modes and addresses are easier to read.
fn parse_unsigned(value: &str) -> Option<u64> {
    if let Some(digits) = value.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok();
    }
    if let Some(digits) = value.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    value.parse().ok()
}

/// How the protocol's JSON form writes bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
                continue;
            }
            let digit = usize::try_from(group >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(char::from(DIGITS[digit]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kata_agent_api::agent::{CopyFileRequest, CreateSandboxRequest, ExecProcessRequest};
    use protobuf::MessageFull;

    fn built<M: MessageFull>(text: &str) -> Result<M, String> {
        let message = build(&M::descriptor(), text).map_err(|error| error.to_string())?;
        Ok(*message.downcast_box::<M>().unwrap())
    }

    #[test]
    fn pairs_and_json_and_files_say_the_same() {
        let pairs = "path='/a b' file_size=4 file_mode=0o100644 uid=-1 data=text";
        let json = "json://{\"path\":\"/a b\",\"file_size\":\"4\",\"fileMode\":33188,\
                    \"uid\":-1,\"data\":\"dGV4dA==\"}";
        let request: CopyFileRequest = built(pairs).unwrap();
        assert_eq!(request.data, b"text");
        assert_eq!((request.file_mode, request.uid), (0o100_644, -1));
        assert_eq!(built::<CopyFileRequest>(json).unwrap(), request);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.json");
        std::fs::write(&path, &json["json://".len()..]).unwrap();
        let file = format!("file://{}", path.display());
        assert_eq!(built::<CopyFileRequest>(&file).unwrap(), request);
    }

    #[test]
    fn lists_and_fields_of_fields() {
        let request: CreateSandboxRequest =
            built("dns=a dns='nameserver b' storages={\"driver\":\"local\"}").unwrap();
        assert_eq!(request.dns, ["a", "nameserver b"]);
        assert_eq!(request.storages[0].driver, "local");
        let request: ExecProcessRequest = built("process.Cwd=/ process.user.uid=5").unwrap();
        assert_eq!(request.process.User.UID, 5);
    }

    #[test]
    fn what_does_not_fit_is_explained() {
        let wrong = |text: &str| built::<CopyFileRequest>(text).unwrap_err();
        assert!(wrong("path").contains("neither name=value"));
        assert_eq!(wrong("file_size=big"), "file_size=big: a number is wanted");
        assert_eq!(
            wrong("path.x=1"),
            "path.x=1: a message with fields of its own is wanted".replace("path.x", "path")
        );
        assert!(wrong("json://{\"path\":5}").contains("grpc.CopyFileRequest"));
        assert!(wrong("json://{").contains("grpc.CopyFileRequest"));
        assert!(wrong("file_mode=99999999999").contains("grpc.CopyFileRequest"));
        assert!(wrong("file:///nonexistent").contains("/nonexistent"));
    }

    #[test]
    fn base64_of_every_length() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            [of(""), of("f"), of("fo"), of("foo"), of("foob")],
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }
}
