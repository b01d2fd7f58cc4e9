//! Files that travel with work: fetched before the start, for nobody else, and never in its way.

use super::lab::{Lab, work};
use belay_identity::StatementId;
use belay_identity::body::{Body, Cancel, Outcome, Payload, Receipt};
use belay_identity::codec::Bytes;
use belay_mesh::Input;
use belay_mesh::input::Offload;
use belay_mesh::limits::{OFFER_ANSWER_MS, PAYLOAD_BYTES_MAX};
use belay_mesh::output::RefusalKind;

const ANYTHING: Option<&[&str]> = Some(&[]);
const HASH: [u8; 32] = [0xaa; 32];

fn payload() -> Payload {
    Payload { hash: HASH, bytes: 5 << 20, name: "model.bin".into() }
}

/// Work with a payload, given by the first device to the second.
fn give(lab: &mut Lab) -> u64 {
    let device = Some(lab.fleet.devices[1].id.clone());
    let ask = lab.ask(0, Offload { device, payload: Some(payload()), ..work() });
    lab.settle();
    ask
}

fn fetched(lab: &mut Lab, award: StatementId, result: Result<(), String>) {
    lab.give(1, Input::Fetched { award, result });
    lab.settle();
}

fn may_have(lab: &Lab, who: usize) -> Result<Payload, String> {
    lab.devices[0].engine.may_have(&lab.fleet.devices[who].key, &HASH)
}

fn receipt(lab: &Lab) -> Receipt {
    let receipts = lab.wrote(1, "receipt");
    let Body::Receipt(receipt) = &receipts[0].body else { panic!("{receipts:?}") };
    receipt.clone()
}

/// Goal: work starts once its payload is here and not before; meanwhile only its executor may have
/// the payload, and nobody once the work is done.
#[test]
fn work_starts_when_its_payload_is_here() {
    let mut lab = Lab::new(&[ANYTHING, ANYTHING, ANYTHING]);
    let ask = give(&mut lab);
    let [(award, HASH)] = lab.devices[1].fetching[..] else { panic!("one fetch") };
    assert!(lab.devices[1].started.is_empty());
    assert_eq!(may_have(&lab, 1), Ok(payload()));
    assert!(may_have(&lab, 2).unwrap_err().contains("for you"));
    assert!(may_have(&lab, 0).is_err(), "the giver needs no leave, and has none");
    assert!(lab.devices[0].engine.payloads_in_use().contains(&HASH));
    // Longer than any other award may be silent.
    lab.run(OFFER_ANSWER_MS * 4);
    fetched(&mut lab, award, Ok(()));
    assert_eq!(lab.devices[1].started, [award]);
    assert_eq!(lab.offloaded(ask).unwrap().award, award);
    fetched(&mut lab, award, Ok(()));
    assert_eq!(lab.devices[1].started, [award], "what comes twice starts once");
    lab.ends(1, award);
    lab.settle();
    assert!(may_have(&lab, 1).is_err());
    assert!(lab.devices[0].engine.payloads_in_use().is_empty());
}

/// Goal: a stop while the payload is on its way ends the fetch, and what arrives after it starts
/// nothing. Method: a cancel by the giver, then the payload.
#[test]
fn what_is_stopped_while_it_fetches_never_starts() {
    let mut lab = Lab::new(&[ANYTHING, ANYTHING]);
    give(&mut lab);
    let award = lab.wrote(0, "award").pop().unwrap();
    let cancel = Cancel { award: award.id(), reason: "changed my mind".into() };
    let cancel = lab.forge(0, &award, cancel.into());
    lab.hand(0, 1, &[cancel]);
    lab.settle();
    assert!(lab.devices[1].fetching.is_empty(), "the fetch was abandoned");
    fetched(&mut lab, award.id(), Ok(()));
    assert!(lab.devices[1].started.is_empty());
    assert_eq!(receipt(&lab).outcome, Outcome::NeverStarted);
}

/// Goal: a payload that does not come is told with its reason, on both sides.
#[test]
fn a_payload_that_does_not_come_is_told() {
    let mut lab = Lab::new(&[ANYTHING, ANYTHING]);
    let ask = give(&mut lab);
    let award = lab.devices[1].fetching[0].0;
    fetched(&mut lab, award, Err("the disk is full".into()));
    assert!(lab.devices[1].started.is_empty());
    let receipt = receipt(&lab);
    assert_eq!(receipt.outcome, Outcome::NeverStarted);
    assert_eq!(receipt.tail, Some(Bytes(b"the disk is full".to_vec())));
    let ended = lab.offloaded(ask).unwrap().ended.unwrap();
    assert_eq!((ended.outcome, ended.tail), (Outcome::NeverStarted, b"the disk is full".to_vec()));
}

/// Goal: a payload that is too large, or whose name leaves its folder, is refused before anything
/// is signed.
#[test]
fn an_odd_payload_is_refused_before_the_offer() {
    let mut lab = Lab::new(&[ANYTHING, ANYTHING]);
    let large = Payload { bytes: PAYLOAD_BYTES_MAX + 1, ..payload() };
    let named = |name: &str| Payload { name: name.into(), ..payload() };
    let long = "x".repeat(100);
    for odd in [large, named("../key"), named(""), named(".profile"), named("a/b"), named(&long)] {
        let ask = lab.ask(0, Offload { payload: Some(odd.clone()), ..work() });
        let refusal = lab.offloaded(ask).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::WrongUse, "{odd:?}: {refusal:?}");
    }
    assert!(lab.wrote(0, "award").is_empty());
}
