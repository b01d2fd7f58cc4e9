//! The last guard: no new connection from outside while this process holds too much memory.
//!
//! Everything that a peer may fill has a bound of its own; this one is for what nobody thought of.
//! What this side dials goes on, or a node under attack could not draw its leases; that is why
//! libp2p-memory-connection-limits does not stand here: over its bound it refuses dials as well.
//! Refused here: ending what stands.

use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, ToSwarm,
        dummy,
    },
};

use super::limits::{MEMORY_BYTES_MAX, MEMORY_LOOKED_AT_EVERY};
use crate::os;

/// Refuses handshakes from outside while too much memory is held.
#[derive(Debug)]
pub(crate) struct Memory {
    most: usize,
    seen: Option<(Instant, usize)>,
}

/// What a refused connection is told, and this node's log.
#[derive(Debug)]
pub(crate) struct OverMemory(usize);

impl fmt::Display for OverMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this node holds {} bytes of memory, too many for one more peer", self.0)
    }
}

impl std::error::Error for OverMemory {}

impl Default for Memory {
    fn default() -> Self {
        Self { most: MEMORY_BYTES_MAX, seen: None }
    }
}

impl Memory {
    /// Bytes held, as of a moment ago; none where the system does not say.
    fn held(&mut self, now: Instant) -> usize {
        match self.seen {
            Some((at, held)) if now.duration_since(at) < MEMORY_LOOKED_AT_EVERY => held,
            Some(_) | None => {
                let held = os::resident_bytes().unwrap_or(0);
                self.seen = Some((now, held));
                held
            }
        }
    }
}

impl NetworkBehaviour for Memory {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let held = self.held(Instant::now());
        match held > self.most {
            true => Err(ConnectionDenied::new(OverMemory(held))),
            false => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, never: Infallible) {
        match never {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::super::{behaviour::limit_of, limits::Bound};
    use super::*;

    /// Goal: while more memory is held than may be, whoever comes is refused by the bound's name,
    /// and before that nobody is. Method: a bound of one byte, which every process breaks.
    #[test]
    fn nobody_comes_in_over_the_memory_bound() {
        let at: Multiaddr = "/ip4/192.0.2.1/udp/4001/quic-v1".parse().expect("an address");
        let id = ConnectionId::new_unchecked(1);
        let mut wide = Memory::default();
        assert!(wide.handle_pending_inbound_connection(id, &at, &at).is_ok());
        assert!(wide.seen.is_some_and(|(_, held)| held > 0), "the system says what is held");
        let mut narrow = Memory { most: 1, ..Memory::default() };
        let refused = narrow.handle_pending_inbound_connection(id, &at, &at);
        assert_eq!(limit_of(&refused.expect_err("refused")), Some(Bound::Memory));
    }
}
