//! The numbers of every closed set of codes, one a line: a number once given is never reused.

use belay_identity::Class;
use belay_identity::body::{
    Action, Body, Cause, DeviceKind, Direction, Mode, OnSilence, Outcome, Role, Seen, Wall,
};
use belay_mesh::gate::Decision;
use belay_mesh::wire::{FrameKind, Lane};

/// The register of codes, kinds, classes and directions as text.
pub fn codes() -> String {
    let mut text = String::new();
    macro_rules! list {
        ($($name:ident)*) => {$(
            for code in $name::ALL {
                text.push_str(&format!("{} {} {code}\n", stringify!($name), code.code()));
            }
        )*};
    }
    list!(Class Role DeviceKind Action Mode OnSilence Outcome Cause Seen Wall);
    list!(Lane FrameKind Decision);
    for (_, made) in super::statements() {
        let direction = match made.body.direction() {
            Some(Direction::Grant) => "grant",
            Some(Direction::Order) => "order",
            Some(Direction::Record) => "record",
            None => "unknown",
        };
        let (kind, class) = (made.body.kind(), made.class);
        let line = format!("kind {kind} {class} {direction} {}\n", Body::bytes_max(kind));
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    text
}
