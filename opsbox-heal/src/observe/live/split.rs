//! Cuts a stream of bytes into objects, each handed on as soon as its last byte is there.
//!
//! So an answer of a gigabyte takes the memory of its largest object, and of what surrounds them.

/// Why a stream cannot be cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One object, or all that surrounds the objects, is larger than allowed.
    TooLarge,
    /// The brackets do not fit.
    NotJson,
}

/// The elements of an array that is a member of the top-level object, as `items` of a list, or of
/// several such arrays.
///
/// What surrounds the elements is kept, and is JSON with an empty array in their place.
pub(super) struct Elements {
    members: &'static [&'static str],
    /// The array that is being read.
    member: &'static str,
    max_bytes: usize,
    at: At,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// The key or other string at the top level that was read last.
    key: Vec<u8>,
    in_key: bool,
    /// The part of an element that was in earlier chunks.
    partial: Vec<u8>,
    envelope: Vec<u8>,
}

/// Longer keys are none of those that are asked for.
const MAX_KEY_BYTES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Envelope,
    /// In the array, between elements.
    Between,
    /// In an element.
    Element,
}

impl Elements {
    pub(super) fn new(members: &'static [&'static str], max_bytes: usize) -> Self {
        Self {
            members,
            member: "",
            max_bytes,
            at: At::Envelope,
            depth: 0,
            in_string: false,
            escaped: false,
            key: Vec::new(),
            in_key: false,
            partial: Vec::new(),
            envelope: Vec::new(),
        }
    }

    /// Takes the next bytes and hands on every element that they complete, with the name of its
    /// array.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&'static str, &[u8]),
    ) -> Result<(), Fault> {
        // Where in `bytes` the current element, or the current stretch of the envelope, begins.
        let mut start = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' {
                    self.escaped = true;
                } else if byte == b'"' {
                    self.in_string = false;
                    self.in_key = false;
                    continue;
                }
                if self.in_key && self.key.len() <= MAX_KEY_BYTES {
                    self.key.push(byte);
                }
                continue;
            }
            match byte {
                b'"' => {
                    if self.at == At::Between {
                        return Err(Fault::NotJson);
                    }
                    self.in_string = true;
                    if self.at == At::Envelope && self.depth == 1 {
                        self.in_key = true;
                        self.key.clear();
                    }
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.at == At::Between {
                        self.at = At::Element;
                        start = index;
                    } else if self.at == At::Envelope
                        && self.depth == 2
                        && byte == b'['
                        && let Some(member) = self.member()
                    {
                        self.member = member;
                        self.keep_envelope(bytes.get(start..=index))?;
                        self.at = At::Between;
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.checked_sub(1).ok_or(Fault::NotJson)?;
                    match (self.at, self.depth) {
                        (At::Element, 2) => {
                            let last = bytes.get(start..=index).unwrap_or_default();
                            if self.partial.is_empty() {
                                each(self.member, last);
                            } else {
                                self.keep_partial(last)?;
                                each(self.member, &self.partial);
                                self.partial.clear();
                            }
                            self.at = At::Between;
                        }
                        (At::Between, 1) => {
                            self.at = At::Envelope;
                            self.key.clear();
                            start = index;
                        }
                        _ => {}
                    }
                }
                // A comma ends a member, and with it what its key says of an array that follows.
                b',' if self.at == At::Envelope && self.depth == 1 => self.key.clear(),
                _ => {}
            }
        }
        let rest = bytes.get(start..);
        match self.at {
            At::Envelope => self.keep_envelope(rest),
            At::Element => self.keep_partial(rest.unwrap_or_default()),
            At::Between => Ok(()),
        }
    }

    /// What surrounds the elements, once the stream has ended; `None` if it ended too early.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        let complete = self.at == At::Envelope && self.depth == 0 && !self.in_string;
        (complete && !self.envelope.is_empty()).then_some(self.envelope)
    }

    /// The array that begins here, if it is one of those that are asked for.
    fn member(&self) -> Option<&'static str> {
        let mut members = self.members.iter();
        members
            .find(|member| self.key == member.as_bytes())
            .copied()
    }

    fn keep_envelope(&mut self, bytes: Option<&[u8]>) -> Result<(), Fault> {
        let bytes = bytes.unwrap_or_default();
        if self.envelope.len() + bytes.len() > self.max_bytes {
            return Err(Fault::TooLarge);
        }
        self.envelope.extend_from_slice(bytes);
        Ok(())
    }

    fn keep_partial(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.partial.len() + bytes.len() > self.max_bytes {
            return Err(Fault::TooLarge);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

/// The lines of a watch.
pub(super) struct Lines {
    max_bytes: usize,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            partial: Vec::new(),
        }
    }

    /// Takes the next bytes and hands on every line that they complete, without its end. Empty
    /// lines are left out. What has no end when the stream ends was cut, and is nothing.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.partial.is_empty() {
                if !line.is_empty() {
                    each(line);
                }
            } else {
                self.keep(line)?;
                each(&self.partial);
                self.partial.clear();
            }
        }
        self.keep(bytes)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.partial.len() + bytes.len() > self.max_bytes {
            return Err(Fault::TooLarge);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, chunk: usize) -> (Vec<String>, Option<String>) {
        let mut elements = Elements::new(&["items"], 10_000);
        let mut found = Vec::new();
        for bytes in text.as_bytes().chunks(chunk) {
            let each = |_, element: &[u8]| found.push(String::from_utf8(element.to_vec()).unwrap());
            elements.push(bytes, each).unwrap();
        }
        let envelope = elements.finish().map(|e| String::from_utf8(e).unwrap());
        (found, envelope)
    }

    #[test]
    fn elements_come_out_whole_however_the_stream_is_cut() {
        let text = r#"{"kind":"PodList","metadata":{"items":["x"],"continue":"a]\"}"},"items":
            [{"a":"}]\\"}, {"b":[1,{"items":[]}]},{}],"more":["items",[{}]]}"#;
        for chunk in 1..=text.len() {
            let (found, envelope) = cut(text, chunk);
            assert_eq!(
                found,
                [r#"{"a":"}]\\"}"#, r#"{"b":[1,{"items":[]}]}"#, "{}"],
                "{chunk}"
            );
            let envelope: serde_json::Value = serde_json::from_str(&envelope.unwrap()).unwrap();
            assert_eq!(envelope["items"], serde_json::json!([]));
            assert_eq!(envelope["metadata"]["continue"], "a]\"}");
            assert_eq!(envelope["more"], serde_json::json!(["items", [{}]]));
        }
    }

    #[test]
    fn null_and_missing_arrays_have_no_elements() {
        for text in [
            r#"{"items":null}"#,
            r#"{"kind":"Status"}"#,
            r#"{"items":[]}"#,
        ] {
            let (found, envelope) = cut(text, 3);
            assert!(found.is_empty());
            assert_eq!(envelope.as_deref(), Some(text));
        }
    }

    #[test]
    fn an_end_in_the_middle_is_noticed() {
        let text = r#"{"items":[{"a":1},{"b":2}],"kind":"PodList"}"#;
        for end in 0..text.len() {
            assert_eq!(cut(text.get(..end).unwrap(), 5).1, None, "{end}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut elements = Elements::new(&["items"], 100);
        elements.push(br#"{"items":[{"a":""#, |_, _| {}).unwrap();
        assert_eq!(elements.push(&[b'x'; 200], |_, _| {}), Err(Fault::TooLarge));
        let mut envelope = Elements::new(&["items"], 100);
        assert_eq!(envelope.push(&[b'{'; 200], |_, _| {}), Err(Fault::TooLarge));
        let mut lines = Lines::new(100);
        assert_eq!(lines.push(&[b'x'; 200], |_| {}), Err(Fault::TooLarge));
        assert_eq!(
            Elements::new(&["items"], 9).push(b"}", |_, _| {}),
            Err(Fault::NotJson)
        );
    }

    #[test]
    fn lines_come_out_whole_however_the_stream_is_cut() {
        let text = "one\n\ntwo three\nfour\ncut";
        for chunk in 1..=text.len() {
            let mut lines = Lines::new(100);
            let mut found = Vec::new();
            for bytes in text.as_bytes().chunks(chunk) {
                let each = |line: &[u8]| found.push(String::from_utf8(line.to_vec()).unwrap());
                lines.push(bytes, each).unwrap();
            }
            assert_eq!(found, ["one", "two three", "four"], "{chunk}");
        }
    }
}
