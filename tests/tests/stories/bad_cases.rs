//! Case files that prove nothing.

use super::{exe, order_of};
use belay_tests::story::{LAPTOP, Nodes, change_a_receipt};
use std::fs;

/// Goal: `verify` takes nothing for a case that is not one, and none for one of another root.
/// Method: a real case, as it is, without a root, with another, cut, lengthened; then garbage.
#[test]
fn verify_believes_only_a_whole_case_of_the_right_root() {
    let fleet = Nodes::alone(exe());
    fleet.ask(LAPTOP, &["agent", "run", "--name", "planner", "--", "/bin/true"]).wants(0);
    let order = order_of(&fleet.stop(LAPTOP, "agent:planner", "10s").wants(0).data());
    let case = fleet.path("it.belaycase");
    fleet.ask(LAPTOP, &["prove", &order, "--out", &case]).wants(0);
    let root = fleet.status(LAPTOP)["fleet"].as_str().unwrap().to_owned();
    let verify = |args: &[&str]| fleet.belay().run(&[&["verify"], args].concat());

    verify(&[&case, "--root", &root]).wants(0);
    fleet.ask(LAPTOP, &["verify", &case]).wants(0);
    let unknown = verify(&[&case]).wants(8);
    assert!(unknown.stdout.contains(&root) && unknown.stdout.contains("--root"), "{unknown:#?}");
    let other = verify(&[&case, "--root", &"7".repeat(64)]);
    other.refuses(7, &["REJECTED", &root, "check --root"]);
    verify(&[&case, "--root", "seven"]).refuses(2, &["seven"]);

    let good = fs::read(&case).unwrap();
    let copy = fleet.path("copy");
    let cases = [
        Vec::new(),
        good[..good.len() / 2].to_vec(),
        [good.clone(), vec![0]].concat(),
        b"garbage".to_vec(),
        vec![0x81; 100_000],
        vec![0xff; 100_000],
    ];
    for bytes in cases {
        fs::write(&copy, bytes).unwrap();
        verify(&[&copy, "--root", &root]).refuses(7, &["copy", "REJECTED"]);
    }
    fs::write(&copy, change_a_receipt(&good)).unwrap();
    verify(&[&copy, "--root", &root]).refuses(7, &["REJECTED", "receipt"]);
    verify(&["/nowhere/at.all", "--root", &root]).refuses(2, &["/nowhere/at.all"]);
}
