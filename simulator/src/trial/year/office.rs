//! The office that changes keys, and the thief who has every key that it retired.
//!
//! Refused here: trusting the office's book. What a retired key can still do is asked at doors.

use super::YearDefect;
use crate::fleet::enrolment;
use crate::trial::{At, Court, Failed, Found, Held, Signer, lift};
use belay_identity::principal::{DeviceId, Principal, UserId};
use belay_identity::{Body, Class, Incarnation, SecretKey, StatementId};
use belay_mesh::epoch::Change;

/// The keys of one year, as the office's book has them.
pub(super) struct Office {
    current: Signer,
    replaced: Option<Signer>,
    retired: Vec<Signer>,
    retired_roots: Vec<Signer>,
    spare: Spare,
    hold: StatementId,
    turns: u64,
    defect: Option<YearDefect>,
}

/// A device that is enrolled anew from time to time, with another key; nothing runs on it.
struct Spare {
    id: DeviceId,
    enrolled: Held,
    key: SecretKey,
    retired: Vec<(SecretKey, Held)>,
}

impl Office {
    /// The office puts one agent on hold, and enrols a device whose key it will change.
    pub(super) fn open(court: &mut Court, defect: Option<YearDefect>) -> Result<Self, Failed> {
        let current = court.operator()?;
        let body = court.hold("held")?;
        let hold = court.say(0, &current, Vec::new(), body)?.id();
        let id = DeviceId::new(court.stage.domain(), "spare")?;
        let (key, enrolled) = enrol(court, &current, &id, Vec::new())?;
        let spare = Spare { id, enrolled, key, retired: Vec::new() };
        let (replaced, retired, retired_roots) = (None, Vec::new(), Vec::new());
        Ok(Self { current, replaced, retired, retired_roots, spare, hold, turns: 0, defect })
    }

    /// Changes one key, in turn; the epoch that stands then.
    pub(super) fn turn(&mut self, court: &mut Court, found: &mut Found) -> Result<u64, Failed> {
        let Principal::Operator(id) = self.current.author.clone() else {
            return Err(Failed::Odd("the operator is an operator"));
        };
        self.turns += 1;
        match self.turns % 5 {
            1 => {
                let new = court.signer(self.current.author.clone());
                let key = new.key();
                self.replaced = Some(std::mem::replace(&mut self.current, new));
                court.rotate(0, Change::AddOperatorKey { id, key }, None)
            }
            2 => {
                let old = self.replaced.take();
                let old = old.ok_or(Failed::Odd("a key was replaced the week before"))?;
                let key = old.key();
                self.retired.push(old);
                found.count("operator keys changed", 1);
                if self.defect == Some(YearDefect::KeyKept) {
                    let new = court.signer(self.current.author.clone());
                    let key = new.key();
                    return court.rotate(0, Change::AddOperatorKey { id, key }, None);
                }
                court.rotate(0, Change::RetireOperatorKey { key }, None)
            }
            3 => {
                let author = Principal::Root(court.stage.domain().clone());
                let new = court.signer(author);
                let change = Change::AddRootKey { key: new.key(), threshold: None };
                court.rotate(0, change, Some(new))
            }
            4 => {
                let key = court.roots[0].key();
                let number =
                    court.rotate(0, Change::RetireRootKey { key, threshold: None }, None)?;
                self.retired_roots.push(court.roots.remove(0));
                found.count("root keys changed", 1);
                Ok(number)
            }
            _ => {
                let refs = vec![self.spare.enrolled.id()];
                let (key, enrolled) = enrol(court, &self.current, &self.spare.id, refs)?;
                let key = std::mem::replace(&mut self.spare.key, key);
                let enrolled = std::mem::replace(&mut self.spare.enrolled, enrolled);
                self.spare.retired.push((key, enrolled));
                found.count("device keys changed", 1);
                court.status(0).map(|status| status.epoch).ok_or(Failed::Odd("a beacon answers"))
            }
        }
    }

    /// Everything that a retired key can still sign, brought to somebody who is awake.
    pub(super) fn attack(
        &self,
        court: &mut Court,
        found: &mut Found,
        ready: &[usize],
    ) -> Result<(), Failed> {
        let standing = court.status(0).map_or(0, |status| status.epoch);
        let at_door = ready[court.dice.index(ready.len())];
        for who in &self.retired {
            let own = court.place(at_door, who, Class::AuthorityMinus)?;
            let before = standing.saturating_sub(1);
            let places = [own, fresh(court, 1), fresh(court, standing), fresh(court, before)];
            let lifts = places.map(|at| court.sign(who, at, vec![self.hold], lift()));
            let stop = court.hold("free")?;
            let at = fresh(court, standing);
            let stop = court.sign(who, at, Vec::new(), stop);
            found.count("statements by retired keys", lifts.len() as u64 + 1);
            court.stage.bring(at_door, &lifts);
            court.stage.bring(at_door, &[stop]);
        }
        if let Some(root) = self.retired_roots.last() {
            usurp(court, found, at_door, root);
        }
        Ok(())
    }

    /// Whoever is awake heeds nothing of it, and lets in no retired device key.
    pub(super) fn ask_doors(&self, court: &mut Court, found: &mut Found, ready: &[usize]) {
        let standing = court.status(0).map(|status| status.epoch);
        for node in ready {
            let held = court.lets_run(*node, "held") == Some(true);
            found.expect("doors asked", !held, || {
                format!("node {node} heeds a lift by a retired key")
            });
            let free = court.lets_run(*node, "free");
            found.expect("doors that work", free == Some(true), || {
                format!("node {node} refuses what only a retired key forbids: {free:?}")
            });
            let epoch = court.status(*node).map(|status| status.epoch);
            found.expect("roots asked", epoch == standing, || {
                format!("node {node} stands at epoch {epoch:?} and not at {standing:?}")
            });
            self.spare.knock(court, found, *node);
        }
    }
}

impl Spare {
    /// The device's key is let in, and none that it had before.
    fn knock(&self, court: &mut Court, found: &mut Found, node: usize) {
        let now = court.stage.knock(node, &self.key.public(), &self.enrolled);
        found.expect("knocks by a device's key", now, || {
            format!("node {node} refuses the key that a device has now")
        });
        for (key, enrolled) in self.retired.iter().rev().take(3) {
            let then = court.stage.knock(node, &key.public(), enrolled);
            found.expect("knocks by retired device keys", !then, || {
                format!("node {node} lets in a device key that was replaced")
            });
        }
    }
}

/// An operator enrols a device with a fresh key, in place of what the refs name.
fn enrol(
    court: &mut Court,
    by: &Signer,
    id: &DeviceId,
    refs: Vec<StatementId>,
) -> Result<(SecretKey, Held), Failed> {
    let key = SecretKey::from_seed(&court.dice.bytes());
    let owner = UserId::new(court.stage.domain(), "user")?;
    let enrol = enrolment(court.stage.fleet(), &key, id.clone(), owner);
    let enrolled = court.say(0, by, refs, enrol.into())?;
    Ok((key, enrolled))
}

/// The first place of a log that nobody has seen.
fn fresh(court: &mut Court, epoch: u64) -> At {
    let incarnation = Incarnation { counter: 1, drawn: court.dice.bytes() };
    At { incarnation, seq: 1, prev: None, epoch }
}

/// The root key that was retired last proposes the next epoch, and approves it.
fn usurp(court: &mut Court, found: &mut Found, node: usize, root: &Signer) {
    let change = Change::SetThreshold { threshold: court.roots.len() as u64 };
    let asked = belay_mesh::Request::NextEpoch { change: Box::new(change) };
    let mut draft = match court.stage.ask(node, asked) {
        Ok(belay_mesh::output::Answer::NextEpoch(draft)) => draft,
        Ok(_) | Err(_) => return,
    };
    draft.root.keys = vec![root.key()];
    draft.root.threshold = 1;
    let incarnation = Incarnation { counter: 1, drawn: court.dice.bytes() };
    let at = At { incarnation, seq: 1, prev: None, epoch: draft.root.number - 1 };
    let proposal = court.sign(root, at, vec![draft.parent], Body::Root(draft.root));
    let yes = belay_identity::body::Approve { of: proposal.id() };
    let yes = court.sign(root, at.after(&proposal), Vec::new(), yes.into());
    found.count("epochs by retired root keys", 1);
    court.stage.bring(node, &[proposal, yes]);
}
