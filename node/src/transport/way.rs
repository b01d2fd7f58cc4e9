//! How a connection reaches its peer: by which carrier, dialled by whom, and over whom.
//!
//! Refused here: preferring one way; the link does.

use libp2p::core::ConnectedPoint;
use libp2p::{Multiaddr, multiaddr::Protocol};

use super::{
    circuit::{is_relayed, via},
    key::DeviceKey,
    link::Side,
};

/// How a connection reaches its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// What carries its bytes.
    pub carrier: Carrier,
    /// Which side dialled.
    pub side: Side,
    /// The member that it leads over, where one is named.
    pub via: Option<DeviceKey>,
}

/// What carries a connection's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// QUIC between both devices.
    Quic,
    /// TCP between both devices.
    Tcp,
    /// A circuit over a relay.
    Relay,
    /// A direct door: QUIC without libp2p.
    Direct,
}

impl Carrier {
    /// The carrier in one word, for screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
            Self::Relay => "relay",
            Self::Direct => "direct-quic",
        }
    }

    /// What an address is dialled by.
    pub(crate) fn of(address: &Multiaddr) -> Self {
        if is_relayed(address) {
            Self::Relay
        } else if address.iter().any(|part| part == Protocol::QuicV1) {
            Self::Quic
        } else {
            Self::Tcp
        }
    }
}

impl Way {
    /// The way of a connection of libp2p's.
    pub(crate) fn of(endpoint: &ConnectedPoint) -> Self {
        let (side, address) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (Side::Own, address),
            ConnectedPoint::Listener { local_addr, .. } => (Side::Peer, local_addr),
        };
        Self { carrier: Carrier::of(address), side, via: via(address) }
    }

    /// The way of a connection at a direct door.
    pub(crate) fn direct(side: Side) -> Self {
        Self { carrier: Carrier::Direct, side, via: None }
    }

    /// True when it leads over another member.
    pub fn is_relayed(&self) -> bool {
        self.carrier == Carrier::Relay
    }
}
