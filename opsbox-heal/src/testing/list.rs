//! Lists, pages, tables and single objects.

use serde_json::{Value, json};

use super::{
    answer::Answer,
    double::Profile,
    objects::{Key, Object, Objects, Page, Selection},
    printer,
    route::{Query, Route},
    selector::{Fields, Labels},
};
use crate::Timestamp;

/// A request to read, and in which form.
pub(super) struct Read<'a> {
    pub(super) route: &'a Route,
    pub(super) query: &'a Query,
    pub(super) as_table: bool,
    pub(super) now: Timestamp,
    pub(super) profile: Profile,
}

impl Read<'_> {
    pub(super) fn get(&self, objects: &Objects) -> Answer {
        let Some(key) = key(self.route) else {
            return not_found(self.route);
        };
        match objects.get(&key) {
            Some(object) => Answer::json(200, object.whole()),
            None => not_found(self.route),
        }
    }

    /// `stale`: how many changes the cache that answers lags behind.
    pub(super) fn list(&self, objects: &Objects, stale: u64) -> Answer {
        let selection = match selection(self.route, self.query) {
            Ok(selection) => selection,
            Err(wrong) => return wrong,
        };
        let limit = self.query.get("limit").and_then(|limit| limit.parse().ok());
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let (version, from) = match self.query.get("continue").map(read_token) {
            Some(Some((version, key))) => (Some(version), Some(key)),
            Some(None) => {
                return Answer::failure(400, "BadRequest", "continue key is not valid");
            }
            None if stale > 0 => {
                let version = objects
                    .version()
                    .saturating_sub(stale)
                    .max(objects.oldest());
                (Some(version), None)
            }
            None => (None, None),
        };
        let Some(page) = objects.page(&selection, version, from, limit) else {
            return Answer::failure(
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result.",
            );
        };
        Answer::json(200, self.write(&page))
    }

    fn write(&self, page: &Page) -> String {
        let mut meta = json!({"resourceVersion": page.version.to_string()});
        if let Some(next) = &page.next {
            meta["continue"] = token(page.version, next).into();
        }
        if self.as_table {
            return self.table(page, &meta);
        }
        let mut text = format!(
            "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{meta},\"items\":[",
            self.route.kind(),
            self.route.api_version(),
        );
        for (index, object) in page.objects.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(object.item());
        }
        text.push_str("]}\n");
        text
    }

    fn table(&self, page: &Page, meta: &Value) -> String {
        let ago = self.profile.restarts_ago;
        let columns = match self.route.resource.as_str() {
            "pods" => printer::pod_columns(ago),
            "nodes" => printer::node_columns(),
            _ => printer::other_columns(),
        };
        let mut text = format!(
            "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{meta},\
             \"columnDefinitions\":{columns},\"rows\":[",
        );
        for (index, object) in page.objects.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let cells = match self.route.resource.as_str() {
                "pods" => printer::pod_cells(object.item(), self.now, ago),
                "nodes" => printer::node_cells(object.item(), self.now),
                _ => printer::other_cells(object.item(), self.now),
            };
            let shown = match self.query.get("includeObject") {
                Some("None") => "null".to_owned(),
                Some("Object") => object.whole(),
                _ => metadata_only(object),
            };
            text.push_str(&format!("{{\"cells\":{cells},\"object\":{shown}}}"));
        }
        text.push_str("]}\n");
        text
    }
}

fn metadata_only(object: &Object) -> String {
    let value = object.value();
    let meta = value.get("metadata").unwrap_or(&Value::Null);
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
    })
    .to_string()
}

/// The key that a path with a name stands for.
pub(super) fn key(route: &Route) -> Option<Key> {
    Some(Key {
        resource: route.to_string(),
        namespace: route.namespace.clone().unwrap_or_default(),
        name: route.name.clone()?,
    })
}

pub(super) fn not_found(route: &Route) -> Answer {
    let name = route.name.as_deref().unwrap_or_default();
    Answer::status(
        404,
        "NotFound",
        &format!("{route} {name:?} not found"),
        &json!({"name": name, "kind": route.resource}),
    )
}

/// What a list or a watch selects, or the answer that refuses it.
pub(super) fn selection(route: &Route, query: &Query) -> Result<Selection, Answer> {
    let fields = query.get("fieldSelector").unwrap_or_default();
    let fields = Fields::parse(fields, &route.resource).map_err(|wrong| {
        let message = format!("Unable to find {route:?} that match field selector: {wrong}");
        Answer::failure(400, "BadRequest", &message)
    })?;
    Ok(Selection {
        resource: route.to_string(),
        namespace: route.namespace.clone(),
        labels: Labels::parse(query.get("labelSelector").unwrap_or_default()),
        fields,
    })
}

fn token(version: u64, next: &Key) -> String {
    format!(
        "{version}|{}|{}|{}",
        next.resource, next.namespace, next.name
    )
}

fn read_token(token: &str) -> Option<(u64, Key)> {
    let mut parts = token.split('|');
    let version = parts.next()?.parse().ok()?;
    let mut part = || parts.next().map(str::to_owned);
    Some((
        version,
        Key {
            resource: part()?,
            namespace: part()?,
            name: part()?,
        },
    ))
}
