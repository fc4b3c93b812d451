//! A pipeline as data (features `config` and `pipeline`).

#[cfg(feature = "mask")]
mod keys;
#[cfg(feature = "schema")]
mod schema;
mod settings;
mod variables;

#[cfg(feature = "mask")]
use std::sync::Arc;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

#[cfg(feature = "schema")]
pub use self::schema::pipeline_schema;
use self::{
    settings::{
        CleanSettings, EnrichSettings, ExtractSettings, InputSettings, MaskSettings,
        MultilineSetting, OutputFormat, OverlongSetting, Settings, Utf8Setting,
    },
    variables::with_variables,
};
use super::{Output, Pipeline};
use crate::{
    config::{self as rules, Language, Wrong},
    error::Error,
    export::{
        InvalidUtf8,
        cef::{Cef, ExtensionColumns},
        logfmt::Logfmt,
        ndjson::Ndjson,
    },
    format::Format,
    frame::Overlong,
    multiline::Multiline,
    parser::Parser,
};

#[cfg(feature = "mask")]
use crate::mask::Keys;

/// Keys that a program gives.
#[cfg(feature = "mask")]
type Given = Arc<Keys>;
#[cfg(not(feature = "mask"))]
type Given = std::convert::Infallible;

/// A pipeline from a file and variables. In layers, the later ones going first: the defaults, the file, and variables
/// `OPSBOX_LOG__SECTION__SETTING`.
///
/// ```toml
/// threads = 0                    # as many as there is room for; else 1
/// keep_unmatched = "message"     # write lines that do not fit, too; else they are counted
///
/// [input]                        # one of preset, pattern, grok, dissect; else what the program says
/// preset = "app"
/// select = ["timestamp", "level", "message"]
/// max_line_bytes = 1048576
/// batch_bytes = 1048576
/// overlong = "truncate"          # or "unmatched"
/// multiline = "stack_traces"     # or "indented", "none"
///
/// [cef]                          # the pairs of the extensions that the preset cef reads become columns
/// prefix = "cef."
/// keep_extension = false
///
/// [clean]                        # feature json: JSON and XML in columns
/// columns = ["message"]
/// repair = true
/// strip_ansi = true
/// keep_document = true
/// json_column = "doc"            # documents as JSON text in this one column; else their fields are columns
///
/// [extract]                      # feature jmespath
/// source = "doc"                 # a column of JSON text, as clean.json_column makes it
/// columns = { user = "user.id" }
///
/// [mask]                         # feature mask
/// policy = "mask.toml"           # beside this file; without it the policy that is the default
///
/// [mask.keys]                    # if the policy encrypts or makes pseudonyms
/// ring = "data.keys"             # the data keys, wrapped, as KeyRing makes them; beside this file, too
/// key_file = "master.key"        # what unwraps them, of mode 0600, as LocalKeyFile makes it; or
/// kms = { key_id = "alias/logs", region = "eu-central-1", endpoint = "https://kms.example.com" }
///
/// [enrich]                       # feature enrich
/// labels = { "service.name" = "shop" }
/// environment = { APP_ENV = "deployment.environment.name" }
/// host = "db-1"                  # or true for the name of the machine
/// kubernetes_path = "/var/log/pods/shop_cart-7d4b9_0b5f6e0e/app/2.log"
/// ci = true
/// trace_environment = true       # the variable TRACEPARENT
/// traceparent_field = "traceparent"
/// generate_trace_ids = "once"    # or "each_row"
/// tenant = { field = "org", default = "shared" }
/// overwrite = false
///
/// [output]
/// format = "ndjson"              # or "logfmt", "cef"
/// nested = true
/// nulls = false
/// infer = true                   # numbers and booleans as such, whatever the column's type
/// json_columns = ["tags"]
/// invalid_utf8 = "replace"       # or "latin1", or "keep" for logfmt and CEF
///
/// [output.cef]
/// vendor = "Example"
/// product = "shop"
/// version = "1.0"
/// columns = { severity = "level", name = "message" }
/// keys = { client = "src" }
/// severities = { panic = 10 }
/// ```
///
/// Stages run in the order cef, clean, extract, mask, enrich; a section that is left out is no stage. A setting that does
/// not exist is an error, never ignored. A variable's value is taken as it is written, a version `1.10` as that; of a
/// list the elements have commas between them.
///
/// Keys themselves are never settings, only where they are. `kms` (feature `mask-kms`) signs with `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the variables, and where `region` or `endpoint` is left out takes
/// `AWS_REGION` or `AWS_DEFAULT_REGION`, and `AWS_ENDPOINT_URL_KMS` or `AWS_ENDPOINT_URL`. Like all settings these can be
/// variables, as `OPSBOX_LOG__MASK__KEYS__KEY_FILE`.
///
/// ```
/// use std::collections::BTreeMap;
/// use opsbox_log::{config::Language, pipeline::PipelineConfig};
///
/// let file = "input:\n  preset: logfmt\noutput:\n  format: ndjson\n";
/// let variables = BTreeMap::from([("OPSBOX_LOG__OUTPUT__FORMAT".into(), "logfmt".into())]);
/// let config = PipelineConfig::parse("pipeline.yaml", file, Language::Yaml, &variables)?;
/// let mut out = Vec::new();
/// config.build(None)?.run(&b"b=1  a=2\n"[..], &mut out)?;
/// assert_eq!(out, b"b=1 a=2\n");
///
/// let file = "[output]\nformat = \"json\"\n";
/// let error = PipelineConfig::parse("pipeline.toml", file, Language::Toml, &variables).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "configuration pipeline.toml: line 2 column 10: output.format: unknown variant `json`, expected one of \
///      `ndjson`, `logfmt`, `cef`"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PipelineConfig {
    settings: Settings,
    path: PathBuf,
    /// That of the file, in which settings are looked up that are wrong.
    text: Box<str>,
    #[cfg_attr(
        not(any(feature = "enrich", feature = "mask-kms")),
        allow(dead_code, reason = "enrichment and credentials are read from it")
    )]
    variables: BTreeMap<String, String>,
}

/// Without the variables, which may be secrets.
impl fmt::Debug for PipelineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineConfig")
            .field("path", &self.path)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl PipelineConfig {
    /// Reads a file, whose ending says its [language](Language). `variables` are those of the process, as a program
    /// hands them over; besides the settings, [enrichment](crate::enrich::Enrich) reads those that the file names.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the file cannot be read, is larger than
    /// [`MAX_CONFIG_BYTES`](crate::limits::MAX_CONFIG_BYTES), or for a reason of [`parse`](Self::parse).
    pub fn read(
        path: impl AsRef<Path>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let (text, language) = rules::read(path).map_err(|wrong| error(path, wrong))?;
        Self::parse(path, &text, language, variables)
    }

    /// Reads text; `file` is what errors call it, and what other files are beside.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` with file, line, column and setting, if the text is not of that language, or a setting does not
    /// exist or has a value that it cannot have; without a file, if that is so of a variable.
    pub fn parse(
        file: impl AsRef<Path>,
        text: &str,
        language: Language,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let path = file.as_ref();
        let settings: Settings =
            rules::parse(text, language).map_err(|wrong| error(path, wrong))?;
        Ok(Self {
            settings: with_variables(&settings, variables)?,
            path: path.to_owned(),
            text: text.into(),
            variables: variables.clone(),
        })
    }

    /// Whether the settings say what the format of the input is.
    pub fn has_format(&self) -> bool {
        let InputSettings {
            preset,
            pattern,
            grok,
            dissect,
            ..
        } = &self.settings.input;
        [preset, pattern, grok, dissect]
            .into_iter()
            .any(Option::is_some)
    }

    /// The pipeline. `format` is that of the input if the settings do not say it.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if a setting needs a feature that is not compiled in, or contradicts another; and what the parts
    /// say: a preset that does not exist, a pattern that does not compile, a policy that cannot be read, and `Key` with the
    /// setting if keys cannot be read or unwrapped. This waits for a key management service, if one is named, as long as
    /// its [limits](crate::limits::KMS_ATTEMPTS) say.
    pub fn build(&self, format: Option<&Format>) -> Result<Pipeline, Error> {
        self.build_from(format, None)
    }

    /// [`build`](Self::build) with keys of the program, instead of those that the settings name.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    #[cfg(feature = "mask")]
    pub fn build_with_keys(
        &self,
        format: Option<&Format>,
        keys: Arc<Keys>,
    ) -> Result<Pipeline, Error> {
        self.build_from(format, Some(keys))
    }

    fn build_from(&self, format: Option<&Format>, keys: Option<Given>) -> Result<Pipeline, Error> {
        let settings = &self.settings;
        let mut pipeline = Pipeline::new(self.parser(format)?).output(self.output()?);
        if let Some(threads) = settings.threads {
            pipeline = pipeline.threads(threads);
        }
        if let Some(column) = &settings.keep_unmatched {
            pipeline = pipeline.keep_unmatched(&**column);
        }
        if let Some(cef) = &settings.cef {
            let columns = ExtensionColumns::new().prefix(&cef.prefix);
            pipeline = pipeline.stage(columns.keep_extension(cef.keep_extension));
        }
        if let Some(clean) = &settings.clean {
            pipeline = self.clean(pipeline, clean)?;
        }
        if let Some(extract) = &settings.extract {
            pipeline = self.extract(pipeline, extract)?;
        }
        if let Some(mask) = &settings.mask {
            pipeline = self.mask(pipeline, mask, keys)?;
        }
        if let Some(enrich) = &settings.enrich {
            pipeline = self.enrich(pipeline, enrich)?;
        }
        Ok(pipeline)
    }

    fn parser(&self, format: Option<&Format>) -> Result<Parser, Error> {
        let input = &self.settings.input;
        let formats = [
            (
                &input.preset,
                Format::preset as fn(&str) -> Result<Format, Error>,
            ),
            (&input.pattern, Format::pattern),
            (&input.grok, Format::grok),
            (&input.dissect, Format::dissect),
        ];
        let given = formats.into_iter();
        let mut given = given.filter_map(|(text, make)| Some((text.as_deref()?, make)));
        let format = match (given.next(), given.next(), format) {
            (Some((text, make)), None, _) => make(text)?,
            (None, _, Some(format)) => format.clone(),
            (None, _, None) => {
                let message =
                    "one of preset, pattern, grok and dissect says what the lines look like";
                return Err(self.wrong("input", message));
            }
            (Some(_), Some(_), _) => {
                let message = "only one of preset, pattern, grok and dissect can say what the lines look like";
                return Err(self.wrong("input", message));
            }
        };
        let format = match &input.select {
            Some(names) => format.select(names.iter().map(|name| &**name))?,
            None => format,
        };
        let mut parser = Parser::new(format);
        if let Some(bytes) = input.max_line_bytes {
            parser = parser.max_line_bytes(bytes);
        }
        if let Some(bytes) = input.batch_bytes {
            parser = parser.batch_bytes(bytes);
        }
        if let Some(overlong) = input.overlong {
            parser = parser.overlong(match overlong {
                OverlongSetting::Unmatched => Overlong::Unmatched,
                OverlongSetting::Truncate => Overlong::Truncate,
            });
        }
        Ok(match input.multiline {
            None | Some(MultilineSetting::None) => parser,
            Some(MultilineSetting::Indented) => parser.multiline(Multiline::indented()),
            Some(MultilineSetting::StackTraces) => parser.multiline(Multiline::stack_traces()),
        })
    }

    fn output(&self) -> Result<Output, Error> {
        let output = &self.settings.output;
        let utf8 = match output.invalid_utf8 {
            Utf8Setting::Replace => Some(InvalidUtf8::Replace),
            Utf8Setting::Latin1 => Some(InvalidUtf8::Latin1),
            Utf8Setting::Keep => None,
        };
        Ok(match (output.format, utf8) {
            (OutputFormat::Ndjson, None) => {
                let message = "JSON is UTF-8; choose replace or latin1";
                return Err(self.wrong("output.invalid_utf8", message));
            }
            (OutputFormat::Ndjson, Some(utf8)) => Ndjson::new()
                .nested(output.nested)
                .nulls(output.nulls)
                .infer(output.infer)
                .json_columns(output.json_columns.iter().map(|name| &**name))
                .invalid_utf8(utf8)
                .into(),
            (OutputFormat::Logfmt, None) => Logfmt::new().keep_bytes().into(),
            (OutputFormat::Logfmt, Some(utf8)) => Logfmt::new().invalid_utf8(utf8).into(),
            (OutputFormat::Cef, utf8) => {
                let settings = &output.cef;
                let mut cef = Cef::new(&*settings.vendor, &*settings.product, &*settings.version);
                for (header, column) in &settings.columns {
                    cef = cef.column(header.header(), &**column);
                }
                for (column, key) in &settings.keys {
                    cef = cef.key(&**column, &**key)?;
                }
                for (word, severity) in &settings.severities {
                    cef = cef.severity(&**word, *severity);
                }
                match utf8 {
                    None => cef.keep_bytes().into(),
                    Some(utf8) => cef.invalid_utf8(utf8).into(),
                }
            }
        })
    }

    #[cfg(feature = "json")]
    fn clean(&self, pipeline: Pipeline, settings: &CleanSettings) -> Result<Pipeline, Error> {
        if settings.columns.is_empty() {
            let message = "it names the columns to look for documents in, one at least";
            return Err(self.wrong("clean.columns", message));
        }
        // The documents of the second would be in the place of those of the first.
        if settings.json_column.is_some() && settings.columns.len() > 1 {
            let message = "it keeps the documents of one column; name one in clean.columns";
            return Err(self.wrong("clean.json_column", message));
        }
        Ok(settings.columns.iter().fold(pipeline, |pipeline, column| {
            let mut cleaner = crate::clean::Cleaner::new(column);
            if let Some(name) = &settings.json_column {
                cleaner = cleaner.json_column(name);
            }
            if let Some(repair) = settings.repair {
                cleaner = cleaner.repair(repair);
            }
            if let Some(strip) = settings.strip_ansi {
                cleaner = cleaner.strip_ansi(strip);
            }
            if let Some(keep) = settings.keep_document {
                cleaner = cleaner.keep_document(keep);
            }
            pipeline.stage(cleaner)
        }))
    }

    #[cfg(not(feature = "json"))]
    fn clean(&self, _: Pipeline, _: &CleanSettings) -> Result<Pipeline, Error> {
        Err(self.disabled("clean", "json"))
    }

    #[cfg(feature = "jmespath")]
    fn extract(&self, pipeline: Pipeline, settings: &ExtractSettings) -> Result<Pipeline, Error> {
        let extractor = crate::extract::Extractor::new(&settings.source);
        let mut columns = settings.columns.iter();
        let extractor = columns.try_fold(extractor, |it, (name, path)| it.column(name, path))?;
        Ok(pipeline.stage(extractor))
    }

    #[cfg(not(feature = "jmespath"))]
    fn extract(&self, _: Pipeline, _: &ExtractSettings) -> Result<Pipeline, Error> {
        Err(self.disabled("extract", "jmespath"))
    }

    #[cfg(feature = "mask")]
    fn mask(
        &self,
        pipeline: Pipeline,
        settings: &MaskSettings,
        given: Option<Arc<Keys>>,
    ) -> Result<Pipeline, Error> {
        let policy = match &settings.policy {
            Some(path) => crate::mask::Policy::read(self.beside(path))?,
            None => crate::mask::Policy::new(),
        };
        let keys = match given {
            Some(keys) => Some(keys),
            None => keys::keys(self, settings.keys.as_ref())?,
        };
        if policy.needs_keys() && keys.is_none() {
            let message = "the policy encrypts or makes pseudonyms, and there are no keys; name those of a KeyRing \
                           in mask.keys.ring, and what unwraps them in mask.keys.key_file or mask.keys.kms";
            return Err(self.wrong("mask.policy", message));
        }
        Ok(pipeline.stage(crate::mask::Masker::new(policy, keys)?))
    }

    #[cfg(not(feature = "mask"))]
    fn mask(&self, _: Pipeline, _: &MaskSettings, _: Option<Given>) -> Result<Pipeline, Error> {
        Err(self.disabled("mask", "mask"))
    }

    #[cfg(feature = "enrich")]
    fn enrich(&self, pipeline: Pipeline, settings: &EnrichSettings) -> Result<Pipeline, Error> {
        use crate::enrich::{Enrich, Environment, Generated, Kubernetes, system_host_name};

        let environment = Environment::from_iter(self.variables.clone());
        let names = settings.environment.iter();
        let names = names.map(|(variable, field)| (&**variable, &**field));
        let mut enrich = Enrich::new()
            .overwrite(settings.overwrite)
            .environment(&environment, names);
        match &settings.host {
            Some(settings::HostSetting::Name(name)) => enrich = enrich.host(name),
            Some(settings::HostSetting::System(true)) => {
                let Some(name) = system_host_name() else {
                    let message = "the system says no name of the machine; write the name";
                    return Err(self.wrong("enrich.host", message));
                };
                enrich = enrich.host(name);
            }
            Some(settings::HostSetting::System(false)) | None => {}
        }
        if let Some(path) = &settings.kubernetes_path {
            let Some(container) = Kubernetes::from_path(path) else {
                let message = "it is no path of a container's log, \
                               NAMESPACE_POD_UID/CONTAINER/N.log or POD_NAMESPACE_CONTAINER-ID.log";
                return Err(self.wrong("enrich.kubernetes_path", message));
            };
            enrich = enrich.kubernetes(&container);
        }
        if settings.ci {
            enrich = enrich.ci(&environment);
        }
        if settings.trace_environment {
            let wrong = |problem: crate::enrich::TraceparentProblem| {
                self.wrong(
                    "enrich.trace_environment",
                    &format!("TRACEPARENT is {problem}"),
                )
            };
            enrich = enrich.trace_of(&environment).map_err(wrong)?;
        }
        if let Some(field) = &settings.traceparent_field {
            enrich = enrich.traceparent_field(&**field);
        }
        if let Some(which) = settings.generate_trace_ids {
            enrich = enrich.generate_trace_ids(match which {
                settings::GeneratedSetting::Once => Generated::Once,
                settings::GeneratedSetting::EachRow => Generated::EachRow,
            });
        }
        if let Some(tenant) = &settings.tenant {
            enrich = enrich.tenant(&*tenant.field, tenant.default.as_deref());
        }
        // Labels by hand go before what is found.
        let labels = settings.labels.iter();
        let enrich = labels.fold(enrich, |it, (name, value)| it.label(name, value));
        Ok(pipeline.stage(enrich))
    }

    #[cfg(not(feature = "enrich"))]
    fn enrich(&self, _: Pipeline, _: &EnrichSettings) -> Result<Pipeline, Error> {
        Err(self.disabled("enrich", "enrich"))
    }

    /// A path as seen from the file of the settings.
    #[cfg(feature = "mask")]
    fn beside(&self, path: &Path) -> PathBuf {
        let folder = self.path.parent();
        folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    #[cfg(not(all(
        feature = "json",
        feature = "jmespath",
        feature = "mask",
        feature = "mask-kms",
        feature = "enrich"
    )))]
    fn disabled(&self, section: &str, feature: &str) -> Error {
        let message =
            format!("it needs the cargo feature {feature:?} of opsbox-log; build with it on");
        self.wrong(section, &message)
    }

    fn wrong(&self, setting: &str, message: &str) -> Error {
        Error::Config {
            path: Some(self.path.clone()),
            line_and_column: rules::place_of(&self.text, setting),
            setting: setting.to_owned(),
            message: message.to_owned(),
            source: None,
        }
    }

    /// What is wrong with what a setting names.
    #[cfg(feature = "mask")]
    fn caused(&self, setting: &str, source: Error) -> Error {
        Error::Config {
            path: Some(self.path.clone()),
            line_and_column: rules::place_of(&self.text, setting),
            setting: setting.to_owned(),
            message: source.to_string(),
            source: Some(Box::new(source)),
        }
    }
}

fn error(path: &Path, wrong: Wrong) -> Error {
    Error::Config {
        path: Some(path.to_owned()),
        line_and_column: wrong.place,
        setting: wrong.field,
        message: wrong.message,
        source: None,
    }
}
