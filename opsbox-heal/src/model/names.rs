//! The enums that policies and records have by name.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    cause::Cause,
    verdict::{Condition, Confidence},
};
use crate::text::{nearest, unknown_name};

macro_rules! by_name {
    ($type:ident, $what:literal, $all:expr, $name:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str($name(*self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(from)?;
                $all.into_iter()
                    .find(|one| $name(*one) == text)
                    .ok_or_else(|| {
                        let names = $all.map($name);
                        let near = nearest(&text, &names);
                        D::Error::custom(unknown_name($what, &text, &names, near))
                    })
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": $all.map($name)})
            }
        }
    };
}

by_name!(Condition, "condition", Condition::ALL, Condition::as_str);
by_name!(Cause, "cause", Cause::ALL, Cause::as_str);
by_name!(
    Confidence,
    "confidence",
    Confidence::ALL,
    Confidence::as_str
);
