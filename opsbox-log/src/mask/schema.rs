//! The JSON Schema of a policy, for editors and checks before a roll-out.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};

use super::{
    Action, Detector, Tag,
    read::{Entries, Raw, Written},
};
use crate::limits::MAX_TAG_BYTES;

/// The JSON Schema (draft 2020-12) of a [policy](super::Policy::read) file, as text. The one of this version is
/// `policy.schema.json` beside the crate's manifest.
///
/// It knows fields, names and types. Whether patterns compile and keys are there is for [`Policy::read`](super::Policy::read)
/// to say.
///
/// ```
/// let schema = opsbox_log::mask::policy_schema();
/// assert!(schema.contains("\"https://json-schema.org/draft/2020-12/schema\""));
/// ```
pub fn policy_schema() -> String {
    format!("{:#}\n", schema_for!(Raw).as_value())
}

impl JsonSchema for Written<Tag> {
    fn schema_name() -> Cow<'static, str> {
        "Tag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = format!("^[A-Z][A-Z0-9_]{{0,{}}}$", MAX_TAG_BYTES - 1);
        json_schema!({
            "description": "What a value is about.",
            "type": "string",
            "pattern": pattern,
        })
    }
}

impl JsonSchema for Written<Detector> {
    fn schema_name() -> Cow<'static, str> {
        "Detector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A rule that searches text.",
            "type": "string",
            "enum": Detector::ALL.map(Detector::name),
        })
    }
}

impl JsonSchema for Written<Action> {
    fn schema_name() -> Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = ["redact", "partial", "pseudonym", "encrypt", "drop"];
        json_schema!({
            "description": "What is done with a value: by its name, or with what belongs to it.",
            "oneOf": [
                { "type": "string", "enum": names },
                {
                    "type": "object",
                    "properties": { "action": { "enum": names } },
                    "required": ["action"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": { "action": { "const": "redact" }, "text": { "type": "string" } },
                    "required": ["action", "text"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {
                        "action": { "const": "keep_last" },
                        "chars": { "type": "integer", "minimum": 0, "maximum": u8::MAX },
                    },
                    "required": ["action", "chars"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": { "action": { "const": "salted_sha256" }, "salt": { "type": "string" } },
                    "required": ["action", "salt"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl<K: JsonSchema, T: JsonSchema> JsonSchema for Entries<K, T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}_to_{}", K::schema_name(), T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": generator.subschema_for::<K>(),
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}
