//! The next root epoch: who is added, who leaves, who holds which roles, how many keys must agree.
//!
//! An epoch is drawn up here and signed elsewhere. It pins every log that is held, re-affirms every
//! revoke and every hold that nothing ended, and names the floor of each ring, so that nothing that
//! takes away is lost by it. Refused here, each by name: a threshold that is no majority, one key
//! twice, two names for one key, nobody left who could act, and a root that signs itself.

mod pinning;

use crate::engine::Engine;
use crate::output::{Refusal, RefusalKind};
use belay_crdt::authority::{BadPins, Epoch, check_list};
use belay_crdt::set::Held;
use belay_identity::body::{Body, Operator, Pin, Pins, Removal, RingFloor, Role, Root};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{PublicKey, StatementId};
use std::collections::BTreeSet;

/// What the next epoch is to change.
#[derive(Debug, Clone)]
pub enum Change {
    /// Name an operator.
    AddOperator {
        /// Who he is.
        id: OperatorId,
        /// His key.
        key: PublicKey,
        /// What he may do.
        roles: Vec<Role>,
    },
    /// Name one more key of an operator, with the roles that he has.
    AddOperatorKey {
        /// Whose.
        id: OperatorId,
        /// The key.
        key: PublicKey,
    },
    /// Name a key for orders alone, of an operator or of one who is none yet.
    AddOrdersKey {
        /// Whose.
        id: OperatorId,
        /// The key.
        key: PublicKey,
    },
    /// Drop one of several keys of an operator.
    RetireOperatorKey {
        /// The key.
        key: PublicKey,
    },
    /// Give an operator these roles instead; his keys for orders alone stay what they are.
    SetRoles {
        /// Whose.
        id: OperatorId,
        /// What he may do.
        roles: Vec<Role>,
    },
    /// Drop an operator.
    RemoveOperator {
        /// Whom.
        id: OperatorId,
        /// Why, where what he ordered above the pins is to be void.
        cause: Option<Cause>,
    },
    /// Name one more root key.
    AddRootKey {
        /// The key.
        key: PublicKey,
        /// How many must agree from then on; the least majority unless given.
        threshold: Option<u64>,
    },
    /// Drop a root key.
    RetireRootKey {
        /// The key.
        key: PublicKey,
        /// How many must agree from then on; the least majority unless given.
        threshold: Option<u64>,
    },
    /// Let one root key take another's place; as many as before must agree.
    ReplaceRootKey {
        /// The one that leaves.
        old: PublicKey,
        /// The one that comes.
        new: PublicKey,
    },
    /// Let so many root keys agree.
    SetThreshold {
        /// How many.
        threshold: u64,
    },
}

/// Why an operator is removed, and from where on his orders are void.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Why.
    pub reason: String,
    /// The first of his orders that is void; only what nobody has seen yet where absent.
    pub from: Option<StatementId>,
}

/// A next epoch, drawn up and not signed.
#[derive(Debug, Clone)]
pub struct EpochDraft {
    /// What it says; it names its parts once they are signed.
    pub root: Root,
    /// The parts of its list of pins, in order, where that does not fit into it.
    pub parts: Vec<Pins>,
    /// The epoch that it follows.
    pub parent: StatementId,
    /// What it changes, a line each.
    pub changes: Vec<String>,
    /// Logs of credentials and work that found no room for a pin; they are issued anew.
    pub unpinned: u64,
}

impl EpochDraft {
    /// What is proposed, once its parts are signed: it names them by id.
    pub fn naming(&self, parts: Vec<StatementId>) -> Root {
        Root { pins_in: parts, ..self.root.clone() }
    }
}

impl Engine {
    /// Draws up the next epoch with one change.
    pub(crate) fn draw_up(&self, change: &Change) -> Result<EpochDraft, Refusal> {
        let standing = self.known.authority.standing().ok_or_else(crate::task::not_enrolled)?;
        let mut root = Root {
            number: standing.number.saturating_add(1),
            pins: Vec::new(),
            reaffirmed: self.known.orders.to_reaffirm(&self.known.authority),
            floors: self.floors(),
            removals: Vec::new(),
            wall_ms: self.wall_now_ms(),
            ..standing.root.clone()
        };
        for further in self.known.authority.further_keys() {
            name_line(&mut root, &further.operator, further.key, &further.roles);
        }
        alter(&mut root, change)?;
        check(&standing.root, &root).map_err(bad)?;
        is_able(&root)?;
        let from = self.void_from(change)?;
        let pinning::Pinned { parts, unpinned } = self.pin(&mut root, from.as_ref())?;
        let pins: Vec<&Pin> = root.pins.iter().chain(parts.iter().flat_map(|p| &p.pins)).collect();
        let changes = self.epoch_changes(standing, &root, &pins);
        Ok(EpochDraft { root, parts, parent: standing.id, changes, unpinned })
    }

    /// The lowest release of every ring that is judged in: the highest that stands.
    fn floors(&self) -> Vec<RingFloor> {
        let releases = &self.known.releases;
        let floor = |ring: &str| {
            let judging = releases.judging(ring).all();
            let best = judging.iter().find(|release| release.stands).or(judging.first())?;
            Some(RingFloor { ring: ring.to_owned(), release: best.id })
        };
        releases.rings().filter_map(floor).collect()
    }

    /// The first order that a removal for cause makes void, if it names one of the removed one.
    fn void_from(&self, change: &Change) -> Result<Option<Held>, Refusal> {
        let Change::RemoveOperator { id, cause: Some(Cause { from: Some(from), .. }) } = change
        else {
            return Ok(None);
        };
        let held = self.known.get(from).filter(|held| held.is_order());
        let his = held.filter(|held| held.author == Principal::Operator(id.clone()));
        let why = || format!("{from} is no order of {}", id.name());
        let hint = "`belay operator show NAME` lists his standing orders";
        his.cloned().map(Some).ok_or_else(|| Refusal::new(RefusalKind::WrongUse, why(), hint))
    }

    /// Refuses a proposal of an epoch that no number of approvals would make valid.
    pub(crate) fn may_found(&self, statements: &[Held]) -> Result<(), Refusal> {
        for held in statements {
            if matches!(held.body, Body::Pins(_)) {
                signed_by_root(held)?;
            }
            let Body::Root(root) = &held.body else { continue };
            let standing = self.known.authority.standing().ok_or_else(crate::task::not_enrolled)?;
            follows(standing, held)?;
            check(&standing.root, root).map_err(bad)?;
            let near = |id: &StatementId| statements.iter().find(|one| one.id() == *id);
            check_list(root, |id| near(id).or_else(|| self.known.get(id))).map_err(bad_list)?;
        }
        Ok(())
    }
}

fn signed_by_root(part: &Held) -> Result<(), Refusal> {
    if matches!(part.author, Principal::Root(_)) {
        return Ok(());
    }
    let why = format!("a list of pins is a root's to sign, and {} is none", part.author);
    Err(Refusal::new(RefusalKind::Denied, why, "sign it with the root key that proposes the epoch"))
}

fn bad_list(fault: BadPins) -> Refusal {
    let hint = "draw the epoch up again, and hand its parts in before it";
    Refusal::new(RefusalKind::WrongUse, format!("this epoch cannot count: {fault}"), hint)
}

/// A root is proposed by a key of the one before it, and follows the one that stands.
fn follows(standing: &Epoch, held: &Held) -> Result<(), Refusal> {
    let number = standing.number;
    if !standing.root.keys.contains(&held.key()) || !matches!(held.author, Principal::Root(_)) {
        let why = format!("this epoch signs itself: its key is no root key of epoch {number}");
        let hint = "propose it with a root key of the epoch that stands";
        return Err(Refusal::new(RefusalKind::Denied, why, hint));
    }
    if held.refs != [standing.id] {
        let why = format!("this epoch does not follow epoch {number}, which stands");
        return Err(Refusal::new(RefusalKind::Differs, why, "draw it up again"));
    }
    Ok(())
}

/// Why no number of approvals would make an epoch valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEpoch {
    /// Not the number after the one that stands.
    #[error("epoch {0} does not come after epoch {1}")]
    Number(u64, u64),
    /// Another trust domain.
    #[error("the trust domain of a fleet never changes")]
    Domain,
    /// A threshold that is none, no majority, or more than there are keys.
    #[error(
        "{threshold} of {keys} root keys is no threshold: more than half of them must agree, and no more than there are"
    )]
    Threshold {
        /// How many would have to agree.
        threshold: u64,
        /// How many there are.
        keys: u64,
    },
    /// One root key twice.
    #[error("root key {0} stands in it twice")]
    RootKeyTwice(String),
    /// One key under two names, or twice under one.
    #[error("key {key} belongs to {one} already, and is named for {other} too")]
    KeyTwice {
        /// The key.
        key: String,
        /// Who has it.
        one: String,
        /// Who is to have it too.
        other: String,
    },
    /// A key of the root is an operator's too.
    #[error("key {0} is a root key: an operator needs a key of his own")]
    RootIsOperator(String),
    /// An operator of another fleet.
    #[error("{0} is a name of another fleet")]
    OtherFleet(String),
    /// An operator without a role.
    #[error("{0} would hold no role; remove him instead")]
    NoRole(String),
    /// A key for orders alone that is to do something else too.
    #[error("a key of {0} would hold the role orders beside others, and that one stands alone")]
    OrdersBeside(String),
}

/// Checks what an epoch says against the one before it; pins and re-affirmed ids are not judged.
pub(crate) fn check(before: &Root, root: &Root) -> Result<(), BadEpoch> {
    if before.number.checked_add(1) != Some(root.number) {
        return Err(BadEpoch::Number(root.number, before.number));
    }
    if before.domain != root.domain {
        return Err(BadEpoch::Domain);
    }
    let keys = root.keys.len() as u64;
    if root.threshold > keys || root.threshold <= keys / 2 {
        return Err(BadEpoch::Threshold { threshold: root.threshold, keys });
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = root.keys.iter().find(|key| !seen.insert(**key)) {
        return Err(BadEpoch::RootKeyTwice(short(twice)));
    }
    root.operators.iter().enumerate().try_for_each(|(at, line)| check_line(root, at, line))
}

fn check_line(root: &Root, at: usize, line: &Operator) -> Result<(), BadEpoch> {
    let name = line.id.name().to_owned();
    if let Some(one) = root.operators[..at].iter().find(|other| other.key == line.key) {
        let one = one.id.name().to_owned();
        return Err(BadEpoch::KeyTwice { key: short(&line.key), one, other: name });
    }
    if root.keys.contains(&line.key) {
        return Err(BadEpoch::RootIsOperator(short(&line.key)));
    }
    match OperatorId::new(&root.domain, line.id.name()) {
        Ok(id) if id == line.id => {}
        Ok(_) | Err(_) => return Err(BadEpoch::OtherFleet(line.id.to_string())),
    }
    if line.roles.is_empty() {
        return Err(BadEpoch::NoRole(name));
    }
    let mixed = line.roles.contains(&Role::Orders) && !only_orders(line);
    if mixed { Err(BadEpoch::OrdersBeside(name)) } else { Ok(()) }
}

fn short(key: &PublicKey) -> String {
    key.to_hex().chars().take(16).collect()
}

fn bad(fault: BadEpoch) -> Refusal {
    let hint = match &fault {
        BadEpoch::Threshold { keys, .. } => {
            format!("with {keys} keys let {} to {keys} agree", keys / 2 + 1)
        }
        BadEpoch::KeyTwice { .. } | BadEpoch::RootKeyTwice(_) | BadEpoch::RootIsOperator(_) => {
            "make a fresh key: `belay operator card --name NAME --out FILE`".to_owned()
        }
        BadEpoch::Number(..) | BadEpoch::Domain | BadEpoch::OtherFleet(_) => {
            "`belay operator list` shows the epoch that stands".to_owned()
        }
        BadEpoch::OrdersBeside(_) => {
            "the role security gives orders too; a key for orders alone is named by its card: \
             `belay operator card --key ssh-agent:KEY`, then `belay operator add CARD`"
                .to_owned()
        }
        BadEpoch::NoRole(_) => "name roles of policy, security, enrol and audit".to_owned(),
    };
    Refusal::new(RefusalKind::WrongUse, fault.to_string(), hint)
}

/// Somebody must be left who can stop, publish and enrol.
fn is_able(root: &Root) -> Result<(), Refusal> {
    for role in [Role::Security, Role::Policy, Role::Enrol] {
        if !root.operators.iter().any(|line| line.roles.contains(&role)) {
            let why = format!("nobody would hold the role {role} any more");
            let hint = "give it to another operator first: `belay operator roles NAME ROLES`";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        }
    }
    Ok(())
}

fn alter(root: &mut Root, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::AddOperator { id, key, roles } => {
            if root.operators.iter().any(|line| line.id == *id) {
                let why = format!("{} is an operator already", id.name());
                let hint = "`belay operator roles` changes what he may do; `belay key rotate \
                            operator` gives him another key";
                return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
            }
            name_line(root, id, *key, roles);
        }
        Change::AddOperatorKey { id, key } => {
            let roles = known(root, id)?.roles.clone();
            name_line(root, id, *key, &roles);
        }
        Change::AddOrdersKey { id, key } => name_line(root, id, *key, &[Role::Orders]),
        Change::RetireOperatorKey { key } => retire_operator_key(root, key)?,
        Change::SetRoles { id, roles } => {
            let one = known(root, id)?;
            let alone = only_orders(one);
            let his = |line: &&mut Operator| line.id == *id && (alone || !only_orders(line));
            let lines = root.operators.iter_mut().filter(his);
            lines.for_each(|line| line.roles = sorted(roles));
        }
        Change::RemoveOperator { id, cause } => {
            known(root, id)?;
            root.operators.retain(|line| line.id != *id);
            let removal = cause.as_ref().map(|cause| (id.clone(), cause.reason.clone()));
            root.removals.extend(removal.map(|(operator, reason)| Removal { operator, reason }));
        }
        Change::AddRootKey { key, threshold } => {
            root.keys.push(*key);
            root.threshold = threshold.unwrap_or_else(|| majority(root));
        }
        Change::RetireRootKey { key, threshold } => {
            retire_root_key(root, key)?;
            root.threshold = threshold.unwrap_or_else(|| majority(root));
        }
        Change::ReplaceRootKey { old, new } => {
            retire_root_key(root, old)?;
            root.keys.push(*new);
        }
        Change::SetThreshold { threshold } => root.threshold = *threshold,
    }
    Ok(())
}

fn retire_root_key(root: &mut Root, key: &PublicKey) -> Result<(), Refusal> {
    if !root.keys.contains(key) {
        let why = format!("{} is no root key", short(key));
        return Err(Refusal::new(RefusalKind::WrongUse, why, "see `belay root show`"));
    }
    root.keys.retain(|known| known != key);
    Ok(())
}

fn retire_operator_key(root: &mut Root, key: &PublicKey) -> Result<(), Refusal> {
    let no = |why: String, hint: &str| Err(Refusal::new(RefusalKind::WrongUse, why, hint));
    let Some(at) = root.operators.iter().position(|line| line.key == *key) else {
        return no(format!("{} is no operator's key", short(key)), "see `belay operator list`");
    };
    let line = root.operators.remove(at);
    if root.operators.iter().any(|other| other.id == line.id) {
        return Ok(());
    }
    let why = format!("{} has no other key", line.id.name());
    no(why, "add another first, or remove him: `belay operator remove NAME`")
}

/// An operator's line: of the keys that do more than order, where he has one.
fn known<'a>(root: &'a Root, id: &OperatorId) -> Result<&'a Operator, Refusal> {
    let his = || root.operators.iter().filter(|line| line.id == *id);
    his().find(|line| !only_orders(line)).or_else(|| his().next()).ok_or_else(|| {
        let names: BTreeSet<&str> = root.operators.iter().map(|line| line.id.name()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let why = format!("there is no operator {}", id.name());
        Refusal::new(RefusalKind::WrongUse, why, format!("there are {}", names.join(", ")))
    })
}

fn only_orders(line: &Operator) -> bool {
    line.roles == [Role::Orders]
}

fn name_line(root: &mut Root, id: &OperatorId, key: PublicKey, roles: &[Role]) {
    root.operators.push(Operator { id: id.clone(), key, roles: sorted(roles) });
}

fn sorted(roles: &[Role]) -> Vec<Role> {
    roles.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// As many as before where that is a threshold still, else the least majority.
fn majority(root: &Root) -> u64 {
    let keys = root.keys.len() as u64;
    root.threshold.clamp(keys / 2 + 1, keys.max(1))
}
