//! Invites that name further members.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, ROBOT};

/// Goal: a newcomer is linked with every member that its invite names; words that name none are
/// refused with what to write. Method: a phone invited by the laptop that is to dial the robot too,
/// at an address given; another where the robot says that it listens.
#[test]
fn an_invite_names_further_members() {
    let mut nodes = Nodes::pair(exe());
    let unlock = nodes.unlock();
    for (words, said) in [
        ("ghost", "no device ghost"),
        ("ghost=/ip4/127.0.0.1/udp/9/quic-v1", "no device ghost"),
        ("robot=somewhere", "somewhere"),
    ] {
        let out = nodes.path("refused.invite");
        let ask = ["device", "invite", "--out", &out, "--member", words, "--unlock-file", &unlock];
        nodes.ask(LAPTOP, &ask).refuses(2, &[said]);
    }
    let robot = format!("robot=/ip4/127.0.0.1/udp/{}/quic-v1", nodes.address_of(ROBOT).port());
    let terms = ["--device", "phone", "--kind", "phone", "--member", &robot];
    let file = nodes.invite(LAPTOP, &terms);
    nodes.join("phone", &file, &[]).wants(0);
    nodes.wait_linked(LAPTOP, "phone");
    nodes.wait_linked(ROBOT, "phone");
    let file = nodes.invite(LAPTOP, &["--device", "pad", "--member", ROBOT]);
    nodes.join("pad", &file, &[]).wants(0);
    nodes.wait_linked(ROBOT, "pad");
}
