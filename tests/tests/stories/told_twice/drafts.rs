//! Three operators, two of them without contact, one draft, one release.

use super::enrol::joined;
use super::policy::{answer, asked, forbidding, judges};
use belay_tests::story::fleet::{
    Agent, Author, DEVICES, Fleet, GATEWAY, LAPTOP, ROBOT, RULES, SOON, Task, running, until,
};

/// Goal: what two operators write into one draft on two cut-off devices comes together by itself,
/// every device reads the same lines with the same authors, an approval lapses when the draft moves
/// on, and the release that two approve judges everywhere and names who answers for it. Method: the
/// founder begins; bob and cleo edit without contact; they heal; bob merges; cleo proposes; the
/// founder edits once more, so his and bob's yes must be to a second proposal.
pub(super) fn three_operators_write_one_release(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let founder = fleet.founder();
    let bob = fleet.name_author("bob", ROBOT);
    let cleo = fleet.name_author("cleo", GATEWAY);
    for device in DEVICES {
        until(fleet, &format!("epoch 3 stands at {device}"), SOON, |fleet| {
            (fleet.epoch(device) == 3).then_some(())
        });
    }
    let seekers: Vec<Task> = DEVICES
        .iter()
        .flat_map(|device| running(fleet, &Agent::named(&format!("seeker-{device}")), &[device]))
        .collect();
    fleet.begin_draft(&founder, "outward").expect("begun");
    reads(fleet, "the draft is everywhere", |seen| seen.branches == 1);

    fleet.cut(ROBOT);
    fleet.cut(GATEWAY);
    edit(fleet, &bob, |rules| forbidding(rules, "search"));
    edit(fleet, &cleo, |rules| format!("// no outward tools\n{rules}"));
    let there = fleet.draft(LAPTOP, "outward").expect("begun there");
    assert_eq!(there.rules(), RULES, "the laptop has heard of neither");
    fleet.heal(ROBOT);
    fleet.heal(GATEWAY);
    reads(fleet, "both edits are everywhere", |seen| {
        seen.rules().contains("no-search") && seen.rules().contains("no outward tools")
    });
    let all: Vec<_> = DEVICES.map(|d| fleet.draft(d, "outward").expect("known")).to_vec();
    assert!(all.iter().all(|seen| *seen == all[0]), "every device reads the same: {all:#?}");
    assert_eq!((all[0].branches, all[0].touched), (2, 0));
    assert_eq!(all[0].authors_of("no-search"), ["bob"]);
    assert_eq!(all[0].authors_of("no outward tools"), ["cleo"]);
    assert_eq!(all[0].authors_of("story.work"), ["operator"]);

    fleet.merge_draft(&bob, "outward").expect("merged");
    reads(fleet, "the merge is everywhere", |seen| seen.branches == 1);
    let first = fleet.propose(&cleo, "outward", "search leaks").expect("proposed");
    waits(fleet, LAPTOP, "cleo");
    edit(fleet, &founder, |rules| forbidding(rules, "fetch"));
    until(fleet, "the yes to what has moved on is refused", SOON, |fleet| {
        // Before the policy has come, for want of it.
        let no = fleet.approve(&founder, &first).expect_err("the draft has moved on");
        no.why.contains("changed since").then_some(())
    });
    reads(fleet, "the founder's edit is everywhere", |seen| seen.rules().contains("no-fetch"));
    let second = fleet.propose(&cleo, "outward", "search and fetch leak").expect("proposed");
    waits(fleet, ROBOT, "cleo");
    arrives(fleet, &bob, &second);

    seekers.iter().for_each(|seeker| meets_the_release(fleet, seeker));
}

/// The second release judges there, by both edits, and names who answers for it.
fn meets_the_release(fleet: &mut dyn Fleet, seeker: &Task) {
    judges(fleet, &seeker.device, "3.1");
    for target in ["search", "fetch"] {
        let said = asked(fleet, seeker, target);
        let rule = format!("story.no-{target}");
        assert_eq!(answer(&said), ("deny", rule.as_str(), Some("3.1")), "{seeker:?}");
    }
    assert_eq!(fleet.answerable(&seeker.device), ["bob", "cleo"], "{seeker:?}");
    let history = fleet.history(&seeker.device);
    let now = history.iter().find(|one| one.state == "in force").expect("one is in force");
    let said = (now.version.as_str(), now.author.as_str(), now.reason.as_str());
    assert_eq!(said, ("3.1", "cleo", "search and fetch leak"), "{history:#?}");
    assert_eq!(
        (&now.approved[..], &now.drafts[..]),
        (&["bob".to_owned(), "cleo".to_owned()][..], &["outward".to_owned()][..])
    );
    assert!(
        history
            .iter()
            .any(|one| (one.version.as_str(), one.state.as_str()) == ("1.1", "was in force"))
    );
}

fn edit(fleet: &mut dyn Fleet, author: &Author, change: impl Fn(&str) -> String) {
    let before = fleet.draft(&author.device, "outward").expect("known there").rules();
    let done = fleet.edit_draft(author, "outward", &change(&before));
    done.unwrap_or_else(|no| panic!("{author:?} may not edit: {no:?}"));
}

/// Waits until every device reads the draft so.
fn reads(
    fleet: &mut dyn Fleet,
    state: &str,
    so: impl Fn(&belay_tests::story::fleet::DraftSeen) -> bool,
) {
    for device in DEVICES {
        until(fleet, &format!("{device}: {state}"), SOON, |fleet| {
            fleet.draft(device, "outward").filter(|seen| so(seen)).map(drop)
        });
    }
}

/// Waits until a proposal of this author is known on a device.
fn waits(fleet: &mut dyn Fleet, device: &str, author: &str) {
    until(fleet, &format!("a proposal of {author} waits at {device}"), SOON, |fleet| {
        let history = fleet.history(device);
        let mut waiting = history.iter().filter(|one| one.state == "waits for approvals");
        waiting.any(|one| one.author == author).then_some(())
    });
}

/// Approves as soon as proposal and policy are there.
fn arrives(fleet: &mut dyn Fleet, author: &Author, proposal: &str) {
    until(fleet, &format!("{author:?} says yes to {proposal}"), SOON, |fleet| {
        fleet.approve(author, proposal).ok()
    });
}
