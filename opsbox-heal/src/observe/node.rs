//! One item as a tree, for a second look at what does not fit the types of a pod.
//!
//! Only an item that could not be read becomes a tree, in YAML all items of its list: the parser
//! cannot go on after a misfit, so the types are tried on the tree instead.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// Any value of JSON or YAML.
#[derive(Default)]
#[cfg_attr(
    not(feature = "yaml"),
    expect(
        dead_code,
        reason = "JSON is read from its text, of a node only the names"
    )
)]
pub(super) enum Node<'a> {
    #[default]
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// In the order of the input, with doubles, which the types then refuse.
    Map(Vec<(Self, Self)>),
}

/// What names an object, read from any value without an error of its own.
#[derive(Default)]
pub(super) struct Head {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Head {
    /// What can be known of an object of which `kind` and `metadata` are given.
    fn new(kind: &Node<'_>, metadata: &Node<'_>) -> Self {
        let text = |node: Option<&Node<'_>>| match node {
            Some(Node::Text(text)) => text.clone().into_owned(),
            _ => String::new(),
        };
        Self {
            kind: text(Some(kind)),
            namespace: text(metadata.member("namespace")),
            name: text(metadata.member("name")),
        }
    }

    #[cfg(feature = "yaml")]
    pub(super) fn of(item: &Node<'_>) -> Self {
        let member = |key| item.member(key).unwrap_or(&Node::Null);
        Self::new(member("kind"), member("metadata"))
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Members<'a> {
            #[serde(borrow)]
            kind: Node<'a>,
            #[serde(borrow)]
            metadata: Node<'a>,
        }

        let members = Members::deserialize(deserializer)?;
        Ok(Self::new(&members.kind, &members.metadata))
    }
}

impl Node<'_> {
    fn member(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else {
            return None;
        };
        let found = members
            .iter()
            .find(|(k, _)| matches!(k, Node::Text(text) if text == key));
        found.map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode(PhantomData))
    }
}

struct AnyNode<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for AnyNode<'a> {
    type Value = Node<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'a>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'a>, E> {
        Ok(Node::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'a>, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'a>, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'a>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'a>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node<'a>, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node<'a>, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Node<'a>, D::Error> {
        some.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'a>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'a>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Map(members))
    }
}
