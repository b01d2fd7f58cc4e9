//! One frame of every type, as a link carries it: the type byte, then the body.
//!
//! The length before the type belongs to the transport and is not part of these bytes.

use super::{fleet, founding, id, public, statements, talks};
use belay_identity::codec::{self, Bytes};
use belay_identity::{Class, Incarnation, LogHead, Scope};
use belay_mesh::wire::{
    Bye, FrameKind, Heads, Hello, Lane, WIRE_VERSION, write_list, write_statements, write_talk,
};
use std::sync::Arc;

/// The body of a frame of every type.
pub fn frames() -> Vec<(FrameKind, Vec<u8>)> {
    FrameKind::ALL.iter().map(|kind| (*kind, body(*kind))).collect()
}

/// The lane in which a frame of this type travels, where it may travel in several the narrowest.
pub fn lane(kind: FrameKind) -> Lane {
    match kind {
        FrameKind::Bodies => Lane::Bulk,
        FrameKind::Ids | FrameKind::Want | FrameKind::Heads => Lane::Repair,
        FrameKind::Hello
        | FrameKind::Bye
        | FrameKind::Statements
        | FrameKind::Draw
        | FrameKind::Answer
        | FrameKind::Offer
        | FrameKind::Bid
        | FrameKind::Refuse
        | FrameKind::Standing => Lane::Urgent,
    }
}

fn body(kind: FrameKind) -> Vec<u8> {
    match kind {
        FrameKind::Hello => codec::write(&hello().to_value()),
        FrameKind::Bye => codec::write(&Bye { reason: "another fleet".into() }.to_value()),
        FrameKind::Statements => write_statements(&[Arc::new(founding()), hold()]).1,
        FrameKind::Ids => write_list(&[id(0x60), id(0x61)]),
        FrameKind::Want => write_list(&[id(0x62)]),
        FrameKind::Heads => codec::write(&heads().to_value()),
        FrameKind::Draw => talk("draw"),
        FrameKind::Answer => talk("answer"),
        FrameKind::Offer => talk("offer"),
        FrameKind::Bid => talk("bid"),
        FrameKind::Refuse => talk("refuse"),
        FrameKind::Standing => talk("standing-offer"),
        FrameKind::Bodies => write_list(&[Bytes(vec![0xa0]), Bytes(vec![0xa1, 0x01, 0x60])]),
    }
}

fn hello() -> Hello {
    let chain = vec![Bytes(founding().bytes().to_vec())];
    Hello { version: WIRE_VERSION, fleet: fleet(), chain, epoch: 2, leaf: Some(true) }
}

fn heads() -> Heads {
    let head = LogHead {
        key: public(3),
        class: Class::Task,
        scope: Scope::Tree(id(0x7e)),
        incarnation: Incarnation { counter: 3, drawn: [0x1c; 16] },
        seq: 1_000,
        id: id(0x63),
    };
    Heads { digest: [0xd1; 32], heads: vec![head], part: Some(1), parts: Some(2) }
}

fn hold() -> Arc<belay_identity::Verified<belay_identity::Statement>> {
    let found = statements().into_iter().find(|(name, _)| name == "hold");
    Arc::new(found.expect("a sample of every kind is made").1)
}

fn talk(name: &str) -> Vec<u8> {
    let found = talks().into_iter().find(|(found, _)| found == name);
    write_talk(&found.expect("a sample of every talk is made").1).1
}
