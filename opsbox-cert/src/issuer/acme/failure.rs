//! What went wrong on the way to the CA, as an error of this crate.

use instant_acme::Error as AcmeError;

use super::transport::{Cause, HttpFault};
use crate::error::ErrorKind;
use crate::issuer::{Failure, Problem, Step, Subproblem};

impl Failure {
    pub(crate) fn http(step: Step, fault: HttpFault) -> Self {
        let reason = fault.to_string();
        let kind = match &fault.cause {
            Cause::Unreachable(_) | Cause::TimedOut(_) => ErrorKind::Unavailable,
            Cause::Untrusted(_) | Cause::TooLarge => ErrorKind::Protocol,
            Cause::BadUrl(_) => ErrorKind::Invalid,
            Cause::Status {
                status, problem, ..
            } => kind_of(Some(*status), problem.as_deref()),
        };
        let mut failure = Self::new(kind, step, reason).retry_after(fault.retry_after);
        if let Cause::Status {
            status, problem, ..
        } = fault.cause
        {
            failure.status = Some(status);
            failure = failure.problem(problem.map(|problem| *problem));
        }
        failure
    }

    /// With what the CA said, and what to do about it.
    pub(crate) fn problem(mut self, problem: Option<Problem>) -> Self {
        if let Some(advice) = problem
            .as_ref()
            .and_then(Problem::acme_type)
            .and_then(advice)
        {
            self.reason.push_str("; ");
            self.reason.push_str(advice);
        }
        self.problem = problem;
        self
    }

    pub(crate) fn acme(step: Step, error: AcmeError) -> Self {
        match error {
            AcmeError::Other(inner) => match inner.downcast::<HttpFault>() {
                Ok(fault) => Self::http(step, *fault),
                Err(other) => Self::protocol(step, &other),
            },
            AcmeError::Api(problem) => Self::refused(step, own(problem)),
            AcmeError::Unsupported(what) => Self::new(
                ErrorKind::Unsupported,
                step,
                format!("the CA does not offer {what}; leave it out, or use another CA"),
            ),
            // Their text can have parts of the bytes in it.
            AcmeError::KeyRejected | AcmeError::Crypto => Self::new(
                ErrorKind::Corrupt,
                step,
                "the account key cannot be used; restore it, or delete the account's record to get a new one",
            ),
            other => Self::protocol(step, &other),
        }
    }

    pub(crate) fn protocol(step: Step, what: &dyn std::fmt::Display) -> Self {
        let mut what = what.to_string();
        crate::issuer::problem::cut_text(&mut what);
        let what = crate::text::Escaped(&what);
        let reason =
            format!("the answer is not what ACME says ({what}); check the URL of the directory");
        Self::new(ErrorKind::Protocol, step, reason)
    }

    pub(crate) fn refused(step: Step, problem: Problem) -> Self {
        let kind = kind_of(problem.status(), Some(&problem));
        Self::new(kind, step, "the CA refused").problem(Some(problem))
    }
}

/// The problem of an order, authorization or challenge.
pub(crate) fn own(problem: instant_acme::Problem) -> Problem {
    let subproblems = problem.subproblems.into_iter().map(|sub| {
        let identifier = sub.identifier.map(|id| id.authorized(false).to_string());
        Subproblem::new(sub.r#type, sub.detail, identifier)
    });
    Problem::new(problem.r#type, problem.detail, problem.status).with(subproblems)
}

fn kind_of(status: Option<u16>, problem: Option<&Problem>) -> ErrorKind {
    match (problem.and_then(Problem::acme_type), status) {
        (Some("rateLimited"), _) | (_, Some(429)) => ErrorKind::RateLimited,
        (Some("badNonce" | "serverInternal" | "orderNotReady"), _) | (_, Some(500..=599)) => {
            ErrorKind::Unavailable
        }
        _ if problem.is_none() => ErrorKind::Protocol,
        _ => ErrorKind::Refused,
    }
}

fn advice(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "rateLimited" => "wait as long as the CA says",
        "connection" | "tls" => {
            "make the challenge's port reachable for the CA: 80 for http-01, 443 for tls-alpn-01"
        }
        "dns" => "make the name resolve for everyone",
        "unauthorized" | "incorrectResponse" => {
            "make the answer to the challenge come from this program, for everyone"
        }
        "caa" => "allow this CA in the CAA records of the name",
        "externalAccountRequired" => {
            "give the key id and the MAC key that the CA's web site shows (external account binding)"
        }
        "userActionRequired" => "agree to the CA's terms",
        "invalidContact" | "unsupportedContact" => "correct the contact, `mailto:you@example.com`",
        "rejectedIdentifier" | "unsupportedIdentifier" => "this CA issues nothing for that name",
        "invalidProfile" => "choose a profile that the CA's directory lists",
        _ => return None,
    })
}
