//! Answers by name: lifts, restores, and the grants that give them force.

use super::orders::single;
use super::{Model, Said};
use belay_identity::StatementId;
use belay_identity::body::{Body, Role, Term};
use belay_identity::principal::{OperatorId, Principal};

impl Model {
    /// The holds that a lift has ended.
    pub fn lifted(&self) -> Vec<StatementId> {
        let holds = self.said.iter().filter(|said| matches!(said.body, Body::Hold(_)));
        let lifted = holds.filter(|hold| self.counts_against(hold, None) && self.is_lifted(hold));
        let mut ids: Vec<StatementId> = lifted.map(|hold| hold.id()).collect();
        ids.sort();
        ids
    }

    /// Two operators lift, or the hold's own author alone; not the hold of a whole device.
    pub(super) fn is_lifted(&self, hold: &Said) -> bool {
        let Body::Hold(body) = &hold.body else { return false };
        let of_device = matches!(body.subject.terms(), [Term::Device(_)]);
        let lifts = self.said.iter().filter(|said| matches!(said.body, Body::Lift(_)));
        lifts.filter(|lift| lift.refs.contains(&hold.id())).any(|lift| {
            let own = !of_device && lift.author == hold.author && self.grant_counts(lift);
            own || self.has_every_yes(lift)
        })
    }

    /// "Restored … to g + 1": the generations that standing restores have opened.
    pub(super) fn opened(&self, term: &Term) -> Vec<u64> {
        let restores = self.restores(term).into_iter();
        let standing = restores.filter(|(restore, opens)| {
            // A number under which credentials were made that fell is not opened again, unless what
            // fell is listed too.
            let fell = self
                .restores(term)
                .into_iter()
                .filter(|(other, fell)| fell >= opens && self.falls(other, term));
            let mut fell = fell.map(|(other, _)| other.id());
            !self.falls(restore, term) && fell.all(|id| restore.refs.contains(&id))
        });
        standing.map(|(_, opens)| opens).collect()
    }

    /// The generation for which credentials are made now.
    pub fn generation(&self, term: &Term) -> u64 {
        self.opened(term).into_iter().max().unwrap_or(1)
    }

    /// Restores that have every yes they need, with what each opens.
    fn restores(&self, term: &Term) -> Vec<(&Said, u64)> {
        let of = |said: &&Said| matches!(said.body, Body::Restore(_)) && single(said) == Some(term);
        let restores = self.said.iter().filter(of).filter(|said| self.has_every_yes(said));
        restores.filter_map(|said| Some((said, self.worth(said)?))).collect()
    }

    /// A restore "lists every standing revoke of it and falls only to an unlisted one whose author
    /// held the role in the restore's own epoch".
    fn falls(&self, restore: &Said, term: &Term) -> bool {
        let could_be_known = |revoke: &&Said| self.ordered_in(revoke).contains(&restore.epoch);
        let revokes = self.revokes(term).into_iter().filter(could_be_known);
        revokes.into_iter().any(|revoke| !restore.refs.contains(&revoke.id()))
    }

    /// Restoring and lifting need two operators, or one where the epoch of the answer has only one;
    /// signing it is a yes.
    fn has_every_yes(&self, answer: &Said) -> bool {
        let mut yes = self.yes(answer, Role::Security);
        yes.extend(self.as_holder(answer, Role::Security));
        yes.sort();
        yes.dedup();
        self.grant_counts(answer) && yes.len() >= self.needed(Role::Security, answer.epoch)
    }

    /// The operators who approved this by approvals that count, each once.
    pub(super) fn yes(&self, of: &Said, role: Role) -> Vec<OperatorId> {
        let approvals = self.approvals(&of.id()).into_iter();
        let counting = approvals.filter(|yes| self.grant_counts(yes));
        let mut yes: Vec<OperatorId> =
            counting.filter_map(|yes| self.as_holder(yes, role)).collect();
        yes.sort();
        yes.dedup();
        yes
    }

    pub(super) fn needed(&self, role: Role, number: u64) -> usize {
        let Some((_, root)) = self.epoch(number) else { return 1 };
        let lines = root.operators.iter().filter(|line| line.roles.contains(&role));
        let mut ids: Vec<&OperatorId> = lines.map(|line| &line.id).collect();
        ids.sort();
        ids.dedup();
        ids.len().clamp(1, 2)
    }

    fn as_holder(&self, said: &Said, role: Role) -> Option<OperatorId> {
        let holder = self.holder_of(said, role)?.clone();
        (said.author == Principal::Operator(holder.clone())).then_some(holder)
    }

    /// Who holds the role by the key that signed this, in its epoch. What the standing root sealed
    /// in, no epoch beside it takes away.
    fn holder_of(&self, said: &Said, role: Role) -> Option<&OperatorId> {
        let (_, root) = self.epoch(said.epoch)?;
        let line = root.operators.iter().find(|line| line.key == said.key())?;
        let sealed = self.standing().last().is_some_and(|(_, root)| self.covers(root, said));
        let left = sealed || !self.is_taken(&said.key(), role, said.epoch);
        (line.roles.contains(&role) && left).then_some(&line.id)
    }

    /// A grant counts when its author held the role in its own epoch, no later epoch sealed its log
    /// without it, and its log is not forked before it.
    pub(super) fn grant_counts(&self, grant: &Said) -> bool {
        let Some((_, root)) = self.epoch(grant.epoch) else { return false };
        let may = |roles: &[Role]| match &grant.body {
            Body::Release(_) => roles.contains(&Role::Policy),
            Body::Lift(_) | Body::Restore(_) => roles.contains(&Role::Security),
            Body::Approve(_) => roles.iter().any(|role| *role != Role::Orders),
            _ => false,
        };
        let held = root.operators.iter().any(|line| {
            let left = line.roles.iter().filter(|role| self.holder_of(grant, **role).is_some());
            let left: Vec<Role> = left.copied().collect();
            line.key == grant.key()
                && grant.author == Principal::Operator(line.id.clone())
                && may(&left)
        });
        let sealed = self.later(grant.epoch).iter().all(|(_, root)| self.covers(root, grant));
        held && sealed && !self.is_forked_away(grant)
    }
}
