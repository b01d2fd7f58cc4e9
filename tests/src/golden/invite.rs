//! An invite file: what a newcomer is handed to join.

use super::{Sample, founding, public, statements};
use belay_identity::body::DeviceKind;
use belay_identity::codec::{self, Bytes};
use belay_node::invite::{InviteFile, Peer};

/// The sample of an invite file.
pub fn invite() -> Sample {
    let all = statements();
    let of = |wanted: &str| {
        let found = all.iter().find(|(name, _)| name == wanted);
        Bytes(found.expect("a sample of every kind is made").1.bytes().to_vec())
    };
    let file = InviteFile {
        version: 1,
        roots: vec![Bytes(founding().bytes().to_vec()), of("approve")],
        invite: of("invite"),
        seed: [9; 32],
        peers: vec![Peer {
            key: public(8),
            addresses: vec!["/ip4/192.0.2.1/udp/4433/quic-v1".into()],
        }],
        kind: DeviceKind::Robot,
    };
    Sample { name: "invite-file".into(), id: None, bytes: codec::write(&file.to_value()) }
}
