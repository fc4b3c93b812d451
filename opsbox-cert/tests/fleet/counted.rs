//! All that is sent is counted: orders on demand, and new accounts.

use std::convert::Infallible;
use std::time::Duration;

use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::manager::{Denial, OnDemandOptions};
use opsbox_cert::store::{Condition, Folder};
use opsbox_cert::testing::ca::CaOptions;

use crate::world::{DAY, HOUR, World, names, start};

/// The manager and the handshakes order from the same account, and another instance does too.
pub(crate) async fn orders_on_demand_keep_the_limits_of_all() {
    let world = World::new(CaOptions::new()).await;
    let limits = || {
        Limits::none()
            .account(Rate::new(5, HOUR * 10))
            .renewals_exempt(true)
    };
    let two = names(2);
    let asked = || {
        OnDemandOptions::new(|_| async { Ok::<_, Infallible>(true) })
            .refused_for(Duration::from_secs(5))
    };
    let (manager, certificates) = world.manager(world.seen(|_| {}), limits(), &two);
    let (mut manager, on_demand) = manager.on_demand(asked()).unwrap();
    manager.pass().await;
    let (other, _) = world.manager(world.seen(|_| {}), limits(), &[]);
    let (mut other, there) = other.on_demand(asked()).unwrap();
    for (n, on_demand) in [(0, &on_demand), (1, &there), (2, &on_demand)] {
        on_demand
            .ensure(&format!("d{n}.shop.example"))
            .await
            .unwrap();
    }
    assert_eq!(world.ca.report().orders(), 5);
    for on_demand in [&on_demand, &there] {
        let denied = on_demand.ensure("d3.shop.example").await.unwrap_err();
        let Denial::Limited { wait } = denied else {
            panic!("{denied}");
        };
        assert!(wait > HOUR && wait < HOUR * 3, "{wait:?}");
    }
    assert_eq!(world.ca.report().orders(), 5, "nothing was sent");
    // One comes back in two hours, for whoever is first.
    world.clock.advance(HOUR * 3);
    on_demand.ensure("d3.shop.example").await.unwrap();
    there.ensure("d4.shop.example").await.unwrap_err();
    // The plan knows what the handshakes took.
    let more = names(3);
    let (mut next, _) = world.manager(world.seen(|_| {}), limits(), &more);
    next.pass().await;
    assert_eq!(world.ca.report().orders(), 6);
    // Renewals escape the limit of the account.
    world.clock.advance(DAY * 61);
    for name in ["d0", "d2", "d3"] {
        on_demand
            .ensure(&format!("{name}.shop.example"))
            .await
            .unwrap();
    }
    manager.pass().await;
    other.pass().await;
    let report = world.ca.report();
    assert!(report.orders() >= 6 + 5, "{report}");
    assert_eq!(
        (report.duplicate_orders(), report.overdrawn()),
        (0, 0),
        "{report}"
    );
    assert!(certificates.in_service("d3.shop.example").is_some());
}

pub(crate) async fn a_new_account_keeps_the_limit_of_its_address() {
    let world = World::new(CaOptions::new()).await;
    let limits = || Limits::none().new_accounts(Rate::new(1, HOUR));
    let three = names(3);
    let (mut manager, certificates) = world.manager(world.seen(|_| {}), limits(), &three[..1]);
    manager.pass().await;
    assert_eq!(world.ca.report().accounts(), 1);
    // The account's record is lost, as by somebody's hand.
    let name = world.store.list(&Folder::ACCOUNTS).await.unwrap().remove(0);
    let deleted = world.store.delete(&name, &Condition::Any, None).await;
    assert!(deleted.unwrap());
    drop((manager, certificates));
    let (mut manager, certificates) = world.manager(world.seen(|_| {}), limits(), &three);
    world.run(&mut manager, start() + HOUR / 2).await;
    let report = world.ca.report();
    assert_eq!((report.accounts(), report.orders()), (1, 1), "{report}");
    assert!(certificates.in_service(&three[1]).is_none());
    world.run(&mut manager, start() + HOUR * 2).await;
    let report = world.ca.report();
    assert_eq!((report.accounts(), report.orders()), (2, 3), "{report}");
    assert!(certificates.in_service(&three[2]).is_some());

    // To ask for windows wants no account.
    let name = world.store.list(&Folder::ACCOUNTS).await.unwrap().remove(0);
    let deleted = world.store.delete(&name, &Condition::Any, None).await;
    assert!(deleted.unwrap());
    let polls = world.noted("poll").len();
    drop((manager, certificates));
    let (mut manager, _) = world.manager(world.seen(|_| {}), limits(), &three);
    world.run(&mut manager, start() + DAY).await;
    assert!(world.noted("poll").len() > polls);
    let report = world.ca.report();
    assert_eq!((report.accounts(), report.orders()), (2, 3), "{report}");
}
