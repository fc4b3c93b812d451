//! The sections of a file and what stands in them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::export::cef::Header;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Pipeline"))]
pub(super) struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_unmatched: Option<String>,
    pub(super) input: InputSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cef: Option<CefInputSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clean: Option<CleanSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extract: Option<ExtractSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mask: Option<MaskSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enrich: Option<EnrichSettings>,
    pub(super) output: OutputSettings,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct InputSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grok: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dissect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) select: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_line_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overlong: Option<OverlongSetting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) multiline: Option<MultilineSetting>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum OverlongSetting {
    Unmatched,
    Truncate,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum MultilineSetting {
    None,
    Indented,
    StackTraces,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct CleanSettings {
    pub(super) columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repair: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strip_ansi: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_document: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) json_column: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExtractSettings {
    pub(super) source: String,
    pub(super) columns: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct CefInputSettings {
    pub(super) prefix: String,
    pub(super) keep_extension: bool,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct MaskSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<KeySettings>,
}

/// Where keys are, and never what they are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct KeySettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ring: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kms: Option<KmsSettings>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct KmsSettings {
    pub(super) key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct EnrichSettings {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) environment: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<HostSetting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kubernetes_path: Option<PathBuf>,
    pub(super) ci: bool,
    pub(super) trace_environment: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traceparent_field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate_trace_ids: Option<GeneratedSetting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<TenantSettings>,
    pub(super) overwrite: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected a name, or true for the name of the machine"
)]
pub(super) enum HostSetting {
    System(bool),
    Name(String),
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum GeneratedSetting {
    Once,
    EachRow,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct TenantSettings {
    pub(super) field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutputSettings {
    pub(super) format: OutputFormat,
    pub(super) nested: bool,
    pub(super) nulls: bool,
    pub(super) infer: bool,
    pub(super) json_columns: Vec<String>,
    pub(super) invalid_utf8: Utf8Setting,
    pub(super) cef: CefSettings,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum OutputFormat {
    #[default]
    Ndjson,
    Logfmt,
    Cef,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum Utf8Setting {
    #[default]
    Replace,
    Latin1,
    Keep,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct CefSettings {
    pub(super) vendor: String,
    pub(super) product: String,
    pub(super) version: String,
    pub(super) columns: BTreeMap<HeaderSetting, String>,
    pub(super) keys: BTreeMap<String, String>,
    pub(super) severities: BTreeMap<String, u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum HeaderSetting {
    Version,
    DeviceVendor,
    DeviceProduct,
    DeviceVersion,
    EventClassId,
    Name,
    Severity,
}

impl HeaderSetting {
    pub(super) fn header(self) -> Header {
        match self {
            Self::Version => Header::Version,
            Self::DeviceVendor => Header::DeviceVendor,
            Self::DeviceProduct => Header::DeviceProduct,
            Self::DeviceVersion => Header::DeviceVersion,
            Self::EventClassId => Header::EventClassId,
            Self::Name => Header::Name,
            Self::Severity => Header::Severity,
        }
    }
}
