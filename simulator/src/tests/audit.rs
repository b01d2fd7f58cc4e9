//! Heads of audit logs: a log that was cut is found out by whoever has heard of it.

use super::lab::Lab;
use belay_mesh::Input;
use belay_mesh::limits::AUDIT_HEAD_EVERY_MS;
use belay_mesh::output::Event;

fn cuts(lab: &Lab, node: usize) -> Vec<(u64, u64)> {
    let cut = |event: &Event| match event {
        Event::AuditCut(_, before, after) => Some((*before, *after)),
        _ => None,
    };
    lab.devices[node].events.iter().filter_map(cut).collect()
}

fn audited(lab: &mut Lab, node: usize, rows: u64, last: u8) {
    lab.give(node, Input::Audited { rows, hash: [last; 32] });
    lab.settle();
}

/// Goal: a log that grows is nobody's news, one that was cut or rewritten in place is everybody's,
/// once for each. Method: heads of one device, some time apart; a second one says nothing wrong.
#[test]
fn a_cut_log_is_found_out_by_every_peer() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[])]);
    let heads = |lab: &Lab| lab.wrote(2, "audit-head").len();
    audited(&mut lab, 1, 5, 5);
    audited(&mut lab, 1, 6, 6);
    assert_eq!(heads(&lab), 1, "the first head at once, the next in its time");
    lab.run(AUDIT_HEAD_EVERY_MS + 1_000);
    assert_eq!(heads(&lab), 2);
    assert!(cuts(&lab, 0).is_empty() && cuts(&lab, 2).is_empty());
    for (rows, last, cut) in [(4, 4, (6, 4)), (4, 9, (4, 4)), (8, 8, (0, 0))] {
        audited(&mut lab, 1, rows, last);
        lab.run(AUDIT_HEAD_EVERY_MS + 1_000);
        for peer in [0, 2] {
            let all = cuts(&lab, peer);
            assert_eq!(all.last() == Some(&cut), rows < 8, "peer {peer}: {all:?}");
        }
    }
    assert_eq!(cuts(&lab, 2), [(6, 4), (4, 4)]);
}

/// Goal: a head that comes after a newer one is no alarm. Method: nothing reaches a device while
/// two heads of another are said; then it is handed the newer first.
#[test]
fn a_head_that_comes_late_is_no_cut() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[])]);
    lab.loses = |_, sent| sent.to == 2;
    audited(&mut lab, 1, 5, 5);
    lab.run(AUDIT_HEAD_EVERY_MS + 1_000);
    audited(&mut lab, 1, 9, 9);
    lab.run(AUDIT_HEAD_EVERY_MS + 1_000);
    let [older, newer] = &lab.wrote(1, "audit-head")[..] else { panic!("two heads were said") };
    let [older, newer] = [older.clone(), newer.clone()];
    lab.hand(0, 2, &[newer]);
    lab.hand(0, 2, &[older]);
    assert_eq!(lab.wrote(2, "audit-head").len(), 1, "the newer one is held");
    assert!(cuts(&lab, 2).is_empty(), "{:?}", cuts(&lab, 2));
}
