//! An order that was placed but whose URL was not stored any more: looked for in the CA's list.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::record::State;
use crate::issuer::{Failure, Opened, Reply, Step};
use crate::limits::ORDER_POLL;

/// How many of the last orders are looked at.
const LOOKED_AT: usize = 64;
/// How many pages of the list are read, to come to its end.
const PAGES: usize = 64;
/// How many requests of one search are sent again: it takes many, and starting over takes all of them once more.
const AGAIN: u32 = 8;

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    orders: Option<String>,
}

/// RFC 8555, section 7.1.2.1.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    orders: Vec<String>,
}

#[derive(Deserialize)]
struct Placed {
    status: String,
    #[serde(default)]
    identifiers: Vec<Named>,
    #[serde(default)]
    profile: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    value: String,
}

/// The URL of an order for these names that can be gone on with. Many CAs have no such list; then a second
/// order may be placed, and the first one expires.
pub(super) async fn pending(opened: &Opened, wanted: &State) -> Result<Option<String>, Failure> {
    let again = AGAIN;
    let mut search = Search { opened, again };
    let account: Account = search.read(&opened.url).await?;
    let Some(list) = account.orders else {
        return Ok(None);
    };
    for url in search.all(list).await?.into_iter().rev().take(LOOKED_AT) {
        let placed: Placed = search.read(&url).await?;
        let mut names: Vec<String> = placed.identifiers.into_iter().map(|id| id.value).collect();
        names.sort_unstable();
        let open = matches!(&*placed.status, "pending" | "ready");
        let profile = wanted.profile.is_none() || placed.profile == wanted.profile;
        if open && profile && names == wanted.names {
            return Ok(Some(url));
        }
    }
    Ok(None)
}

struct Search<'a> {
    opened: &'a Opened,
    /// How many requests may still be sent again.
    again: u32,
}

impl Search<'_> {
    /// The URLs on all pages of a list.
    async fn all(&mut self, first: String) -> Result<Vec<String>, Failure> {
        let (mut urls, mut next) = (Vec::new(), Some(first));
        for _ in 0..PAGES {
            let Some(page) = next else { break };
            let reply = self.ask(&page).await?;
            let list: List = serde_json::from_slice(&reply.body).map_err(broken)?;
            urls.extend(list.orders);
            next = reply.links("next").into_iter().next();
        }
        Ok(urls)
    }

    async fn read<T: DeserializeOwned>(&mut self, url: &str) -> Result<T, Failure> {
        let reply = self.ask(url).await?;
        serde_json::from_slice(&reply.body).map_err(broken)
    }

    async fn ask(&mut self, url: &str) -> Result<Reply, Failure> {
        let (shortest, longest) = ORDER_POLL;
        // At once the first time: the more orders are placed meanwhile, the further off is the lost one.
        let mut pause = Duration::ZERO;
        loop {
            let failure = match self.opened.read(Step::Order, url).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            pause = failure.retry_after.unwrap_or(pause);
            if !failure.is_retryable() || pause > longest || self.again == 0 {
                return Err(failure);
            }
            self.again -= 1;
            tokio::time::sleep(pause).await;
            pause = shortest;
        }
    }
}

fn broken(error: serde_json::Error) -> Failure {
    Failure::protocol(Step::Order, &error)
}
