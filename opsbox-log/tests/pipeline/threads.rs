//! What comes out, whatever the number of threads.

use super::*;

#[test]
fn threads_change_nothing() {
    let log = log(5_000);
    let mut expected = Vec::new();
    let whole = marking(Pipeline::new(parser(1 << 20)))
        .run(log.as_bytes(), &mut expected)
        .unwrap();
    check(&whole, log.as_bytes());
    assert_eq!((whole.batches(), whole.unmatched_lines()), (1, 714));
    for threads in [1, 2, 3, 8] {
        let mut out = Vec::new();
        let mut pipeline = marking(Pipeline::new(parser(4096))).threads(threads);
        let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
        assert!(out == expected, "{threads} threads");
        check(&report, log.as_bytes());
        assert!(report.batches() > 20);
        assert_eq!(report.unmatched_examples(), whole.unmatched_examples());
        assert_eq!(report.rows(), whole.rows());
        assert_eq!(report.written(), whole.written());
        // A pipeline runs again, from the beginning.
        let mut again = Vec::new();
        let second = pipeline.run(log.as_bytes(), &mut again).unwrap();
        assert_eq!((second, again), (report, out));
    }
}

#[test]
fn unmatched_lines_are_kept_if_asked_for() {
    let log = "2026-01-02 03:04:05 [INFO] a\nno \"line\"\n2026-01-02 03:04:05 [INFO] b\n\n";
    let mut out = Vec::new();
    let mut pipeline = marking(Pipeline::new(parser(1 << 20))).keep_unmatched("message");
    let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
    check(&report, log.as_bytes());
    let expected = concat!(
        r#"{"timestamp":"2026-01-02 03:04:05","level":"INFO","message":"a","mark":"seen"}"#,
        "\n",
        r#"{"timestamp":"2026-01-02 03:04:05","level":"INFO","message":"b","mark":"seen"}"#,
        "\n",
        r#"{"message":"no \"line\"","line_number":2,"unmatched":"no_match","mark":"seen"}"#,
        "\n",
        r#"{"message":"","line_number":4,"unmatched":"empty","mark":"seen"}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(
        (report.unmatched_written(), report.written().rows()),
        (2, 4)
    );
    let said = report.to_string();
    assert!(
        said.contains("2 records, 2 lines unmatched") && !said.contains("no \"line\""),
        "{said}"
    );
}

#[test]
fn unmatched_lines_are_kept_under_any_name() {
    for (column, expected) in [
        (
            "unmatched",
            "{\"unmatched\":\"lost\",\"line_number\":1,\"unmatched_\":\"no_match\"}\n",
        ),
        (
            "line_number",
            "{\"line_number\":\"lost\",\"line_number_\":1,\"unmatched\":\"no_match\"}\n",
        ),
        (
            "unmatched_",
            "{\"unmatched_\":\"lost\",\"line_number\":1,\"unmatched\":\"no_match\"}\n",
        ),
    ] {
        let mut out = Vec::new();
        let mut pipeline = Pipeline::new(parser(1 << 20)).keep_unmatched(column);
        pipeline.run(&b"lost\n"[..], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn records_of_several_lines_add_up() {
    let log = "lost\n2026-01-02 03:04:05 [INFO] a\n  at b\n  at c\n2026-01-02 03:04:05 [INFO] d\n";
    for batch_bytes in [1, 40, 1 << 20] {
        let pipeline = Pipeline::new(parser(batch_bytes).multiline(Multiline::indented()));
        let report = pipeline.threads(2).run(log.as_bytes(), io::sink()).unwrap();
        check(&report, log.as_bytes());
        assert_eq!(
            (report.lines(), report.rows(), report.row_lines()),
            (5, 2, 4)
        );
    }
}

#[test]
fn outputs_are_chosen() {
    let log = "2026-01-02 03:04:05 [INFO] a=b\n";
    let mut out = Vec::new();
    Pipeline::new(parser(1024))
        .output(Logfmt::new())
        .run(log.as_bytes(), &mut out)
        .unwrap();
    assert_eq!(
        out,
        b"timestamp=\"2026-01-02 03:04:05\" level=INFO message=\"a=b\"\n"
    );
    out.clear();
    let cef = Cef::new("v", "p", "1");
    Pipeline::new(parser(1024))
        .output(cef)
        .run(log.as_bytes(), &mut out)
        .unwrap();
    let expected =
        "CEF:0|v|p|1|log|log|Unknown|timestamp=2026-01-02 03:04:05 level=INFO message=a\\=b\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_empty_input_is_no_error() {
    for threads in [1, 3] {
        let report = Pipeline::new(parser(1024))
            .threads(threads)
            .run(io::empty(), io::sink())
            .unwrap();
        check(&report, b"");
        assert_eq!(report.lines(), 0);
    }
}

#[test]
fn a_batch_that_becomes_much_is_written_in_pieces() {
    let (log, mut pipeline, expected) = much_of_little();
    for threads in [1, 2] {
        pipeline = pipeline.threads(threads);
        let mut out = Pieces::default();
        let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
        assert!(out.bytes == expected, "{threads} threads");
        assert!(out.largest < 8 << 20, "{}", out.largest);
        check(&report, log.as_bytes());
        assert_eq!((report.batches(), report.written().rows()), (1, 601));

        let most = 10 << 20;
        let mut out = Pieces {
            most: Some(most),
            ..Pieces::default()
        };
        let error = pipeline.run(log.as_bytes(), &mut out).unwrap_err();
        let Error::Write { offset, .. } = error.error() else {
            panic!("{error}");
        };
        assert_eq!(*offset, out.bytes.len() as u64);
        assert!(error.report().adds_up() && expected.starts_with(&out.bytes));
    }
}

proptest! {
    #[test]
    fn any_bytes_add_up(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'='), Just(b'a'), any::<u8>()], 0..400), size in 1_usize..80, threads in 1_usize..4) {
        for preset in ["logfmt", "ndjson", "app", "syslog-rfc3164"] {
            let Ok(format) = Format::preset(preset) else { continue };
            let parser = Parser::new(format).batch_bytes(size);
            let mut out = Vec::new();
            let mut pipeline = marking(Pipeline::new(parser)).keep_unmatched("raw").threads(threads);
            let report = pipeline.run(&bytes[..], &mut out).unwrap();
            check(&report, &bytes);
            prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count() as u64, report.written().rows());
        }
    }
}
