//! What holds of any document.

use super::*;

/// A test's value of JSON with objects on the outside.
fn object() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z ]{0,12}",
        "[\\PC\u{0}-\u{1f}\"\\\\/]{0,20}",
        Just("{\"a\":1}".to_owned())
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|it| Value::from(f64::from(it) / 64.0)),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof!["[a-e]", "[a-z_]{1,20}", "[\\PC\"\\\\\u{1}]{0,6}"];
    let value = leaf.prop_recursive(4, 32, 6, {
        let key = key.clone();
        move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((key.clone(), inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        }
    });
    vec((key, value), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

/// What flattening gives: the slow and obvious way.
fn oracle(value: &Value, path: &str, depth: usize, out: &mut Vec<(String, String)>) {
    let Value::Object(object) = value else {
        panic!()
    };
    for (key, value) in object {
        let path = match depth {
            0 => key.clone(),
            _ => format!("{path}.{key}"),
        };
        let text = match value {
            Value::Null => continue,
            Value::Object(inner) if !inner.is_empty() => {
                oracle(value, &path, depth + 1, out);
                continue;
            }
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        out.retain(|(name, _)| *name != path);
        out.push((path, text));
    }
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

/// White space around what is structural, from a seed.
fn spaced(text: &str, mut seed: u64) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for char in text.chars() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let space = ["", "", " ", "  ", "\t"][(seed >> 33) as usize % 5];
        let structural = !inside && "{}[]:,".contains(char);
        let first = out.is_empty();
        if structural && !first {
            out.push_str(space);
        }
        out.push(char);
        if structural {
            out.push_str(space);
        }
        match char {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && char == '\\' && !escaped;
    }
    out
}

/// Documents of a few programs: nearly the same keys in the same order, and any values.
fn documents() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let value = prop_oneof![
        8 => prop::sample::select(vec![
            "1", "0", "12", "12.5", "0.5", "123456789012345678", "-1", "1e5", "01", "1.", ".5", "00", "0.", "+1",
            "true", "false", "null", "tru", "[1,{\"x\":[]}]", "[]", "{}", "{ }", "{\"x\":1}", "NaN", "1 ", "",
        ]).prop_map(str::to_owned),
        6 => "[a-z0-9 ./&<{\u{e9}-]{0,40}".prop_map(|text| format!("\"{text}\"")),
        2 => prop::sample::select(vec![
            r#""12""#, r#""12.5""#, r#""true""#, r#"" 7""#, r#""2026-01-02T03:04:05Z""#, r#""a\nb""#, r#""\u00e9""#,
            r#""\q""#, "\"\t\"", r#""{\"a\":1}""#, r#""a long text of more than sixty-four bytes, which is one more word""#,
        ]).prop_map(str::to_owned),
    ];
    let keys: [&[&str]; 5] = [
        &["a", "b", "c"],
        &["id", "user:name", "user:id", "total", "ok"],
        &[
            "at",
            "a",
            "a",
            "a key that is longer than thirty-two bytes are",
            "b",
        ],
        &["b", "a.b", "a:b", "a:c"],
        &["x:y:z", "x:y:w", "x:v", "id"],
    ];
    let row = (
        prop::sample::select(keys.to_vec()),
        vec(value, 5),
        prop_oneof![4 => Just(usize::MAX), 1 => 0..5_usize],
        prop_oneof![3 => Just(0_u8), 1 => Just(1_u8), 2 => Just(2_u8), 2 => Just(3_u8)],
        prop_oneof![
            6 => Just(Vec::new()),
            1 => vec((any::<prop::sample::Index>(), "[\"\\\\{}:,<> \u{e9}]?", 0..3_usize), 1..3),
        ],
        prop::sample::select(vec!["payload=", "", "[x] ", "body=\"", "a {b} <c "]),
    );
    let row = row.prop_map(|(keys, values, left_out, style, edits, before)| {
        let pairs = keys.iter().zip(&values).enumerate();
        let pairs: Vec<_> = pairs
            .filter(|(at, _)| *at != left_out)
            .map(|(_, it)| it)
            .collect();
        let mut text = String::new();
        match style {
            3 => {
                text += "<order n=\"1\">";
                for (key, value) in pairs {
                    let (key, value) =
                        (key.replace([' ', ':'], "_"), value.replace(['"', '<'], ""));
                    text += &match key.len() {
                        1 => format!("<{key}>{value}</{key}>"),
                        _ => format!("<v {key}='{value}' k=\"{value}\"/>"),
                    };
                }
                text += "</order>";
            }
            _ => {
                let mut open: Vec<&str> = Vec::new();
                let separator = if style == 1 { " , " } else { "," };
                text.push('{');
                for (at, (key, value)) in pairs.into_iter().enumerate() {
                    let mut path: Vec<_> = key.split(':').collect();
                    let name = path.pop().unwrap();
                    let same = open.iter().zip(&path).take_while(|(a, b)| a == b).count();
                    text += &"}".repeat(open.len() - same);
                    text += if at > 0 { separator } else { "" };
                    for object in path.get(same..).unwrap() {
                        text += &format!("\"{object}\":{{");
                    }
                    text += &format!("\"{name}\":{value}");
                    open = path;
                }
                text += &"}".repeat(open.len() + 1);
            }
        }
        if style == 2 {
            text = text.replace('\\', "\\\\").replace('"', "\\\"");
        }
        let mut message = before.as_bytes().to_vec();
        message.extend(broken(&text, &edits));
        message.extend_from_slice(b"\" end");
        message
    });
    vec(row, 1..60)
}

proptest! {
    #[test]
    fn valid_json_has_the_values_of_serde_json(
        object in object(), before in "[a-z =\u{e9}]{0,80}", after in "[a-z }\"]{0,20}", seed: u64,
    ) {
        let text = spaced(&object.to_string(), seed);
        let message = format!("{before}{text}{after}");
        let document = clean::find(message.as_bytes()).unwrap().unwrap();
        prop_assert_eq!(document.kind(), DocumentKind::Json);
        prop_assert_eq!(document.place(), before.len()..before.len() + text.trim_end().len());
        let mut wanted = Vec::new();
        oracle(&object, "", 0, &mut wanted);
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
            let cleaner = Cleaner::new("message").kernel(kernel);
            let (batch, report) = cleaned(&cleaner, &[&message]);
            prop_assert_eq!((report.json(), report.left_out()), (1, 0), "{:?} {:?}", message, batch.record(0));
            let got = sorted(row(&batch));
            // Spaces are left in what stays text.
            let same = |(a, b): (&(String, String), &(String, String))| {
                let json = |text: &str| serde_json::from_str::<Value>(text).ok();
                a.0 == b.0 && (a.1 == b.1 || json(&a.1).is_some() && json(&a.1) == json(&b.1))
            };
            let wanted = sorted(wanted.clone());
            prop_assert!(
                got.len() == wanted.len() && got.iter().zip(&wanted).all(same),
                "{:?}\n{:?}", got, wanted
            );
        }
    }

    #[test]
    fn escaped_json_is_the_json_it_was(object in object(), levels in 1_usize..=2, quotes: bool) {
        // An empty object has no quotes that could be escaped.
        prop_assume!(object != json!({}));
        let mut text = object.to_string();
        for _ in 0..levels {
            let escaped = Value::from(text).to_string();
            let inner = escaped.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            text = inner.unwrap().to_owned();
        }
        let message = if quotes { format!("m=\"{text}\" x") } else { text.clone() };
        let document = clean::find(message.as_bytes()).unwrap().unwrap();
        prop_assert!(document.repairs().contains(Repair::Escaped));
        prop_assert_eq!(document.repairs().contains(Repair::EscapedTwice), levels == 2);
        prop_assert_eq!(serde_json::from_slice::<Value>(document.json()).unwrap(), object.clone());
        let len = text.len() + 2 * usize::from(quotes);
        prop_assert_eq!(document.place().len(), len);
        let (escaped, plain) = (flat(&message), flat(&object.to_string()));
        prop_assert_eq!(escaped, plain);
    }

    #[test]
    fn cut_json_is_repaired(object in object(), cut: prop::sample::Index) {
        let text = object.to_string();
        let mut at = cut.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        prop_assume!(at >= 2);
        let document = clean::find(&text.as_bytes()[..at]).unwrap().unwrap();
        let left = serde_json::from_slice::<Value>(document.json()).unwrap();
        prop_assert!(is_left_of(&left, &object), "{left} of {object}");
    }

    #[test]
    fn no_bytes_panic_and_what_is_repaired_is_json(
        messages in vec(prop_oneof![
            vec(any::<u8>(), 0..60),
            "[{}\\[\\]\"'\\\\:, a1\\.eE+<>/-]{0,60}".prop_map(String::into_bytes),
            (object(), vec((any::<prop::sample::Index>(), "[{}\\[\\]\"'\\\\:,a1 \u{1}]{0,3}", 0_usize..4), 0..4))
                .prop_map(|(object, edits)| broken(&object.to_string(), &edits)),
            (1..MAX_FIELD_NAME_BYTES, 0..MAX_DOCUMENT_FIELDS, "<[a-c]( k='[a-c]')?/>").prop_map(
                |(len, count, child)| {
                    let name = "n".repeat(len);
                    let children = child.repeat(count);
                    format!("<a><{name}>{children}</{name}></a>").into_bytes()
                }
            ),
        ], 1..6),
    ) {
        for message in &messages {
            if let Ok(Some(document)) = clean::find(message) {
                let json = document.json();
                let most = most_json(document.kind(), message.len());
                prop_assert!(json.len() <= most, "{} of {}", json.len(), message.len());
                prop_assert!(is_json(json), "{:?} of {:?}",
                    String::from_utf8_lossy(json), String::from_utf8_lossy(message));
                prop_assert!(document.place().end <= message.len());
            }
        }
        let messages: Vec<_> = messages.iter().filter(|it| !it.contains(&b'\n')).collect();
        let mut batch = batch(messages.iter().map(|message| message.as_slice()));
        let values = batch.column("message").unwrap().iter().flatten().count();
        for cleaner in [
            Cleaner::new("message"),
            Cleaner::new("message").json_column("json").keep_document(false).strip_ansi(true),
            Cleaner::new("message").field("a", Type::Integer).control_bytes(ControlBytes::Escape),
        ] {
            let report = cleaner.clean(&mut batch);
            prop_assert_eq!(report.examined(), values as u64);
            for record in batch.records() {
                prop_assert_eq!(record.iter().count(), batch.fields().len());
            }
        }
    }
}

/// The longest JSON that a document of these bytes may give.
fn most_json(kind: DocumentKind, len: usize) -> usize {
    match kind {
        #[cfg(feature = "xml")]
        DocumentKind::Xml => {
            use opsbox_log::limits::{MAX_XML_EXPANSION, XML_ALLOWANCE_BYTES};
            MAX_XML_EXPANSION * len + XML_ALLOWANCE_BYTES + 1
        }
        _ => MAX_REPAIR_EXPANSION * len + 128,
    }
}

/// Whether a value is what may be left of another that was cut: all but strings are whole.
fn is_left_of(left: &Value, whole: &Value) -> bool {
    match (left, whole) {
        (Value::Object(left), Value::Object(whole)) => left.iter().all(|(key, left)| {
            let whole = whole.get(key);
            whole.is_some_and(|whole| is_left_of(left, whole))
        }),
        (Value::Array(left), Value::Array(whole)) => {
            left.len() <= whole.len()
                && left
                    .iter()
                    .zip(whole)
                    .all(|(left, whole)| is_left_of(left, whole))
        }
        (Value::String(left), Value::String(whole)) => whole.starts_with(left.as_str()),
        _ => left == whole,
    }
}

proptest! {
    /// A document is what it is, whatever came before it.
    #[test]
    fn documents_before_change_nothing(messages in documents(), kernel in 0..3_usize) {
        let kernel = Kernel::ALL[kernel];
        let fresh = || Cleaner::new("message")
            .kernel(kernel)
            .field("id", Type::Integer)
            .field("a", Type::Float)
            .field("ok", Type::Boolean)
            .field("at", Type::Timestamp(TimestampFormat::Rfc3339))
            .field("user.id", Type::Integer)
            .field("order.@n", Type::Integer)
            .field("order.b", Type::Integer);
        let learned = fresh();
        let mut wanted = CleanReport::default();
        let alone = messages.iter().map(|message| {
            let mut batch = batch([message.as_slice()]);
            wanted.merge(&fresh().clean(&mut batch));
            told(&batch, 0)
        });
        let alone: Vec<_> = alone.collect();
        let mut before = None;
        for _ in 0..3 {
            let mut batch = batch(messages.iter().map(Vec::as_slice));
            let report = learned.clean(&mut batch);
            prop_assert_eq!(format!("{report:?}"), format!("{wanted:?}"));
            let names: Vec<_> = batch.fields().iter().map(|it| it.name().to_owned()).collect();
            prop_assert_eq!(before.get_or_insert_with(|| names.clone()), &names);
            for (at, (wanted, message)) in alone.iter().zip(&messages).enumerate() {
                prop_assert_eq!(&told(&batch, at), wanted, "{}", String::from_utf8_lossy(message));
            }
        }
    }
}

/// The fields of a row's document in the order of their names, and whether their values are JSON.
fn told<B: AsRef<[u8]>>(batch: &Batch<B>, row: usize) -> Vec<(String, String, bool)> {
    let values = batch.columns().skip(3).filter_map(|column| {
        let value = String::from_utf8_lossy(column.get(row)?).into_owned();
        let name = column.field().name().strip_prefix("message.").unwrap();
        Some((name.to_owned(), value, column.is_json(row)))
    });
    let mut values: Vec<_> = values.collect();
    values.sort();
    values
}

/// The text with some bytes replaced.
fn broken(text: &str, edits: &[(prop::sample::Index, String, usize)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (index, insert, remove) in edits {
        let at = index.index(bytes.len() + 1);
        let end = (at + remove).min(bytes.len());
        bytes.splice(at..end, insert.bytes());
    }
    bytes
}

/// Whether serde_json reads it; numbers of any size are JSON.
fn is_json(text: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(text) {
        Ok(_) => true,
        // What is wrong behind the number is not told then.
        Err(error) => {
            let is_large = error.to_string().contains("number out of range");
            is_large && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
        }
    }
}
