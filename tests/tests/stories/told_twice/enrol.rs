//! Enrolment and gossip.

use belay_tests::story::fleet::{
    DEVICES, Fleet, GATEWAY, LAPTOP, Order, ROBOT, SOON, ordered, until,
};

/// Goal: two devices join by invites, all three list each other, stand linked and judge by one
/// release; what is ordered on one stands on all. Method: the laptop founds and invites; an order
/// on an agent that nobody has ever run.
pub(super) fn devices_join_and_hear_an_order(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let order = ordered(fleet, LAPTOP, &Order::Stop("agent:nobody".into()));
    for device in DEVICES {
        until(fleet, &format!("the order stands on {device}"), SOON, |fleet| {
            let orders = fleet.status(device).orders;
            orders.iter().any(|(id, of)| *id == order && of == "agent:nobody").then_some(())
        });
        // Nobody has run under that name; the only beacon alone is waited for, until it is known
        // to have the order.
        until(fleet, &format!("{device} waits for nobody"), SOON, |fleet| {
            fleet.progress(device, &order).branches.is_empty().then_some(())
        });
    }
    // The only beacon has it on disk, and says so itself.
    assert!(fleet.progress(LAPTOP, &order).in_force);
}

/// Lets devices join, and waits until all stand as a fleet that can work.
pub(super) fn joined(fleet: &mut dyn Fleet, devices: &[&str]) {
    for device in devices {
        fleet.join(device);
    }
    for device in devices {
        linked(fleet, device);
    }
    let names: Vec<&str> =
        DEVICES.into_iter().filter(|d| *d == LAPTOP || devices.contains(d)).collect();
    for device in &names {
        until(fleet, &format!("{device} lists all devices"), SOON, |fleet| {
            let listed = fleet.status(device).devices;
            names.iter().all(|name| listed.iter().any(|line| line.name == *name)).then_some(())
        });
        let releases = fleet.status(device).releases;
        assert_eq!(releases, [("1.1".to_owned(), true)], "{device}");
    }
}

/// Waits until a device and the laptop list each other as linked, and it may run work.
pub(super) fn linked(fleet: &mut dyn Fleet, device: &str) {
    let state = format!("{LAPTOP} and {device} are linked, and {device} holds a lease");
    until(fleet, &state, SOON, |fleet| {
        let sees = |fleet: &mut dyn Fleet, from: &str, to: &str| {
            let status = fleet.status(from);
            status.leased
                && status.releases.iter().any(|(_, whole)| *whole)
                && status.devices.iter().any(|line| line.name == to && line.linked)
        };
        (sees(fleet, LAPTOP, device) && sees(fleet, device, LAPTOP)).then_some(())
    });
}
