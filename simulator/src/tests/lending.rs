//! What nobody may bring about by lending work: two starts of one piece, a start after its lease,
//! words that no peer can read.

use super::lab::Lab;
use belay_mesh::Input;

const ANYTHING: Option<&[&str]> = Some(&[]);

/// Goal: one piece of work is awarded once, though a device that may be awarded at once is found
/// while another still thinks about its bid. Method: the giver looks its own program up for so long
/// that a standing offer comes; its own No makes it ask one device and award the other.
#[test]
fn a_late_bid_does_not_start_the_work_twice() {
    let mut lab = Lab::new(&[ANYTHING, ANYTHING, ANYTHING, ANYTHING]);
    // Chance decides who of the others is asked first: the standing offer is each one's once.
    for standing in 1..4 {
        lab.devices[0].wanted = Some(Vec::new());
        let ask = lab.offload(0, None, &[]);
        lab.settle();
        let own = lab.devices[0].wanted.take().unwrap();
        let named = lab.offload(0, Some(standing), &[]);
        lab.settle();
        lab.offloaded(named).unwrap();
        lab.devices.iter_mut().for_each(|device| device.started.clear());
        for nonce in own {
            let program = Err("no such program here".to_owned());
            lab.give(0, Input::Inspected { nonce, program });
        }
        lab.settle();
        lab.offloaded(ask).unwrap();
        let started: usize = lab.devices.iter().map(|device| device.started.len()).sum();
        assert_eq!(started, 1, "d{standing} had a standing offer");
        lab.run(70_000);
    }
}
