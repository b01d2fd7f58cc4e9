//! One sample of everything that two devices say to each other about leases and offers.

use super::statements::credential;
use super::{agent, device, fleet, id, key, public};
use belay_identity::body::{Body, ReleaseVersion};
use belay_identity::codec::Bytes;
use belay_identity::lease::{
    Answer, Bid, Draw, Offer, Refuse, StandingOffer, Talk, TaskAnswer, Terms,
};
use belay_identity::{Class, Incarnation, LogHead, Scope, Verified, sign};

/// Every talk, by name; `-bare` where what may be absent is.
pub fn talks() -> Vec<(String, Verified<Talk>)> {
    let nonce = [0x4e; 16];
    let head = LogHead {
        key: public(3),
        class: Class::AuthorityMinus,
        scope: Scope::Fleet,
        incarnation: Incarnation { counter: 1, drawn: [0x1c; 16] },
        seq: 300,
        id: id(0xa1),
    };
    let answer = Answer {
        nonce,
        holder: public(8),
        heads: vec![head],
        release: Some(id(0xa2)),
        version: Some(ReleaseVersion { epoch: 2, number: 5 }),
        upstream_age_ms: 1_500,
        wall_ms: 1_790_000_000_000,
        disk: None,
        passed: Vec::new(),
    };
    let first_hand = Answer { disk: Some([0xd1; 32]), upstream_age_ms: 0, ..answer.clone() };
    let passed = Answer { passed: vec![Bytes(vec![0xab; 4])], ..answer.clone() };
    let bare_answer = Answer { heads: Vec::new(), release: None, version: None, ..answer.clone() };
    let offer = offer(nonce);
    let Body::Credential(root) = credential(None) else { panic!("a sample of a credential") };
    let bare = Offer {
        from: None,
        root: Some(root),
        needs: Vec::new(),
        named: true,
        standing: None,
        payload: None,
        ..offer.clone()
    };
    let standing = StandingOffer {
        nonce: [0x57; 16],
        holder: public(7),
        incarnation: Incarnation { counter: 3, drawn: [0x1c; 16] },
        places: 4,
        lasts_ms: 60_000,
    };
    [
        ("draw", Talk::Draw(Draw { nonce, award: Some(id(0xa3)), heads: [0xdd; 32] })),
        ("draw-bare", Talk::Draw(Draw { nonce, award: None, heads: [0xdd; 32] })),
        ("answer", Talk::Answer(answer)),
        ("answer-bare", Talk::Answer(bare_answer)),
        ("answer-disk", Talk::Answer(first_hand)),
        ("answer-passed", Talk::Answer(passed)),
        ("task-answer", Talk::TaskAnswer(TaskAnswer { nonce, holder: public(8), award: id(0xa3) })),
        ("offer", Talk::Offer(Box::new(offer))),
        ("offer-bare", Talk::Offer(Box::new(bare))),
        ("bid", Talk::Bid(Bid { nonce, offerer: public(7), reserved_ms: 10_000 })),
        (
            "refuse",
            Talk::Refuse(Refuse { nonce, offerer: public(7), reason: "no room; later".into() }),
        ),
        ("standing-offer", Talk::Standing(standing)),
    ]
    .map(|(name, talk)| (name.to_owned(), sign(talk, &key(8), &fleet())))
    .into()
}

fn offer(nonce: [u8; 16]) -> Offer {
    let terms = Terms {
        agent: agent("helper"),
        device: device("robot"),
        tools: vec!["local.read".into(), "tool.*".into()],
        data: 2,
        depth: 3,
        budget: 500,
        deadline_ms: 1_790_000_600_000,
        carried: vec!["internal".into()],
    };
    Offer {
        nonce,
        from: Some(id(0xa4)),
        root: None,
        terms,
        argv: vec!["ls".into(), "-l".into(), "ä".into()],
        needs: vec!["camera".into(), "gpu".into()],
        named: false,
        standing: Some([0x57; 16]),
        payload: Some(super::statements::payload()),
    }
}
