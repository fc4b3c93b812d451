//! Groups of digits, and what begins at each: a phone number, an ID card, a payment card.

use super::{Sink, before, byte, card, escape_end, id_card, opens_number, phone, span_of};
use crate::mask::{Detector, prefilter::DIGITS};

/// Some digits without a separator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Group {
    pub(super) fn of(text: &[u8], at: usize) -> Self {
        let len = span_of(text, at, |it| it.is_ascii_digit());
        Self { at, len }
    }

    pub(super) fn end(self) -> usize {
        self.at + self.len
    }

    /// The group behind the separator behind this one, with the separator.
    pub(super) fn next(self, text: &[u8]) -> Option<(u8, Self)> {
        let separator = byte(text, self.end());
        let at = self.end() + 1;
        let follows = matches!(separator, b' ' | b'-') && byte(text, at).is_ascii_digit();
        follows.then(|| (separator, Self::of(text, at)))
    }
}

pub(super) fn look(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let mut next = Some(Group::of(text, (at + 1).saturating_sub(DIGITS)));
    // What is behind `%20`, whose digits are no part of the number.
    if let Some(end) = next.and_then(|it| escape_end(text, it.at))
        && byte(text, end).is_ascii_digit()
    {
        look_group(text, Group::of(text, end), sink);
    }
    while let Some(group) = next {
        look_group(text, group, sink);
        next = group.next(text).map(|(_, group)| group);
    }
}

fn look_group(text: &[u8], group: Group, sink: &mut Sink<'_>) {
    // Of so many digits nothing begins but what has a plus before it, as in a URL: `%2B`.
    let is_encoded = matches!(before(text, group.at), b'B' | b'b');
    if matches!(group.len, 0 | 1 | 6..=10 | 20..) && !is_encoded {
        return;
    }
    if !opens_number(text, group.at) {
        return;
    }
    if sink.wants(Detector::IdCardCn) || sink.wants(Detector::LegacyIdCardCn) {
        id_card::look(text, group, sink);
    }
    if sink.wants(Detector::PhoneCn) {
        phone::look_cn(text, group, sink);
    }
    // A plus in a URL.
    let encoded = text.get(group.at.saturating_sub(3)..group.at);
    if is_encoded && encoded.is_some_and(|it| it.eq_ignore_ascii_case(b"%2B")) {
        phone::look_encoded(text, group.at, sink);
    }
    if sink.wants(Detector::Card) {
        card::look(text, group, sink);
    }
}
