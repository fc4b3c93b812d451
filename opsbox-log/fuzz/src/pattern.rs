//! Any pattern: it compiles or is refused, and then every engine finds the same.

use opsbox_log::{ErrorKind, Format, Parser};

use super::{
    input::Input,
    rows::{parse_everywhere, rows},
};

/// Most bytes of a log: the time to match a line is that times the size of the pattern.
pub const MAX_LOG: usize = 4 << 10;

/// The first line is the pattern, the rest the log.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Ok(pattern) = str::from_utf8(input.line()) else {
        return;
    };
    let format = Format::pattern(pattern).or_else(|error| {
        assert_eq!(error.kind(), ErrorKind::InvalidPattern);
        assert!(!error.to_string().is_empty());
        // Without a column it may be fine inside of one.
        Format::pattern(&format!("(?P<all>{pattern})"))
    });
    let Ok(format) = format else { return };
    check(&format, &input.log(&[], MAX_LOG));
}

/// Every engine finds the same, and a selected column is what it is among all.
pub fn check(format: &Format, log: &[u8]) {
    assert!(!format.explain().is_empty());
    let batch = parse_everywhere(&Parser::new(format.clone()), log);
    let whole = rows(&batch);
    for (index, field) in format.fields().iter().enumerate().take(2) {
        let selected = format.select([field.name()]).unwrap();
        let batch = parse_everywhere(&Parser::new(selected), log);
        for (row, whole) in rows(&batch).iter().zip(&whole) {
            assert_eq!(row.line_number, whole.line_number);
            let column = whole.outcome.as_ref().map(|spans| spans[index].clone());
            let found = row.outcome.as_ref().map(|spans| spans[0].clone());
            assert_eq!(found, column, "{field:?}");
        }
    }
}
