//! An order that was placed but whose URL was not stored any more: looked for in the CA's list.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::record::State;
use crate::issuer::{Failure, Opened, Step};

/// How many of the last orders are looked at.
const LOOKED_AT: usize = 32;
/// How many pages of the list are read, to come to its end.
const PAGES: usize = 64;

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
    let account: Account = read(opened, &opened.url).await?;
    let Some(list) = account.orders else {
        return Ok(None);
    };
    for url in all(opened, list).await?.into_iter().rev().take(LOOKED_AT) {
        let placed: Placed = read(opened, &url).await?;
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

/// The URLs on all pages of a list.
async fn all(opened: &Opened, first: String) -> Result<Vec<String>, Failure> {
    let (mut urls, mut next) = (Vec::new(), Some(first));
    for _ in 0..PAGES {
        let Some(page) = next else { break };
        let reply = opened.read(Step::Order, &page).await?;
        let list: List = serde_json::from_slice(&reply.body).map_err(broken)?;
        urls.extend(list.orders);
        next = reply.links("next").into_iter().next();
    }
    Ok(urls)
}

async fn read<T: DeserializeOwned>(opened: &Opened, url: &str) -> Result<T, Failure> {
    let reply = opened.read(Step::Order, url).await?;
    serde_json::from_slice(&reply.body).map_err(broken)
}

fn broken(error: serde_json::Error) -> Failure {
    Failure::protocol(Step::Order, &error)
}
