//! Policies by hash: asked for in bulk, kept only when a release names them.
//!
//! Refused here: keeping a body that nobody named, or one that does not read as policy.

use crate::engine::Engine;
use crate::limits::PROPOSED_BODIES_MAX;
use crate::output::Record;
use crate::wire::{self, FrameKind, Lane};
use belay_identity::body::Policy;
use belay_identity::codec::Bytes;
use belay_identity::{PublicKey, StatementId};
use std::collections::BTreeSet;

impl Engine {
    /// Keeps the policies that some release names.
    pub(crate) fn on_bodies(&mut self, bodies: &[Bytes]) {
        for body in bodies {
            if self.missing_bodies().contains(&Policy::hash(&body.0)) {
                self.take_body(&body.0);
            }
        }
        self.holder_catches_up();
    }

    /// Keeps one policy; says why not if it does not read.
    pub(crate) fn keep_policy(&mut self, bytes: &[u8]) -> Result<(), String> {
        let hash = self.known.keep_body(bytes)?;
        self.write(Record::Body { hash, bytes: bytes.to_vec() });
        Ok(())
    }

    fn take_body(&mut self, bytes: &[u8]) {
        // A policy that does not read here leaves its release half: the gate denies and says so.
        if self.keep_policy(bytes).is_ok() {
            self.weigh_programs();
        }
    }

    /// Asks a link for the policies that releases name and this node lacks.
    pub(crate) fn ask_bodies(&mut self, link: PublicKey) {
        let missing: Vec<StatementId> =
            self.missing_bodies().into_iter().map(StatementId).collect();
        if !missing.is_empty() {
            self.send(link, Lane::Repair, FrameKind::Want, wire::write_list(&missing));
        }
    }

    /// Asks every member for what is missing.
    pub(crate) fn ask_bodies_everywhere(&mut self) {
        let members: Vec<PublicKey> = self.links.members().collect();
        members.into_iter().for_each(|link| self.ask_bodies(link));
    }

    fn missing_bodies(&self) -> Vec<[u8; 32]> {
        let judging = self.known.releases.judging(&self.config.ring);
        let hashes = judging.all().iter().map(|release| release.header.body);
        // Whoever is asked for a yes must be able to read what he says it to.
        let proposed = self.known.set.of_kind("release").filter_map(|held| self.open_release(held));
        let proposed = proposed.map(|header| header.body).take(PROPOSED_BODIES_MAX);
        hashes.chain(proposed).filter(|hash| self.known.body(hash).is_none()).collect()
    }

    /// Answers a wish: statements whole, policies beside them.
    pub(crate) fn on_want(&mut self, link: PublicKey, ids: &[StatementId]) {
        self.push(link, &self.tellable(ids.to_vec()));
        if !self.links.is_member(&link) {
            return;
        }
        // A wish that names one policy a thousand times is answered once.
        let ids: BTreeSet<&StatementId> = ids.iter().collect();
        let held = ids.into_iter().filter_map(|id| Some((id, self.known.body(&id.0)?)));
        let held = held.filter(|(id, _)| self.may_hand_out(&id.0));
        let bodies: Vec<_> = held.map(|(_, body)| body.clone()).collect();
        for body in bodies {
            let body = wire::write_list(&[Bytes(body.bytes.clone())]);
            self.send(link, Lane::Bulk, FrameKind::Bodies, body);
        }
    }
}
