//! One sample of everything that two devices say to each other about leases and offers.

use super::{fleet, id, key, public};
use belay_identity::body::ReleaseVersion;
use belay_identity::lease::{Answer, Bid, Draw, Offer, Refuse, Talk, TaskAnswer};
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
    };
    let bare = Answer { heads: Vec::new(), release: None, version: None, ..answer.clone() };
    let argv = vec!["ls".into(), "-l".into(), "ä".into()];
    [
        ("draw", Talk::Draw(Draw { nonce, award: Some(id(0xa3)), heads: [0xdd; 32] })),
        ("draw-bare", Talk::Draw(Draw { nonce, award: None, heads: [0xdd; 32] })),
        ("answer", Talk::Answer(answer)),
        ("answer-bare", Talk::Answer(bare)),
        ("task-answer", Talk::TaskAnswer(TaskAnswer { nonce, holder: public(8), award: id(0xa3) })),
        ("offer", Talk::Offer(Offer { nonce, delegation: id(0xa4), argv })),
        ("bid", Talk::Bid(Bid { nonce, offerer: public(7), reserved_ms: 10_000 })),
        (
            "refuse",
            Talk::Refuse(Refuse { nonce, offerer: public(7), reason: "no room; later".into() }),
        ),
    ]
    .map(|(name, talk)| (name.to_owned(), sign(talk, &key(8), &fleet())))
    .into()
}
