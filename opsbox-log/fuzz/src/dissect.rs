//! Any dissect pattern: every engine finds the same, and of plain keys what a search for one
//! delimiter after the other finds.

use std::ops::Range;

use opsbox_log::{ErrorKind, Format, Parser, Span};

use super::{
    input::Input,
    pattern::{MAX_LOG, check},
};

/// The first line is the pattern, the rest the log.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Ok(pattern) = str::from_utf8(input.line()) else {
        return;
    };
    let log = input.log(&[], MAX_LOG);
    match Format::dissect(pattern) {
        Ok(format) => {
            check(&format, &log);
            if let Some((lead, delimiters)) = plain(pattern) {
                search(&format, lead.as_bytes(), &delimiters, &log);
            }
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidPattern, "{error}"),
    }
}

/// What is before the first key and after each, if all keys are columns with nothing but a name.
fn plain(pattern: &str) -> Option<(&str, Vec<&str>)> {
    let mut parts = pattern.split("%{");
    let lead = parts.next()?;
    let delimiters = parts.map(|part| {
        let (name, delimiter) = part.split_once('}')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_name && !name.is_empty()).then_some(delimiter)
    });
    Some((lead, delimiters.collect::<Option<_>>()?))
}

fn search(format: &Format, lead: &[u8], delimiters: &[&str], log: &[u8]) {
    let batch = Parser::new(format.clone()).parse(log);
    for record in batch.records() {
        let start = usize::try_from(record.offset()).unwrap();
        let columns = fields(lead, delimiters, record.raw()).unwrap();
        for (index, range) in columns.into_iter().enumerate() {
            let range = start + range.start..start + range.end;
            assert_eq!(
                record.span_at(index),
                Some(Span::Input(range)),
                "{record:?}"
            );
        }
    }
    for line in batch.unmatched().filter(|line| !line.raw().is_empty()) {
        assert_eq!(fields(lead, delimiters, line.raw()), None, "{line}");
    }
}

/// Each field up to the first place of its delimiter, the last up to the end or the delimiter there.
fn fields(lead: &[u8], delimiters: &[&str], line: &[u8]) -> Option<Vec<Range<usize>>> {
    let (last, others) = delimiters.split_last()?;
    let mut at = line.starts_with(lead).then_some(lead.len())?;
    let mut fields = Vec::new();
    for delimiter in others {
        let mut places = line[at..].windows(delimiter.len());
        let end = at + places.position(|place| place == delimiter.as_bytes())?;
        fields.push(at..end);
        at = end + delimiter.len();
    }
    let rest = line[at..].strip_suffix(last.as_bytes())?;
    fields.push(at..at + rest.len());
    Some(fields)
}
