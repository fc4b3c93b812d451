#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use proptest::prelude::*;

use super::*;
use crate::{
    batch::{Batch, Span},
    limits::MAX_DISCOVERED_FIELDS,
};

/// Everything that can be asked of a batch.
#[derive(Debug, PartialEq)]
struct All {
    fields: Vec<String>,
    records: Vec<(Where, bool, Vec<Option<Span>>)>,
    unmatched: Vec<(Where, Reason)>,
    line_count: usize,
    arena: Vec<u8>,
}

/// Line number, lines, offset, bytes, and the text.
type Where = ([u64; 4], Vec<u8>);

fn all(work: &Work<'_>, sizes: Sizes) -> All {
    let limit = work.options.line_limit;
    let batch = Batch::new(work.input, work.rows(sizes).0, Origin::START, limit);
    All {
        fields: batch.fields().iter().map(|it| it.name().into()).collect(),
        records: batch
            .records()
            .map(|it| {
                let spans = (0..batch.fields().len()).map(|field| it.span_at(field));
                let number = it.line_number();
                let place = [number, it.line_count(), it.offset(), it.line_bytes()];
                let place = (place, it.raw().to_vec());
                (place, it.is_truncated(), spans.collect())
            })
            .collect(),
        unmatched: batch
            .unmatched()
            .map(|it| {
                let number = it.line_number();
                let place = [number, it.line_count(), it.offset(), it.line_bytes()];
                ((place, it.raw().to_vec()), it.reason())
            })
            .collect(),
        line_count: batch.line_count(),
        arena: batch.arena().to_vec(),
    }
}

fn multiline() -> impl Strategy<Value = Option<Multiline>> {
    let rules = vec![
        Multiline::indented(),
        Multiline::stack_traces(),
        Multiline::start("a=|20").unwrap(),
        Multiline::start("a|k| ").unwrap().heading(b"a"),
        Multiline::start("never").unwrap(),
    ];
    let rule = (prop::sample::select(rules), 1..6_u32, any::<bool>());
    let rule = rule.prop_map(|(rule, lines, whole)| {
        let rule = rule.max_lines(lines);
        if whole { rule.whole() } else { rule }
    });
    prop::option::of(rule)
}

/// Lines with runs of keys, so many that some batches come to the limit of columns, some of them
/// broken; and lines of other kinds.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let keys = (0..1500_usize, 1..700_usize, 0..4_u8).prop_map(|(first, count, kind)| {
        let mut line = String::new();
        for key in first..first + count {
            line += &format!("k{key}=\"v\\n{key}\" ");
        }
        match kind {
            0 => line += "broken=\"",
            1 => line += &format!("{}=1", "k".repeat(2000)),
            _ => {}
        }
        line
    });
    let few = "[ ]?[a-c]=(\"[x\\\\]{0,3}\"|[xy ]{0,9})( [d-f]=1)?";
    let app = "2026-01-02 03:04:05 \\[INFO\\] [ -~]{0,12}";
    let line = prop_oneof![3 => keys, 4 => few, 4 => app, 1 => ".{0,9}", 1 => "x{100,200}"];
    let ending = prop::sample::select(vec!["\n", "\n", "\r\n", "\n\n", "\r\r\n", ""]);
    prop::collection::vec((line, ending), 0..12).prop_map(|lines| {
        let lines = lines.into_iter().flat_map(|(line, end)| [line, end.into()]);
        lines.collect::<String>().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..Default::default() })]

    #[test]
    fn any_cutting_gives_the_same_batch(
        input in lines(),
        preset in prop::sample::select(vec!["logfmt", "app"]),
        size in prop_oneof![1..50_usize, 50..20_000_usize],
        threads in 1..4_usize,
        line_limit in prop_oneof![1 => 1..150_usize, 3 => Just(1_usize << 20)],
        overlong in prop::sample::select(vec![Overlong::Unmatched, Overlong::Truncate]),
        multiline in multiline(),
        bom in any::<bool>(),
    ) {
        let input = if bom { [BOM, &input].concat() } else { input };
        let format = Format::preset(preset).unwrap();
        let options = Options { line_limit, overlong, multiline, threads, ..Options::default() };
        let from = if bom { BOM.len() } else { 0 };
        let mut rooms = Vec::new();
        let rooms = Mutex::new(&mut rooms);
        let work = Work { format: &format, options: &options, input: &input, from, place: Place::START, rooms };
        let whole = all(&work, Sizes { alone: usize::MAX, shared: None });
        prop_assert_eq!(&all(&work, Sizes { alone: size, shared: None }), &whole);
        prop_assert_eq!(&all(&work, Sizes { alone: size, shared: Some(size) }), &whole);
    }

    #[test]
    fn ranges_cover_the_input_and_end_at_line_ends(
        input in "[a\n]{0,60}",
        from in 0..10_usize,
        size in 0..20_usize,
    ) {
        let input = input.as_bytes();
        let from = from.min(input.len());
        let mut at = from;
        for range in Ranges::new(input, from, size) {
            prop_assert_eq!(range.start, at);
            prop_assert!(range.end > at);
            prop_assert!(range.end == input.len() || input[range.end - 1] == b'\n');
            let lines = Lines::new(&input[..range.end], range.start).count();
            prop_assert!(range.len() <= size.max(1) || lines == 1);
            at = range.end;
        }
        prop_assert_eq!(at, input.len());
    }
}

/// Where every line has a new key, blocks that do not know of each other would take more of them.
#[test]
fn the_limit_of_columns_holds_across_threads() {
    let input: String = (0..1400).map(|key| format!("k{key}=1 same=2\n")).collect();
    let format = Format::preset("logfmt").unwrap();
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    let mut rooms = Vec::new();
    let work = Work {
        format: &format,
        options: &options,
        input: input.as_bytes(),
        from: 0,
        place: Place::START,
        rooms: Mutex::new(&mut rooms),
    };
    let ranges: Vec<_> = Ranges::new(work.input, 0, 3000).collect();
    assert!(Rows::join(work.parallel(&ranges, 2).0).is_err());
    let sizes = Sizes {
        alone: 1000,
        shared: Some(3000),
    };
    let (rows, _) = work.rows(sizes);
    assert_eq!(rows.fields().len(), MAX_DISCOVERED_FIELDS);
    assert_eq!((rows.len(), rows.unmatched().len()), (1023, 377));
    let last = &rows.unmatched()[376];
    assert_eq!(last.index, 1399);
}

#[test]
fn threads_share_large_inputs_only() {
    assert!(Sizes::of(400 << 10, 8).shared.is_none());
    assert!(Sizes::of(1 << 30, 1).shared.is_none());
    assert_eq!(Sizes::of(4 << 20, 2).shared, Some(256 << 10));
    assert_eq!(Sizes::of(1 << 30, 4).shared, Some(4 << 20));
    assert!(Sizes::of(usize::MAX, usize::MAX).shared.is_some());
}
