//! The limits of a CA, as a configuration says them.

use super::reader::{Field, Table};
use crate::budget::{Limits, Rate, RequestClass};
use crate::error::Result;
use crate::inventory::LETS_ENCRYPT;

/// Those that the CA at this directory is known to have are those to begin with, unless a base is named.
pub(super) fn limits(field: &Field<'_>, directory: Option<&str>) -> Result<Limits> {
    let mut table = field.table()?;
    let known = directory == Some(LETS_ENCRYPT);
    let is_known = match table.take("base") {
        Some(field) => field.word(&[("letsencrypt", true), ("none", false)])?,
        None => known,
    };
    let mut limits = match is_known {
        true => Limits::lets_encrypt(),
        false => Limits::none(),
    };
    if let Some(field) = table.take("account") {
        limits = limits.account(rate(&field)?);
    }
    if let Some(field) = table.take("domain") {
        limits = limits.domain(rate(&field)?);
    }
    if let Some(field) = table.take("exact_set") {
        limits = limits.exact_set(rate(&field)?);
    }
    if let Some(field) = table.take("failures") {
        limits = limits.failures(rate(&field)?);
    }
    if let Some(field) = table.take("consecutive_failures") {
        limits = limits.consecutive_failures(field.count()?);
    }
    if let Some(field) = table.take("new_accounts") {
        limits = limits.new_accounts(rate(&field)?);
    }
    if let Some(field) = table.take("requests") {
        let mut classes = field.table()?;
        for (key, class) in [
            ("directory", RequestClass::Directory),
            ("nonce", RequestClass::Nonce),
            ("new_order", RequestClass::NewOrder),
            ("renewal_info", RequestClass::RenewalInfo),
            ("other", RequestClass::Other),
        ] {
            if let Some(field) = classes.take(key) {
                limits = limits.requests(class, rate(&field)?);
            }
        }
        classes.finish()?;
    }
    if let Some(field) = table.take("renewals_exempt") {
        limits = limits.renewals_exempt(field.boolean()?);
    }
    if let Some(field) = table.take("ari_exempt") {
        limits = limits.ari_exempt(field.boolean()?);
    }
    if let Some(field) = table.take("refuse_duplicates") {
        limits = limits.refuse_duplicates(field.boolean()?);
    }
    if let Some(field) = table.take("margin") {
        limits = limits.margin(field.duration()?);
    }
    table.finish()?;
    Ok(limits)
}

/// `{ count = 300, per = "3h" }`, with a `burst` if it is another number than that.
fn rate(field: &Field<'_>) -> Result<Rate> {
    let mut table = field.table()?;
    let rate = rate_of(&mut table)?;
    table.finish()?;
    Ok(rate)
}

pub(super) fn rate_of(table: &mut Table<'_>) -> Result<Rate> {
    let count = table.need("count")?.count()?;
    let field = table.need("per")?;
    let per = field.duration()?;
    if per.is_zero() {
        return Err(field.wrong("a rate is so many in a time; give a time that is not zero"));
    }
    let rate = Rate::new(count, per);
    match table.take("burst") {
        Some(field) => Ok(rate.with_burst(field.count()?)),
        None => Ok(rate),
    }
}
