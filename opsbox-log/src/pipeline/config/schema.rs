//! The JSON Schema of a pipeline's file.

use schemars::schema_for;

use super::settings::Settings;

/// The JSON Schema (draft 2020-12) of the file of a [pipeline](super::PipelineConfig), as text. The one of this version is
/// `pipeline.schema.json` beside the crate's manifest.
///
/// It knows settings and their types, of all features. What goes with what is for
/// [`PipelineConfig::build`](super::PipelineConfig::build) to say.
///
/// ```
/// let schema = opsbox_log::pipeline::pipeline_schema();
/// assert!(schema.contains("\"https://json-schema.org/draft/2020-12/schema\""));
/// ```
pub fn pipeline_schema() -> String {
    format!("{:#}\n", schema_for!(Settings).as_value())
}
