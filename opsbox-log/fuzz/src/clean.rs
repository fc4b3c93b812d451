//! Documents in values: found, repaired, flattened.

use opsbox_log::{
    Format, Kernel, Parser,
    clean::{self, Cleaner, DocumentKind},
    limits::{MAX_DOCUMENT_FIELDS, MAX_REPAIR_EXPANSION},
};

/// Whether serde_json reads it; numbers of any size are JSON.
fn is_json(text: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => true,
        Err(error) => error.to_string().contains("number out of range"),
    }
}

/// What is found in a value is in it, is JSON, and is what a cleaner finds in a column.
pub fn find(data: &[u8]) {
    for value in data.split(|&byte| byte == b'\n') {
        check(value);
    }
    let format = Format::pattern("(?P<m>.*)").unwrap();
    let parser = Parser::new(format);
    let whole = Cleaner::new("m").json_column("json");
    for kernel in Kernel::ALL.into_iter().filter(|it| it.is_available()) {
        let mut batch = parser.parse(data);
        let rows = batch.len() as u64;
        let report = whole.clone().kernel(kernel).clean(&mut batch);
        assert_eq!(report.examined(), rows);
        for record in batch.records() {
            let found = clean::find(record.get("m").unwrap()).ok().flatten();
            let found = found.as_ref().map(|document| document.json());
            assert_eq!(record.get("json"), found, "{kernel}");
        }
        let mut flat = parser.parse(data);
        let other = Cleaner::new("m").kernel(kernel).clean(&mut flat);
        assert_eq!(other.examined(), rows);
        for record in flat.records() {
            record.iter().for_each(|(_, value)| drop(value));
        }
    }
}

/// What begins like an object is repaired to JSON, in which nothing is left to repair.
pub fn repair(data: &[u8]) {
    check(&[b"{\"".as_slice(), data].concat());
    check(&[b"{'".as_slice(), data].concat());
    check(&[b"{\\\"".as_slice(), data].concat());
}

/// What begins like an element has flat fields.
pub fn xml(data: &[u8]) {
    for begin in [&b"<"[..], b"<a ", b"<a>", b"<?xml version=\"1.0\"?><a>"] {
        check(&[begin, data].concat());
    }
}

fn check(value: &[u8]) {
    let Ok(Some(document)) = clean::find(value) else {
        return;
    };
    let (json, place) = (document.json(), document.place());
    assert!(is_json(json), "not JSON");
    let inside = &value[place];
    match document.kind() {
        DocumentKind::Json => assert_eq!(json, inside),
        DocumentKind::Xml => {
            let object: serde_json::Map<_, _> = serde_json::from_slice(json).unwrap();
            assert!(object.values().all(serde_json::Value::is_string));
            assert!(object.len() <= MAX_DOCUMENT_FIELDS);
        }
        _ => assert!(json.len() <= MAX_REPAIR_EXPANSION * value.len() + 128),
    }
    let again = clean::find(json).unwrap().unwrap();
    assert_eq!(again.kind(), DocumentKind::Json);
    assert_eq!(again.json(), json);
}
