//! Further keys of operators: which somebody else has certified, and for which epoch.
//!
//! An operator says by a key that a valid epoch names, and in that epoch, that another key is his;
//! another security operator of the epoch, or one of its root keys, says yes. Then the key stands
//! beside the one that named it, with the roles of that line, until the next epoch, which names it
//! or does not. His own yes is none: whoever copied one key would otherwise have as many as he
//! likes, and threshold acts count principals, so nobody but the operator himself may begin this.
//!
//! For orders it is enough that this was once so. Grants by the key count while the operator's word
//! and another one's yes do. A key that its epoch names already, as whosever, is none of these, and
//! no further key names or certifies another.

use super::Epoch;
use crate::rules::{Rules, Voice};
use crate::set::{Held, Set};
use belay_identity::body::{Body, Operator, Role};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{PublicKey, StatementId};
use std::collections::BTreeMap;

/// One more key of an operator, in one epoch.
#[derive(Debug, Clone)]
pub struct Further {
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub operator: OperatorId,
    /// What he may do by it.
    pub roles: Vec<Role>,
    /// The epoch in which it counts.
    pub(super) epoch: StatementId,
    /// The number of that.
    pub(super) number: u64,
    /// The key by which he said so.
    pub(super) line: PublicKey,
    /// His word.
    pub(super) word: Held,
    /// The yes of others.
    pub(super) yes: Vec<Held>,
}

/// The same by what was said: a statement is its id.
impl PartialEq for Further {
    fn eq(&self, other: &Self) -> bool {
        let said = |one: &Self| {
            let yes: Vec<StatementId> = one.yes.iter().map(|yes| yes.id()).collect();
            (one.epoch, one.word.id(), yes)
        };
        said(self) == said(other)
    }
}

impl Eq for Further {}

/// Every further key that was ever certified, by key.
pub(super) type AllFurther = BTreeMap<PublicKey, Vec<Further>>;

/// Reads the words about further keys of a set.
pub(super) fn fold<'a>(
    set: &Set,
    epochs: impl Iterator<Item = &'a Epoch> + Clone,
    rules: &Rules,
) -> AllFurther {
    let mut all = AllFurther::new();
    for word in set.of_kind("further-key").filter(|word| word.inner_holds()) {
        for epoch in epochs.clone().filter(|epoch| epoch.number == word.epoch) {
            if let Some(further) = certified(set, epoch, word, rules) {
                all.entry(further.key).or_default().push(further);
            }
        }
    }
    all
}

fn certified(set: &Set, epoch: &Epoch, word: &Held, rules: &Rules) -> Option<Further> {
    let Body::FurtherKey(body) = &word.body else { return None };
    let line = line_of(epoch, word)?;
    let named = epoch.root.operators.iter().any(|other| other.key == body.key);
    if named || epoch.root.keys.contains(&body.key) {
        return None;
    }
    let certifies = |yes: &&Held| {
        let author = Voice { author: &word.author, key: word.key() };
        let other = Voice { author: &yes.author, key: yes.key() };
        holds_security(epoch, yes) && (rules.cosigns)(&author, &other)
    };
    let yes: Vec<Held> = set.approvals(&word.id()).filter(certifies).cloned().collect();
    (!yes.is_empty()).then(|| Further {
        key: body.key,
        operator: line.id.clone(),
        roles: line.roles.clone(),
        epoch: epoch.id,
        number: epoch.number,
        line: line.key,
        word: word.clone(),
        yes,
    })
}

fn line_of<'a>(epoch: &'a Epoch, said: &Held) -> Option<&'a Operator> {
    let line = epoch.root.operators.iter().find(|line| line.key == said.key())?;
    (Principal::Operator(line.id.clone()) == said.author).then_some(line)
}

fn holds_security(epoch: &Epoch, yes: &Held) -> bool {
    let root = yes.author == Principal::Root(epoch.root.domain.clone())
        && epoch.root.keys.contains(&yes.key());
    root || line_of(epoch, yes).is_some_and(|line| line.roles.contains(&Role::Security))
}
