//! In which of the languages for formats a text is written.

use super::pattern::refuse;
use crate::error::Error;

pub(super) enum Language {
    Preset,
    Regex,
    Grok,
    Dissect,
}

/// By its `%{...}`: a name in capitals up to `:` or `}` is grok's, all others are dissect's, but for
/// a count as in `%{2}`. Without any it is a preset's name or a regular expression.
///
/// # Errors
///
/// If there are both.
pub(super) fn language(text: &str) -> Result<Language, Error> {
    let (mut grok, mut dissect) = (None, None);
    for (at, _) in text.match_indices("%{") {
        let inside = text.get(at + 2..).unwrap_or_default();
        if inside.starts_with(|first: char| first.is_ascii_digit()) {
            continue;
        }
        let end = inside.find([':', '}']).unwrap_or(inside.len());
        let name = inside.get(..end).unwrap_or_default();
        let is_capital = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
        let slot = match !name.is_empty() && name.chars().all(is_capital) {
            true => &mut grok,
            false => &mut dissect,
        };
        let len = inside.find('}').map_or(inside.len(), |at| at + 1);
        slot.get_or_insert(at..at + 2 + len);
    }
    match (grok, dissect) {
        (None, None) if text.contains(['(', '\\', '[']) => Ok(Language::Regex),
        (None, None) => Ok(Language::Preset),
        (Some(_), None) => Ok(Language::Grok),
        (None, Some(_)) => Ok(Language::Dissect),
        (Some(grok), Some(dissect)) => {
            let message = format!(
                "this is a key of dissect, and at byte {} is a name of grok, in capitals; write one of \
                 the two, or call Format::grok or Format::dissect",
                grok.start
            );
            Err(refuse(text, dissect, message))
        }
    }
}
