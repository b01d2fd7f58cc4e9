//! Outputs carried out: frames to the network, writes to the disk, trees to their wardens.

use super::{Recorded, What, World};
use crate::checker::Sight;
use belay_identity::{PublicKey, StatementId};
use belay_mesh::output::{Event, Record};
use belay_mesh::wire::{Frame, FrameKind, Lane};
use belay_mesh::{BootTime, Input, Output};

impl World {
    /// What an engine has taken in with these outputs, before any of them is judged.
    pub(super) fn take_in(&mut self, node: usize, outputs: &[Output]) {
        let mut learnt = false;
        for output in outputs {
            let Output::Persist { records, .. } = output else { continue };
            for record in records {
                if let Record::Statement { id, bytes } = record {
                    learnt = true;
                    self.take_in_one(node, *id, bytes);
                }
            }
        }
        if learnt {
            return;
        }
        let digests = outputs.iter().filter_map(digest_of);
        for digest in digests.collect::<Vec<_>>() {
            self.checkers.see(self.now, &Sight::Digest { node, digest }, &self.ledger);
        }
    }

    fn take_in_one(&mut self, node: usize, id: StatementId, bytes: &[u8]) {
        let first = self.ledger.read(id, bytes);
        self.ledger.taken(node, id, self.now);
        let Some(statement) = self.ledger.statements.get(&id).cloned() else { return };
        let author = self.ledger.node_of(&statement.key());
        let sight = Sight::Taken { node, statement: &statement, first };
        self.checkers.see(self.now, &sight, &self.ledger);
        if author.is_some_and(|author| author != node) {
            self.said(node, id);
        }
    }

    /// Does one thing that an engine wants; what fails at once comes back as an input.
    pub(super) fn perform(&mut self, node: usize, output: Output) -> Option<Input> {
        match output {
            Output::Send { link, lane, kind, body } => self.send(node, link, lane, kind, body),
            Output::Admit { link } => self.admit(node, link),
            Output::Hangup { link } => self.hang_up(node, link),
            // The plan says who is linked with whom, and no engine is asked to choose.
            Output::Dial { .. } | Output::Forget { .. } | Output::Reserve { .. } => {}
            Output::Persist { write, records, .. } => {
                let at = self.hosts[node].write(&self.plan, self.now, write, records);
                self.schedule(at, node, What::Written);
            }
            Output::Answer { ask, answer } => self.answered(node, ask, answer),
            Output::Inspect { nonce, .. } => {
                let at = self.now + self.hosts[node].lookup(&self.plan);
                self.schedule(at, node, What::Inspected(nonce));
            }
            Output::Fetch { award, .. } => return Some(Input::Fetched { award, result: Ok(()) }),
            Output::Abandon { .. } => {}
            Output::Start { award, until, lapse_grace_ms, .. } => {
                self.start_tree(node, award, until, lapse_grace_ms);
            }
            Output::Feed { award, until } => self.feed(node, award, until),
            Output::Freeze { award } => self.freeze(node, award),
            Output::End { award, grace_ms } => return self.end_tree(node, award, grace_ms),
            Output::Tell(event) => {
                if matches!(event, Event::Forked(..)) {
                    self.fenced.entry(node).or_insert(self.now);
                }
                self.counts.tell(&event);
            }
        }
        None
    }

    fn send(&mut self, node: usize, link: PublicKey, lane: Lane, kind: FrameKind, body: Vec<u8>) {
        let bytes = body.len();
        self.counts.frames += 1;
        self.counts.bytes += bytes as u64;
        self.checkers.see(self.now, &Sight::Sent { node, lane, bytes }, &self.ledger);
        let Some(to) = self.ledger.node_of(&link) else { return };
        if let Some(tape) = &mut self.tape {
            tape.push(Recorded { to, lane, kind, body: body.clone() });
        }
        let carried = self.network.check(&self.fleet.id, lane, kind, body);
        if let Ok(checked) = &*carried.frame
            && let Frame::Talk(talk) = checked.as_inner()
        {
            let sight = Sight::Talked { node, key: self.fleet.devices[node].key, talk };
            self.checkers.see(self.now, &sight, &self.ledger);
        }
        let session = self.network.link(node, to).session;
        if let Some(at) = self.network.send(node, to, self.now, carried.clone()) {
            self.schedule(at, to, What::Frame { from: node, session, frame: carried });
        }
    }

    fn admit(&mut self, node: usize, link: PublicKey) {
        let Some(peer) = self.ledger.node_of(&link) else {
            self.guests.insert((node, link));
            return;
        };
        let session = self.network.link(node, peer).session;
        for frame in self.network.admit(node, peer) {
            self.schedule(self.now, node, What::Frame { from: peer, session, frame });
        }
    }

    fn hang_up(&mut self, node: usize, link: PublicKey) {
        let Some(peer) = self.ledger.node_of(&link) else { return };
        let (session, latency) = {
            let link = self.network.link(node, peer);
            (link.session, link.latency)
        };
        self.counts.hangups += 1;
        self.schedule(self.now + 1, node, What::Closed(peer, session));
        self.schedule(self.now + latency + 1, peer, What::Closed(node, session));
        self.schedule(self.now + crate::limits::REDIAL_REFUSED, node, What::Dial(peer));
    }

    /// A warden is started for an award.
    pub(super) fn start_tree(
        &mut self,
        node: usize,
        award: StatementId,
        until: BootTime,
        grace_ms: u64,
    ) {
        self.checkers.see(self.now, &Sight::LetGoOn { node, award }, &self.ledger);
        self.begun += 1;
        let now = self.now;
        let host = &mut self.hosts[node];
        host.plant(&self.plan, now, award, until, grace_ms);
        let act = host.first_act(&self.plan);
        if let Some(task) = self.ledger.tasks.get_mut(&award) {
            task.told.get_or_insert(now);
            host.depth = host.depth.max(task.agents.len().saturating_sub(1));
        }
        self.schedule(now + act, node, What::Act(award));
        self.look(node, award);
    }

    fn feed(&mut self, node: usize, award: StatementId, until: BootTime) {
        let Some(tree) = self.hosts[node].trees.get_mut(&award) else { return };
        tree.feed(until);
        self.checkers.see(self.now, &Sight::LetGoOn { node, award }, &self.ledger);
        self.schedule(self.now, node, What::Warden(award));
    }

    fn freeze(&mut self, node: usize, award: StatementId) {
        let Some(tree) = self.hosts[node].trees.get_mut(&award) else { return };
        tree.freeze();
        self.schedule(self.now, node, What::Warden(award));
    }

    fn end_tree(&mut self, node: usize, award: StatementId, grace_ms: u64) -> Option<Input> {
        let host = &mut self.hosts[node];
        let boot = host.now(self.now).boot;
        let tree = host.trees.get_mut(&award)?;
        let look = tree.end(self.now, boot, grace_ms);
        if look.emptied
            && let Some(task) = self.ledger.tasks.get_mut(&award)
        {
            task.emptied.get_or_insert(self.now);
        }
        self.schedule(self.now, node, What::Warden(award));
        let event = self.hosts[node].wrapper.said_at_end()?;
        Some(Input::Task { award, event })
    }
}

/// The digest that a frame of heads names.
fn digest_of(output: &Output) -> Option<[u8; 32]> {
    let Output::Send { kind: FrameKind::Heads, body, .. } = output else { return None };
    let value = belay_identity::codec::read(body).ok()?;
    belay_mesh::wire::Heads::from_value(value).ok().map(|heads| heads.digest)
}
