//! One object of a list or of a watch, straight into its compact form.
//!
//! The types and the compaction are those of the offline reader, so that a saved list and a live
//! one are judged alike.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::call::Status;
use crate::{
    model::pod::PodState,
    observe::{
        compact,
        fast::{Json, Unusual},
        node::Head,
        pool::Pool,
        wire::{ObjectMeta, PodSpec, PodStatus, Text},
    },
    text::Escaped,
};

/// A pod of the cluster that could not be read, so there is no verdict on it.
///
/// An API server that this crate knows sends none. It is kept out of the
/// [`PodStore`](super::PodStore), so that nothing is done to it on old knowledge: show it to a human.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadablePod {
    namespace: Box<str>,
    name: Box<str>,
    reason: Box<str>,
}

impl UnreadablePod {
    fn new(head: &Head, reason: &str) -> Self {
        Self {
            namespace: head.namespace.as_str().into(),
            name: head.name.as_str().into(),
            reason: reason.into(),
        }
    }

    /// `metadata.namespace`; empty if not even that could be read.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `metadata.name`; empty if not even that could be read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// One line; unprintable characters are escaped.
impl fmt::Display for UnreadablePod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}: {}",
            Escaped(&self.namespace),
            Escaped(&self.name),
            Escaped(&self.reason)
        )
    }
}

/// What is read of a pod.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod<'a> {
    #[serde(borrow)]
    metadata: Option<ObjectMeta<'a>>,
    #[serde(borrow)]
    spec: Option<PodSpec<'a>>,
    #[serde(borrow)]
    status: Option<PodStatus<'a>>,
}

/// Reads JSON as the API server writes it, jumping over what is not needed; `None` if it is in any
/// way unusual, and is to be read by the parser that knows all of JSON.
fn usual<'de, T>(
    json: &'de [u8],
    read: impl FnOnce(&mut Json<'de>) -> Result<T, Unusual>,
) -> Option<T> {
    let mut json = Json::new(str::from_utf8(json).ok()?);
    let value = read(&mut json).ok()?;
    json.end().ok()?;
    Some(value)
}

/// One pod in JSON.
pub(super) fn pod(json: &[u8], pool: &mut Pool) -> Result<PodState, UnreadablePod> {
    if let Some(pod) = usual(json, |json| Pod::deserialize(json)) {
        return compacted(pod, pool);
    }
    match serde_json::from_slice::<Pod<'_>>(json) {
        Ok(pod) => compacted(pod, pool),
        Err(error) => {
            let head = serde_json::from_slice::<Head>(json).unwrap_or_default();
            Err(UnreadablePod::new(
                &head,
                &crate::observe::json::reason(&error),
            ))
        }
    }
}

/// One event of a watch.
pub(super) enum Event {
    /// `ADDED` or `MODIFIED`.
    Applied(PodState),
    Deleted(PodState),
    Bookmark {
        resource_version: Box<str>,
        /// It says that all that was there has been sent (streaming lists).
        ends_list: bool,
    },
    Error(Status),
    Unreadable(UnreadablePod),
    /// A type of event that this crate does not know.
    Unknown(Box<str>),
    /// A line that is not JSON of an event at all.
    Garbage,
}

/// One line of a watch.
pub(super) fn event(line: &[u8], pool: &mut Pool) -> Event {
    let usual = usual(line, |json| {
        let pool = &mut *pool;
        Line { pool }.deserialize(json)
    });
    if let Some(Some(event)) = usual {
        return event;
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    let read = Line { pool }.deserialize(&mut json);
    match read {
        Ok(Some(event)) => event,
        Ok(None) | Err(_) => misfit(line, read.err()),
    }
}

/// A second look at a line of which the object does not fit.
fn misfit(line: &[u8], error: Option<serde_json::Error>) -> Event {
    #[derive(Deserialize)]
    struct Members<'a> {
        #[serde(borrow, rename = "type")]
        kind: Text<'a>,
        object: Head,
    }

    let Ok(members) = serde_json::from_slice::<Members<'_>>(line) else {
        return Event::Garbage;
    };
    let reason = error.map_or_else(
        || "the event has no object".to_owned(),
        |error| crate::observe::json::reason(&error),
    );
    match members.kind.as_str() {
        "ADDED" | "MODIFIED" | "DELETED" => {
            Event::Unreadable(UnreadablePod::new(&members.object, &reason))
        }
        _ => Event::Garbage,
    }
}

struct Line<'p> {
    pool: &'p mut Pool,
}

impl<'de> DeserializeSeed<'de> for Line<'_> {
    type Value = Option<Event>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Option<Event>, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_> {
    type Value = Option<Event>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of a watch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Event>, A::Error> {
        let mut kind: Option<Text<'de>> = None;
        let mut early: Option<&'de RawValue> = None;
        let mut event = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match (key.as_str(), &kind) {
                ("type", _) => kind = Some(map.next_value()?),
                // The API server writes the type first, so the object is read as what it is.
                ("object", Some(kind)) => {
                    event = Some(match kind.as_str() {
                        "ADDED" | "MODIFIED" | "DELETED" => {
                            let pod = map.next_value::<Pod<'de>>()?;
                            of_pod(kind.as_str() == "DELETED", pod, self.pool)
                        }
                        "BOOKMARK" => map.next_value::<Bookmark<'de>>()?.into(),
                        "ERROR" => Event::Error(map.next_value()?),
                        other => {
                            let unknown = Event::Unknown(other.into());
                            map.next_value::<IgnoredAny>()?;
                            unknown
                        }
                    });
                }
                ("object", None) => early = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let (Some(object), Some(kind)) = (early, kind) else {
            return Ok(event);
        };
        let custom = serde::de::Error::custom::<serde_json::Error>;
        Ok(Some(match kind.as_str() {
            "ADDED" | "MODIFIED" | "DELETED" => {
                let pod = serde_json::from_str(object.get()).map_err(custom)?;
                of_pod(kind.as_str() == "DELETED", pod, self.pool)
            }
            "BOOKMARK" => serde_json::from_str::<Bookmark<'_>>(object.get())
                .map_err(custom)?
                .into(),
            "ERROR" => Event::Error(serde_json::from_str(object.get()).map_err(custom)?),
            other => Event::Unknown(other.into()),
        }))
    }
}

fn of_pod(deleted: bool, pod: Pod<'_>, pool: &mut Pool) -> Event {
    match compacted(pod, pool) {
        Ok(pod) if deleted => Event::Deleted(pod),
        Ok(pod) => Event::Applied(pod),
        Err(unreadable) => Event::Unreadable(unreadable),
    }
}

fn compacted(pod: Pod<'_>, pool: &mut Pool) -> Result<PodState, UnreadablePod> {
    let meta = pod.metadata.unwrap_or_default();
    let (spec, status) = (pod.spec.unwrap_or_default(), pod.status.unwrap_or_default());
    compact::pod(&meta, spec, status, pool).map_err(|reason| UnreadablePod {
        namespace: meta.namespace.as_str().into(),
        name: meta.name.as_str().into(),
        reason: reason.into(),
    })
}

/// A pod of which only the metadata mean something.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bookmark<'a> {
    #[serde(borrow)]
    metadata: BookmarkMeta<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMeta<'a> {
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    annotations: Option<BookmarkAnnotations<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BookmarkAnnotations<'a> {
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    ends_list: Text<'a>,
}

impl From<Bookmark<'_>> for Event {
    fn from(bookmark: Bookmark<'_>) -> Self {
        let meta = bookmark.metadata;
        Self::Bookmark {
            resource_version: meta.resource_version.as_str().into(),
            ends_list: meta
                .annotations
                .is_some_and(|annotations| annotations.ends_list.as_str() == "true"),
        }
    }
}

/// What surrounds the items of a list.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ListEnvelope {
    pub(super) kind: String,
    pub(super) metadata: ListMeta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) token: String,
}

/// What is read of a node or a namespace.
#[derive(Default)]
pub(super) struct NamedObject {
    pub(super) name: Box<str>,
    /// Whether its condition `Ready` is true.
    pub(super) ready: bool,
}

/// A node or a namespace in JSON; what cannot be read has no name and is not ready.
pub(super) fn named(json: &[u8]) -> NamedObject {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: Named<'a>,
        #[serde(borrow)]
        status: Status<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Text<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status<'a> {
        #[serde(borrow)]
        conditions: Option<Vec<Condition<'a>>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Condition<'a> {
        #[serde(borrow, rename = "type")]
        kind: Text<'a>,
        #[serde(borrow)]
        status: Text<'a>,
    }

    let object: Object<'_> = serde_json::from_slice(json).unwrap_or_default();
    let conditions = object.status.conditions.unwrap_or_default();
    NamedObject {
        name: object.metadata.name.as_str().into(),
        ready: conditions
            .iter()
            .any(|c| c.kind.as_str() == "Ready" && c.status.as_str() == "True"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Event {
        event(line.as_bytes(), &mut Pool::default())
    }

    #[test]
    fn events_are_read_in_any_order_of_members() {
        let pod = r#"{"metadata":{"namespace":"shop","name":"web","resourceVersion":"7"}}"#;
        for line in [
            format!(r#"{{"type":"MODIFIED","object":{pod}}}"#),
            format!(r#"{{"object":{pod},"new":[1],"type":"MODIFIED"}}"#),
        ] {
            let Event::Applied(pod) = read(&line) else {
                panic!("{line}")
            };
            assert_eq!((pod.name(), pod.resource_version()), ("web", "7"));
        }
        let Event::Deleted(_) = read(&format!(r#"{{"type":"DELETED","object":{pod}}}"#)) else {
            panic!()
        };
        let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":
            "9","annotations":{"a":"b","k8s.io/initial-events-end":"true"}}}}"#;
        let Event::Bookmark {
            resource_version,
            ends_list: true,
        } = read(bookmark)
        else {
            panic!()
        };
        assert_eq!(&*resource_version, "9");
        let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        let Event::Error(status) = read(gone) else {
            panic!()
        };
        assert_eq!(status.code, 410);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let line = r#"{"type":"ADDED","object":{"metadata":{"namespace":"shop","name":"odd"},
            "status":{"phase":{}}}}"#;
        let Event::Unreadable(pod) = read(line) else {
            panic!()
        };
        assert_eq!((pod.namespace(), pod.name()), ("shop", "odd"));
        assert!(pod.reason().contains("string"), "{pod}");
        let Event::Unreadable(_) = read(r#"{"type":"ADDED","object":{"metadata":{}}}"#) else {
            panic!()
        };
        for garbage in [
            "",
            "{",
            "[]",
            "<html>",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"ERROR","object":3}"#,
        ] {
            assert!(matches!(read(garbage), Event::Garbage), "{garbage}");
        }
        assert!(matches!(
            read(r#"{"type":"NEW","object":{}}"#),
            Event::Unknown(_)
        ));
    }
}
