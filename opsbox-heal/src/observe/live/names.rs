//! The names of nodes and namespaces, which a sweep needs before it begins.

use std::collections::VecDeque;

use kube::Client;
use tokio::time::sleep;

use super::{
    backoff::Backoff,
    call::{Call, TABLE},
    decode,
    stats::SweepStats,
    table::Page,
};
use crate::{
    error::{Error, ErrorKind},
    limits::MAX_SWEEP_TRIES,
};

/// What it takes to list cluster-wide objects page by page.
pub(super) struct Names<'s> {
    pub(super) client: &'s Client,
    pub(super) page_size: u32,
    pub(super) backoff: &'s mut Backoff,
    pub(super) stats: &'s mut SweepStats,
}

impl Names<'_> {
    /// The names of the objects whose STATUS is as wanted, by a table, else by metadata. What may
    /// pass is tried again, up to [`MAX_SWEEP_TRIES`] times in all.
    pub(super) async fn list(
        self,
        resource: &'static str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<VecDeque<Box<str>>, Error> {
        let (mut names, mut token) = (VecDeque::new(), String::new());
        let mut tries = 0;
        loop {
            let mut call = Call::new("list", resource, None)
                .query("limit", self.page_size)
                .query("includeObject", "None")
                .accept(TABLE);
            if !token.is_empty() {
                call = call.query("continue", &token);
            }
            self.stats.calls += 1;
            let page = match Page::read(&call, self.client, self.stats).await {
                Ok(page) => page,
                Err(error) => {
                    tries += 1;
                    if !error.is_retryable() || tries >= MAX_SWEEP_TRIES {
                        return Err(error);
                    }
                    if error.kind() == ErrorKind::Gone {
                        (names, token) = (VecDeque::new(), String::new());
                    }
                    sleep(self.backoff.next(error.retry_after())).await;
                    continue;
                }
            };
            add(&mut names, &page, &wanted);
            if page.token.is_empty() {
                return Ok(names);
            }
            token = page.token;
        }
    }
}

/// Takes the names of a page.
fn add(names: &mut VecDeque<Box<str>>, page: &Page, wanted: &impl Fn(&str) -> bool) {
    let place = |name: &str| {
        let mut columns = page.columns.iter();
        columns.position(|known| known.eq_ignore_ascii_case(name))
    };
    let (name, status) = (place("Name"), place("Status"));
    for cells in &page.rows {
        let text = |place: Option<usize>| {
            let cell = place.and_then(|place| cells.get(place)?.as_str());
            cell.unwrap_or_default()
        };
        if wanted(text(status)) {
            names.push_back(text(name).into());
        }
    }
    for object in &page.objects {
        let object = decode::named(object);
        if wanted(if object.ready { "Ready" } else { "" }) {
            names.push_back(object.name);
        }
    }
}
