//! Label and field selectors.

use serde_json::Value;

/// A label selector, or what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Labels(Vec<(String, Wants)>);

#[derive(Debug)]
enum Wants {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Exists,
    Absent,
}

impl Labels {
    /// `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub(super) fn parse(selector: &str) -> Self {
        let mut parts = Vec::new();
        let (mut start, mut in_set) = (0, false);
        for (index, byte) in selector.bytes().enumerate() {
            match byte {
                b'(' => in_set = true,
                b')' => in_set = false,
                b',' if !in_set => {
                    parts.push(selector.get(start..index).unwrap_or_default());
                    start = index + 1;
                }
                _ => {}
            }
        }
        parts.push(selector.get(start..).unwrap_or_default());
        let parts = parts
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty());
        Self(parts.map(requirement).collect())
    }

    /// `matchLabels` of an object's `spec.selector`.
    pub(super) fn of_object(selector: &Value) -> Self {
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        let pairs = labels.into_iter().flatten().map(|(key, value)| {
            let value = value.as_str().unwrap_or_default().to_owned();
            (key.clone(), Wants::OneOf(vec![value]))
        });
        Self(pairs.collect())
    }

    pub(super) fn selects(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.0.iter().all(|(key, wants)| {
            let value = labels
                .iter()
                .find(|(known, _)| **known == **key)
                .map(|(_, value)| &**value);
            let is_in =
                |set: &Vec<String>| value.is_some_and(|value| set.iter().any(|v| v == value));
            match wants {
                Wants::OneOf(set) => is_in(set),
                Wants::NoneOf(set) => !is_in(set),
                Wants::Exists => value.is_some(),
                Wants::Absent => value.is_none(),
            }
        })
    }
}

fn requirement(part: &str) -> (String, Wants) {
    let set = |text: &str| {
        let inner = text.trim().trim_start_matches('(').trim_end_matches(')');
        inner
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect()
    };
    if let Some((key, values)) = part.split_once(" notin ") {
        return (key.trim().to_owned(), Wants::NoneOf(set(values)));
    }
    if let Some((key, values)) = part.split_once(" in ") {
        return (key.trim().to_owned(), Wants::OneOf(set(values)));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return (key.trim().to_owned(), Wants::NoneOf(set(value)));
    }
    if let Some((key, value)) = part.split_once('=') {
        return (
            key.trim().to_owned(),
            Wants::OneOf(set(value.trim_start_matches('='))),
        );
    }
    match part.strip_prefix('!') {
        Some(key) => (key.trim().to_owned(), Wants::Absent),
        None => (part.to_owned(), Wants::Exists),
    }
}

/// The fields of a pod that can be selected.
const POD_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];

/// A field selector: all parts must hold.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, bool, String)>);

impl Fields {
    /// What the API server says if the selector is not one, or of a field that it does not know.
    pub(super) fn parse(selector: &str, resource: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for part in selector.split(',').filter(|part| !part.is_empty()) {
            let (field, equal, value) = match (part.split_once("!="), part.split_once('=')) {
                (Some((field, value)), _) => (field, false, value),
                (None, Some((field, value))) => (field, true, value.trim_start_matches('=')),
                (None, None) => {
                    return Err(format!(
                        "invalid selector: {selector:?}; can't understand {part:?}"
                    ));
                }
            };
            let known = match resource {
                "pods" => POD_FIELDS.contains(&field),
                _ => ["metadata.name", "metadata.namespace"].contains(&field),
            };
            if !known {
                return Err(format!("field label not supported: {field}"));
            }
            parts.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(Self(parts))
    }

    /// `field` says what the object has there; empty for nothing.
    pub(super) fn selects<'o>(&self, field: impl Fn(&str) -> &'o str) -> bool {
        let holds =
            |(name, equal, value): &(String, bool, String)| (field(name) == value) == *equal;
        self.0.iter().all(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected() {
        let labels = [("app".into(), "web".into()), ("tier".into(), "a".into())];
        for yes in [
            "app=web",
            "app==web,tier in (a, b)",
            "app",
            "!x",
            "x!=1",
            "app notin (b)",
            "",
        ] {
            assert!(Labels::parse(yes).selects(&labels), "{yes}");
        }
        for no in [
            "app=db",
            "app in (a,b)",
            "x",
            "!app",
            "app!=web",
            "tier notin (a,b)",
        ] {
            assert!(!Labels::parse(no).selects(&labels), "{no}");
        }
    }

    #[test]
    fn parts_of_a_field_selector_must_all_hold() {
        let failed = |name: &str| if name == "status.phase" { "Failed" } else { "" };
        let selects = |selector| Fields::parse(selector, "pods").unwrap().selects(failed);
        assert!(!selects("status.phase=Failed,status.phase=Unknown"));
        assert!(selects("status.phase!=Running,status.phase!=Pending"));
        assert!(Fields::parse("status.reason=Evicted", "pods").is_err());
        assert!(Fields::parse("status.phase in (Failed)", "pods").is_err());
    }
}
