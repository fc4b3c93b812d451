//! JSON straight into the types of a pod, for a list that is as it should be.
//!
//! It reads what the API server and `kubectl` write, and knows only that. Whatever is unusual, be
//! it wrong or merely rare, ends it with [`Unusual`], and the whole input is read again by the
//! careful reader, which accepts all JSON and says what is wrong and where. So the two never
//! differ, with one exception: of a skipped object or list only strings and brackets are looked at.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::scan::{end_of_container, end_of_plain_text};

/// The input is not what this reader knows.
#[derive(Debug)]
pub(super) struct Unusual;

impl fmt::Display for Unusual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unusual JSON")
    }
}

impl std::error::Error for Unusual {}

impl de::Error for Unusual {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The input, and how far it has been read.
pub(super) struct Json<'de> {
    text: &'de str,
    at: usize,
}

impl<'de> Json<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0 }
    }

    /// Called after the document: nothing but white space may follow.
    pub(super) fn end(mut self) -> Result<(), Unusual> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Unusual),
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        match byte > b' ' {
            true => Some(byte),
            false => self.peek_after_space(),
        }
    }

    fn peek_after_space(&mut self) -> Option<u8> {
        const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
            // The indentation of a line.
            while let Some(next) = bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                let differ = u64::from_le_bytes(*next) ^ SPACES;
                if differ != 0 {
                    self.at += usize::try_from(differ.trailing_zeros() / 8).ok()?;
                    break;
                }
                self.at += 8;
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Unusual> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(Unusual)
    }

    fn literal(&mut self, literal: &str) -> Result<(), Unusual> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        Err(Unusual)
    }

    /// A string, borrowed unless it has escapes.
    #[inline]
    fn string(&mut self) -> Result<Cow<'de, str>, Unusual> {
        self.expect(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let end = end_of_plain_text(bytes, start).ok_or(Unusual)?;
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.text.get(start..end).map(Cow::Borrowed).ok_or(Unusual);
        }
        self.escaped_string(start)
    }

    /// A string with escapes, of which the first character is at `start`.
    fn escaped_string(&mut self, start: usize) -> Result<Cow<'de, str>, Unusual> {
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            at = end_of_plain_text(bytes, at).ok_or(Unusual)?;
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                _ => return Err(Unusual),
            }
        }
        self.at = at + 1;
        let quoted = self.text.get(start - 1..self.at).ok_or(Unusual)?;
        serde_json::from_str(quoted)
            .map(Cow::Owned)
            .map_err(|_| Unusual)
    }

    /// A whole number; others are rare in a pod.
    fn integer(&mut self) -> Result<i64, Unusual> {
        self.peek();
        let rest = self.text.get(self.at..).ok_or(Unusual)?;
        let end = rest
            .bytes()
            .position(|b| !matches!(b, b'0'..=b'9' | b'-'))
            .unwrap_or(rest.len());
        let digits = rest.get(..end).ok_or(Unusual)?;
        let plain = digits.strip_prefix('-').unwrap_or(digits);
        let leading_zero = plain.len() > 1 && plain.starts_with('0');
        let whole = !matches!(rest.as_bytes().get(end), Some(b'.' | b'e' | b'E'));
        if leading_zero || !whole {
            return Err(Unusual);
        }
        self.at += end;
        digits.parse().map_err(|_| Unusual)
    }

    /// Skips a value of any kind.
    #[inline]
    fn skip(&mut self) -> Result<(), Unusual> {
        match self.peek().ok_or(Unusual)? {
            b'"' => self.skip_string(),
            b'{' | b'[' => {
                let end = end_of_container(self.text.as_bytes(), self.at + 1);
                self.at = end.ok_or(Unusual)?;
                Ok(())
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.integer().map(drop),
            _ => Err(Unusual),
        }
    }

    fn skip_string(&mut self) -> Result<(), Unusual> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        loop {
            at = end_of_plain_text(bytes, at).ok_or(Unusual)?;
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                _ => return Err(Unusual),
            }
        }
        self.at = at + 1;
        Ok(())
    }
}

impl<'de> Deserializer<'de> for &mut Json<'de> {
    type Error = Unusual;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self.peek() {
            Some(b'{') => self.deserialize_map(visitor),
            _ => Err(Unusual),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        if self.peek() == Some(b'n') {
            self.literal("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        match self.peek() {
            Some(b't') => self.literal("true")?,
            _ => {
                self.literal("false")?;
                return visitor.visit_bool(false);
            }
        }
        visitor.visit_bool(true)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        visitor.visit_i64(self.integer()?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        visitor.visit_i64(self.integer()?)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b'{')?;
        visitor.visit_map(Members {
            json: self,
            first: true,
        })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unusual> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.expect(b'[')?;
        visitor.visit_seq(Items {
            json: self,
            first: true,
        })
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum
    }
}

/// The members of an object.
struct Members<'j, 'de> {
    json: &'j mut Json<'de>,
    first: bool,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Unusual;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unusual> {
        if !self.json.next(&mut self.first, b'}')? {
            return Ok(None);
        }
        seed.deserialize(Key(self.json)).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unusual> {
        self.json.expect(b':')?;
        // What `kubectl` writes after each of them.
        if self.json.text.as_bytes().get(self.json.at) == Some(&b' ') {
            self.json.at += 1;
        }
        seed.deserialize(&mut *self.json)
    }
}

/// The items of a list.
struct Items<'j, 'de> {
    json: &'j mut Json<'de>,
    first: bool,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Unusual;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unusual> {
        if !self.json.next(&mut self.first, b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.json).map(Some)
    }

    /// Most lists of a pod are shorter than this, so that they are allocated once.
    fn size_hint(&self) -> Option<usize> {
        Some(6)
    }
}

impl Json<'_> {
    /// Goes to the next member or item, if there is one before the closing bracket.
    #[inline]
    fn next(&mut self, first: &mut bool, close: u8) -> Result<bool, Unusual> {
        let byte = self.peek().ok_or(Unusual)?;
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        if *first {
            *first = false;
            return Ok(true);
        }
        self.expect(b',')?;
        Ok(true)
    }
}

/// The key of a member, which is a string whatever the type asks for.
struct Key<'j, 'de>(&'j mut Json<'de>);

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Unusual;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        self.0.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unusual> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
