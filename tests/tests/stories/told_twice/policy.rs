//! Policy from any device to every gate.

use super::enrol::joined;
use belay_tests::story::fleet::{
    Agent, DEVICES, Fleet, GATEWAY, LAPTOP, ROBOT, RULES, SOON, Task, Verdict, acts_again, running,
    until,
};

/// Goal: a release published from a device that did not found the fleet judges on every device,
/// also on one that was away meanwhile, and binds what runs already. Method: an agent on each
/// device asks its gate before and after; the robot publishes, then the gateway while the robot
/// is cut off.
pub(super) fn a_release_from_any_device_judges_everywhere(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let seekers: Vec<Task> = DEVICES
        .iter()
        .flat_map(|device| running(fleet, &Agent::named(&format!("seeker-{device}")), &[device]))
        .collect();
    for seeker in &seekers {
        let said = asked(fleet, seeker, "search");
        assert_eq!(answer(&said), ("permit", "story.tool", Some("1.1")), "{seeker:?}");
    }

    let no_search = forbidding(RULES, "search");
    assert_eq!(fleet.publish(ROBOT, &no_search).as_deref(), Ok("1.2"));
    for seeker in &seekers {
        judges(fleet, &seeker.device, "1.2");
        let said = asked(fleet, seeker, "search");
        assert_eq!(answer(&said), ("deny", "story.no-search", Some("1.2")), "{seeker:?}");
        let said = asked(fleet, seeker, "fetch");
        assert_eq!(answer(&said), ("permit", "story.tool", Some("1.2")), "{seeker:?}");
    }

    fleet.cut(ROBOT);
    assert_eq!(fleet.publish(GATEWAY, &forbidding(&no_search, "fetch")).as_deref(), Ok("1.3"));
    judges(fleet, LAPTOP, "1.3");
    let there = fleet.status(ROBOT).releases;
    assert_eq!(there, [("1.2".to_owned(), true)], "the robot has not heard of it");
    fleet.heal(ROBOT);
    for seeker in &seekers {
        judges(fleet, &seeker.device, "1.3");
        let said = asked(fleet, seeker, "fetch");
        assert_eq!(answer(&said), ("deny", "story.no-fetch", Some("1.3")), "{seeker:?}");
    }
    acts_again(fleet, &seekers);
}

pub(super) fn forbidding(rules: &str, target: &str) -> String {
    format!(
        "{rules}\n@id(\"story.no-{target}\")\nforbid (principal, action == \
         Belay::Action::\"tool.call\", resource == Belay::Target::\"{target}\");\n"
    )
}

/// Waits until a device judges by this release alone, and has its policy.
pub(super) fn judges(fleet: &mut dyn Fleet, device: &str, version: &str) {
    until(fleet, &format!("{device} judges by {version}"), SOON, |fleet| {
        let releases = fleet.status(device).releases;
        (releases == [(version.to_owned(), true)]).then_some(())
    });
}

pub(super) fn asked(fleet: &mut dyn Fleet, task: &Task, target: &str) -> Verdict {
    let said = fleet.ask(task, "tool.call", target);
    said.unwrap_or_else(|| panic!("{task:?} is not there to ask"))
}

pub(super) fn answer(verdict: &Verdict) -> (&str, &str, Option<&str>) {
    (&verdict.decision, &verdict.rule, verdict.release.as_deref())
}
