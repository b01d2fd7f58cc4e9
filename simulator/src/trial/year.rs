//! A year of rotations: every week the root changes one key, and nobody is locked out for it.
//!
//! The weeks are played as windows of a minute and a half; between them the whole fleet sleeps, its
//! clocks going on, and through each window a third of it sleeps on, beacons apart. In each window
//! the root names a new operator's key, retires the one before, names a new root key, retires the
//! one before, in turn. Two checkers: every device that wakes reaches the standing root and holds a
//! lease within a stated time; nothing that a retired key signs afterwards lifts an order, names an
//! epoch, or stops anything granted since, by whatever epoch and log it claims.
//!
//! Refused here: a thief with as many retired root keys of one epoch as its threshold asks for. He
//! can write a rival branch of any length, and the longer one counts; old root keys are destroyed.

use super::{At, Court, Failed, Found, Signer, is_leased, lift};
use crate::plan::Plan;
use belay_identity::principal::Principal;
use belay_identity::{Body, Class, Incarnation, StatementId};
use belay_mesh::epoch::Change;
use std::time::Duration;

/// Within this a device that wakes knows the standing root and holds its leases: a dial, a round
/// of repair with somebody who knows, a draw.
pub(crate) const CAUGHT_UP: Duration = Duration::from_secs(30);

/// How long a window lasts.
const WINDOW: Duration = Duration::from_secs(90);

/// From one window to the next.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

belay_identity::codes! {
    /// A mistake that turns one of the year's checkers red.
    pub enum YearDefect {
        /// Root epochs reach nobody but where they were made.
        EpochsLost = 1 "epochs-lost",
        /// A key counts as retired in the office's book, and no epoch has dropped it.
        KeyKept = 2 "key-kept",
    }
}

/// The keys of one year, as the office's book has them.
struct Office {
    current: Signer,
    replaced: Option<Signer>,
    retired: Vec<Signer>,
    retired_roots: Vec<Signer>,
    hold: StatementId,
    defect: Option<YearDefect>,
}

/// Holds the trial for so many weeks.
pub(crate) fn year(
    plan: &Plan,
    seed: u64,
    weeks: u64,
    defect: Option<YearDefect>,
) -> Result<Found, Failed> {
    let mut found = Found { seed, nodes: plan.nodes, ..Found::default() };
    let mut court = Court::open(plan, seed)?;
    let current = court.operator()?;
    let body = court.hold("held")?;
    let hold = court.say(0, &current, Vec::new(), body)?.id();
    let (replaced, retired, retired_roots) = (None, Vec::new(), Vec::new());
    let mut office = Office { current, replaced, retired, retired_roots, hold, defect };
    let mut asleep = vec![0_u64; plan.nodes];
    for week in 1..=weeks {
        let opened = court.stage.now();
        let awake: Vec<usize> = (0..plan.nodes).filter(|node| asleep[*node] < week).collect();
        wakers(&mut court, &mut found, &awake, "awake to caught up");
        let epoch = office.turn(&mut court, week)?;
        found.count("epochs", 1);
        spread(&mut court, &mut found, &awake, epoch);
        office.attack(&mut court, &mut found, &awake)?;
        let spent = court.stage.now().saturating_sub(opened);
        court.stage.pass(WINDOW.saturating_sub(spent));
        let next = opened + WEEK;
        for (node, until) in asleep.iter_mut().enumerate() {
            let draws = node >= plan.fleet.beacons && *until < week;
            let through = draws && court.dice.below(3) == 0;
            let wakes = if through { next + WEEK } else { next };
            if through {
                *until = week + 1;
            }
            if *until <= week || through {
                court.stage.sleep(node, wakes.saturating_sub(court.stage.now()));
            }
        }
        found.count(
            "slept through a window",
            asleep.iter().filter(|until| **until > week).count() as u64,
        );
        court.stage.pass(next.saturating_sub(court.stage.now()));
        if defect == Some(YearDefect::EpochsLost) && week == 1 {
            court.stage.lose_epochs();
        }
    }
    Ok(found)
}

/// Everybody who is awake reaches the standing root of the first device, with leases.
fn wakers(court: &mut Court, found: &mut Found, awake: &[usize], what: &'static str) {
    let epoch = court.status(0).map_or(0, |status| status.epoch);
    let began = court.stage.now();
    let mut open: Vec<usize> = awake.to_vec();
    while !open.is_empty() && court.stage.now() - began < CAUGHT_UP {
        let mut left = Vec::new();
        for node in open {
            let status = court.status(node);
            if status.is_some_and(|status| status.epoch == epoch && is_leased(&status)) {
                found.took(what, court.stage.now().saturating_sub(began));
            } else {
                left.push(node);
            }
        }
        open = left;
        court.stage.pass(Duration::from_millis(250));
    }
    found.count("devices awaited", awake.len() as u64);
    for node in open {
        let words = court.status(node).map(|status| (status.epoch, is_leased(&status)));
        found.violations.push(format!("node {node} is locked out of epoch {epoch}: {words:?}"));
    }
}

/// A new epoch reaches everybody who is awake.
fn spread(court: &mut Court, found: &mut Found, awake: &[usize], epoch: u64) {
    let standing = court.status(0).map(|status| status.epoch);
    found.expect("epochs that stand", standing == Some(epoch), || {
        format!("epoch {epoch} does not stand where it was made: {standing:?}")
    });
    wakers(court, found, awake, "epoch made to everywhere");
}

impl Office {
    /// Changes one key, in turn.
    fn turn(&mut self, court: &mut Court, week: u64) -> Result<u64, Failed> {
        let Principal::Operator(id) = self.current.author.clone() else {
            return Err(Failed::Odd("the operator is an operator"));
        };
        match week % 4 {
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
            _ => {
                let key = court.roots[0].key();
                let number =
                    court.rotate(0, Change::RetireRootKey { key, threshold: None }, None)?;
                self.retired_roots.push(court.roots.remove(0));
                Ok(number)
            }
        }
    }

    /// Everything that a retired key can still sign, brought to somebody who is awake.
    fn attack(&self, court: &mut Court, found: &mut Found, awake: &[usize]) -> Result<(), Failed> {
        let standing = court.status(0).map_or(0, |status| status.epoch);
        let at_door = awake[court.dice.index(awake.len())];
        for who in &self.retired {
            let own = court.place(at_door, who, Class::AuthorityMinus)?;
            let fresh = |court: &mut Court, epoch| {
                let incarnation = Incarnation { counter: 1, drawn: court.dice.bytes() };
                At { incarnation, seq: 1, prev: None, epoch }
            };
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
            self.usurp(court, found, at_door, root)?;
        }
        court.stage.pass(Duration::from_secs(15));
        for node in awake {
            let held = court.lets_run(*node, "held") == Some(true);
            found.expect("doors asked", !held, || {
                format!("node {node} heeds a lift by a retired key")
            });
            let free = court.lets_run(*node, "free");
            found.expect("doors that work", free == Some(true), || {
                format!("node {node} refuses what only a retired key forbids")
            });
            let epoch = court.status(*node).map(|status| status.epoch);
            found.expect("roots asked", epoch == Some(standing), || {
                format!("node {node} stands at epoch {epoch:?} and not at {standing}")
            });
        }
        Ok(())
    }

    /// The root key that was retired last proposes the next epoch, and approves it.
    fn usurp(
        &self,
        court: &mut Court,
        found: &mut Found,
        node: usize,
        root: &Signer,
    ) -> Result<(), Failed> {
        let change = Change::SetThreshold { threshold: court.roots.len() as u64 };
        let asked = belay_mesh::Request::NextEpoch { change: Box::new(change) };
        let mut draft = match court.stage.ask(node, asked) {
            Ok(belay_mesh::output::Answer::NextEpoch(draft)) => draft,
            Ok(_) | Err(_) => return Ok(()),
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
        Ok(())
    }
}
