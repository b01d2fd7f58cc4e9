//! Whether an approval that is handed in here could count; each No has a name.
//!
//! Refused: an id that is not known, what needs no yes, a second yes of one principal, and the yes
//! of whoever does not hold the role. The folds refuse the same; here its author still can mend it.

use super::signer_words;
use crate::engine::Engine;
use crate::output::{Refusal, RefusalKind};
use belay_crdt::authority::check_list;
use belay_crdt::set::Held;
use belay_identity::body::{Body, Role};
use belay_identity::principal::Principal;
use belay_identity::{PublicKey, StatementId};

const LIST: &str = "`belay approve` lists what waits, and for whom";

impl Engine {
    /// Checks every approval among statements that are handed in.
    pub(crate) fn may_approve(&self, statements: &[Held]) -> Result<(), Refusal> {
        for statement in statements {
            let Body::Approve(approve) = &statement.body else { continue };
            let near = statements.iter().find(|one| one.id() == approve.of);
            let Some(of) = near.or_else(|| self.known.get(&approve.of)) else {
                let why = format!("nothing known here has the id {}", approve.of);
                return Err(Refusal::new(RefusalKind::WrongUse, why, LIST));
            };
            if let Some(held) = self.held_meanwhile(of) {
                return Err(held);
            }
            self.holds_what_it_takes(statement, of)?;
            self.has_not_said(statement, of)?;
            if near.is_none() {
                self.can_be_read(of)?;
            }
        }
        Ok(())
    }

    /// True for the yes of a key that an open epoch names as a root key.
    pub(crate) fn is_named_root(&self, statement: &Held) -> bool {
        let Body::Approve(approve) = &statement.body else { return false };
        let proposed = self.known.get(&approve.of).and_then(|held| self.open_epoch(held));
        proposed.is_some_and(|root| root.keys.contains(&statement.key()))
    }

    /// Refuses a word about a further key that nobody's yes would give force.
    pub(crate) fn may_name_key(&self, statements: &[Held]) -> Result<(), Refusal> {
        let authority = &self.known.authority;
        for held in statements {
            let Body::FurtherKey(further) = &held.body else { continue };
            let digits = further.key.to_hex().chars().take(16).collect::<String>();
            let no = |why: String, hint: &str| Err(Refusal::new(RefusalKind::WrongUse, why, hint));
            if !held.inner_holds() {
                let hint = "the further key signs for its operator; see `belay key rotate`";
                return no(format!("the key {digits} did not sign that it is there"), hint);
            }
            if authority.operator(&further.key).is_some() || authority.is_root_key(&further.key) {
                let hint = "`belay operator list` shows whose it is; make a fresh one";
                return no(format!("the key {digits} belongs to somebody already"), hint);
            }
            if authority.further_keys().any(|one| one.key == held.key()) {
                let hint = "sign with a key that the root has named";
                return no("a further key names no other".to_owned(), hint);
            }
        }
        Ok(())
    }

    fn holds_what_it_takes(&self, yes: &Held, of: &Held) -> Result<(), Refusal> {
        let (key, authority) = (yes.key(), &self.known.authority);
        let (entitled, takes) = match &of.body {
            Body::Root(root) => {
                self.is_open(of, root.number)?;
                let named = root.keys.contains(&key) || authority.is_root_key(&key);
                (named, "a root key of this epoch or the next")
            }
            Body::Release(_) => {
                (authority.role_now(&key, Role::Policy), "an operator with the role policy")
            }
            Body::Lift(_) | Body::Restore(_) | Body::Hold(_) | Body::Revoke(_) => {
                let may = authority.role_now(&key, Role::Security) || authority.is_root_key(&key);
                (may, "an operator with the role security, or a root key")
            }
            Body::FurtherKey(further) => {
                if of.author == yes.author {
                    return Err(own_key(yes, &further.key));
                }
                let may = authority.role_now(&key, Role::Security) || authority.is_root_key(&key);
                (may, "another operator with the role security, or a root key")
            }
            Body::Enrol(_) => {
                let may = authority.role_now(&key, Role::Enrol) || authority.is_root_key(&key);
                (may, "an operator with the role enrol, or a root key")
            }
            _ => {
                let why = format!("a statement of kind {} needs nobody's approval", of.body.kind());
                return Err(Refusal::new(RefusalKind::WrongUse, why, LIST));
            }
        };
        if entitled {
            return Ok(());
        }
        let why = format!("{} may not approve {}: it takes {takes}", signer_words(yes), of.id());
        Err(Refusal::new(RefusalKind::Denied, why, LIST))
    }

    /// Nobody says yes to a policy that he cannot have read; what comes with it is checked there.
    fn can_be_read(&self, of: &Held) -> Result<(), Refusal> {
        if let Body::Root(root) = &of.body {
            let fault = check_list(root, |id| self.known.get(id)).err();
            let refused = fault.map(|fault| {
                let why =
                    format!("what root epoch {} would seal cannot be read: {fault}", root.number);
                let hint = "wait for a member to bring it, or approve where it was proposed";
                Refusal::new(RefusalKind::Unreachable, why, hint)
            });
            return refused.map_or(Ok(()), Err);
        }
        let Body::Release(header) = &of.body else { return Ok(()) };
        if self.known.body(&header.body).is_some() {
            return Ok(());
        }
        let why = format!("the policy of release {} has not arrived here", header.version);
        let hint = "wait for a member to bring it, or approve where it was published";
        Err(Refusal::new(RefusalKind::Unreachable, why, hint))
    }

    /// A proposal of an epoch that already stands, or that never can, takes no approvals.
    fn is_open(&self, of: &Held, number: u64) -> Result<(), Refusal> {
        let no = |why: String| Err(Refusal::new(RefusalKind::WrongUse, why, LIST));
        if self.open_epoch(of).is_some() {
            return Ok(());
        }
        if self.known.authority.grant_counts(of).is_ok() {
            return no(format!("root epoch {number} has every yes it needs"));
        }
        let standing = self.known.epoch();
        no(format!(
            "this proposal of root epoch {number} cannot follow epoch {standing}, which stands"
        ))
    }

    fn has_not_said(&self, yes: &Held, of: &Held) -> Result<(), Refusal> {
        let same = |other: &Held| match &yes.author {
            Principal::Root(_) => other.key() == yes.key(),
            Principal::Operator(_)
            | Principal::Device(_)
            | Principal::User(_)
            | Principal::Agent(_)
            | Principal::Project(_)
            | Principal::Class(_)
            | Principal::Invite(_) => other.author == yes.author,
        };
        let said = self.known.set.approvals(&of.id()).find(|other| same(other)).map(|h| h.id());
        let by_signing = match &of.body {
            Body::Lift(_) | Body::Restore(_) | Body::Hold(_) | Body::Revoke(_) => {
                same(of).then(|| of.id())
            }
            _ => None,
        };
        match said.or(by_signing) {
            None => Ok(()),
            Some(by) => Err(said_already(yes, by)),
        }
    }
}

fn own_key(yes: &Held, key: &PublicKey) -> Refusal {
    let digits = key.to_hex().chars().take(16).collect::<String>();
    let why = format!("{} may not certify {digits}: it is a key of his own", signer_words(yes));
    let hint = "another operator with the role security says yes, or the root names the key";
    Refusal::new(RefusalKind::Denied, why, hint)
}

fn said_already(yes: &Held, by: StatementId) -> Refusal {
    let why = format!("{} has said yes to this already, in {by}", signer_words(yes));
    Refusal::new(RefusalKind::WrongUse, why, "one yes of each counts; ask another one for his")
}
