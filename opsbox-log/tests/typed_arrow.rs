//! Typed columns as Arrow arrays.
#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use arrow_array::{
    cast::AsArray,
    types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use bytes::Bytes;
use opsbox_log::{
    Format, Parser,
    export::arrow::{record_batch, typed_record_batch},
    types::{TimeContext, TimestampFormat, Type, Zone},
};

fn typed_format() -> Format {
    let pattern =
        r"(?P<at>\S*) (?P<n>\S*) (?P<x>\S*) (?P<up>\S*) (?P<ip>\S*) (?P<level>\S*) (?P<text>.*)";
    let types = [
        ("at", Type::Timestamp(TimestampFormat::Rfc3339)),
        ("n", Type::Integer),
        ("x", Type::Float),
        ("up", Type::Boolean),
        ("ip", Type::IpAddr),
        ("level", Type::Category),
    ];
    let format = Format::pattern(pattern).unwrap();
    let typed = types.iter();
    typed.fold(format, |format, (name, it)| {
        format.with_type(name, *it).unwrap()
    })
}

#[test]
fn arrays_hold_the_values() {
    let log = concat!(
        "1970-01-01T00:00:01 7 1.5 yes 2001:DB8:0::1 info a text of more than twelve bytes\n",
        "- - - - - - -\n",
        "x x x x x info \n",
        "1970-01-01T00:00:02Z -8 -2e3 off 192.0.2.7 warn b\n",
    );
    let batch = Parser::new(typed_format()).parse(Bytes::from(log));
    let context = TimeContext::new().zone(Zone::east(1).unwrap());
    let typed = typed_record_batch(&batch, context).unwrap();
    let table = typed.table();
    let types: Vec<_> = table
        .schema()
        .fields()
        .iter()
        .map(|it| it.data_type().to_string())
        .collect();
    let expected = [
        "Timestamp(µs, \"UTC\")",
        "Int64",
        "Float64",
        "Boolean",
        "Utf8View",
        "Dictionary(Int32, Utf8)",
        "Utf8View",
    ];
    assert_eq!(types, expected);
    let column = |name: &str| table.column_by_name(name).unwrap();

    let at = column("at").as_primitive::<TimestampMicrosecondType>();
    assert_eq!(
        at.iter().collect::<Vec<_>>(),
        [Some(0), None, None, Some(2_000_000)]
    );
    let n = column("n").as_primitive::<Int64Type>();
    assert_eq!(
        n.iter().collect::<Vec<_>>(),
        [Some(7), None, None, Some(-8)]
    );
    let x = column("x").as_primitive::<Float64Type>();
    assert_eq!(
        x.iter().collect::<Vec<_>>(),
        [Some(1.5), None, None, Some(-2000.0)]
    );
    let up = column("up").as_boolean();
    assert_eq!(
        up.iter().collect::<Vec<_>>(),
        [Some(true), None, None, Some(false)]
    );
    let ip = column("ip").as_string_view();
    let expected = [Some("2001:db8::1"), None, None, Some("192.0.2.7")];
    assert_eq!(ip.iter().collect::<Vec<_>>(), expected);
    let level = column("level").as_dictionary::<Int32Type>();
    let level: Vec<_> = level
        .downcast_dict::<arrow_array::StringArray>()
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(level, [Some("info"), Some("-"), Some("info"), Some("warn")]);
    // Text is as without types, down to the memory.
    let plain = record_batch(&batch).unwrap();
    assert_eq!(column("text"), plain.column_by_name("text").unwrap());
    let text = column("text").as_string_view();
    assert_eq!(text.data_buffers()[0].as_ptr(), batch.input().as_ptr());

    let invalid: Vec<_> = typed.invalid().iter().map(|it| it.count()).collect();
    assert_eq!(invalid, [1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(typed.invalid()[0].examples()[0].line_number(), 3);
}

#[test]
fn bad_bytes_and_no_rows() {
    let log = Bytes::from_static(b"- - - - - a\xff\xff b\n");
    let batch = Parser::new(typed_format()).parse(log);
    let typed = typed_record_batch(&batch, TimeContext::new()).unwrap();
    let level = typed.table().column_by_name("level").unwrap();
    let values = level
        .as_dictionary::<Int32Type>()
        .values()
        .as_string::<i32>()
        .clone();
    assert_eq!(values.value(0), "a\u{fffd}\u{fffd}");

    let batch = Parser::new(typed_format()).parse(Bytes::new());
    let empty = typed_record_batch(&batch, TimeContext::new())
        .unwrap()
        .into_table();
    assert_eq!(empty.num_rows(), 0);
    assert_eq!(empty.schema(), typed.table().schema());
}
