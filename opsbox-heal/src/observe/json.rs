//! The JSON side of reading: passes and errors.

use super::{
    fast::{Json, Unusual},
    read::{Pass, Reader},
    snapshot::PodSnapshot,
    type_meta::TypeMeta,
};
use crate::error::{Error, ErrorKind, Position};

/// Reads the only document; `skipped_bytes` of the input come before `text`.
pub(super) fn read(text: &str, skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    let reader = Reader::default();
    if usual_pass(&reader, text).is_ok() {
        return reader.finish();
    }
    drop(reader);
    read_any(text, skipped_bytes)
}

/// Reads all that is JSON, and says of other input where it is wrong.
fn read_any(text: &str, skipped_bytes: usize) -> Result<PodSnapshot, Error> {
    let fast = Reader::default();
    let Err(error) = pass(&fast, text) else {
        return fast.finish();
    };
    if fast.is_in_item() && !error.is_eof() {
        let careful = Reader::careful(Pass::Json {
            text,
            skipped_bytes,
        });
        let Err(second) = pass(&careful, text) else {
            return careful.finish();
        };
        // The item itself is broken: the first pass knows its name, too.
        if error.is_data() || (second.line(), second.column()) != (error.line(), error.column()) {
            return Err(describe(&careful, &second, text, skipped_bytes));
        }
    } else if error.is_data()
        && let Ok(meta) = serde_json::from_str::<TypeMeta<'_>>(text)
        && let Some(wrong_kind) = meta.wrong_kind()
    {
        return Err(wrong_kind);
    }
    Err(describe(&fast, &error, text, skipped_bytes))
}

fn usual_pass(reader: &Reader<'_>, text: &str) -> Result<(), Unusual> {
    let mut json = Json::new(text);
    reader.document(&mut json)?;
    json.end()
}

fn pass(reader: &Reader<'_>, text: &str) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    reader.document(&mut json)?;
    json.end()
}

/// What the library says is wrong, without the place, which this crate shows in its own way.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let shown = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    shown.strip_suffix(&place).unwrap_or(&shown).to_owned()
}

fn describe(
    reader: &Reader<'_>,
    error: &serde_json::Error,
    text: &str,
    skipped_bytes: usize,
) -> Error {
    let (kind, message) = match error.classify() {
        serde_json::error::Category::Eof => (
            ErrorKind::Truncated,
            "the JSON ends in the middle: the file was cut, save it again".to_owned(),
        ),
        serde_json::error::Category::Data => (ErrorKind::InvalidField, reason(error)),
        _ => (ErrorKind::Syntax, format!("not JSON: {}", reason(error))),
    };
    let position = Position::of_line(text, error.line(), error.column(), skipped_bytes);
    reader.error(kind, message, position)
}

impl Position {
    /// The place that `serde_json` names: a line from 1, and a column in bytes.
    pub(super) fn of_line(
        text: &str,
        line: usize,
        column: usize,
        skipped_bytes: usize,
    ) -> Option<Self> {
        let number = |value: usize| u64::try_from(value).ok();
        let before = line.checked_sub(1)?;
        let start = match before {
            0 => 0,
            _ => {
                text.bytes()
                    .enumerate()
                    .filter(|(_, b)| *b == b'\n')
                    .nth(before - 1)?
                    .0
                    + 1
            }
        };
        let column = column.max(1);
        Some(Self {
            line: number(line)?,
            column: number(column)?,
            byte_offset: number((start + column - 1).min(text.len()) + skipped_bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    fn usual(text: &str) -> Option<PodSnapshot> {
        let reader = Reader::default();
        usual_pass(&reader, text).ok()?;
        reader.finish().ok()
    }

    #[test]
    fn what_kubectl_and_the_server_write_is_usual() {
        for name in ["pods.json", "pod-list.json", "all.json"] {
            let text = fixture(name);
            let read = usual(&text).expect(name);
            assert_eq!(read, read_any(&text, 0).unwrap());
            // As the server writes it, without white space.
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(usual(&value.to_string()), Some(read));
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_other_reader() {
        let pod = |spec: &str| {
            format!(r#"{{"kind":"Pod","metadata":{{"name":"a","labels":{{"a":"b"}}}},{spec}}}"#)
        };
        for text in [
            pod(r#""spec":{"priority":1.0}"#),
            pod(r#""spec":{"priority":01}"#),
            pod(r#""spec":{"priority":-}"#),
            pod(r#""spec":{"priority":99999999999}"#),
            pod(r#""spec":{"priority":1,"priority":2}"#),
            pod(r#""spec":{"other":1.5e3}"#),
            pod(r#""spec":{"other":nul}"#),
            pod(r#""spec":{"other":1,}"#),
            pod(r#""spec":{"other" 1}"#),
            pod(r#""spec":{"other":"a	b"}"#),
            pod(r#""spec":{"nodeName":"a	b"}"#),
            pod(r#""spec":{"nodeName":"\x"}"#),
            pod(r#""spec":{"nodeName":7}"#),
            pod(r#""spec":{"containers":[{}{}]}"#),
            pod(r#""spec":{"containers":[,{}]}"#),
            pod(r#""spec":{"containers":[{},]}"#),
            pod(r#""spec":{"containers":[{"#),
            pod(r#""spec":[]"#),
            pod(r#""spec":{} "x":1"#),
            format!("{} {{}}", pod(r#""spec":{}"#)),
            "[]".to_owned(),
        ] {
            assert_eq!(usual(&text), None, "{text}");
        }
        // Escapes are usual: messages have quotes in them.
        let escaped = pod(r#""spec":{"nodeName":"\u00e9\"\\","\u0078":1,"x":"\\"}"#);
        assert_eq!(usual(&escaped).unwrap().pods()[0].node(), Some("é\"\\"));
    }

    /// The only input on which the two may differ is not JSON, within what is skipped.
    #[test]
    fn of_changed_input_both_readers_make_the_same_or_one_refuses_it() {
        let mut rng = fastrand::Rng::with_seed(11);
        let whole: serde_json::Value = serde_json::from_str(&fixture("pods.json")).unwrap();
        let items = whole["items"].as_array().unwrap();
        let (mut both, mut refused, mut skipped) = (0, 0, 0);
        for round in 0..5_000 {
            let item = &items[round % items.len()];
            let mut text = match round % 3 {
                0 => serde_json::to_string_pretty(item).unwrap(),
                _ => item.to_string(),
            };
            for _ in 0..rng.usize(1..3) {
                let at = rng.usize(0..text.len());
                if !text.is_char_boundary(at) || !text.is_char_boundary(at + 1) {
                    continue;
                }
                let new = [
                    "\"", "{", "}", "[", "]", ",", ":", "0", "a", "\\", " ", "null", "-", "",
                ];
                text.replace_range(at..=at, new[rng.usize(0..new.len())]);
            }
            match (usual(&text), read_any(&text, 0)) {
                (Some(fast), Ok(any)) => {
                    assert_eq!(fast, any, "{text}");
                    both += 1;
                }
                (Some(_), Err(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Syntax, "{text}");
                    skipped += 1;
                }
                (None, _) => refused += 1,
            }
        }
        assert!(
            both > 1_000 && refused > 500 && skipped > 50,
            "{both} {refused} {skipped}"
        );
    }
}
