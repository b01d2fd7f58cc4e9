//! Root epochs: which are valid, which branch stands, what they seal, who holds what.

use super::{Model, Said};
use belay_identity::body::{Body, Role, Root};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{PublicKey, StatementId};

impl Model {
    /// "Root epoch N + 1 needs the thresholds of N and N + 1, k > n/2."
    pub(super) fn is_valid_epoch(&self, said: &Said) -> bool {
        let Body::Root(root) = &said.body else { return false };
        let majority =
            root.threshold <= root.keys.len() as u64 && root.threshold * 2 > root.keys.len() as u64;
        let by_root = said.author == Principal::Root(root.domain.clone());
        if !majority || !by_root || self.yes_of(said, root) < root.threshold {
            return false;
        }
        if root.number == 1 {
            return said.id().0 == self.fleet.0 && root.keys.contains(&said.key());
        }
        let [parent] = said.refs.as_slice() else { return false };
        let Some(parent) = self.find(parent).filter(|parent| self.is_valid_epoch(parent)) else {
            return false;
        };
        let Body::Root(before) = &parent.body else { return false };
        before.number + 1 == root.number
            && before.domain == root.domain
            && before.keys.contains(&said.key())
            && self.yes_of(said, before) >= before.threshold
    }

    /// How many keys of this root have approved.
    fn yes_of(&self, said: &Said, root: &Root) -> u64 {
        let approved = |key: &&PublicKey| self.approvers(said).contains(*key);
        root.keys.iter().filter(approved).count() as u64
    }

    fn approvers(&self, epoch: &Said) -> Vec<PublicKey> {
        let approvals = self.approvals(&epoch.id()).into_iter();
        approvals.filter(|yes| yes.author == epoch.author).map(|yes| yes.key()).collect()
    }

    /// Every valid epoch of any branch.
    pub(super) fn epochs(&self) -> Vec<(&Said, &Root)> {
        let root = |said: &Said| self.is_valid_epoch(said);
        let valid = self.said.iter().filter(|said| root(said));
        valid.filter_map(|said| Some((said, as_root(said)?))).collect()
    }

    fn successors(&self, of: &StatementId) -> Vec<&Said> {
        let follows = |said: &&Said| said.refs.as_slice() == [*of];
        self.epochs().into_iter().map(|(said, _)| said).filter(follows).collect()
    }

    /// The length of the longest branch that begins with this epoch.
    fn length(&self, of: &StatementId) -> u64 {
        let longest = self.successors(of).iter().map(|next| self.length(&next.id())).max();
        1 + longest.unwrap_or(0)
    }

    /// "Of two valid successors the branch with more valid epochs counts for grants, the lower id
    /// between equals." From epoch 1 on.
    pub fn standing(&self) -> Vec<(&Said, &Root)> {
        let mut standing = Vec::new();
        let mut next = self.epochs().into_iter().find(|(said, _)| said.id().0 == self.fleet.0);
        while let Some((said, root)) = next {
            standing.push((said, root));
            let mut rivals = self.successors(&said.id());
            rivals.sort_by_key(|rival| (std::cmp::Reverse(self.length(&rival.id())), rival.id()));
            next = rivals.first().and_then(|best| Some((*best, as_root(best)?)));
        }
        standing
    }

    /// "Who signed both is cut."
    pub fn cut_root_keys(&self) -> Vec<PublicKey> {
        let mut cut = Vec::new();
        for (one, _) in self.epochs() {
            for (other, _) in self.epochs() {
                if one.id() != other.id() && !one.refs.is_empty() && one.refs == other.refs {
                    let others = self.approvers(other);
                    cut.extend(self.approvers(one).into_iter().filter(|key| others.contains(key)));
                }
            }
        }
        cut.sort();
        cut.dedup();
        cut
    }

    /// The standing epoch of this number.
    pub(super) fn epoch(&self, number: u64) -> Option<(&Said, &Root)> {
        self.standing().into_iter().find(|(_, root)| root.number == number)
    }

    /// The standing epochs after this number.
    pub(super) fn later(&self, number: u64) -> Vec<(&Said, &Root)> {
        self.standing().into_iter().filter(|(_, root)| root.number > number).collect()
    }

    /// "Roots name operators and their roles": who holds a role by this key, in a standing epoch.
    pub fn holder(&self, key: &PublicKey, role: Role, number: u64) -> Option<&OperatorId> {
        let (_, root) = self.epoch(number)?;
        let line = root.operators.iter().find(|line| line.key == *key)?;
        (line.roles.contains(&role) && !self.is_taken(key, role, number)).then_some(&line.id)
    }

    /// "The removals of both count": an epoch that does not stand leaves this out, the one before
    /// it named it, and no later standing epoch up to this number names it again.
    pub(super) fn is_taken(&self, key: &PublicKey, role: Role, number: u64) -> bool {
        let standing = self.standing();
        let epochs = self.epochs();
        if epochs.len() == standing.len() {
            return false;
        }
        let names = |root: &Root| {
            root.operators.iter().any(|line| line.key == *key && line.roles.contains(&role))
        };
        let stands = |said: &Said| standing.iter().any(|(one, _)| one.id() == said.id());
        let before = |said: &Said| said.refs.first().and_then(|id| self.find(id));
        let named_before = |said: &Said| before(said).and_then(as_root).is_some_and(names);
        let again = |from: u64| {
            let mut later = standing.iter().map(|(_, root)| root);
            later.any(|root| from < root.number && root.number <= number && names(root))
        };
        let mut beside = epochs.iter().filter(|(said, _)| !stands(said));
        beside.any(|(said, root)| {
            let left_out = root.number <= number && !names(root) && named_before(said);
            left_out && !again(root.number)
        })
    }

    /// The numbers of the valid epochs of any branch in which the author held the role by his key:
    /// "who ever held what, ignoring orders".
    pub(super) fn held_in(&self, said: &Said, role: Role) -> Vec<u64> {
        let names = |root: &&Root| {
            let mut lines = root.operators.iter();
            lines.any(|line| {
                line.key == said.key()
                    && said.author == Principal::Operator(line.id.clone())
                    && line.roles.contains(&role)
            })
        };
        let roots = self.epochs().into_iter().map(|(_, root)| root);
        let mut numbers: Vec<u64> = roots.filter(names).map(|root| root.number).collect();
        numbers.sort();
        numbers
    }

    /// "A pin (log, seq, hash) for every log": what it names, and what that one follows, is inside.
    pub(super) fn covers(&self, root: &Root, said: &Said) -> bool {
        root.pins.iter().filter(|pin| pin.log() == said.log(said.key())).any(|pin| {
            let mut at = self.find(&pin.id);
            while let Some(inside) = at {
                if inside.id() == said.id() {
                    return true;
                }
                at = inside.prev.as_ref().and_then(|before| self.find(before));
            }
            false
        })
    }

    /// "Two statements with one (log, seq) are proof of equivocation: grants of that log from there
    /// on are void, never below the last seal."
    pub(super) fn is_forked_away(&self, grant: &Said) -> bool {
        let sealed = self.standing().last().is_some_and(|(_, root)| self.covers(root, grant));
        let log = grant.log(grant.key());
        let same: Vec<&Said> =
            self.said.iter().filter(|other| other.log(other.key()) == log).collect();
        let twins = |one: &&Said| {
            let twin = |other: &&&Said| other.seq == one.seq && other.id() != one.id();
            same.iter().any(|other| twin(&other))
        };
        !sealed && same.iter().any(|one| one.seq <= grant.seq && twins(one))
    }
}

fn as_root(said: &Said) -> Option<&Root> {
    if let Body::Root(root) = &said.body { Some(root) } else { None }
}
