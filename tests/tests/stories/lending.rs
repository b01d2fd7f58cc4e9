//! Work for whoever can do it: nobody is named, and the answer says who does it and who does not.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use std::fs::OpenOptions;
use std::io::Write;

/// Goal: work that needs a camera goes to the device that has one, under no name; work that nobody
/// can do is refused with the reason. Method: the robot says that it has a camera, and both take
/// work however busy this machine is.
#[test]
fn work_goes_to_the_device_that_can_do_it() {
    let mut fleet = Nodes::pair(exe());
    for (device, words) in [
        (LAPTOP, "\n[device]\nbusy_at = 1000000\n"),
        (ROBOT, "\n[device]\nbusy_at = 1000000\ncapabilities = [\"camera\"]\n"),
    ] {
        fleet.kill(device);
        let path = fleet.path(&format!("{device}/node.toml"));
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(words.as_bytes()).unwrap();
        fleet.again(device);
    }
    fleet.wait_linked(LAPTOP, ROBOT);
    let lend = |need: &[&str]| {
        let words = ["task", "offload", "--name", "helper"];
        fleet
            .json(LAPTOP, &[&words, need, &["--wait", "--", "/bin/sh", "-c", "echo seen"]].concat())
    };
    // Until the robot has said what it can do, nobody can.
    let said = wait_for("the robot says that it has a camera", SOON, || {
        let answer = lend(&["--need", "camera"]);
        if answer.exit == Some(0) { Some(answer.data()) } else { None }
    });
    assert_eq!((&said["device"], &said["how"]), (&ROBOT.into(), &"negotiated".into()), "{said}");
    assert_eq!(said["tried"][0]["device"], LAPTOP, "it says why it is not here: {said}");
    assert_eq!(said["ended"]["tail"], "seen\n", "{said}");
    let here = lend(&[]).wants(0).data();
    assert_eq!((&here["device"], &here["how"]), (&LAPTOP.into(), &"here".into()), "{here}");
    let nobody = lend(&["--need", "submarine"]).wants(5);
    assert!(nobody.stderr.contains("no linked device says that it has submarine"), "{nobody:#?}");
}
