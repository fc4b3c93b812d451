//! The command line.

use std::{ffi::OsString, path::PathBuf};

use lexopt::prelude::*;

use crate::settings::{Kinds, Settings};

pub(crate) const HELP: &str = "\
Simulates a fleet of certificates: the planner as it is, before a model of Let's Encrypt that counts
its published limits. The same settings give the same report.

Usage: simulate_fleet [OPTION]... [FILE]

FILE is in TOML, with the names of the options (see examples/samples/fleet.toml); options win over it.

  --certificates N     how many (default: 1000)
  --lifetime TIME[=N]  what they are valid for, of N parts; may be given again (default: 90d)
  --kinds N,N,N        the parts with one name, with several, with a wildcard (default: 1,0,0)
  --per-domain N       how many share a registered domain (default: 1)
  --doomed SHARE       from 0 to 1, those of which a name can never be validated (default: 0)
  --issued WHEN        spread (default), one-day, or nothing, to be had for the first time
  --for TIME           how long (default: 365d)
  --instances N        over one store (default: 1)
  --accounts N         at the CA (default: 1)
  --no-ari             the CA is not asked when to renew; for large fleets, the questions take longest
  --policy NAME        share (default) or classic, by fixed days
  --faults SHARE       from 0 to 1, requests that the CA fails to answer, of each of four kinds (default: 0)
  --event EVENT        what happens, and when; may be given again:
                         50d outage 7d                      the CA is down
                         60d crash 1 for 2h                 instance 1 dies; for ever without `for`
                         70d revoke 30d                     what was issued in the 30 days before
                         80d move-windows 30d to 1h for 8h  of the same: windows from 1h later on
                         90d lifetime 90d to 45d            the CA issues for 45 days from now on
                         95d clock 0 by -30s                the clock of instance 0 is set
                         99d repair                         doomed names are not any more
  --seed N             of all chance (default: 0)
  --format FORMAT      text (default), json, or svg: the load as a picture
  -o, --output FILE    instead of standard output
  -h, --help           this text

A TIME is a whole number with s, m, h or d. Exit code: 0, or 1 if something expired that could have been
renewed, or a limit was overdrawn, or a certificate was ordered twice; 2 if the settings are wrong; 3 if
the report could not be written.";

#[derive(Clone, Copy)]
pub(crate) enum Format {
    Text,
    Json,
    Svg,
}

pub(crate) struct Args {
    pub(crate) settings: Settings,
    pub(crate) format: Format,
    pub(crate) output: Option<PathBuf>,
}

impl Args {
    pub(crate) fn parse(
        raw: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let mut given = Settings::default();
        let mut file: Option<PathBuf> = None;
        let (mut format, mut output) = (Format::Text, None);
        let mut parser = lexopt::Parser::from_args(raw);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("certificates") => given.certificates = Some(parser.value()?.parse()?),
                Long("lifetime") => {
                    let text = parser.value()?.string()?;
                    let (lifetime, part) = match text.split_once('=') {
                        Some((lifetime, part)) => (
                            lifetime,
                            part.parse().map_err(|_| {
                                format!("--lifetime {text}: the part is a whole number")
                            })?,
                        ),
                        None => (text.as_str(), 1),
                    };
                    let lifetimes = given.lifetimes.get_or_insert_default();
                    lifetimes.insert(lifetime.to_owned(), part);
                }
                Long("kinds") => given.kinds = Some(kinds(&parser.value()?.string()?)?),
                Long("per-domain") => given.per_domain = Some(parser.value()?.parse()?),
                Long("doomed") => given.doomed = Some(parser.value()?.parse()?),
                Long("issued") => given.issued = Some(parser.value()?.string()?),
                Long("for") => given.length = Some(parser.value()?.string()?),
                Long("instances") => given.instances = Some(parser.value()?.parse()?),
                Long("accounts") => given.accounts = Some(parser.value()?.parse()?),
                Long("no-ari") => given.ari = Some(false),
                Long("policy") => given.policy = Some(parser.value()?.string()?),
                Long("faults") => given.faults = Some(parser.value()?.parse()?),
                Long("event") => {
                    let events = given.events.get_or_insert_default();
                    events.push(parser.value()?.string()?);
                }
                Long("seed") => given.seed = Some(parser.value()?.parse()?),
                Long("format") => {
                    format = match parser.value()?.string()?.as_str() {
                        "text" => Format::Text,
                        "json" => Format::Json,
                        "svg" => Format::Svg,
                        other => {
                            return Err(
                                format!("--format {other} is none of text, json, svg").into()
                            );
                        }
                    }
                }
                Short('o') | Long("output") => output = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                Value(path) if file.is_none() => file = Some(path.into()),
                other => return Err(other.unexpected()),
            }
        }
        let settings = match file {
            Some(path) => given.over(Settings::read(&path)?),
            None => given,
        };
        Ok(Some(Self {
            settings,
            format,
            output,
        }))
    }
}

fn kinds(text: &str) -> Result<Kinds, lexopt::Error> {
    let parts: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match parts.as_deref() {
        Ok([single, several, wildcard]) => Ok(Kinds {
            single: *single,
            several: *several,
            wildcard: *wildcard,
        }),
        _ => Err(format!("--kinds {text}: give three whole numbers, as 7,2,1").into()),
    }
}
