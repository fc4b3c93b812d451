//! The objects of the double, with their history.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    route,
    selector::{Fields, Labels},
};

/// Where an object is kept: in the order of lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// `pods`, or `deployments.apps`.
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// One version of an object, as text, since it is read far more often than written.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) key: Key,
    pub(super) uid: Box<str>,
    pub(super) version: u64,
    pub(super) labels: Vec<(Box<str>, Box<str>)>,
    /// `spec.nodeName` and `status.phase`, for field selectors.
    node: Box<str>,
    phase: Box<str>,
    /// `"kind":"Pod","apiVersion":"v1",`, which items of a list go without.
    types: Box<str>,
    /// The object without `kind` and `apiVersion`.
    item: Box<str>,
}

impl Object {
    /// `value` with its `metadata.resourceVersion` set to `version`.
    pub(super) fn new(key: Key, mut value: Value, version: u64) -> Self {
        let text = |value: &Value, path: &str| -> Box<str> {
            value
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .into()
        };
        let types = format!(
            "\"kind\":{},\"apiVersion\":{},",
            Value::from(&*text(&value, "/kind")),
            Value::from(&*text(&value, "/apiVersion")),
        );
        metadata(&mut value).insert("resourceVersion".to_owned(), version.to_string().into());
        if let Some(object) = value.as_object_mut() {
            object.remove("kind");
            object.remove("apiVersion");
        }
        let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        Self {
            key,
            uid: text(&value, "/metadata/uid"),
            version,
            labels: labels
                .map(|(key, value)| {
                    (
                        key.as_str().into(),
                        value.as_str().unwrap_or_default().into(),
                    )
                })
                .collect(),
            node: text(&value, "/spec/nodeName"),
            phase: text(&value, "/status/phase"),
            types: types.into(),
            item: value.to_string().into(),
        }
    }

    /// As an item of a list.
    pub(super) fn item(&self) -> &str {
        &self.item
    }

    /// As an object by itself.
    pub(super) fn whole(&self) -> String {
        let rest = self.item.strip_prefix('{').unwrap_or_default();
        format!("{{{}{rest}", self.types)
    }

    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.whole()).unwrap_or_default()
    }

    fn field(&self, field: &str) -> &str {
        match field {
            "metadata.name" => &self.key.name,
            "metadata.namespace" => &self.key.namespace,
            "spec.nodeName" => &self.node,
            "status.phase" => &self.phase,
            _ => "",
        }
    }
}

/// The `metadata` of an object, made if it has none.
pub(super) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let meta = &mut object["metadata"];
    if !meta.is_object() {
        *meta = Value::Object(Map::new());
    }
    match meta {
        Value::Object(meta) => meta,
        _ => unreachable!("it was made an object above"),
    }
}

/// The key of an object that is written down in full.
pub(super) fn key_of(object: &Value) -> Key {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let resource = route::resource(&text("/kind"));
    let resource = match text("/apiVersion").split_once('/') {
        Some((group, _)) => format!("{resource}.{group}"),
        None => resource,
    };
    Key {
        resource,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
    }
}

/// What a list or a watch asks for.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
    pub(super) labels: Labels,
    pub(super) fields: Fields,
}

impl Selection {
    pub(super) fn selects(&self, object: &Object) -> bool {
        object.key.resource == self.resource
            && self
                .namespace
                .as_ref()
                .is_none_or(|ns| *ns == object.key.namespace)
            && self.labels.selects(&object.labels)
            && self.fields.selects(|field| object.field(field))
    }

    fn first_key(&self) -> Key {
        Key {
            resource: self.resource.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            name: String::new(),
        }
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) before: Option<Arc<Object>>,
    /// `None` if it was deleted.
    pub(super) after: Option<Arc<Object>>,
    /// What it was last, with the version of its deletion.
    pub(super) last: Arc<Object>,
}

impl Change {
    /// The type of event that this is to a watch of this selection, if it is one.
    pub(super) fn event(&self, selection: &Selection) -> Option<&'static str> {
        let was = self
            .before
            .as_ref()
            .is_some_and(|object| selection.selects(object));
        let is = self
            .after
            .as_ref()
            .is_some_and(|object| selection.selects(object));
        match (was, is) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }
}

type All = BTreeMap<Key, Arc<Object>>;

/// All objects at the newest version, and how they came to be.
#[derive(Debug, Default)]
pub(super) struct Objects {
    all: All,
    version: u64,
    log: VecDeque<Change>,
    /// Versions before this one have been forgotten.
    oldest: u64,
}

/// A page of a list.
pub(super) struct Page {
    pub(super) objects: Vec<Arc<Object>>,
    pub(super) version: u64,
    /// Where the next page begins.
    pub(super) next: Option<Key>,
}

/// How many changes are remembered before the oldest are forgotten.
const MAX_LOG: usize = 100_000;

impl Objects {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.all.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Keeps a new version of an object.
    pub(super) fn put(&mut self, key: Key, value: Value) -> Change {
        self.version += 1;
        let object = Arc::new(Object::new(key.clone(), value, self.version));
        let before = self.all.insert(key, Arc::clone(&object));
        self.remember(Change {
            version: self.version,
            before,
            after: Some(Arc::clone(&object)),
            last: object,
        })
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Change> {
        let before = self.all.remove(key)?;
        self.version += 1;
        let last = Arc::new(Object::new(key.clone(), before.value(), self.version));
        Some(self.remember(Change {
            version: self.version,
            before: Some(before),
            after: None,
            last,
        }))
    }

    fn remember(&mut self, change: Change) -> Change {
        self.log.push_back(change.clone());
        if self.log.len() > MAX_LOG
            && let Some(forgotten) = self.log.pop_front()
        {
            self.oldest = forgotten.version;
        }
        change
    }

    /// Forgets how it came to be, as the compaction of etcd does.
    pub(super) fn forget_history(&mut self) {
        self.log.clear();
        self.oldest = self.version;
    }

    /// What changed after a version, unless that has been forgotten.
    pub(super) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let known = version >= self.oldest;
        known.then(|| {
            self.log
                .iter()
                .filter(move |change| change.version > version)
        })
    }

    /// A page of what was there at a version (`None`: the newest), from a key on.
    pub(super) fn page(
        &self,
        selection: &Selection,
        version: Option<u64>,
        from: Option<Key>,
        limit: usize,
    ) -> Option<Page> {
        match version.filter(|version| *version < self.version) {
            None => Some(page_of(&self.all, self.version, selection, from, limit)),
            Some(version) => {
                let all = self.at(version)?;
                Some(page_of(&all, version, selection, from, limit))
            }
        }
    }

    /// All objects as they were at a version.
    fn at(&self, version: u64) -> Option<All> {
        if version < self.oldest {
            return None;
        }
        let mut all = self.all.clone();
        let undo = self
            .log
            .iter()
            .rev()
            .take_while(|change| change.version > version);
        for change in undo {
            match &change.before {
                Some(before) => all.insert(before.key.clone(), Arc::clone(before)),
                None => all.remove(&change.last.key),
            };
        }
        Some(all)
    }
}

fn page_of(
    all: &All,
    version: u64,
    selection: &Selection,
    from: Option<Key>,
    limit: usize,
) -> Page {
    let from = from.unwrap_or_else(|| selection.first_key());
    let mut objects = Vec::new();
    let mut next = None;
    for (key, object) in all.range(from..) {
        let in_range = key.resource == selection.resource
            && selection
                .namespace
                .as_ref()
                .is_none_or(|ns| *ns == key.namespace);
        if !in_range {
            break;
        }
        if selection.selects(object) {
            if objects.len() == limit {
                next = Some(key.clone());
                break;
            }
            objects.push(Arc::clone(object));
        }
    }
    Page {
        objects,
        version,
        next,
    }
}
