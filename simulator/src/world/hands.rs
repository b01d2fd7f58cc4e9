//! What a trial does on a stage besides: the founders' keys, groups, sleep, and a thief's words.
//!
//! Refused here: looking into an engine. What is told of a device is what it wrote and what it said
//! unasked.

use super::weather::Happens;
use super::{Recorded, Stage, World};
use crate::clock::Time;
use crate::plan::Plan;
use belay_identity::codec::{self, Bytes};
use belay_identity::principal::NameError;
use belay_identity::{Body, PublicKey, Statement, StatementId, Verified};
use belay_mesh::Input;
use belay_mesh::wire::{self, FrameKind, Hello, Lane, WireError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Stage {
    /// A world of this plan, with the simulator's own policy and names.
    pub(crate) fn of(plan: &Plan, seed: u64) -> Result<Self, NameError> {
        let mut world = World::new(plan, seed, None)?;
        world.begin();
        Ok(Self { world, tickets: 0 })
    }

    /// The seed of the founding's root key.
    pub(crate) fn root_seed(&self) -> [u8; 32] {
        *self.world.fleet.root.seed()
    }

    /// The seed of the founding's operator key.
    pub(crate) fn operator_seed(&self) -> [u8; 32] {
        *self.world.fleet.operator.seed()
    }

    /// Cuts a group off from the others, until healed.
    pub(crate) fn cut_group(&mut self, name: &str, group: BTreeSet<usize>) {
        self.world.happens(0, Happens::Cut(name.to_owned(), group));
    }

    /// Links it again.
    pub(crate) fn heal_group(&mut self, name: &str) {
        self.world.happens(0, Happens::Heal(name.to_owned()));
    }

    /// A device sleeps for so long.
    pub(crate) fn sleep(&mut self, node: usize, span: Duration) {
        let until = self.world.now + Time::try_from(span.as_nanos()).unwrap_or(Time::MAX);
        self.world.happens(node, Happens::Sleep(until));
    }

    /// From now on root epochs reach nobody by the network.
    pub(crate) fn lose_epochs(&mut self) {
        self.world.loses_epochs = true;
    }

    /// A member to which this host is linked sends it these, as a thief's machine may; false where
    /// nobody is linked.
    pub(crate) fn bring(&mut self, node: usize, said: &[Arc<Verified<Statement>>]) -> bool {
        let Some(peer) = self.messenger(node) else { return false };
        let (kind, body) = wire::write_statements(said);
        let code = u8::try_from(kind.code()).unwrap_or(u8::MAX);
        let link = self.world.fleet.devices[peer].key;
        let input = match wire::check(&self.world.fleet.id, Lane::Bulk, code, &body) {
            Ok(frame) => Input::Frame { link, lane: Lane::Bulk, frame },
            Err(why) => Input::Malformed { link, why },
        };
        self.world.give(node, input);
        true
    }

    /// Somebody to whom this host is linked.
    pub(crate) fn messenger(&self, node: usize) -> Option<usize> {
        let network = &self.world.network;
        let peers = network.neighbours(node).iter().copied();
        peers.into_iter().find(|peer| network.is_up(node, *peer) && network.is_up(*peer, node))
    }

    /// From now on every frame is taken down.
    pub(crate) fn record(&mut self) {
        self.world.tape = Some(Vec::new());
    }

    /// What was taken down; nothing is from now on.
    pub(crate) fn recorded(&mut self) -> Vec<Recorded> {
        self.world.tape.take().unwrap_or_default()
    }

    /// A frame that was sent once comes to this host, over a link that it has; says why it is not
    /// even read.
    pub(crate) fn play(&mut self, node: usize, taken: &Recorded) -> Result<(), WireError> {
        let code = u8::try_from(taken.kind.code()).unwrap_or(u8::MAX);
        let frame = wire::check(&self.world.fleet.id, taken.lane, code, &taken.body)?;
        let Some(peer) = self.messenger(node) else { return Ok(()) };
        let link = self.world.fleet.devices[peer].key;
        self.world.give(node, Input::Frame { link, lane: taken.lane, frame });
        Ok(())
    }

    /// How often work was let begin.
    pub(crate) fn begun(&self) -> u64 {
        self.world.begun
    }

    /// How many devices sleep now.
    pub(crate) fn sleepers(&self) -> usize {
        self.world.hosts.iter().filter(|host| host.asleep.is_some()).count()
    }

    /// Somebody who is no host of this world shows a device's key and its enrolment at a door; true
    /// when he is let in. He is gone again at once.
    pub(crate) fn knock(
        &mut self,
        node: usize,
        key: &PublicKey,
        enrolled: &Verified<Statement>,
    ) -> bool {
        let hello = Hello {
            version: wire::WIRE_VERSION,
            fleet: self.world.fleet.id,
            chain: vec![Bytes(enrolled.bytes().to_vec())],
            epoch: 1,
            leaf: None,
        };
        let (link, lane) = (*key, Lane::Urgent);
        let (code, body) = (FrameKind::Hello.code(), codec::write(&hello.to_value()));
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        self.world.give(node, Input::LinkUp { link });
        self.world.guests.clear();
        match wire::check(&self.world.fleet.id, lane, code, &body) {
            Ok(frame) => self.world.give(node, Input::Frame { link, lane, frame }),
            Err(why) => self.world.give(node, Input::Malformed { link, why }),
        }
        self.world.give(node, Input::LinkDown { link });
        self.world.guests.contains(&(node, link))
    }

    /// When this host first said that somebody forked his log.
    pub(crate) fn fenced_at(&self, node: usize) -> Option<Duration> {
        self.world.fenced.get(&node).copied().map(Duration::from_nanos)
    }

    /// Every proof that there is, and on how many disks.
    pub(crate) fn proofs(&self) -> Vec<(StatementId, usize)> {
        let statements = self.world.ledger.statements.values();
        let proofs = statements.filter(|held| matches!(held.body, Body::Proof(_)));
        let ids: BTreeSet<StatementId> = proofs.map(|held| held.id()).collect();
        let holders = |id: &StatementId| self.world.hosts.iter().filter(|h| h.wrote(id)).count();
        ids.into_iter().map(|id| (id, holders(&id))).collect()
    }
}
