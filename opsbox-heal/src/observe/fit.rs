//! Tries the types of a pod on a [`Node`], with the path of what does not fit.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::node::Node;

/// Where in the item what does not fit, as in `status.containerStatuses[0].ready`.
#[derive(Debug)]
pub(super) struct Misfit {
    path: String,
    message: String,
}

impl Misfit {
    fn within(mut self, member: &str) -> Self {
        let dot = match self.path.as_str() {
            "" => "",
            path if path.starts_with('[') => "",
            _ => ".",
        };
        self.path = format!("{member}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: String::new(),
            message: message.to_string(),
        }
    }
}

/// A node as a source of typed values. A number or truth value is taken for a text where the type
/// wants one, as the YAML parser itself does with what is not quoted.
#[derive(Clone, Copy)]
pub(super) struct Fit<'n>(pub(super) &'n Node<'n>);

impl<'de> Deserializer<'de> for Fit<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Signed(value) => visitor.visit_i64(*value),
            Node::Unsigned(value) => visitor.visit_u64(*value),
            Node::Float(value) => visitor.visit_f64(*value),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Node::Map(members) => visitor.visit_map(Members(members.iter(), None)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Node::Bool(value) => visitor.visit_string(value.to_string()),
            Node::Signed(value) => visitor.visit_string(value.to_string()),
            Node::Unsigned(value) => visitor.visit_string(value.to_string()),
            Node::Float(value) => visitor.visit_string(value.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// The items of a list with their indices.
struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Node<'de>>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some((index, item)) = self.0.next() else {
            return Ok(None);
        };
        let value = seed.deserialize(Fit(item));
        value
            .map(Some)
            .map_err(|misfit| misfit.within(&format!("[{index}]")))
    }
}

/// The members of an object, and the one of which the value comes next.
struct Members<'de>(
    std::slice::Iter<'de, (Node<'de>, Node<'de>)>,
    Option<&'de (Node<'de>, Node<'de>)>,
);

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        self.1 = self.0.next();
        self.1
            .map(|(key, _)| seed.deserialize(Fit(key)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((key, value)) = self.1.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let name = match key {
            Node::Text(text) => text,
            _ => "?",
        };
        seed.deserialize(Fit(value))
            .map_err(|misfit| misfit.within(name))
    }
}
