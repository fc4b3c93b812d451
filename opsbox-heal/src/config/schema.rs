//! The JSON Schema of a policy, for editors and checks before a roll-out.

use crate::decide::Policy;

/// The JSON Schema (draft 2020-12) of a policy file, as text.
///
/// The one of this version is `policy.schema.json` beside the crate's manifest.
///
/// ```
/// let schema = opsbox_heal::config::policy_schema();
/// assert!(schema.contains("\"https://json-schema.org/draft/2020-12/schema\""));
/// ```
pub fn policy_schema() -> String {
    let schema = schemars::schema_for!(Policy);
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}
