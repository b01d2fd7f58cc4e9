//! What a release says of programs, on every device and for what runs already (INV-GATE-3).

use super::enrol::joined;
use super::subjects::on_every_device;
use belay_tests::story::fleet::{
    Agent, DEVICES, Fleet, GATEWAY, LAPTOP, Program, ROBOT, RULES, SOON, acts_again, gone, run,
    until,
};

/// Goal: a release that blocks unknown programs ends on every device what runs of those it does not
/// list, and lets no new one begin; what it lists goes on; a later release lets the other in again;
/// the device that was cut off obeys as soon as it hears. Method: an agent of a listed program and
/// one of another on each device; the robot is away when the first release is published.
pub(super) fn what_a_release_blocks_ends_everywhere(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let free = on_every_device(fleet, |device| Agent::named(&format!("free-{device}")));
    let odd = |device: &str| Agent::named(&format!("odd-{device}")).by(Program::Other);
    let ends = on_every_device(fleet, odd);
    let (usual, other) = (fleet.manifest(Program::Usual), fleet.manifest(Program::Other));

    fleet.cut(ROBOT);
    let blocking = format!("[programs]\nsanctioned = [\"{usual}\"]\nunknown = \"blocked\"\n");
    assert_eq!(fleet.publish_for(LAPTOP, RULES, &blocking).as_deref(), Ok("1.2"));
    let (away, near): (Vec<_>, Vec<_>) = ends.into_iter().partition(|task| task.device == ROBOT);
    gone(fleet, &near);
    fleet.heal(ROBOT);
    gone(fleet, &away);
    for device in DEVICES {
        let no = until(fleet, &format!("{device} is asked to run it again"), SOON, |fleet| {
            run(fleet, &odd(device), &[device]).err().filter(|no| no.denied)
        });
        assert!(no.why.contains(&other) && no.why.contains("manifest"), "{device}: {no:?}");
    }
    acts_again(fleet, &free);

    let both = format!("[programs]\nsanctioned = [\"{usual}\"]\ntolerated = [\"{other}\"]\n");
    let both = format!("{both}unknown = \"blocked\"\n");
    assert_eq!(fleet.publish_for(GATEWAY, RULES, &both).as_deref(), Ok("1.3"));
    for device in DEVICES {
        // The release before judges beside it until its adopt-by.
        until(fleet, &format!("{device} lets it in again"), SOON, |fleet| {
            run(fleet, &odd(device), &[device]).ok()
        });
    }
    acts_again(fleet, &free);
}
