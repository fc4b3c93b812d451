//! Context for each record: labels, host, Kubernetes, trace, tenant, and the CI run (feature `enrich`).
//!
//! ```
//! use opsbox_log::{Format, Parser, enrich::{Enrich, Environment, Kubernetes}};
//!
//! let environment = Environment::from_iter([("APP_ENV", "prod")]);
//! let path = "/var/log/pods/shop_cart-7d4b9_0b5f6e0e-6f2b-4c4e-9f57-6a2c8f0d3b11/app/2.log";
//! let enrich = Enrich::new()
//!     .label("service.name", "cart")
//!     .environment(&environment, [("APP_ENV", "deployment.environment.name")])
//!     .kubernetes(&Kubernetes::from_path(path).unwrap())
//!     .traceparent_field("traceparent");
//!
//! let log = concat!(
//!     "level=info traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
//!     "level=warn service.name=batch\n",
//! );
//! let mut batch = Parser::new(Format::preset("logfmt")?).parse(log);
//! let report = enrich.apply(&mut batch)?;
//!
//! let record = batch.record(0).unwrap();
//! assert_eq!(record.get("k8s.pod.name"), Some(&b"cart-7d4b9"[..]));
//! assert_eq!(record.get("trace_id"), Some(&b"0af7651916cd43dd8448eb211c80319c"[..]));
//! // What a record says of itself stays.
//! assert_eq!(batch.record(1).unwrap().get("service.name"), Some(&b"batch"[..]));
//! assert_eq!(report.rows(), 2);
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # What it does not do
//!
//! It reads neither clock nor network, and of the process only what it is given: an [`Environment`], a path, a name. So
//! the same input gives the same columns, but for [generated](Enrich::generate_trace_ids) ids. A value that is the same
//! in all rows is kept once, whatever their number.
//!
//! # Names
//!
//! Those of the OpenTelemetry semantic conventions: `host.name`, `k8s.namespace.name`, `k8s.pod.name`, `k8s.pod.uid`,
//! `k8s.container.name`, `k8s.container.restart_count`, `container.id`, `cicd.*` and `vcs.*` ([`CI_FIELDS`]); and of
//! its log format outside of OTLP `trace_id`, `span_id`, `trace_flags`. For tenants there is no convention:
//! `tenant`.

mod ci;
mod environment;
mod host;
mod kubernetes;
mod report;
mod trace;
mod url;

use std::{ops::Range, sync::Arc};

use self::trace::{Random, VARIABLE};
pub use self::{
    ci::{CiSystem, FIELDS as CI_FIELDS},
    environment::Environment,
    host::system_host_name,
    kubernetes::Kubernetes,
    report::{EnrichReport, Filled},
    trace::{Generated, TraceContext, TraceparentProblem},
};
use crate::{
    batch::{Batch, Column, ColumnBuilder, KeptValue, Span},
    error::Error,
    format::Field,
    limits::MAX_COLUMNS,
    types::{PLACEHOLDER, Type},
};

/// The fields of a trace.
const FIELDS: [&str; 3] = ["trace_id", "span_id", "trace_flags"];

/// The field of a tenant.
pub const TENANT: &str = "tenant";

/// What is added to each record. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Enrich {
    labels: Vec<Label>,
    trace: Option<TraceContext>,
    traceparent: Option<Box<str>>,
    generate: Option<(Generated, Random)>,
    tenant: Option<(Box<str>, Option<Box<str>>)>,
    overwrite: bool,
}

/// A field that has the same value in all rows.
#[derive(Clone, Debug)]
struct Label {
    field: Field,
    value: Box<[u8]>,
}

impl Enrich {
    /// Adds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A field with the same value in each record. Of several for one field the last counts.
    #[must_use]
    pub fn label(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.typed_label(Field::new(name), value.as_ref())
    }

    fn typed_label(mut self, field: Field, value: &[u8]) -> Self {
        self.labels
            .retain(|label| label.field.name() != field.name());
        self.labels.push(Label {
            field,
            value: value.into(),
        });
        self
    }

    /// Some variables as labels: pairs of a variable and the field that it becomes. A variable that is not set, or
    /// empty, adds no field. No variable is taken that is not named.
    #[must_use]
    pub fn environment<'n>(
        self,
        environment: &Environment,
        names: impl IntoIterator<Item = (&'n str, &'n str)>,
    ) -> Self {
        names.into_iter().fold(self, |it, (variable, field)| {
            match environment.get(variable) {
                Some(value) => it.label(field, value),
                None => it,
            }
        })
    }

    /// The machine, as `host.name`: see [`system_host_name`].
    #[must_use]
    pub fn host(self, name: impl AsRef<[u8]>) -> Self {
        self.label("host.name", name)
    }

    /// The container that wrote the log.
    #[must_use]
    pub fn kubernetes(self, container: &Kubernetes) -> Self {
        container.fields().fold(self, |it, (name, value)| {
            let field = match name {
                "k8s.container.restart_count" => Field::new(name).with_type(Type::Integer),
                _ => Field::new(name),
            };
            it.typed_label(field, value.as_bytes())
        })
    }

    /// The [CI run](CiSystem::fields) that the environment is of, if it is of one.
    #[must_use]
    pub fn ci(self, environment: &Environment) -> Self {
        let fields = CiSystem::detect(environment).map(|system| system.fields(environment));
        let fields = fields.into_iter().flatten();
        fields.fold(self, |it, (name, value)| it.label(name, value))
    }

    /// The trace that the whole log is of.
    #[must_use]
    pub fn trace(mut self, context: TraceContext) -> Self {
        self.trace = Some(context);
        self
    }

    /// The trace of the variable `TRACEPARENT`, if it is set.
    ///
    /// # Errors
    ///
    /// What is wrong with its value.
    pub fn trace_of(self, environment: &Environment) -> Result<Self, TraceparentProblem> {
        match environment.get(VARIABLE) {
            Some(value) => Ok(self.trace(value.parse()?)),
            None => Ok(self),
        }
    }

    /// Reads `trace_id`, `span_id` and `trace_flags` from a field with a `traceparent`. A record has all three of one
    /// trace, or those that it had: where a value is none, [counted](EnrichReport::refused), or absent, the trace of
    /// the [whole log](Self::trace) comes in.
    #[must_use]
    pub fn traceparent_field(mut self, name: impl Into<Box<str>>) -> Self {
        self.traceparent = Some(name.into());
        self
    }

    /// Gives a `trace_id` to records that have none, with random numbers of the operating system.
    #[must_use]
    pub fn generate_trace_ids(self, which: Generated) -> Self {
        self.generate_trace_ids_with(which, |bytes| getrandom::fill(bytes).is_ok())
    }

    /// [`generate_trace_ids`](Self::generate_trace_ids) with numbers from elsewhere. `random` fills the bytes, and says
    /// whether it could; if not, the record has no `trace_id`. With [`Generated::Once`] it is asked here, once.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, enrich::{Enrich, Generated}};
    ///
    /// let seven = |bytes: &mut [u8]| { bytes.fill(7); true };
    /// let enrich = Enrich::new().generate_trace_ids_with(Generated::Once, seven);
    /// let mut batch = Parser::new(Format::preset("logfmt")?).parse("a=1\n");
    /// enrich.apply(&mut batch)?;
    /// assert_eq!(batch.record(0).unwrap().get("trace_id"), Some("07".repeat(16).as_bytes()));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn generate_trace_ids_with(
        mut self,
        which: Generated,
        random: impl Fn(&mut [u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        let mut random = Random(Arc::new(random));
        if which == Generated::Once {
            let id = random.id();
            random = Random(Arc::new(move |bytes| {
                let digits = id.iter().flat_map(|id| id.as_chunks::<2>().0);
                for (slot, pair) in bytes.iter_mut().zip(digits) {
                    let text = std::str::from_utf8(pair).unwrap_or_default();
                    *slot = u8::from_str_radix(text, 16).unwrap_or(0);
                }
                id.is_some()
            }));
        }
        self.generate = Some((which, random));
        self
    }

    /// Whose record it is, as the field [`tenant`](TENANT): the value of another field, or where that is absent or
    /// empty the default.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, enrich::Enrich};
    ///
    /// let enrich = Enrich::new().tenant("org", Some("shared"));
    /// let mut batch = Parser::new(Format::preset("logfmt")?).parse("org=acme\nlevel=info\n");
    /// enrich.apply(&mut batch)?;
    /// let tenants: Vec<_> = batch.column("tenant").unwrap().iter().flatten().collect();
    /// assert_eq!(tenants, [&b"acme"[..], b"shared"]);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn tenant(mut self, field: impl Into<Box<str>>, default: Option<&str>) -> Self {
        self.tenant = Some((field.into(), default.map(Into::into)));
        self
    }

    /// Whether values that records have are overwritten. They are not, unless this says so.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// The names of the fields that may be added.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let trace = self.trace.is_some() || self.traceparent.is_some();
        let trace = trace.then_some(FIELDS);
        let generated = self.generate.is_some().then_some(FIELDS[0]);
        let tenant = self.tenant.is_some().then_some(TENANT);
        let labels = self.labels.iter().map(|label| label.field.name());
        let others = trace.into_iter().flatten().chain(generated).chain(tenant);
        let mut seen = Vec::new();
        labels.chain(others).filter(move |name| {
            let is_new = !seen.contains(name);
            seen.push(name);
            is_new
        })
    }

    /// Adds the fields to a batch: a field that there is gets values where it has none, others come after all. For those
    /// that make more than [`MAX_COLUMNS`] the batch has no room; they are [counted](EnrichReport::columns_refused).
    ///
    /// # Errors
    ///
    /// `InvalidColumn` if a label has no name or too long a name. Fields before that one may have been added.
    pub fn apply<B: AsRef<[u8]>>(&self, batch: &mut Batch<B>) -> Result<EnrichReport, Error> {
        let mut report = EnrichReport {
            rows: batch.len() as u64,
            ..EnrichReport::default()
        };
        let mut columns = self.trace_columns(batch, &mut report);
        for label in &self.labels {
            let name = label.field.name();
            if columns.iter().all(|(field, _)| field.name() != name) {
                let mut filling = Filling::new(batch, label.field.clone());
                filling.all(batch.len(), &label.value, self.overwrite);
                columns.push(filling.finish(&mut report));
            }
        }
        if let Some((from, default)) = &self.tenant {
            columns.push(self.tenant_column(batch, from, default.as_deref(), &mut report));
        }
        let room = MAX_COLUMNS.saturating_sub(batch.fields().len());
        if columns.len() > room {
            refuse(&mut columns, room, batch, &mut report);
        }
        batch.set_columns(columns)?;
        Ok(report)
    }

    fn trace_columns<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        report: &mut EnrichReport,
    ) -> Vec<(Field, ColumnBuilder)> {
        if self.trace.is_none() && self.traceparent.is_none() && self.generate.is_none() {
            return Vec::new();
        }
        let from = self.traceparent.as_deref();
        let from = from.and_then(|name| batch.column(name));
        let mut parts = FIELDS.map(|name| Filling::new(batch, Field::new(name)));
        let whole = self.trace.as_ref().map(|trace| {
            let texts = [trace.trace_id(), trace.span_id(), trace.trace_flags()];
            let mut texts = texts.into_iter();
            parts
                .each_mut()
                .map(|part| part.keep(texts.next().unwrap_or_default().as_bytes()))
        });
        let once = match &self.generate {
            Some((Generated::Once, random)) => random.id(),
            _ => None,
        };
        let [id, ..] = &mut parts;
        let once = once.map(|generated| id.keep(&generated));
        for row in 0..batch.len() {
            let header = from
                .as_ref()
                .and_then(|column| Some((column.get(row)?, column.span(row)?)));
            let header = header.filter(|(value, _)| !value.is_empty() && *value != PLACEHOLDER);
            let header = header.and_then(|(value, span)| match TraceContext::parse(value) {
                Ok(context) => Some((context, span)),
                Err(problem) => {
                    *report.refused.entry(problem).or_default() += 1;
                    None
                }
            });
            let [id, ..] = &parts;
            let own = id.own(row);
            let overwrites = self.overwrite && (header.is_some() || whole.is_some());
            // Of a record that is of another trace nothing else is known.
            let fits = |context: &TraceContext| match own {
                Some(own) if !overwrites => context.trace_id().as_bytes() == own,
                _ => true,
            };
            let header = header
                .filter(|(context, _)| fits(context))
                .map(|(_, span)| span);
            let whole = whole.filter(|_| self.trace.as_ref().is_some_and(fits));
            let generated = match &self.generate {
                Some((Generated::EachRow, random)) if own.is_none() => random.id(),
                _ => None,
            };
            for (at, part) in parts.iter_mut().enumerate() {
                let range = TraceContext::PARTS.get(at).cloned();
                let whole = whole.as_ref().and_then(|whole| whole.get(at).copied());
                match (&header, range, whole, once, generated) {
                    _ if !overwrites && part.push_own(row) => {}
                    (Some(span), Some(range), ..) => part.push_part(row, span, range),
                    (_, _, Some(kept), ..) => part.push_kept(row, kept),
                    (.., Some(kept), _) if at == 0 => part.push_kept(row, kept),
                    (.., Some(id)) if at == 0 => part.push_bytes(row, &id),
                    _ => part.nothing(),
                }
            }
        }
        // Nothing but a generated id: the fields that say where a span is are not added.
        let all = self.trace.is_some() || self.traceparent.is_some();
        let count = if all { FIELDS.len() } else { 1 };
        let parts = parts.into_iter().take(count);
        parts.map(|part| part.finish(report)).collect()
    }

    fn tenant_column<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        from: &str,
        default: Option<&str>,
        report: &mut EnrichReport,
    ) -> (Field, ColumnBuilder) {
        let from = batch.column(from);
        let mut tenant = Filling::new(batch, Field::new(TENANT));
        let default = default.map(|text| tenant.keep(text.as_bytes()));
        for row in 0..batch.len() {
            let value = from.as_ref().filter(|column| {
                let value = column.get(row);
                value.is_some_and(|value| !value.is_empty())
            });
            match (value, default) {
                _ if !self.overwrite && tenant.push_own(row) => {}
                (Some(column), _) => tenant.push_value_of(row, column),
                (None, Some(default)) => tenant.push_kept(row, default),
                (None, None) if tenant.push_own(row) => {}
                (None, None) => tenant.nothing(),
            }
        }
        tenant.finish(report)
    }
}

/// Takes out the columns that a batch has no room for: how many it has is for the log to say, and so no error.
#[cold]
fn refuse<B: AsRef<[u8]>>(
    columns: &mut Vec<(Field, ColumnBuilder)>,
    room: usize,
    batch: &Batch<B>,
    report: &mut EnrichReport,
) {
    let mut added: Vec<String> = Vec::new();
    columns.retain(|(field, _)| {
        let name = field.name();
        if batch.column(name).is_some() || added.iter().any(|added| added == name) {
            return true;
        }
        let fits = added.len() < room;
        if fits {
            added.push(name.to_owned());
        } else {
            report.fields.remove(name);
            report.columns_refused += 1;
        }
        fits
    });
}

/// A column being filled where it has no values of its own.
struct Filling<'b> {
    field: Field,
    own: Option<Column<'b>>,
    values: ColumnBuilder,
    counts: Filled,
}

impl<'b> Filling<'b> {
    /// A field that there is keeps its type.
    fn new<B: AsRef<[u8]>>(batch: &'b Batch<B>, field: Field) -> Self {
        let own = batch.column(field.name());
        Self {
            field: own.as_ref().map_or(field, |own| own.field().clone()),
            own,
            values: ColumnBuilder::new(),
            counts: Filled::default(),
        }
    }

    /// Its own value of a row; an empty one says nothing.
    fn own(&self, row: usize) -> Option<&'b [u8]> {
        let value = self.own.as_ref()?.get(row)?;
        (!value.is_empty()).then_some(value)
    }

    fn all(&mut self, rows: usize, value: &[u8], overwrite: bool) {
        if overwrite || self.own.is_none() {
            self.counts.filled += rows as u64;
            return self.values.fill(rows, value);
        }
        let kept = self.keep(value);
        for row in 0..rows {
            if !self.push_own(row) {
                self.push_kept(row, kept);
            }
        }
    }

    fn keep(&mut self, value: &[u8]) -> KeptValue {
        self.values.keep(value)
    }

    /// Tells whether there is one.
    fn push_own(&mut self, row: usize) -> bool {
        let own = self.own.as_ref().filter(|_| self.own(row).is_some());
        if let Some(own) = own {
            self.counts.kept += 1;
            self.values.push_value_of(row, own, row);
        }
        own.is_some()
    }

    fn push_kept(&mut self, row: usize, kept: KeptValue) {
        self.counts.filled += 1;
        self.values.push_kept(row, kept);
    }

    fn push_span(&mut self, row: usize, span: Span) {
        self.counts.filled += 1;
        self.values.push_span(row, span);
    }

    fn push_value_of(&mut self, row: usize, column: &Column<'_>) {
        self.counts.filled += 1;
        self.values.push_value_of(row, column, row);
    }

    fn push_bytes(&mut self, row: usize, value: &[u8]) {
        self.counts.filled += 1;
        self.values.push_bytes(row, value);
    }

    /// Gives the row a part of a value.
    fn push_part(&mut self, row: usize, span: &Span, part: Range<usize>) {
        let within = |range: &Range<usize>| range.start + part.start..range.start + part.end;
        let span = match span {
            Span::Input(range) => Span::Input(within(range)),
            Span::Arena(range) => Span::Arena(within(range)),
        };
        self.push_span(row, span);
    }

    fn nothing(&mut self) {
        self.counts.absent += 1;
    }

    fn finish(self, report: &mut EnrichReport) -> (Field, ColumnBuilder) {
        report.fields.insert(self.field.name().into(), self.counts);
        (self.field, self.values)
    }
}
