//! A record as bytes: one line that says what it is, then the parts as they are.
//!
//! ```text
//! # opsbox-record 1 SHA256-OF-ALL-THAT-FOLLOWS {"name":..,"version":..,"parts":[["tls.crt",1204],..]}
//! -----BEGIN CERTIFICATE-----
//! ```
//!
//! Programs that look for PEM sections, such as openssl and HAProxy, pass over the line. It has the
//! name, so that a file that was copied to another name is not taken for that one, and a checksum, so
//! that no damage is taken for a record.

#![warn(clippy::indexing_slicing)]

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::fault::corrupt;
use super::lease::Fence;
use super::name::Name;
use super::record::{Record, Version};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8] = b"# opsbox-record ";
const FORMAT: &[u8] = b"1 ";
const HASH: usize = 64;
/// Longest first line that is looked for: a name, a version, a fence and all parts fit ten times.
const LONGEST_LINE: usize = 32 * 1024;
/// Most bytes of an encoded record.
pub(super) const MAX_BYTES: usize = crate::limits::MAX_RECORD_BYTES + LONGEST_LINE;

#[derive(Serialize)]
struct HeaderOut<'a> {
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<&'a Fence>,
    parts: Vec<(&'a str, usize)>,
}

#[derive(Deserialize)]
struct HeaderIn {
    name: String,
    version: String,
    #[cfg(feature = "store-object")]
    #[serde(default)]
    fence: Option<Fence>,
    parts: Vec<(String, usize)>,
}

pub(super) struct Decoded {
    pub(super) name: Name,
    pub(super) record: Record,
    pub(super) version: Version,
    #[cfg(feature = "store-object")]
    pub(super) fence: Option<Fence>,
}

pub(super) fn encode(
    name: &Name,
    record: &Record,
    version: &Version,
    fence: Option<&Fence>,
) -> Result<Zeroizing<Vec<u8>>> {
    let header = HeaderOut {
        name: name.as_str(),
        version: version.as_str(),
        fence,
        parts: record
            .parts()
            .map(|(part, bytes)| (part, bytes.len()))
            .collect(),
    };
    let header = serde_json::to_vec(&header).map_err(|error| {
        Error::store(
            ErrorKind::Invalid,
            "encode",
            name,
            "the header is no JSON; see the cause",
        )
        .caused_by(error)
    })?;
    let mut hash = Sha256::new();
    hash.update(&header);
    hash.update(b"\n");
    record.parts().for_each(|(_, bytes)| hash.update(bytes));
    // The exact size: a buffer that grows leaves copies of keys behind.
    let size = MAGIC.len() + FORMAT.len() + HASH + 1 + header.len() + 1 + record.len_bytes();
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    for piece in [
        MAGIC,
        FORMAT,
        HEXLOWER.encode(&hash.finalize()).as_bytes(),
        b" ",
        &header,
        b"\n",
    ] {
        out.extend_from_slice(piece);
    }
    record
        .parts()
        .for_each(|(_, bytes)| out.extend_from_slice(bytes));
    Ok(out)
}

/// Reads what [`encode`] wrote. `object` is for the message.
pub(super) fn decode(object: impl std::fmt::Display, bytes: &[u8]) -> Result<Decoded> {
    read(bytes).map_err(|what| corrupt(object, what))
}

/// The same for a record whose name is known.
pub(super) fn decode_as(name: &Name, bytes: &[u8]) -> Result<Decoded> {
    let decoded = decode(name, bytes)?;
    if decoded.name != *name {
        return Err(corrupt(
            name,
            format_args!("it is the record {}", decoded.name),
        ));
    }
    Ok(decoded)
}

fn read(bytes: &[u8]) -> Result<Decoded, &'static str> {
    if bytes.is_empty() {
        return Err("it is empty");
    }
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("its first line is not that of a record")?;
    let rest = rest
        .strip_prefix(FORMAT)
        .ok_or("its format is unknown, a newer program may have written it")?;
    let (hash, rest) = rest.split_at_checked(HASH).ok_or("it is cut short")?;
    let rest = rest
        .strip_prefix(b" ")
        .ok_or("its first line is not that of a record")?;
    let expected = HEXLOWER.encode(&Sha256::digest(rest));
    if expected.as_bytes() != hash {
        return Err("its checksum is wrong, it was cut short or edited");
    }
    let end = rest
        .iter()
        .take(LONGEST_LINE)
        .position(|&b| b == b'\n')
        .ok_or("its first line does not end")?;
    let (header, body) = rest.split_at(end);
    let header: HeaderIn =
        serde_json::from_slice(header).map_err(|_| "its first line is no JSON")?;
    let mut body = body.get(1..).unwrap_or_default();
    let mut record = Record::new();
    for (part, length) in &header.parts {
        let (part_bytes, after) = body
            .split_at_checked(*length)
            .ok_or("a part is longer than the file")?;
        record
            .insert(part, part_bytes)
            .map_err(|_| "it breaks a limit of records")?;
        body = after;
    }
    if !body.is_empty() {
        return Err("something follows its last part");
    }
    Ok(Decoded {
        name: header.name.parse().map_err(|_| "its name is none")?,
        record,
        version: Version::new(header.version),
        #[cfg(feature = "store-object")]
        fence: header.fence,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> (Name, Vec<u8>) {
        let name = Name::certificate("a.example").unwrap();
        let record = Record::new()
            .with("tls.key", "KEY\n")
            .unwrap()
            .with("a.txt", "")
            .unwrap();
        let fence = Fence {
            lock: "orders/a".into(),
            token: 7,
        };
        let bytes = encode(&name, &record, &Version::new("v"), Some(&fence)).unwrap();
        (name, bytes.to_vec())
    }

    #[test]
    fn what_was_written_is_read() {
        let (name, bytes) = sample();
        let decoded = decode_as(&name, &bytes).unwrap();
        assert_eq!(decoded.record.part("tls.key"), Some(&b"KEY\n"[..]));
        assert_eq!(decoded.record.part("a.txt"), Some(&b""[..]));
        assert_eq!(decoded.version.as_str(), "v");
        let other = Name::certificate("b.example").unwrap();
        let error = decode_as(&other, &bytes).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("it is the record certificates/a.example"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_damage_is_taken_for_a_record(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let (name, bytes) = sample();
            let mut damaged = bytes.clone();
            let at = at.index(bytes.len());
            if cut { damaged.truncate(at) } else { damaged[at] = byte }
            prop_assume!(damaged != bytes);
            let error = decode_as(&name, &damaged).err().unwrap();
            prop_assert_eq!(error.kind(), ErrorKind::Corrupt);
            prop_assert!(!error.to_string().contains("KEY"));
        }

        #[test]
        fn random_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = [MAGIC, FORMAT].concat();
            bytes.extend(tail);
            prop_assert!(decode("x", &bytes).is_err());
        }
    }
}
