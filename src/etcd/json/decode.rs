//! Reads a request's JSON with the schema in hand.
//!
//! The mapping that is generated for the messages writes etcd's JSON to the letter, but it does not read it as etcd's
//! gateway does: it takes base64 without padding or in the alphabet for URLs, refuses numbers of enums that it does not
//! know, and has its own words for what is wrong. So requests are read here, by walking the JSON and the message's
//! descriptor together: names in either case, unknown fields and nulls skipped, numbers also as strings, enums by name or
//! number, and the gateway's sentences (which are those of Go's JSON library) for the rest.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field,
};
use serde_json::Value;

use super::base64;
use super::syntax;
use crate::etcd::proto::DESCRIPTORS;

static SCHEMA: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("build.rs wrote a schema that it had compiled")
});

/// Reads a message from the first JSON value in `text`. What follows it is ignored; no value at all is an empty message.
///
/// # Errors
/// A sentence for the client.
pub(super) fn decode<M: Message + Name + Default>(text: &[u8]) -> Result<M, String> {
    let Some(value) = syntax::first_value(&String::from_utf8_lossy(text))? else {
        return Ok(M::default());
    };
    let descriptor =
        SCHEMA.get_message_by_name(&M::full_name()).expect("a generated message stands in the schema");
    let message = read_message(descriptor, value)?;
    message.transcode_to().map_err(|error| error.to_string())
}

fn read_message(descriptor: MessageDescriptor, value: Value) -> Result<DynamicMessage, String> {
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut object = match value {
        Value::Object(object) => object,
        Value::Null => return Ok(message),
        other => return Err(mismatch(&other, "map[string]json.RawMessage")),
    };
    for field in descriptor.fields() {
        let by_name = object.remove(field.name());
        let Some(value) = object.remove(field.json_name()).or(by_name) else {
            continue;
        };
        if value.is_null() {
            continue;
        }
        let read =
            if field.is_list() { read_list(&field, value)? } else { read_single(&field.kind(), value)? };
        message.set_field(&field, read);
    }
    Ok(message)
}

fn read_list(field: &FieldDescriptor, value: Value) -> Result<Field, String> {
    let Value::Array(values) = value else {
        return Err(mismatch(&value, "[]json.RawMessage"));
    };
    let kind = field.kind();
    values.into_iter().map(|value| read_single(&kind, value)).collect::<Result<_, _>>().map(Field::List)
}

fn read_single(kind: &Kind, value: Value) -> Result<Field, String> {
    match kind {
        Kind::Bool => match value {
            Value::Bool(bool) => Ok(Field::Bool(bool)),
            Value::Null => Ok(Field::Bool(false)),
            other => Err(mismatch(&other, "bool")),
        },
        Kind::Int64 => read_number(value, "int64", Value::as_i64).map(Field::I64),
        Kind::Uint64 => read_number(value, "uint64", Value::as_u64).map(Field::U64),
        Kind::Uint32 => {
            read_number(value, "uint32", |v| v.as_u64().and_then(|n| u32::try_from(n).ok())).map(Field::U32)
        }
        Kind::Int32 => {
            read_number(value, "int32", |v| v.as_i64().and_then(|n| i32::try_from(n).ok())).map(Field::I32)
        }
        Kind::String => match value {
            Value::String(text) => Ok(Field::String(text)),
            Value::Null => Ok(Field::String(String::new())),
            other => Err(mismatch(&other, "string")),
        },
        Kind::Bytes => match value {
            Value::String(text) => match base64::decode(&text) {
                Ok(bytes) => Ok(Field::Bytes(bytes.into())),
                Err(illegal) => Err(format!("illegal base64 data at input byte {}", illegal.0)),
            },
            Value::Null => Ok(Field::Bytes(Default::default())),
            // Go's JSON library takes the bytes one by one, too.
            Value::Array(bytes) => bytes
                .into_iter()
                .map(|byte| read_number(byte, "uint8", |v| v.as_u64().and_then(|n| u8::try_from(n).ok())))
                .collect::<Result<Vec<u8>, _>>()
                .map(|bytes| Field::Bytes(bytes.into())),
            other => Err(mismatch(&other, "[]uint8")),
        },
        Kind::Enum(descriptor) => match value {
            Value::String(name) => match descriptor.get_value_by_name(&name) {
                Some(value) => Ok(Field::EnumNumber(value.number())),
                None => Err(format!(
                    "unknown value {:?} for enum {}",
                    format!("{name:?}"),
                    descriptor.full_name()
                )),
            },
            // A number that the schema does not name is taken, as gRPC takes it.
            other => read_number(other, "protoreflect.EnumNumber", |v| {
                v.as_i64().and_then(|number| i32::try_from(number).ok())
            })
            .map(Field::EnumNumber),
        },
        Kind::Message(descriptor) => read_message(descriptor.clone(), value).map(Field::Message),
        // etcd's schema has no others.
        other => Err(format!("fields of kind {other:?} cannot be read from JSON")),
    }
}

/// A number, or a string that holds one: what stands in the string is JSON again.
fn read_number<N: Default>(
    value: Value,
    name: &str,
    read: impl Fn(&Value) -> Option<N>,
) -> Result<N, String> {
    let value = match value {
        Value::String(text) => syntax::only_value(&text)?,
        other => other,
    };
    match &value {
        Value::Null => Ok(N::default()),
        Value::Number(number) => read(&value)
            .ok_or_else(|| format!("json: cannot unmarshal number {number} into Go value of type {name}")),
        other => Err(mismatch(other, name)),
    }
}

/// The gateway's sentence for a value of the wrong kind.
fn mismatch(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::proto::etcdserverpb::watch_request::RequestUnion;
    use crate::etcd::proto::etcdserverpb::{
        MemberAddRequest, PutRequest, RangeRequest, TxnRequest, WatchRequest,
    };

    #[test]
    fn names_are_read_in_either_case_and_unknown_ones_skipped() {
        for text in [r#"{"key":"Zm9v","prev_kv":true,"bogus":[{}]}"#, r#"{"prevKv":true,"key":"Zm9v"}"#] {
            let put: PutRequest = decode(text.as_bytes()).unwrap();
            assert_eq!(put, PutRequest { key: "foo".into(), prev_kv: true, ..Default::default() });
        }
        let add: MemberAddRequest = decode(br#"{"peerURLs":["http://a:1"],"isLearner":true}"#).unwrap();
        assert_eq!((&add.peer_ur_ls[..], add.is_learner), (&["http://a:1".to_string()][..], true));
    }

    #[test]
    fn numbers_come_as_numbers_or_strings_and_enums_by_name_or_number() {
        let text =
            br#"{"limit":"2","revision":3,"sort_order":"DESCEND","sort_target":3,"min_mod_revision":null}"#;
        let range: RangeRequest = decode(text).unwrap();
        assert_eq!((range.limit, range.revision, range.sort_order, range.sort_target), (2, 3, 2, 3));
        let range: RangeRequest = decode(br#"{"sort_order":7,"limit":"-1"}"#).unwrap();
        assert_eq!((range.sort_order, range.limit), (7, -1));
    }

    #[test]
    fn nested_messages_and_choices_are_read() {
        let watch: WatchRequest =
            decode(br#"{"createRequest":{"key":"dw==","filters":["NOPUT",1]}}"#).unwrap();
        let Some(RequestUnion::CreateRequest(create)) = watch.request_union else { panic!("{watch:?}") };
        assert_eq!((&create.key[..], &create.filters[..]), (&b"w"[..], &[0, 1][..]));
        let txn: TxnRequest =
            decode(br#"{"success":[{"request_txn":{"success":[{"request_put":{"key":"YQ=="}}]}}]}"#).unwrap();
        assert!(format!("{txn:?}").contains("RequestPut"));
    }

    #[test]
    fn an_empty_body_is_an_empty_message_and_what_trails_is_ignored() {
        assert_eq!(decode::<PutRequest>(b" \n"), Ok(PutRequest::default()));
        assert!(decode::<PutRequest>(br#"{"key":"YQ=="} junk"#).is_ok());
        assert!(decode::<PutRequest>(br#"{"key":"YQ=="}{"key":"Yg=="}"#).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_the_gateways_words() {
        let put = |text: &str| decode::<PutRequest>(text.as_bytes()).unwrap_err();
        assert_eq!(
            put("[]"),
            "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"
        );
        assert_eq!(put(r#"{"prev_kv":"true"}"#), "json: cannot unmarshal string into Go value of type bool");
        assert_eq!(put(r#"{"key":"foo!"}"#), "illegal base64 data at input byte 3");
        assert_eq!(put(r#"{"key":5}"#), "json: cannot unmarshal number into Go value of type []uint8");
        assert_eq!(put(r#"{"lease":"abc"}"#), "invalid character 'a' looking for beginning of value");
        assert_eq!(put(r#"{"lease":1.5}"#), "json: cannot unmarshal number 1.5 into Go value of type int64");
        assert_eq!(
            decode::<RangeRequest>(br#"{"sort_order":"UPWARD"}"#).unwrap_err(),
            r#"unknown value "\"UPWARD\"" for enum etcdserverpb.RangeRequest.SortOrder"#
        );
    }
}
