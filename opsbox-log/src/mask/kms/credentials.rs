use std::{env, fmt};

use zeroize::Zeroizing;

use crate::error::Error;

/// Who signs. The secret parts are wiped when it is dropped and never printed.
#[derive(Clone)]
pub struct AwsCredentials {
    pub(super) key_id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) session: Option<Zeroizing<String>>,
}

impl AwsCredentials {
    /// An access key.
    pub fn new(key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            key_id: key_id.into(),
            secret: Zeroizing::new(secret.into()),
            session: None,
        }
    }

    /// The session token that belongs to temporary credentials.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session = Some(Zeroizing::new(token.into()));
        self
    }

    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if it is there, `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    ///
    /// `Key` if one of the first two is missing or empty.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(variable)
    }

    /// The same of variables that are looked up so.
    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let required = |name: &str| {
            variable(name).ok_or_else(|| {
                let message =
                    format!("{name} is not set; set it, or give credentials to AwsKms::new");
                Error::key("find AWS credentials", false, message)
            })
        };
        let credentials = Self::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
        );
        Ok(match variable("AWS_SESSION_TOKEN") {
            Some(token) => credentials.session_token(token),
            None => credentials,
        })
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
