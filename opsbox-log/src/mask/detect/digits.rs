//! Groups of digits, and what begins at each: a phone number, an ID card, a payment card.

use super::{Sink, byte, card, id_card, opens_number, phone, span_of};
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
    while let Some(group) = next {
        if opens_number(text, group.at) {
            if sink.wants(Detector::IdCardCn) || sink.wants(Detector::LegacyIdCardCn) {
                id_card::look(text, group, sink);
            }
            if sink.wants(Detector::PhoneCn) {
                phone::look_cn(text, group, sink);
            }
            if sink.wants(Detector::Card) {
                card::look(text, group, sink);
            }
        }
        next = group.next(text).map(|(_, group)| group);
    }
}
