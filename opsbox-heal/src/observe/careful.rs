//! The second pass over a list of which an item did not fit: one item at a time, so that it costs
//! the others nothing.

use serde::de::{DeserializeSeed, SeqAccess};
use serde_json::value::RawValue;

use super::{
    json,
    node::Head,
    read::{Level, Object, Pass, Reader},
};
use crate::error::Position;

/// Reads what is left of the items.
pub(super) fn items<'de, A: SeqAccess<'de>>(
    reader: &Reader<'_>,
    pass: Pass<'_>,
    mut items: A,
) -> Result<(), A::Error> {
    match pass {
        Pass::Fast => Ok(()),
        Pass::Json {
            text,
            skipped_bytes,
        } => {
            let mut lines = Lines::new(text, skipped_bytes);
            each(
                reader,
                || items.next_element(),
                |raw| {
                    json_item(reader, raw, &mut lines);
                },
            )
        }
        #[cfg(feature = "yaml")]
        Pass::Yaml(document) => each(
            reader,
            || items.next_element::<serde_saphyr::Spanned<super::node::Node<'de>>>(),
            |item| yaml_item(reader, &item, document),
        ),
    }
}

fn each<T, E>(
    reader: &Reader<'_>,
    mut next: impl FnMut() -> Result<Option<T>, E>,
    mut read: impl FnMut(T),
) -> Result<(), E> {
    loop {
        // Before the item is looked at, so that broken syntax is put on it and not on the last one.
        reader.enter();
        match next()? {
            Some(item) => read(item),
            None => break,
        }
    }
    reader.leave_last();
    Ok(())
}

fn json_item(reader: &Reader<'_>, raw: &RawValue, lines: &mut Lines<'_>) {
    let text = raw.get();
    let mut json = serde_json::Deserializer::from_str(text);
    let item = Object {
        reader,
        level: Level::Item,
    };
    let Err(error) = item.deserialize(&mut json) else {
        return;
    };
    let head = || serde_json::from_str::<Head>(text).unwrap_or_default();
    let position = || {
        let within = Position::of_line(text, error.line(), error.column(), 0)?;
        let start = text
            .as_ptr()
            .addr()
            .checked_sub(lines.text.as_ptr().addr())?;
        lines.position(start + usize::try_from(within.byte_offset).ok()?)
    };
    reader.misfit(|| json::reason(&error), head, position);
}

#[cfg(feature = "yaml")]
fn yaml_item(
    reader: &Reader<'_>,
    item: &serde_saphyr::Spanned<super::node::Node<'_>>,
    document: &super::yaml::Document<'_>,
) {
    let object = Object {
        reader,
        level: Level::Item,
    };
    let Err(error) = object.deserialize(super::fit::Fit(&item.value)) else {
        return;
    };
    let head = || Head::of(&item.value);
    reader.misfit(
        || error.to_string(),
        head,
        || document.position(item.referenced),
    );
}

/// Finds the lines of offsets that mostly go up, in one walk over the text.
struct Lines<'t> {
    text: &'t str,
    skipped_bytes: usize,
    /// How far the lines have been counted.
    at: usize,
    /// How many lines there are before that, and where the last of them ends.
    before: usize,
    start: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str, skipped_bytes: usize) -> Self {
        Self {
            text,
            skipped_bytes,
            at: 0,
            before: 0,
            start: 0,
        }
    }

    fn position(&mut self, byte: usize) -> Option<Position> {
        if byte < self.at {
            *self = Self::new(self.text, self.skipped_bytes);
        }
        let byte = byte.min(self.text.len());
        let passed = self.text.as_bytes().get(self.at..byte)?;
        for (index, _) in passed.iter().enumerate().filter(|(_, b)| **b == b'\n') {
            self.before += 1;
            self.start = self.at + index + 1;
        }
        self.at = byte;
        let number = |value: usize| u64::try_from(value).ok();
        Some(Position {
            line: number(self.before + 1)?,
            column: number(byte - self.start + 1)?,
            byte_offset: number(byte + self.skipped_bytes)?,
        })
    }
}
