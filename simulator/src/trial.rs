//! Trials: a fleet in virtual time, and somebody who holds keys that he should not hold.
//!
//! A `Court` sits at hosts' doors with the root's and the operators' keys, as people with a command
//! line do: asks for the place, signs, hands in; a thief's words come in over a member's link. What
//! came of it is asked at the doors too: an agent on hold must be refused everywhere.
//!
//! Refused here: looking into an engine, and a rule of the fleet. Each trial counts its own zero
//! and has a planted defect that turns it red.

mod backdate;
mod fork;
mod replay;
mod year;

pub(crate) use backdate::backdate;
pub(crate) use fork::fork;
pub(crate) use replay::replay;
pub(crate) use year::{YearDefect, year};

use crate::dice::Dice;
use crate::plan::Plan;
use crate::world::{NoAnswer, Stage};
use belay_identity::body::{Approve, Body, Hold, Lift, Reason, Subject, Term, Wall};
use belay_identity::chain::Program;
use belay_identity::principal::Principal;
use belay_identity::{
    Class, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId, Verified, sign,
};
use belay_mesh::Request;
use belay_mesh::epoch::Change;
use belay_mesh::input::Run;
use belay_mesh::output::{Answer, Place, RefusalKind};
use belay_mesh::status::{LeaseReach, Status};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A statement as it travels.
pub(crate) type Held = Arc<Verified<Statement>>;

/// What one trial found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Found {
    /// From which seed.
    pub(crate) seed: u64,
    /// How many devices.
    pub(crate) nodes: usize,
    /// What is measured, by name, milliseconds, one value for each device or time.
    pub(crate) ms: BTreeMap<&'static str, Vec<f64>>,
    /// What is counted, by name.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// What must never be, in words.
    pub(crate) violations: Vec<String>,
}

impl Found {
    fn count(&mut self, what: &'static str, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    fn took(&mut self, what: &'static str, time: Duration) {
        self.ms.entry(what).or_default().push(time.as_secs_f64() * 1e3);
    }

    fn expect(&mut self, what: &'static str, holds: bool, why: impl FnOnce() -> String) {
        self.count(what, 1);
        if !holds {
            self.violations.push(why());
        }
    }
}

/// Why a trial could not be held: never a finding.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// A door said No, or nobody answered, where somebody entitled asked.
    #[error("{what}: {why}")]
    Door {
        /// What was asked.
        what: &'static str,
        /// What came back.
        why: NoAnswer,
    },
    /// A name that no fleet can have.
    #[error("{0}")]
    Name(#[from] belay_identity::principal::NameError),
    /// Something that every fleet has is missing.
    #[error("{0}")]
    Odd(&'static str),
}

/// Somebody with keys, and who he is by them.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) seed: [u8; 32],
    pub(crate) author: Principal,
}

impl Signer {
    fn secret(&self) -> SecretKey {
        SecretKey::from_seed(&self.seed)
    }

    /// The key by which he is known.
    pub(crate) fn key(&self) -> PublicKey {
        self.secret().public()
    }
}

/// Where a statement stands in its author's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) incarnation: Incarnation,
    pub(crate) seq: u64,
    pub(crate) prev: Option<StatementId>,
    pub(crate) epoch: u64,
}

impl At {
    fn place(place: &Place) -> Self {
        let Place { incarnation, seq, prev, epoch, .. } = place;
        Self { incarnation: *incarnation, seq: *seq, prev: *prev, epoch: *epoch }
    }

    /// The place after this statement.
    fn after(self, held: &Held) -> Self {
        Self { seq: held.seq + 1, prev: Some(held.id()), ..self }
    }
}

/// A fleet, its doors, and the keys of its root.
pub(crate) struct Court {
    pub(crate) stage: Stage,
    pub(crate) roots: Vec<Signer>,
    pub(crate) dice: Dice,
}

impl Court {
    /// The fleet of a plan, given time to link up.
    pub(crate) fn open(plan: &Plan, seed: u64) -> Result<Self, Failed> {
        let mut stage = Stage::of(plan, seed)?;
        stage.pass(Duration::from_secs(15));
        let author = Principal::Root(stage.domain().clone());
        let roots = vec![Signer { seed: stage.root_seed(), author }];
        Ok(Self { stage, roots, dice: Dice::of(seed, "court") })
    }

    /// A fresh key for somebody.
    pub(crate) fn signer(&mut self, author: Principal) -> Signer {
        Signer { seed: self.dice.bytes(), author }
    }

    /// The operator of the founding.
    pub(crate) fn operator(&self) -> Result<Signer, Failed> {
        let id = belay_identity::principal::OperatorId::new(self.stage.domain(), "operator")?;
        Ok(Signer { seed: self.stage.operator_seed(), author: Principal::Operator(id) })
    }

    /// Where this key stands at a host.
    pub(crate) fn place(&mut self, node: usize, who: &Signer, class: Class) -> Result<At, Failed> {
        let key = who.key();
        match self.stage.ask(node, Request::Place { key, class }) {
            Ok(Answer::Place(place)) => Ok(At::place(&place)),
            Ok(_) => Err(Failed::Odd("a place is answered by something else")),
            Err(why) => Err(Failed::Door { what: "the place of a key", why }),
        }
    }

    /// Signs a statement for this place, whoever may or may not.
    pub(crate) fn sign(&self, who: &Signer, at: At, refs: Vec<StatementId>, body: Body) -> Held {
        let class = body.class().unwrap_or(Class::AuthorityMinus);
        let At { incarnation, seq, prev, epoch } = at;
        let (author, scope, expiry_ms) = (who.author.clone(), Scope::Fleet, None);
        let statement = Statement {
            class,
            scope,
            author,
            incarnation,
            seq,
            prev,
            epoch,
            expiry_ms,
            refs,
            body,
        };
        Arc::new(sign(statement, &who.secret(), &self.stage.fleet()))
    }

    /// Hands statements in at a door.
    pub(crate) fn submit(&mut self, node: usize, said: &[Held]) -> Result<(), Failed> {
        let statements = said.iter().map(|held| (**held).clone()).collect();
        match self.stage.ask(node, Request::Submit { statements, bodies: Vec::new() }) {
            Ok(_) => Ok(()),
            Err(why) => Err(Failed::Door { what: "handing statements in", why }),
        }
    }

    /// Somebody entitled says something at a host.
    pub(crate) fn say(
        &mut self,
        node: usize,
        who: &Signer,
        refs: Vec<StatementId>,
        body: Body,
    ) -> Result<Held, Failed> {
        let class = body.class().unwrap_or(Class::AuthorityMinus);
        let at = self.place(node, who, class)?;
        let held = self.sign(who, at, refs, body);
        self.submit(node, std::slice::from_ref(&held))?;
        Ok(held)
    }

    /// A hold on the agent of this name.
    pub(crate) fn hold(&self, agent: &str) -> Result<Body, Failed> {
        let agent = belay_identity::principal::AgentId::new(self.stage.domain(), agent)?;
        let subject = Subject::new(vec![Term::Agent(agent)]);
        let subject = subject.map_err(|_| Failed::Odd("one term is a subject"))?;
        let (home, reason) = (self.stage.device(0).clone(), Reason("a trial".into()));
        Ok(Body::Hold(Hold { subject, home, reason, until_ms: None, pause: None }))
    }

    /// A root epoch with one change, drawn up by a host, signed by every root key, and by the new
    /// one where it names one.
    pub(crate) fn rotate(
        &mut self,
        node: usize,
        change: Change,
        new: Option<Signer>,
    ) -> Result<u64, Failed> {
        let asked = self.stage.ask(node, Request::NextEpoch { change: Box::new(change) });
        let draft = match asked {
            Ok(Answer::NextEpoch(draft)) => draft,
            Ok(_) => return Err(Failed::Odd("an epoch is answered by something else")),
            Err(why) => return Err(Failed::Door { what: "drawing an epoch up", why }),
        };
        let number = draft.root.number;
        let proposer = self.roots.first().cloned().ok_or(Failed::Odd("there is no root key"))?;
        let mut at = self.place(node, &proposer, Class::AuthorityMinus)?;
        let mut parts = Vec::new();
        for part in draft.parts.clone() {
            let part = self.sign(&proposer, at, Vec::new(), part.into());
            (at, _) = (at.after(&part), parts.push(part));
        }
        let named = parts.iter().map(|part| part.id()).collect();
        let root = Body::Root(draft.naming(named));
        let proposal = self.sign(&proposer, at, vec![draft.parent], root);
        let yes = Body::Approve(Approve { of: proposal.id() });
        let mut said = [parts, vec![proposal.clone()]].concat();
        said.push(self.sign(&proposer, at.after(&proposal), Vec::new(), yes.clone()));
        for other in self.roots.clone().into_iter().skip(1) {
            let at = self.place(node, &other, Class::AuthorityMinus)?;
            said.push(self.sign(&other, at, Vec::new(), yes.clone()));
        }
        self.submit(node, &said)?;
        if let Some(new) = new {
            self.say(node, &new, Vec::new(), yes)?;
            self.roots.push(new);
        }
        Ok(number)
    }

    /// What a host's status says; nothing where nobody answers there.
    pub(crate) fn status(&mut self, node: usize) -> Option<Status> {
        match self.stage.ask(node, Request::Status) {
            Ok(Answer::Status(status)) => Some(status),
            Ok(_) | Err(_) => None,
        }
    }

    /// True when a host lets an agent run; a task that was let is left to its lease.
    pub(crate) fn lets_run(&mut self, node: usize, agent: &str) -> Option<bool> {
        let run = Run {
            agent: agent.to_owned(),
            project: "default".into(),
            class: "default".into(),
            argv: vec!["work".into()],
            program: Program::of([7; 32]),
            wall: Wall::None,
        };
        match self.stage.ask(node, Request::Run(run)) {
            Ok(_) => Some(true),
            Err(NoAnswer::Refused(refusal)) if refusal.kind == RefusalKind::Denied => Some(false),
            Err(_) => None,
        }
    }
}

/// A lift of what its refs name.
pub(crate) fn lift() -> Body {
    Body::Lift(Lift { reason: Reason("a trial".into()) })
}

/// True when every class of a host has a lease.
pub(crate) fn is_leased(status: &Status) -> bool {
    let reaches = |reach: LeaseReach| match reach {
        LeaseReach::Unbounded => true,
        LeaseReach::ForMs(ms) => ms > 0,
        LeaseReach::Lapsed => false,
    };
    !status.leases.is_empty() && status.leases.iter().all(|line| reaches(line.reach))
}
