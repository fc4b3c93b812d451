//! Values of the environment over those of the file.

use super::tree::{Node, Origin, Value};

/// The value of a variable in the tree, at the place that its name after the prefix says: parts between
/// two underscores are keys or, in a list, numbers from 0 on. Text in brackets is JSON; else it is text,
/// with commas between the items where the tree has a list.
pub(super) fn set(
    root: &mut Node,
    place: &str,
    variable: &str,
    text: String,
) -> Result<(), String> {
    let parts: Vec<&str> = place.split("__").collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err("a part of the name is empty; write two underscores between two parts".into());
    }
    let origin = Origin::Variable(variable.to_owned());
    let mut node = root;
    for part in parts {
        node = step(node, part, &origin)?;
    }
    node.value = match (text.trim_start().as_bytes().first(), &node.value) {
        (Some(b'[' | b'{'), _) => return json(node, &text, &origin),
        (_, Value::List(_)) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            let items = items.map(|item| Node {
                value: Value::Text(item.to_owned()),
                origin: origin.clone(),
            });
            Value::List(items.collect())
        }
        _ => Value::Text(text),
    };
    node.origin = origin;
    Ok(())
}

/// The node of a part of the name, made if it is not there.
fn step<'n>(node: &'n mut Node, part: &str, origin: &Origin) -> Result<&'n mut Node, String> {
    let empty = || Node {
        value: Value::Null,
        origin: origin.clone(),
    };
    if matches!(node.value, Value::Null) {
        node.value = Value::Table(Vec::new());
    }
    match &mut node.value {
        Value::List(items) => {
            let len = items.len();
            let index = part.parse().ok().filter(|&index: &usize| index <= len);
            let index = index.ok_or_else(|| {
                format!(
                    "`{part}` is no place in a list of {len} items; give a number from 0 to {len}"
                )
            })?;
            if index == len {
                items.push(empty());
            }
            items
                .get_mut(index)
                .ok_or_else(|| "there is no such item".into())
        }
        Value::Table(entries) => {
            // Names of variables have capitals and no dash.
            let same = |key: &str| key.replace('-', "_").eq_ignore_ascii_case(part);
            let at = match entries.iter().position(|(key, _)| same(key)) {
                Some(at) => at,
                None => {
                    entries.push((part.to_ascii_lowercase(), empty()));
                    entries.len() - 1
                }
            };
            entries
                .get_mut(at)
                .map(|(_, node)| node)
                .ok_or_else(|| "there is no such field".into())
        }
        _ => Err(format!(
            "what is before `{part}` is one value and has no parts; correct the name"
        )),
    }
}

fn json(node: &mut Node, text: &str, origin: &Origin) -> Result<(), String> {
    let mut parsed = super::tree::parse(text, super::Format::Json).map_err(|syntax| {
        format!(
            "the text begins as JSON and is none: {}; correct it",
            syntax.message
        )
    })?;
    mark(&mut parsed, origin);
    *node = parsed;
    Ok(())
}

fn mark(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| mark(item, origin)),
        Value::Table(entries) => entries.iter_mut().for_each(|(_, node)| mark(node, origin)),
        _ => {}
    }
}
