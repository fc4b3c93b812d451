//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Heals the pods of a cluster, as far as a policy allows. It says what it would do, and does it
with --act. Which cluster: as kubectl, by KUBECONFIG, ~/.kube/config or the pod that it runs in.

Usage: heal_controller [OPTION]...

  --once             sweep the cluster once instead of watching it
  --act              do it
  --dry-run          only say it (default)
  --policy FILE      what may be done, in TOML, YAML or JSON (see the module opsbox_heal::config)
  --namespace NAME   only this namespace; may be given again (default: all)
  --lease NS/NAME    of several processes only the holder of this Lease acts
  --own-pod NS/NAME  the pod that this runs in, which is never touched
  --identity NAME    what Events, audit and Lease call this process (default: $HOSTNAME)
  --audit FILE       append every decision and act to a file of JSON lines
  --history FILE     with --once: what earlier runs did; written after each run
  --no-events        record no Events in the cluster
  --metrics ADDRESS  serve metrics for Prometheus, as on 127.0.0.1:9090
  --all              say why each sick pod is left alone, too
  --print-rbac NS/NAME  print the account and permissions that it needs, and end
  --print-schema     print the JSON Schema of a policy, and end
  -h, --help         this text

Exit code with --once: 0 if no pod is sick, 1 if one is, 2 if something could not be done.";

pub(crate) enum Command {
    Watch,
    Once,
    PrintRbac { namespace: String, name: String },
    PrintSchema,
}

pub(crate) struct Args {
    pub(crate) command: Command,
    pub(crate) act: bool,
    pub(crate) policy: Option<PathBuf>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) lease: Option<(String, String)>,
    pub(crate) own_pod: Option<(String, String)>,
    pub(crate) identity: Option<String>,
    pub(crate) audit: Option<PathBuf>,
    pub(crate) history: Option<PathBuf>,
    pub(crate) events: bool,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) all: bool,
}

impl Args {
    pub(crate) fn parse(
        raw: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let mut args = Self {
            command: Command::Watch,
            act: false,
            policy: None,
            namespaces: Vec::new(),
            lease: None,
            own_pod: None,
            identity: None,
            audit: None,
            history: None,
            events: true,
            metrics: None,
            all: false,
        };
        let mut dry_run = false;
        let mut parser = lexopt::Parser::from_args(raw);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("once") => args.command = Command::Once,
                Long("act") => args.act = true,
                Long("dry-run") => dry_run = true,
                Long("policy") => args.policy = Some(parser.value()?.into()),
                Long("namespace") => args.namespaces.push(parser.value()?.string()?),
                Long("lease") => args.lease = Some(pair(&parser.value()?.string()?)?),
                Long("own-pod") => args.own_pod = Some(pair(&parser.value()?.string()?)?),
                Long("identity") => args.identity = Some(parser.value()?.string()?),
                Long("audit") => args.audit = Some(parser.value()?.into()),
                Long("history") => args.history = Some(parser.value()?.into()),
                Long("no-events") => args.events = false,
                Long("metrics") => args.metrics = Some(parser.value()?.parse()?),
                Long("all") => args.all = true,
                Long("print-rbac") => {
                    let (namespace, name) = pair(&parser.value()?.string()?)?;
                    args.command = Command::PrintRbac { namespace, name };
                }
                Long("print-schema") => args.command = Command::PrintSchema,
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        if args.act && dry_run {
            return Err("--act and --dry-run are two things; give one".into());
        }
        if args.history.is_some() && !matches!(args.command, Command::Once) {
            return Err("--history is for --once; a watch learns from Events".into());
        }
        Ok(Some(args))
    }
}

fn pair(text: &str) -> Result<(String, String), lexopt::Error> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err(format!("{text:?} is not NAMESPACE/NAME").into()),
    }
}
