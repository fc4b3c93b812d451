use std::{ffi::OsString, path::PathBuf};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Reads a log and writes it as clean NDJSON: fields by the format of its lines, JSON and XML in
messages as fields of their own, secrets and personal data masked, the context added.
Without a file it reads the sample of the repository; - is standard input.

Usage: clean_logs [OPTION]... [FILE]

  -o, --output FILE  where to write, a file whole or not at all (default: standard output)
  --format PRESET    the format of the lines, as nginx or logfmt (default: what fits a sample)
  --policy FILE      what to mask, and how, in TOML, YAML or JSON (default: all that is known)
  --config FILE      the whole pipeline in TOML, YAML or JSON; --format if it does not say that
  --threads N        threads for the stages; 0 for all (default: 1)
  --quiet            no summary
  -h, --help         this text

Lines that do not fit the format are written, too, with the reason in the field `unmatched`.
A progress bar is shown if standard error is a terminal; the summary goes there.

Exit code: 0 if all lines fit, 1 if some did not, 2 if the arguments or the configuration are
wrong, 3 if reading or writing failed; then no output file is left.";

pub(crate) struct Args {
    pub(crate) input: Option<PathBuf>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) format: Option<String>,
    pub(crate) policy: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) threads: Option<usize>,
    pub(crate) quiet: bool,
}

impl Args {
    /// `None` if help was asked for.
    pub(crate) fn parse(
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let mut parsed = Self {
            input: None,
            output: None,
            format: None,
            policy: None,
            config: None,
            threads: None,
            quiet: false,
        };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('o') | Long("output") => parsed.output = Some(parser.value()?.into()),
                Long("format") => parsed.format = Some(parser.value()?.string()?),
                Long("policy") => parsed.policy = Some(parser.value()?.into()),
                Long("config") => parsed.config = Some(parser.value()?.into()),
                Long("threads") => parsed.threads = Some(parser.value()?.parse()?),
                Long("quiet") => parsed.quiet = true,
                Short('h') | Long("help") => return Ok(None),
                Value(path) if parsed.input.is_none() => parsed.input = Some(path.into()),
                arg => return Err(arg.unexpected()),
            }
        }
        if parsed.config.is_some() && parsed.policy.is_some() {
            return Err("--policy is part of the --config; give one of them".into());
        }
        Ok(Some(parsed))
    }
}
