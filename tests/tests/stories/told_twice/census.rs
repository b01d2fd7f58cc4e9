//! Who is here: what each device says of the agents on it, in three populations (INV-CENSUS-1).

use super::enrol::{joined, linked};
use belay_tests::story::fleet::{
    DEVICES, Fleet, GATEWAY, Heard, LAPTOP, ROBOT, SOON, Tells, until,
};
use std::time::Duration;

/// Longer than a device keeps back a word that it has to say.
const SAID_AGAIN: Duration = Duration::from_secs(90);

/// Goal: a list hides no device: one answers, one is away and told with what it said before, one
/// refuses and is told with nothing; once it permits it answers; and an agent that has ended is
/// told of no more, by the device that was away once that is back. Method: an agent that nobody
/// governs, in the sight of three devices, each of which looks when the story says so.
pub(super) fn who_is_here(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    fleet.runs_outside(true);
    DEVICES.iter().for_each(|device| fleet.looks(device, Tells::All));
    for device in [ROBOT, GATEWAY] {
        linked(fleet, device);
    }
    let answers = |outside| ("answered", false, outside);
    lists(fleet, LAPTOP, "all have told", [answers(true), answers(true), answers(true)]);

    fleet.looks(GATEWAY, Tells::Nothing);
    linked(fleet, GATEWAY);
    let refuses = ("refused", false, false);
    lists(fleet, LAPTOP, "the gateway refuses", [answers(true), answers(true), refuses]);
    fleet.cut(ROBOT);
    let away = ("not-reachable", true, true);
    lists(fleet, LAPTOP, "the robot is away", [answers(true), away, refuses]);

    fleet.runs_outside(false);
    fleet.looks(LAPTOP, Tells::All);
    linked(fleet, GATEWAY);
    let gone = [answers(false), away, refuses];
    lists(fleet, LAPTOP, "here it has ended, and the robot told of it before", gone);
    fleet.looks(GATEWAY, Tells::All);
    linked(fleet, GATEWAY);
    let permits = [answers(false), away, answers(false)];
    lists(fleet, LAPTOP, "the gateway permits", permits);

    fleet.heal(ROBOT);
    fleet.looks(ROBOT, Tells::All);
    linked(fleet, ROBOT);
    lists(fleet, LAPTOP, "it has ended", [answers(false), answers(false), answers(false)]);
}

/// Waits until a device lists laptop, robot and gateway so: population, from before, the agent.
fn lists(fleet: &mut dyn Fleet, at: &str, state: &str, wanted: [(&str, bool, bool); 3]) {
    let state = format!("{at} lists that {state}");
    until(fleet, &state, SOON + SAID_AGAIN, |fleet| {
        let heard = fleet.who_is_here(at);
        assert_eq!(heard.len(), DEVICES.len(), "no count hides a device: {heard:?}");
        let line = |device: &str| heard.iter().find(|one| one.device == device);
        let fits = |(device, (population, before, outside)): (&str, (&str, bool, bool))| {
            let so = |one: &Heard| {
                one.population == population && one.before == before && one.outside == outside
            };
            line(device).is_some_and(so)
        };
        DEVICES.into_iter().zip(wanted).all(fits).then_some(())
    });
}
