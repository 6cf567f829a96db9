//! What a request or a reply of fleet provisioning looks like on the wire: JSON or CBOR, as the
//! last level of its topic says.
//!
//! It alone names the CBOR crate.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html>.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadFormat {
    Json,
    Cbor,
}

impl PayloadFormat {
    /// The format that the last level of a topic names.
    pub(super) fn of(level: &str) -> Option<Self> {
        match level {
            "json" => Some(Self::Json),
            "cbor" => Some(Self::Cbor),
            _ => None,
        }
    }

    /// The members of a payload, or why it has none: it is no object, or says something after it.
    pub(super) fn read(self, payload: &[u8]) -> Result<Map<String, Value>, String> {
        if payload.is_empty() {
            return Err("the payload is empty".to_owned());
        }
        let (name, read) = match self {
            Self::Json => {
                let read = serde_json::from_slice(payload).map_err(|error| error.to_string());
                ("JSON", read)
            }
            Self::Cbor => ("CBOR", read_cbor(payload)),
        };
        read.map_err(|why| format!("the payload is no object in {name}: {why}"))
    }

    /// `said` in this format.
    pub(super) fn write(self, said: &impl Serialize) -> Bytes {
        // INVARIANT: what is said are texts, numbers, truth values, and objects with text as keys.
        match self {
            Self::Json => serde_json::to_vec(said).unwrap_or_default().into(),
            Self::Cbor => cbor4ii::serde::to_vec(Vec::new(), said).unwrap_or_default().into(),
        }
    }
}

fn read_cbor(payload: &[u8]) -> Result<Map<String, Value>, String> {
    let mut reader = cbor4ii::core::utils::SliceReader::new(payload);
    let mut deserializer = cbor4ii::serde::Deserializer::new(&mut reader);
    let members = serde::Deserialize::deserialize(&mut deserializer);
    let members = members.map_err(|error| error.to_string())?;
    let rest = cbor4ii::core::dec::Read::fill(&mut reader, 1).map_err(|error| error.to_string())?;
    if rest.as_ref().is_empty() { Ok(members) } else { Err("more follows it".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_in_both_formats() {
        let said = json!({
            "certificateOwnershipToken": "x".repeat(464),
            "parameters": { "SerialNumber": "5000", "é": "", "n": 7, "t": true, "list": [1, []] },
        });
        for format in [PayloadFormat::Json, PayloadFormat::Cbor] {
            let read = format.read(&format.write(&said));
            assert_eq!(read.map(Value::Object), Ok(said.clone()), "{format:?}");
        }
    }

    #[test]
    fn what_is_no_object_cannot_be_read() {
        let cbor = |value: Value| PayloadFormat::Cbor.write(&value).to_vec();
        let followed = [cbor(json!({})), cbor(json!(1))].concat();
        let table: [(PayloadFormat, Vec<u8>); 10] = [
            (PayloadFormat::Json, b"".into()),
            (PayloadFormat::Json, b"[]".into()),
            (PayloadFormat::Json, b"{} {}".into()),
            (PayloadFormat::Json, b"\xff".into()),
            (PayloadFormat::Cbor, b"".into()),
            (PayloadFormat::Cbor, b"{}".into()),
            (PayloadFormat::Cbor, cbor(json!([]))),
            (PayloadFormat::Cbor, followed),
            // A key that is no text; a map that promises more than there is.
            (PayloadFormat::Cbor, vec![0xa1, 0x01, 0x02]),
            (PayloadFormat::Cbor, vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (format, payload) in table {
            assert!(format.read(&payload).is_err(), "{format:?} {payload:02x?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        let table = [
            (PayloadFormat::Json, b"".as_slice(), "the payload is empty"),
            (PayloadFormat::Json, b"[", "the payload is no object in JSON: "),
            (PayloadFormat::Cbor, b"{}", "the payload is no object in CBOR: "),
            (PayloadFormat::Cbor, b"\xa0\x01", "the payload is no object in CBOR: more follows it"),
        ];
        for (format, payload, expected) in table {
            let why = format.read(payload).unwrap_err();
            assert!(why.starts_with(expected), "{format:?} {payload:02x?}: {why}");
        }
    }

    /// As a microcontroller writes it: a map without a length, and a text in pieces.
    #[test]
    fn cbor_may_come_in_pieces() {
        let pieces = [
            b"\xbf\x7f\x64cert\x79\x00\x04Pem.\xff".as_slice(),
            b"\x7f\x61a\x61b\xff\xff".as_slice(),
        ];
        let read = PayloadFormat::Cbor.read(&pieces.concat());
        assert_eq!(read.map(Value::Object), Ok(json!({ "certPem.": "ab" })));
        let null = PayloadFormat::Cbor.read(b"\xa1\x61n\xf6");
        assert_eq!(null.map(Value::Object), Ok(json!({ "n": null })));
    }

    proptest::proptest! {
        #[test]
        fn no_payload_makes_it_panic(payload: Vec<u8>, depth in 0_usize..100_000) {
            let _any = PayloadFormat::Json.read(&payload);
            let _any = PayloadFormat::Cbor.read(&payload);
            let deep = [vec![0x81; depth], payload].concat();
            let _any = PayloadFormat::Cbor.read(&deep);
        }
    }
}
