//! Who may do what, by the root epoch that stands: keys, operators, roles, and what is left of each
//! one's budget of wide orders.
//!
//! Refused here: deciding. Every line is read from the folds that decide.

use crate::engine::Engine;
use crate::standing::StandingOrder;
use belay_crdt::authority::Epoch;
use belay_crdt::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use belay_crdt::orders::Order;
use belay_identity::body::{Body, Role, Subject, Term};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{PublicKey, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub struct AuthorityReport {
    /// The root keys.
    pub keys: Vec<PublicKey>,
    /// How many of them must agree.
    pub threshold: u64,
    /// The operators, by name.
    pub operators: Vec<OperatorLine>,
    /// Operators of earlier epochs who are none now.
    pub gone: Vec<GoneLine>,
    /// Every epoch that stands, oldest first.
    pub epochs: Vec<EpochLine>,
    /// Valid epochs beside those: what they take away counts, what they give does not.
    pub rivals: Vec<EpochLine>,
    /// Root keys that approved two rival epochs.
    pub cut_keys: Vec<PublicKey>,
}

/// One operator.
#[derive(Debug, Clone)]
pub struct OperatorLine {
    /// Who he is.
    pub id: OperatorId,
    /// His keys.
    pub keys: Vec<PublicKey>,
    /// Those of them that count for orders alone.
    pub orders_keys: Vec<PublicKey>,
    /// What he may do.
    pub roles: Vec<Role>,
    /// Wide orders that he may still give alone in this epoch, by the key that gave most, in all of
    /// its logs together.
    pub wide_left: u64,
    /// Keys of his by which more wide orders were given in this epoch than one may give alone:
    /// several nodes, a node that began new logs, or whoever copied the key.
    pub overspent: Vec<PublicKey>,
    /// His orders that stand.
    pub orders: Vec<StandingOrder>,
    /// Orders on him that stand.
    pub held_by: Vec<StandingOrder>,
    /// The one of them by which what he grants does not count now.
    pub grants_held: Option<StatementId>,
}

/// One operator who is none now.
#[derive(Debug, Clone)]
pub struct GoneLine {
    /// Who he was.
    pub id: OperatorId,
    /// The last epoch that named him.
    pub last_epoch: u64,
    /// Why, where he was removed for cause.
    pub cause: Option<String>,
    /// His orders that stand all the same.
    pub orders: Vec<StandingOrder>,
    /// His orders that a removal for cause made void: whom they stopped is free of them.
    pub revived: Vec<(StatementId, Subject)>,
}

/// One epoch of the root.
#[derive(Debug, Clone)]
pub struct EpochLine {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub id: StatementId,
    /// How many root keys had to agree, and of how many.
    pub threshold: (u64, u64),
    /// Its operators, by name.
    pub operators: Vec<String>,
    /// When it was proposed, Unix milliseconds.
    pub wall_ms: u64,
    /// Who approved it.
    pub approved: Vec<String>,
}

impl Engine {
    pub(crate) fn authority_report(&self) -> AuthorityReport {
        let authority = &self.known.authority;
        let Some(standing) = authority.standing() else { return AuthorityReport::default() };
        AuthorityReport {
            keys: standing.root.keys.clone(),
            threshold: standing.root.threshold,
            operators: self.operator_lines(standing),
            gone: self.gone_lines(standing),
            epochs: authority.epochs().map(|epoch| self.epoch_line(epoch)).collect(),
            rivals: authority.rivals().map(|epoch| self.epoch_line(epoch)).collect(),
            cut_keys: authority.cut_root_keys().iter().copied().collect(),
        }
    }

    fn operator_lines(&self, standing: &Epoch) -> Vec<OperatorLine> {
        let mut lines: BTreeMap<&OperatorId, (Vec<PublicKey>, BTreeSet<Role>)> = BTreeMap::new();
        for line in &standing.root.operators {
            let (keys, roles) = lines.entry(&line.id).or_default();
            keys.push(line.key);
            roles.extend(&line.roles);
        }
        for further in self.known.authority.further_keys() {
            let (keys, _) = lines.entry(&further.operator).or_default();
            keys.push(further.key);
        }
        let line = |(id, (keys, roles)): (&OperatorId, (Vec<PublicKey>, BTreeSet<Role>))| {
            let all = standing.root.operators.iter();
            let alone = all.filter(|line| keys.contains(&line.key) && line.roles == [Role::Orders]);
            let given = |key: &PublicKey| self.wide_given(key);
            let most = keys.iter().map(given).max().unwrap_or(0);
            let over = |key: &&PublicKey| given(key) > WIDE_ORDERS_PER_EPOCH_MAX;
            OperatorLine {
                overspent: keys.iter().filter(over).copied().collect(),
                id: id.clone(),
                orders_keys: alone.map(|line| line.key).collect(),
                roles: roles.into_iter().collect(),
                wide_left: WIDE_ORDERS_PER_EPOCH_MAX.saturating_sub(most),
                orders: self.orders_by(id),
                held_by: self.orders_on(id),
                grants_held: self.known.orders.grants_held(id),
                keys,
            }
        };
        lines.into_iter().map(line).collect()
    }

    /// Wide orders that a key gave alone in the epoch that stands, in all its logs.
    fn wide_given(&self, key: &PublicKey) -> u64 {
        let epoch = self.known.epoch();
        let all = self.known.set.of_kind("hold").chain(self.known.set.of_kind("revoke"));
        let his = all.filter(|held| held.key() == *key && held.epoch == epoch);
        let wide = his.filter(|held| match &held.body {
            Body::Hold(hold) => hold.subject.terms().iter().all(is_wide),
            Body::Revoke(revoke) => revoke.subject.terms().iter().all(is_wide),
            _ => false,
        });
        let cosigned =
            |id: &StatementId| self.known.orders.order(id).is_some_and(|order| order.cosigned);
        wide.filter(|held| !cosigned(&held.id())).count() as u64
    }

    fn orders_by(&self, id: &OperatorId) -> Vec<StandingOrder> {
        let author = Principal::Operator(id.clone());
        let his = self.known.orders.standing().filter(|order| order.author == author);
        his.map(|order| self.standing_order(order)).collect()
    }

    fn orders_on(&self, id: &OperatorId) -> Vec<StandingOrder> {
        let on = |order: &&Order| order.subject.terms() == [Term::Operator(id.clone())];
        self.known.orders.standing().filter(on).map(|order| self.standing_order(order)).collect()
    }

    fn gone_lines(&self, standing: &Epoch) -> Vec<GoneLine> {
        let named =
            |epoch: &Epoch, id: &OperatorId| epoch.root.operators.iter().any(|o| o.id == *id);
        let mut gone: BTreeMap<OperatorId, u64> = BTreeMap::new();
        for epoch in self.known.authority.epochs() {
            for line in epoch.root.operators.iter().filter(|line| !named(standing, &line.id)) {
                gone.insert(line.id.clone(), epoch.number);
            }
        }
        gone.into_iter().map(|(id, last_epoch)| self.gone_line(id, last_epoch)).collect()
    }

    fn gone_line(&self, id: OperatorId, last_epoch: u64) -> GoneLine {
        let mut removals = self.known.authority.epochs().flat_map(|epoch| &epoch.root.removals);
        let cause = removals.rfind(|removal| removal.operator == id);
        let author = Principal::Operator(id.clone());
        let void = self.known.orders.void().iter().filter_map(|(order, why)| {
            let removed = matches!(why, belay_crdt::authority::Void::Removed(_));
            let held = self.known.get(order).filter(|held| removed && held.author == author)?;
            match &held.body {
                Body::Hold(hold) => Some((*order, hold.subject.clone())),
                Body::Revoke(revoke) => Some((*order, revoke.subject.clone())),
                _ => None,
            }
        });
        GoneLine {
            last_epoch,
            cause: cause.map(|removal| removal.reason.clone()),
            orders: self.orders_by(&id),
            revived: void.collect(),
            id,
        }
    }

    fn epoch_line(&self, epoch: &Epoch) -> EpochLine {
        let approved = self.known.set.approvals(&epoch.id).map(crate::approval::signer_words);
        let names: BTreeSet<&str> = epoch.root.operators.iter().map(|o| o.id.name()).collect();
        EpochLine {
            number: epoch.number,
            id: epoch.id,
            threshold: (epoch.root.threshold, epoch.root.keys.len() as u64),
            operators: names.into_iter().map(str::to_owned).collect(),
            wall_ms: epoch.root.wall_ms,
            approved: approved.collect(),
        }
    }
}

/// True for what is not pinned to one agent or device.
fn is_wide(term: &Term) -> bool {
    match term {
        Term::Agent(_) | Term::Device(_) => false,
        Term::User(_)
        | Term::Project(_)
        | Term::Class(_)
        | Term::Manifest(_)
        | Term::Operator(_) => true,
    }
}
