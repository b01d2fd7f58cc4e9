//! Tenures: what each key ever held, in which valid epoch of any branch.
//!
//! Refused here: saying whether that still counts.

use super::Epoch;
use super::further::AllFurther;
use belay_identity::body::Role;
use belay_identity::principal::Principal;
use belay_identity::{PublicKey, StatementId};
use std::collections::BTreeMap;

/// One key's place in one valid epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenure {
    pub(super) number: u64,
    pub(super) epoch: StatementId,
    pub(super) author: Principal,
    pub(super) roles: Vec<Role>,
    /// True for a further key: its grants count only while what names it does.
    pub(super) further: bool,
}

impl Tenure {
    /// True when this author held the role there; a root holds every one.
    pub(super) fn held(&self, author: &Principal, role: Role) -> bool {
        let root = matches!(self.author, Principal::Root(_));
        self.author == *author && (root || self.roles.contains(&role))
    }

    /// Whether he might give orders: with the security role, or by a key that gives nothing else.
    pub(super) fn ordered(&self, author: &Principal) -> bool {
        self.held(author, Role::Security) || self.held(author, Role::Orders)
    }
}

/// Every key's places in these epochs, and those of the further keys beside them.
pub(super) fn tenures<'a>(
    epochs: impl Iterator<Item = &'a Epoch>,
    further: &AllFurther,
) -> BTreeMap<PublicKey, Vec<Tenure>> {
    let mut tenures: BTreeMap<PublicKey, Vec<Tenure>> = BTreeMap::new();
    for Epoch { number, id, root, parts: _ } in epochs {
        let at = |author: Principal, roles: &[Role]| Tenure {
            number: *number,
            epoch: *id,
            author,
            roles: roles.to_vec(),
            further: false,
        };
        for key in &root.keys {
            let author = Principal::Root(root.domain.clone());
            tenures.entry(*key).or_default().push(at(author, &[]));
        }
        for line in &root.operators {
            tenures.entry(line.key).or_default().push(at(line.id.clone().into(), &line.roles));
        }
    }
    for one in further.values().flatten() {
        let (author, roles) = (one.operator.clone().into(), one.roles.clone());
        let tenure = Tenure { number: one.number, epoch: one.epoch, author, roles, further: true };
        tenures.entry(one.key).or_default().push(tenure);
    }
    tenures
}
