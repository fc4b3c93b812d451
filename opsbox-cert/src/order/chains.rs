//! The chain of an order, and the other ones that the CA offers.

use instant_acme::Order;

use crate::bundle::Bundle;
use crate::issuer::{Failure, Opened, Step};
use crate::limits::MAX_ALTERNATE_CHAINS;

pub(super) async fn download(
    preferred: Option<&str>,
    order: &mut Order,
    opened: &Opened,
) -> Result<String, Failure> {
    let nothing = || Failure::protocol(Step::Download, &"a valid order without a chain in PEM");
    let Some(preferred) = preferred else {
        let chain = order.certificate().await;
        return chain
            .map_err(|error| Failure::acme(Step::Download, error))?
            .ok_or_else(nothing);
    };
    let url = order.state().certificate.clone().ok_or_else(nothing)?;
    let reply = opened.read(Step::Download, &url).await?;
    let first = text(&reply.body).ok_or_else(nothing)?;
    if issued_by(&first, preferred) {
        return Ok(first);
    }
    // RFC 8555, section 7.4.2.
    for url in reply.links("alternate").iter().take(MAX_ALTERNATE_CHAINS) {
        let other = text(&opened.read(Step::Download, url).await?.body);
        if let Some(other) = other.filter(|other| issued_by(other, preferred)) {
            return Ok(other);
        }
    }
    tracing::warn!(preferred, "the CA offers no chain of that issuer");
    Ok(first)
}

/// Whether the last certificate of a chain was issued by this common name.
fn issued_by(chain: &str, common_name: &str) -> bool {
    Bundle::parse("the chain", chain.as_bytes()).is_ok_and(|bundle| {
        let last = bundle.certificates().last();
        last.and_then(|last| last.issuer_common_name()) == Some(common_name)
    })
}

fn text(body: &[u8]) -> Option<String> {
    std::str::from_utf8(body).ok().map(str::to_owned)
}
