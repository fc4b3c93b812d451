//! Heals the pods of a cluster: watches them, or sweeps them once. It says what it would do, and
//! does it with `--act`.
//!
//! ```sh
//! cargo run --release --example heal_controller -- --once              # with the current kubectl context
//! cargo run --release --example heal_controller -- --namespace shop --policy policy.toml --act
//! cargo run --release --example heal_controller -- --print-rbac ops/opsbox-heal | kubectl apply -f -
//! ```

#![forbid(unsafe_code)]

mod args;
mod metrics;
mod once;
mod say;

use std::{
    error::Error,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use args::{Args, Command, HELP};
use kube::{Client, Config};
use opsbox_heal::{
    controller::Controller,
    decide::{Mode, Policy},
    lease::Election,
    observe::live::PodScope,
    rbac::Rbac,
    record::{AuditLog, EventRecorder, Metrics},
};
use say::{Say, say};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("heal_controller: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(args)));
    done.unwrap_or_else(|error| {
        eprintln!("heal_controller: {error}");
        ExitCode::from(2)
    })
}

async fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut policy = match &args.policy {
        Some(path) => opsbox_heal::config::read_policy(path)?,
        None => Policy::default(),
    };
    // Only the command line lets it act: a policy that is copied from elsewhere does not.
    policy.mode = if args.act { Mode::Act } else { Mode::DryRun };
    match &args.command {
        Command::PrintSchema => {
            say(opsbox_heal::config::policy_schema().trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        Command::PrintRbac { namespace, name } => {
            policy.mode = Mode::Act;
            say(&rbac(&args, &policy, namespace, name).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Once | Command::Watch => {}
    }
    let mut config = Config::infer().await?;
    // The 429 of a disruption budget is an answer.
    config.default_retry = false;
    let client = Client::try_from(config)?;
    let identity = args.identity.clone().unwrap_or_else(hostname);
    let metrics = Arc::new(Metrics::new());
    let scope = match args.namespaces.is_empty() {
        true => PodScope::all(),
        false => PodScope::namespaces(args.namespaces.iter().map(String::as_str)),
    };
    let mut controller = Controller::new(client.clone(), policy)
        .scope(scope)
        .observer(metrics.clone())
        .observer(Arc::new(Say { all: args.all }));
    if args.events {
        controller = controller.events(EventRecorder::new(client.clone(), &identity));
    }
    if let Some((namespace, name)) = &args.own_pod {
        controller = controller.own_pod(namespace, name);
    }
    if let Some(path) = &args.audit {
        let audit = AuditLog::open(path)?
            .controller(&identity)
            .rotate(64 << 20, 8);
        controller = controller.observer(Arc::new(Mutex::new(audit)));
    }
    if let Some(address) = args.metrics {
        metrics::serve(address, metrics).await?;
    }
    if let Command::Once = args.command {
        return once::run(controller, args.history.as_deref()).await;
    }
    if let Some((namespace, name)) = &args.lease {
        let election = Election::new(client, namespace, name, &identity)?;
        controller = controller.election(election);
    }
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    controller
        .run(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
        .await;
    Ok(ExitCode::SUCCESS)
}

/// What the account of this program needs for these arguments.
fn rbac(args: &Args, policy: &Policy, namespace: &str, name: &str) -> Rbac {
    let mut rbac = Rbac::new(namespace, name)
        .batch()
        .watch()
        .nodes()
        .acts_of(policy)
        .events()
        .lease(name);
    if !args.namespaces.is_empty() {
        rbac = rbac.namespaces(args.namespaces.iter().cloned());
    }
    rbac
}

fn hostname() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "heal_controller".to_owned())
}
