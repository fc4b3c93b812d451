//! Walks a `PodList`, a `List` or a `Pod`, in JSON or YAML alike, one item at a time.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    careful, compact,
    node::Head,
    pool::Pool,
    problem::Problem,
    snapshot::{PodSnapshot, Skipped},
    type_meta::WHAT_TO_DO,
    wire::{ObjectMeta, PodSpec, PodStatus, Text},
};
use crate::{
    error::{Error, ErrorKind, Position},
    limits::{MAX_PROBLEMS_LISTED, MAX_SKIPPED_LISTED},
    model::pod::PodState,
};

/// How the items of a list are read.
#[derive(Clone, Copy, Default)]
pub(super) enum Pass<'t> {
    /// Straight into their types. The first that does not fit ends the walk.
    #[default]
    Fast,
    /// One at a time, in JSON. Of the input `skipped_bytes` come before `text`.
    Json { text: &'t str, skipped_bytes: usize },
    /// One at a time, in a document of YAML.
    #[cfg(feature = "yaml")]
    Yaml(&'t super::yaml::Document<'t>),
}

/// What has been read so far, and where the reader is.
#[derive(Default)]
pub(super) struct Reader<'t> {
    found: RefCell<Found>,
    pass: Cell<Pass<'t>>,
}

#[derive(Default)]
struct Found {
    snapshot: PodSnapshot,
    pool: Pool,
    /// Index in `items` of the item that is being read, or of the last one.
    item: Option<usize>,
    among_items: bool,
    document: usize,
    namespace: String,
    name: String,
    /// Why the walk was ended by this module rather than by the parser.
    fault: Option<(ErrorKind, String)>,
}

impl<'t> Reader<'t> {
    /// A reader for a second pass.
    pub(super) fn careful(pass: Pass<'t>) -> Self {
        let reader = Self::default();
        reader.pass.set(pass);
        reader
    }

    /// Reads the only document of the input.
    pub(super) fn document<'de, D: Deserializer<'de>>(&self, input: D) -> Result<(), D::Error> {
        Object {
            reader: self,
            level: Level::Document,
        }
        .deserialize(input)
    }

    /// Reads one document of several, `number` from 0, of which some may be of another kind.
    #[cfg(feature = "yaml")]
    pub(super) fn document_of_many<'de, D: Deserializer<'de>>(
        &self,
        number: usize,
        input: D,
    ) -> Result<(), D::Error> {
        let mut found = self.found.borrow_mut();
        found.document = number;
        found.item = None;
        found.among_items = false;
        found.name.clear();
        found.namespace.clear();
        found.fault = None;
        drop(found);
        Object {
            reader: self,
            level: Level::DocumentOfMany,
        }
        .deserialize(input)
    }

    /// Where to go back to if a document is to be read again.
    #[cfg(feature = "yaml")]
    pub(super) fn mark(&self) -> Mark {
        let snapshot = &self.found.borrow().snapshot;
        Mark {
            pods: snapshot.pods.len(),
            skipped: snapshot.skipped.len(),
            skipped_count: snapshot.skipped_count,
        }
    }

    /// Forgets the items that were read since.
    #[cfg(feature = "yaml")]
    pub(super) fn rewind(&self, to: Mark) {
        let snapshot = &mut self.found.borrow_mut().snapshot;
        snapshot.pods.truncate(to.pods);
        snapshot.skipped.truncate(to.skipped);
        snapshot.skipped_count = to.skipped_count;
    }

    #[cfg(feature = "yaml")]
    pub(super) fn set_pass(&self, pass: Pass<'t>) {
        self.pass.set(pass);
    }

    /// All that was read.
    pub(super) fn finish(self) -> Result<PodSnapshot, Error> {
        let mut snapshot = self.found.into_inner().snapshot;
        snapshot.pods.shrink_to_fit();
        // Without a pod beside it a problem would be easy to miss, so it is an error.
        if let (true, Some(first)) = (snapshot.pods().is_empty(), snapshot.problems().first()) {
            let item = (!first.of_document).then_some(first.index);
            return Err(Error::new(ErrorKind::InvalidField, &*first.reason)
                .with_item(item, &first.namespace, &first.name)
                .with_position(first.position));
        }
        match snapshot.skipped().first() {
            Some(first) if snapshot.pods().is_empty() => Err(Error::new(
                ErrorKind::WrongKind,
                format!(
                    "no pod among the {} objects, the first of which is a {:?}: {WHAT_TO_DO}",
                    snapshot.skipped_count(),
                    first.kind(),
                ),
            )),
            _ => Ok(snapshot),
        }
    }

    /// Puts the place in the list, and the reason if this module found it, to a parser's error.
    pub(super) fn error(
        &self,
        kind: ErrorKind,
        message: String,
        position: Option<Position>,
    ) -> Error {
        let mut found = self.found.borrow_mut();
        let (kind, message) = match found.fault.take() {
            // What is missing in a file that was cut is no fault of its own.
            Some(fault) if kind != ErrorKind::Truncated => fault,
            _ => (kind, message),
        };
        let error = Error::new(kind, message);
        // Of a wrong kind the whole document is at fault, so a place in it would mislead.
        if kind == ErrorKind::WrongKind {
            return error;
        }
        if found.item.is_some() && !found.among_items && kind != ErrorKind::Truncated {
            return error.with_position(position);
        }
        error
            .with_item(found.item, &found.namespace, &found.name)
            .with_position(position)
    }

    fn fail<E: de::Error>(&self, kind: ErrorKind, message: String) -> E {
        let error = E::custom(&message);
        self.found.borrow_mut().fault = Some((kind, message));
        error
    }

    /// Whether the walk is, or was ended, in an item of a list.
    pub(super) fn is_in_item(&self) -> bool {
        let found = self.found.borrow();
        found.among_items && found.item.is_some()
    }

    /// Lists the item as a problem if it may be a pod, otherwise as skipped.
    ///
    /// What is asked for is made only for as many as are listed.
    pub(super) fn misfit(
        &self,
        reason: impl FnOnce() -> String,
        head: impl FnOnce() -> Head,
        position: impl FnOnce() -> Option<Position>,
    ) {
        let fault = self.found.borrow_mut().fault.take();
        let head = head();
        if !matches!(head.kind.as_str(), "" | "Pod") {
            return self.skip(&head.kind, &head.namespace, &head.name);
        }
        let mut found = self.found.borrow_mut();
        let (item, document) = (found.item, found.document);
        let snapshot = &mut found.snapshot;
        snapshot.problem_count += 1;
        if snapshot.problems.len() < MAX_PROBLEMS_LISTED {
            snapshot.problems.push(Problem {
                index: item.unwrap_or(document),
                of_document: item.is_none(),
                namespace: head.namespace.into(),
                name: head.name.into(),
                reason: fault.map_or_else(reason, |(_, message)| message).into(),
                position: position(),
            });
        }
    }

    /// Called as an item begins.
    pub(super) fn enter(&self) {
        let mut found = self.found.borrow_mut();
        found.item = Some(found.item.map_or(0, |last| last + 1));
        found.name.clear();
        found.namespace.clear();
    }

    /// Called if after the last item was none, although `enter` had been called.
    pub(super) fn leave_last(&self) {
        let mut found = self.found.borrow_mut();
        found.item = found.item.and_then(|last| last.checked_sub(1));
    }

    /// Called before and after the items. The last one stays known: if the end of the file turns
    /// out to be missing, it is where.
    fn among_items(&self, among: bool) {
        let mut found = self.found.borrow_mut();
        found.among_items = among;
        if among {
            found.item = None;
        }
    }

    fn name(&self, meta: &ObjectMeta<'_>) {
        let mut found = self.found.borrow_mut();
        if found.item.is_some() && !found.among_items {
            // The metadata of the list, which follows its items.
            return;
        }
        meta.name.as_str().clone_into(&mut found.name);
        meta.namespace.as_str().clone_into(&mut found.namespace);
    }

    fn pod<E: de::Error>(
        &self,
        meta: &ObjectMeta<'_>,
        spec: PodSpec<'_>,
        status: PodStatus<'_>,
    ) -> Result<(), E> {
        let made = compact::pod(meta, spec, status, &mut self.found.borrow_mut().pool);
        let pod: PodState = made.map_err(|message| self.fail(ErrorKind::InvalidField, message))?;
        self.found.borrow_mut().snapshot.pods.push(pod);
        Ok(())
    }

    fn skip(&self, kind: &str, namespace: &str, name: &str) {
        let mut found = self.found.borrow_mut();
        let index = found.item.unwrap_or(found.document);
        let snapshot = &mut found.snapshot;
        snapshot.skipped_count += 1;
        if snapshot.skipped.len() < MAX_SKIPPED_LISTED {
            snapshot.skipped.push(Skipped {
                index,
                kind: kind.into(),
                namespace: namespace.into(),
                name: name.into(),
            });
        }
    }
}

/// How much had been read at some moment. The fast pass finds no problems, so there is no count of
/// them.
#[cfg(feature = "yaml")]
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pods: usize,
    skipped: usize,
    skipped_count: usize,
}

/// Where an object stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Level {
    Document,
    #[cfg_attr(
        not(feature = "yaml"),
        expect(dead_code, reason = "JSON has one document")
    )]
    DocumentOfMany,
    Item,
}

/// A document or one of its items.
pub(super) struct Object<'r, 't> {
    pub(super) reader: &'r Reader<'t>,
    pub(super) level: Level,
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        match self.level {
            Level::Item => input.deserialize_map(self),
            // A text or a number gets a message of its own, so any value is let in.
            _ => input.deserialize_any(self),
        }
    }
}

impl Object<'_, '_> {
    fn not_an_object<E: de::Error>(&self, what: &str) -> E {
        self.reader.fail(
            ErrorKind::WrongKind,
            format!("expected a PodList, a List or a Pod but found {what}: {WHAT_TO_DO}"),
        )
    }
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Item => "a pod",
            _ => "a PodList, a List or a Pod",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.reader;
        let mut kind: Option<Text<'de>> = None;
        let mut meta = ObjectMeta::default();
        let (mut spec, mut status) = (None::<PodSpec<'de>>, None::<PodStatus<'de>>);
        let mut has_items = false;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            // `kubectl` sorts keys, so the kind of an item is known before its spec.
            let may_be_pod = kind.as_ref().is_none_or(|k| k.as_str() == "Pod");
            match key.as_str() {
                "kind" => kind = Some(map.next_value()?),
                "metadata" => {
                    meta = map.next_value::<Option<_>>()?.unwrap_or_default();
                    reader.name(&meta);
                }
                "spec" if may_be_pod => spec = map.next_value()?,
                "status" if may_be_pod => status = map.next_value()?,
                "items" if self.level != Level::Item => {
                    has_items = true;
                    map.next_value_seed(Items { reader })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let kind = kind.unwrap_or_default();
        match (kind.as_str(), self.level) {
            ("Pod", _) | ("", Level::Item) => {
                reader.pod(&meta, spec.unwrap_or_default(), status.unwrap_or_default())
            }
            ("PodList" | "List", Level::Document | Level::DocumentOfMany) => Ok(()),
            // `kubectl` writes `kind` after the items, so a YAML list cut at the end of a line is
            // still YAML, but has no kind.
            ("", _) if has_items => Err(reader.fail(
                ErrorKind::Truncated,
                "the list has items but no kind, which `kubectl` writes after them: the file was \
                 cut, save it again"
                    .to_owned(),
            )),
            ("", _) => Err(self.not_an_object("an object that has no kind")),
            (other, Level::Document) => Err(self.not_an_object(&format!("a {other}"))),
            (other, Level::Item | Level::DocumentOfMany) => {
                reader.skip(other, meta.namespace.as_str(), meta.name.as_str());
                Ok(())
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.not_an_object("a bare list"))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.not_an_object("plain text"))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.not_an_object("a boolean"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.not_an_object("a number"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.not_an_object("a number"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.not_an_object("a number"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.not_an_object("null"))
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Err(self.not_an_object("null"))
    }
}

/// The items of a list; `null` is what Go writes for none.
struct Items<'r, 't> {
    reader: &'r Reader<'t>,
}

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pods")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let reader = self.reader;
        reader.among_items(true);
        match reader.pass.get() {
            Pass::Fast => while items.next_element_seed(Item { reader })?.is_some() {},
            careful => careful::items(reader, careful, items)?,
        }
        reader.among_items(false);
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<(), D::Error> {
        some.deserialize_seq(self)
    }
}

/// An item that is read straight into its type.
struct Item<'r, 't> {
    reader: &'r Reader<'t>,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        self.reader.enter();
        let item = Object {
            reader: self.reader,
            level: Level::Item,
        };
        item.deserialize(input)
    }
}
