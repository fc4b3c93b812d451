//! A program that writes the records, called as lego and certbot call theirs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;

use super::{DnsProvider, TxtRecord, fault};
use crate::error::{ErrorKind, Result};
use crate::limits::{HOOK_TIME_LIMIT, MAX_PROBLEM_CHARS};
use crate::text::Escaped;

/// How a hook is told what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookStyle {
    /// `PROGRAM present NAME. VALUE` and `PROGRAM cleanup NAME. VALUE`, as lego's provider `exec` does.
    Lego,
    /// `PROGRAM` and `CLEANUP` with `CERTBOT_DOMAIN` and `CERTBOT_VALIDATION` in the environment, as
    /// certbot's `--manual-auth-hook` and `--manual-cleanup-hook`. `OPSBOX_NAME` is the whole name of
    /// the record, where a CNAME led to.
    Certbot {
        /// The program that deletes.
        cleanup: PathBuf,
    },
}

/// Runs a program for each record. It has succeeded if it ends with status 0 in time; what it writes to
/// stderr is part of the error otherwise.
///
/// ```
/// use opsbox_cert::challenge::Dns01;
/// use opsbox_cert::dns::Hook;
///
/// let solver = Dns01::new(Hook::lego("/etc/dns/update.sh"));
/// # drop(solver);
/// ```
#[derive(Debug, Clone)]
pub struct Hook {
    program: PathBuf,
    arguments: Vec<OsString>,
    style: HookStyle,
    time_limit: Duration,
}

impl Hook {
    /// A program in the style of lego.
    pub fn lego(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            style: HookStyle::Lego,
            time_limit: HOOK_TIME_LIMIT,
        }
    }

    /// Two programs in the style of certbot.
    pub fn certbot(auth: impl Into<PathBuf>, cleanup: impl Into<PathBuf>) -> Self {
        Self {
            style: HookStyle::Certbot {
                cleanup: cleanup.into(),
            },
            ..Self::lego(auth)
        }
    }

    /// What a program in the style of lego gets before all else; one in the style of certbot gets no
    /// arguments.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, first: impl IntoIterator<Item = A>) -> Self {
        self.arguments = first.into_iter().map(Into::into).collect();
        self
    }

    /// How long a program may run, in place of [`HOOK_TIME_LIMIT`]. Then it is killed.
    #[must_use]
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time_limit = time;
        self
    }

    async fn run(&self, record: &TxtRecord, present: bool) -> Result<()> {
        let (attempt, word) = if present {
            ("present by a hook", "present")
        } else {
            ("clean up by a hook", "cleanup")
        };
        let mut command = match &self.style {
            HookStyle::Lego => {
                let mut command = Command::new(&self.program);
                command.args(&self.arguments);
                command.args([word, &format!("{}.", record.name()), record.value()]);
                command
            }
            HookStyle::Certbot { cleanup } => {
                let mut command = Command::new(if present { &self.program } else { cleanup });
                command
                    .env("CERTBOT_DOMAIN", record.domain())
                    .env("CERTBOT_VALIDATION", record.value())
                    .env("OPSBOX_NAME", record.name());
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let program = self.program.display();
        let fail = |kind, reason| fault(kind, attempt, record.name(), reason);
        let output = match tokio::time::timeout(self.time_limit, command.output()).await {
            Err(_) => {
                let limit = self.time_limit.as_secs_f32();
                let reason = format!(
                    "{program} did not end within {limit} s and was killed; see what it waits for"
                );
                return Err(fail(ErrorKind::Unavailable, reason));
            }
            Ok(Err(error)) => {
                let reason = format!(
                    "{program} cannot be run ({error}); check its path, its first line and its permissions"
                );
                return Err(fail(ErrorKind::Invalid, reason));
            }
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(MAX_PROBLEM_CHARS).collect();
        let reason = format!(
            "{program} failed with {}; it says: {}",
            output.status,
            Escaped(&said)
        );
        Err(fail(ErrorKind::Unavailable, reason))
    }
}

#[async_trait]
impl DnsProvider for Hook {
    async fn add(&self, record: &TxtRecord) -> Result<()> {
        self.run(record, true).await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<()> {
        self.run(record, false).await
    }
}
