//! Proving control of each name of an order.

use instant_acme::{
    AuthorizationHandle, AuthorizationStatus, ChallengeStatus, ChallengeType as AcmeChallengeType,
    Order,
};

use super::Work;
use super::record::{Kept, KeptAnswer};
use crate::challenge::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::Identifier;
use crate::inventory::ChallengeType;
use crate::issuer::{Failure, Opened, Step, own};
use crate::limits::{ORDER_POLL, PRESENT_TIME_LIMIT};

impl Work<'_> {
    /// Until every authorization of the order is valid. What is published is in the record before.
    pub(super) async fn prove(
        &mut self,
        kept: &mut Kept,
        order: &mut Order,
        opened: &Opened,
    ) -> Result<()> {
        let answers = self.answers(order, opened).await?;
        let transient = |answer: &&Answer| answer.kind() != ChallengeType::DnsPersist01;
        for answer in answers.iter().filter(transient) {
            let answer = KeptAnswer::of(answer);
            if !kept.state.answers.contains(&answer) {
                kept.state.answers.push(answer);
            }
        }
        if !kept.state.answers.is_empty() {
            self.save(kept).await?;
        }
        for answer in &answers {
            self.solve(answer, Act::Present).await?;
        }
        for answer in &answers {
            self.solve(answer, Act::Wait).await?;
        }
        self.tell(order, &answers).await?;
        self.watch(order, &answers).await?;
        order
            .refresh()
            .await
            .map_err(|error| self.error(Failure::acme(Step::Validate, error)))?;
        Ok(())
    }

    /// What is to be published for the authorizations that are pending.
    async fn answers(&self, order: &mut Order, opened: &Opened) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization =
                next.map_err(|error| self.error(Failure::acme(Step::Authorize, error)))?;
            let identifier = self.identifier(&authorization)?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                _ => return Err(self.refused(&authorization, &identifier)),
            }
            let offered: Vec<&str> = authorization
                .challenges
                .iter()
                .map(|challenge| name(&challenge.r#type))
                .collect();
            let wanted = self.request.challenge_type();
            let solver = self.shared.solvers.iter().find(|solver| {
                solver.can_solve(&identifier)
                    && offered.contains(&solver.kind().as_str())
                    && wanted.is_none_or(|kind| kind == solver.kind())
            });
            let Some(solver) = solver else {
                let wanted = wanted.map(|kind| format!(", it is to be proved by {kind} alone"));
                let reason = format!(
                    "the CA offers {} for it{}, and no solver of that kind is there or can do it; add one (a wildcard needs dns-01 or dns-persist-01)",
                    offered.join(", "),
                    wanted.unwrap_or_default(),
                );
                let failure = Failure::new(ErrorKind::Unsupported, Step::Authorize, reason);
                return Err(self.error(failure.identifier(&identifier)));
            };
            let kind = solver.kind();
            let url = authorization.url().to_owned();
            let Some(challenge) = authorization.challenge(acme_type(kind)) else {
                continue;
            };
            let proof = challenge.key_authorization();
            answers.push(match kind {
                ChallengeType::DnsPersist01 => {
                    // After the token, which there is none of here.
                    let thumbprint = proof.as_str().rsplit('.').next().unwrap_or_default();
                    self.persistent(opened, &url, identifier, thumbprint)
                        .await?
                }
                _ => Answer::new(kind, identifier, challenge.token.as_str(), proof.as_str()),
            });
        }
        Ok(answers)
    }

    async fn solve(&self, answer: &Answer, act: Act) -> Result<()> {
        let solver =
            self.shared.solvers.iter().find(|solver| {
                solver.kind() == answer.kind() && solver.can_solve(answer.identifier())
            });
        let Some(solver) = solver else {
            return Ok(());
        };
        let work = async {
            match act {
                Act::Present => solver.present(answer).await,
                Act::Wait => solver.wait(answer).await,
            }
        };
        let reason = match tokio::time::timeout(PRESENT_TIME_LIMIT, work).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                let kind = error.kind();
                let failure = Failure::new(kind, Step::Present, error.to_string());
                return Err(self.error(failure.identifier(answer.identifier()).caused_by(error)));
            }
            Err(_) => format!(
                "the solver for {} did not end within {} s; see what it waits for",
                answer.kind(),
                PRESENT_TIME_LIMIT.as_secs()
            ),
        };
        let failure = Failure::new(ErrorKind::Unavailable, Step::Present, reason);
        Err(self.error(failure.identifier(answer.identifier())))
    }

    /// Tells the CA to look, unless it was told before a kill.
    async fn tell(&self, order: &mut Order, answers: &[Answer]) -> Result<()> {
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization =
                next.map_err(|error| self.error(Failure::acme(Step::Authorize, error)))?;
            let identifier = self.identifier(&authorization)?;
            let Some(answer) = answers.iter().find(|a| *a.identifier() == identifier) else {
                continue;
            };
            let Some(mut challenge) = authorization.challenge(acme_type(answer.kind())) else {
                continue;
            };
            if challenge.status == ChallengeStatus::Pending {
                challenge.set_ready().await.map_err(|error| {
                    let failure = Failure::acme(Step::Validate, error);
                    self.error(failure.identifier(&identifier))
                })?;
            }
        }
        Ok(())
    }

    /// Looks until the CA has judged all of them.
    async fn watch(&mut self, order: &mut Order, answers: &[Answer]) -> Result<()> {
        self.pause = ORDER_POLL.0;
        loop {
            let mut pending = false;
            let mut authorizations = order.authorizations();
            while let Some(next) = authorizations.next().await {
                let mut authorization =
                    next.map_err(|error| self.error(Failure::acme(Step::Authorize, error)))?;
                let identifier = self.identifier(&authorization)?;
                if !answers.iter().any(|a| *a.identifier() == identifier)
                    || authorization.status == AuthorizationStatus::Valid
                {
                    continue;
                }
                authorization.refresh().await.map_err(|error| {
                    let failure = Failure::acme(Step::Validate, error);
                    self.error(failure.identifier(&identifier))
                })?;
                match authorization.status {
                    AuthorizationStatus::Valid => {}
                    AuthorizationStatus::Pending => pending = true,
                    _ => return Err(self.refused(&authorization, &identifier)),
                }
            }
            if !pending {
                return Ok(());
            }
            self.wait(Step::Validate).await?;
        }
    }

    /// An authorization that failed, with what the CA says of its challenge.
    fn refused(&self, authorization: &AuthorizationHandle<'_>, identifier: &Identifier) -> Error {
        let failed = authorization
            .challenges
            .iter()
            .find_map(|challenge| Some((name(&challenge.r#type), challenge.error.clone()?)));
        let failure = match failed {
            Some((kind, problem)) => Failure {
                reason: format!("the CA's {kind} failed"),
                ..Failure::new(ErrorKind::Refused, Step::Validate, "")
            }
            .problem(Some(own(problem))),
            None => {
                let reason = format!(
                    "its authorization is {:?}, without a reason; ask again for a new order",
                    authorization.status
                );
                Failure::new(ErrorKind::Refused, Step::Validate, reason)
            }
        };
        self.error(failure.identifier(identifier))
    }

    fn identifier(&self, authorization: &AuthorizationHandle<'_>) -> Result<Identifier> {
        let text = authorization.identifier().to_string();
        text.parse().map_err(|_| {
            self.error(Failure::protocol(
                Step::Authorize,
                &format_args!("an authorization for {text:?}"),
            ))
        })
    }
}

#[derive(Clone, Copy)]
enum Act {
    Present,
    Wait,
}

fn acme_type(kind: ChallengeType) -> AcmeChallengeType {
    match kind {
        ChallengeType::Http01 => AcmeChallengeType::Http01,
        ChallengeType::Dns01 => AcmeChallengeType::Dns01,
        ChallengeType::TlsAlpn01 => AcmeChallengeType::TlsAlpn01,
        ChallengeType::DnsPersist01 => AcmeChallengeType::Unknown(kind.as_str().into()),
    }
}

fn name(kind: &AcmeChallengeType) -> &str {
    match kind {
        AcmeChallengeType::Http01 => "http-01",
        AcmeChallengeType::Dns01 => "dns-01",
        AcmeChallengeType::TlsAlpn01 => "tls-alpn-01",
        AcmeChallengeType::Unknown(name) => name,
        _ => "another",
    }
}
