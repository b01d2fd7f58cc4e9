//! A device whose sealing secret is lost: it says so and stays as it is, until it joins again.

use super::authority::sign;
use super::exe;
use belay_tests::story::{LAPTOP, Nodes, ROBOT};
use std::fs;
use std::time::{Duration, Instant};

/// Starts in a row that a service manager might make of it.
const STARTS: usize = 3;

/// Each is told within this; opening a key costs half a second at most.
const TOLD_MAX: Duration = Duration::from_secs(10);

/// Goal: a device whose sealing secret is lost or changed says that it has to join again and how,
/// every time and at once, starts nothing and spoils nothing; once it has joined anew, the old
/// identity runs nothing, also with the secret that turned up. Method: a robot under another
/// credential, three starts; then revoked, invited and joined on a fresh state; then the old state
/// by its right secret.
#[test]
fn a_lost_sealing_secret_leads_to_a_new_enrolment() {
    let mut fleet = Nodes::pair(exe());
    fleet.ask(ROBOT, &["down"]).wants(0);
    let keys = fleet.path(&format!("{ROBOT}/keys"));
    let sealed = || fs::read(format!("{keys}/device.age")).unwrap();
    let (before, wrong) = (sealed(), fleet.path("wrong"));
    fleet.belay().run(&["key", "unlock-file", "--out", &wrong]).wants(0);
    for _ in 0..STARTS {
        let began = Instant::now();
        let no = fleet.ask(ROBOT, &["up", "--unlock-file", &wrong]);
        assert!(began.elapsed() < TOLD_MAX, "{no:#?}");
        no.refuses(4, &["does not open it", "joins again", "belay revoke device:", "up --join"]);
        assert!(fleet.living(ROBOT).is_none(), "nothing was started");
    }
    assert_eq!(sealed(), before, "the sealed key stays as it is");
    fs::write(format!("{keys}/device.age"), &before[..before.len() - 1]).unwrap();
    let no = fleet.ask(ROBOT, &["up", "--unlock-file", &fleet.unlock()]);
    no.refuses(4, &["changed after it was sealed", "joins again"]);
    fs::write(format!("{keys}/device.age"), &before).unwrap();

    let revoke = ["revoke", &format!("device:{ROBOT}"), "--yes", "--timeout", "20s"];
    sign(&fleet, LAPTOP, &revoke).wants_one_of(&[0, 6]);
    let file = fleet.invite(LAPTOP, &["--device", "robot-2"]);
    fleet.join("robot-2", &file, &[]).wants(0);
    fleet.wait_linked(LAPTOP, "robot-2");
    let old = fleet.ask(ROBOT, &["up", "--unlock-file", &fleet.unlock()]);
    assert!(old.exit.is_some_and(|exit| exit < 2), "its links carry orders still: {old:#?}");
    let acts = |node: &str| fleet.ask(node, &["agent", "run", "--name", "one", "--", "/bin/true"]);
    let no = acts(ROBOT);
    assert!(
        no.exit == Some(3) && no.stderr.contains("device:robot stands"),
        "the old identity acts: {no:#?}"
    );
    acts("robot-2").wants(0);
}
