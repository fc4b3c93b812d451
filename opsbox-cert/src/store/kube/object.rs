//! A record as a Secret, and back.

use std::collections::BTreeMap;
use std::mem;

use data_encoding::HEXLOWER;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use super::super::fault::corrupt;
use super::super::{Folder, Name, Record, Stored, Version, random};
use crate::error::Result;

/// The real name of a record or a lock.
pub(super) const NAME: &str = "opsbox-cert/name";
/// A random number for each write: the API server makes no new version of an equal object.
const WRITE: &str = "opsbox-cert/write";
/// The keys of `data` that are there only since the type of the Secret asks for them.
const PLACEHOLDERS: &str = "opsbox-cert/placeholders";
const STORE: &str = "opsbox-cert/store";
const FOLDER: &str = "opsbox-cert/folder";

/// What the type `kubernetes.io/tls` asks for.
pub(super) const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// `{prefix}-{readable}-{hash}`: the hash makes it the name's own, the rest is for people.
pub(super) fn name(prefix: &str, name: &Name) -> String {
    const READABLE: usize = 60;
    const HASH: usize = 16;
    let mut readable = String::with_capacity(READABLE);
    for byte in name.as_str().bytes() {
        if readable.len() == READABLE {
            break;
        }
        let byte = byte.to_ascii_lowercase();
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            readable.push(char::from(byte));
        } else if !readable.ends_with('-') {
            readable.push('-');
        }
    }
    let digest = Sha256::digest(name.as_str());
    let hash = HEXLOWER.encode(digest.get(..HASH).unwrap_or_default());
    format!("{prefix}-{}-{hash}", readable.trim_end_matches('-'))
}

pub(super) fn selector(prefix: &str, folder: &Folder) -> String {
    format!("{STORE}={prefix},{FOLDER}={}", label(folder.as_str()))
}

/// A label may not end in a dash, as a folder may; a folder has no underscore.
fn label(folder: &str) -> String {
    let end = if folder.ends_with('-') { "_0" } else { "" };
    format!("{folder}{end}")
}

/// The metadata of an object of ours, over what others put there.
pub(super) fn describe(metadata: &mut ObjectMeta, prefix: &str, name: &Name) {
    metadata.name = Some(self::name(prefix, name));
    // Large, and of no use to the server.
    metadata.managed_fields = None;
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(STORE.into(), prefix.into());
    labels.insert(FOLDER.into(), label(name.folder()));
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(NAME.into(), name.to_string());
}

pub(super) fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let annotations = metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

pub(super) fn version(secret: &Secret) -> Version {
    version_of(&secret.metadata)
}

pub(super) fn version_of(metadata: &ObjectMeta) -> Version {
    Version::new(metadata.resource_version.clone().unwrap_or_default())
}

/// The name and version of a Secret of a list. One that was copied, labels and all, is none of ours.
pub(super) fn listed(
    prefix: &str,
    folder: &Folder,
    metadata: &ObjectMeta,
) -> Option<(Name, Version)> {
    let name: Name = annotation(metadata, NAME)?.parse().ok()?;
    let ours = name.folder() == folder.as_str()
        && metadata.name.as_deref() == Some(self::name(prefix, &name).as_str());
    ours.then(|| (name, version_of(metadata)))
}

/// The Secret of a record, in place of the one that was found.
pub(super) fn secret(
    prefix: &str,
    name: &Name,
    record: &Record,
    found: Option<Secret>,
) -> Result<Secret> {
    let mut secret = found.unwrap_or_default();
    wipe(&mut secret);
    describe(&mut secret.metadata, prefix, name);
    let tls = name.folder() == Folder::CERTIFICATES.as_str();
    // The type of a Secret cannot be changed, so it goes by the name and not by the parts.
    secret.type_ = Some(if tls { "kubernetes.io/tls" } else { "Opaque" }.into());
    let mut data: BTreeMap<String, ByteString> = record
        .parts()
        .map(|(part, bytes)| (part.to_owned(), ByteString(bytes.to_vec())))
        .collect();
    let mut placeholders = Vec::new();
    for key in TLS_KEYS
        .into_iter()
        .filter(|key| tls && record.part(key).is_none())
    {
        data.insert(key.to_owned(), ByteString::default());
        placeholders.push(key);
    }
    secret.data = Some(data);
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(WRITE.into(), random::id()?);
    if placeholders.is_empty() {
        annotations.remove(PLACEHOLDERS);
    } else {
        annotations.insert(PLACEHOLDERS.into(), placeholders.join(","));
    }
    Ok(secret)
}

/// The record of a Secret.
pub(super) fn stored(name: &Name, mut secret: Secret) -> Result<Stored> {
    let result = read(name, &mut secret);
    wipe(&mut secret);
    result
}

fn read(name: &Name, secret: &mut Secret) -> Result<Stored> {
    match annotation(&secret.metadata, NAME) {
        Some(said) if said == name.as_str() => {}
        Some(_) => return Err(corrupt(name, "its Secret is that of another record")),
        None => {
            let what = format_args!("its Secret has no annotation `{NAME}`");
            return Err(corrupt(name, what));
        }
    }
    let placeholders = annotation(&secret.metadata, PLACEHOLDERS).unwrap_or_default();
    let is_placeholder = |part: &str, bytes: &[u8]| {
        bytes.is_empty() && placeholders.split(',').any(|key| key == part)
    };
    let version = version(secret);
    let mut record = Record::new();
    for (part, bytes) in secret.data.iter_mut().flatten() {
        if is_placeholder(part, &bytes.0) {
            continue;
        }
        record
            .insert(part, mem::take(&mut bytes.0))
            .map_err(|_| corrupt(name, "its Secret has a key that no part of a record has"))?;
    }
    Ok(Stored::new(record, version))
}

pub(super) fn wipe(secret: &mut Secret) {
    for bytes in secret.data.iter_mut().flat_map(BTreeMap::values_mut) {
        bytes.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_say_what_they_are() {
        let object = |id: &str| name("web", &Name::certificate(id).unwrap());
        assert!(object("*.example.com").starts_with("web-certificates-example-com-"));
        assert!(object("2001:db8::1").starts_with("web-certificates-2001-db8-1-"));
        assert_eq!(object(&"a".repeat(255)).len(), 4 + 60 + 1 + 32);
        assert_ne!(object("a.example"), object("A.example"));
        assert_eq!(label("a-"), "a-_0");
    }

    #[test]
    fn what_others_put_on_a_secret_stays() {
        let name = Name::certificate("a.example").unwrap();
        let mut found = secret("web", &name, &Record::new(), None).unwrap();
        let labels = found.metadata.labels.as_mut().unwrap();
        labels.insert("team".into(), "edge".into());
        found.metadata.resource_version = Some("7".into());
        let record = Record::new()
            .with("tls.key", "k")
            .unwrap()
            .with("tls.crt", "c")
            .unwrap();
        let next = secret("web", &name, &record, Some(found)).unwrap();
        assert_eq!(next.metadata.labels.as_ref().unwrap()["team"], "edge");
        assert_eq!(next.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(annotation(&next.metadata, PLACEHOLDERS), None);
        assert_eq!(stored(&name, next).unwrap().record, record);
    }

    #[test]
    fn a_copy_is_not_listed() {
        let name = Name::certificate("a.example").unwrap();
        let mut copy = secret("web", &name, &Record::new(), None).unwrap();
        let seen = |secret: &Secret, folder| listed("web", folder, &secret.metadata);
        assert_eq!(seen(&copy, &Folder::CERTIFICATES).unwrap().0, name);
        assert!(seen(&copy, &Folder::ORDERS).is_none());
        copy.metadata.name = Some("copied".into());
        assert!(seen(&copy, &Folder::CERTIFICATES).is_none());
    }

    proptest! {
        #[test]
        fn object_names_are_valid_and_never_meet(
            ids in prop::collection::hash_set("[a-cA-C0-9._*~@+=,:-]{1,80}", 1..20),
        ) {
            let names: Vec<Name> = ids.iter().filter_map(|id| Name::order(id).ok()).collect();
            let objects: HashSet<String> = names.iter().map(|name| super::name("p", name)).collect();
            prop_assert_eq!(objects.len(), names.len());
            for object in objects {
                prop_assert!(super::super::is_label(&object, 253), "{}", object);
            }
        }

        #[test]
        fn a_record_survives(
            parts in prop::collection::btree_map(
                "tls\\.(key|crt)|[a-z][a-z0-9.-]{0,20}",
                prop::collection::vec(any::<u8>(), 0..50),
                0..10,
            ),
            folder in prop::sample::select(vec![Folder::CERTIFICATES, Folder::ORDERS]),
        ) {
            let name = Name::new(&folder, "a.example").unwrap();
            let mut record = Record::new();
            for (part, bytes) in parts {
                record.insert(&part, bytes).unwrap();
            }
            let secret = secret("web", &name, &record, None).unwrap();
            prop_assert_eq!(stored(&name, secret).unwrap().record, record);
        }
    }
}
