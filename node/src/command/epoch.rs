//! The next root epoch, from the words of a change to its proposal and first approval.
//!
//! The node draws it up, this process shows it, asks, and signs it with the root key of this state:
//! proposal and approval leave together. Refused here: signing what was not shown.

use super::approve::lacks;
use super::card::fleet;
use super::door;
use super::operator::Operator;
use crate::api::approval::{ChangeAsk, EpochDraftSaid, WaitingSaid};
use crate::api::{Ask, from_text, id_from_text};
use crate::card::{self, Card, CardUse};
use crate::cli::Context;
use crate::cli::authority::{Founding, NamedOperator, OperatorAdd, OperatorRemove, OperatorRoles};
use crate::cli::authority::{OperatorRetire, RootAdd, RootRemove, RootThreshold};
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use crate::screen::{Shown, talk};
use crate::vault::KeyName;
use belay_identity::body::{Approve, Body, Pins, Role, Root};
use belay_identity::codec;
use belay_identity::{Class, StatementId};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn add(context: &Context, ask: &OperatorAdd) -> Result<ExitCode, Fault> {
    let card = card_of(context, &ask.card, &[CardUse::Operator, CardUse::Orders])?;
    let (id, key) = (card.holder.to_string(), card.key.to_hex());
    let orders = card.to_be == CardUse::Orders;
    let roles = ask.roles.clone();
    if orders && roles.iter().any(|role| role != Role::Orders.as_str()) {
        let what = "this card asks for orders alone: its key signs without its holder's presence";
        let hint = "leave --roles out; for more, ask for the card of a sealed key";
        return Err(Fault::wrong_use(what, hint));
    }
    let change = match (orders, ask.further_key) {
        (true, _) => ChangeAsk::AddOrdersKey { id, key },
        (false, true) => ChangeAsk::AddOperatorKey { id, key },
        (false, false) if roles.is_empty() => {
            let hint = "name roles of policy, security, enrol and audit";
            return Err(Fault::wrong_use("--roles is missing", hint));
        }
        (false, false) => ChangeAsk::AddOperator { id, key, roles },
    };
    propose(context, "belay.operator.add/1", change, &ask.founding)
}

pub(crate) fn roles(context: &Context, ask: &OperatorRoles) -> Result<ExitCode, Fault> {
    let change = ChangeAsk::SetRoles { name: ask.name.clone(), roles: ask.roles.clone() };
    propose(context, "belay.operator.roles/1", change, &ask.founding)
}

pub(crate) fn remove(context: &Context, ask: &OperatorRemove) -> Result<ExitCode, Fault> {
    let NamedOperator { name } = &ask.who;
    if let Some(reason) = &ask.for_cause {
        super::stop::check_reason(reason)?;
    }
    let (name, cause, from) = (name.clone(), ask.for_cause.clone(), ask.from.clone());
    let change = ChangeAsk::RemoveOperator { name, cause, from };
    propose(context, "belay.operator.remove/1", change, &ask.founding)
}

pub(crate) fn retire(context: &Context, ask: &OperatorRetire) -> Result<ExitCode, Fault> {
    let key = super::authority::operator_key_named(context, &ask.key)?;
    let change = ChangeAsk::RetireOperatorKey { key };
    propose(context, "belay.operator.retire/1", change, &ask.founding)
}

pub(crate) fn add_root(context: &Context, ask: &RootAdd) -> Result<ExitCode, Fault> {
    let card = card_of(context, &ask.card, &[CardUse::Root])?;
    let change = ChangeAsk::AddRootKey { key: card.key.to_hex(), threshold: ask.threshold };
    propose(context, "belay.root.add/1", change, &ask.founding)
}

pub(crate) fn remove_root(context: &Context, ask: &RootRemove) -> Result<ExitCode, Fault> {
    let key = super::authority::root_key_named(context, &ask.key)?;
    let change = ChangeAsk::RetireRootKey { key, threshold: ask.threshold };
    propose(context, "belay.root.remove/1", change, &ask.founding)
}

pub(crate) fn threshold(context: &Context, ask: &RootThreshold) -> Result<ExitCode, Fault> {
    let change = ChangeAsk::SetThreshold { threshold: ask.threshold };
    propose(context, "belay.root.threshold/1", change, &ask.founding)
}

fn card_of(context: &Context, file: &Path, to_be: &[CardUse]) -> Result<Card, Fault> {
    let (fleet, _) = fleet(&mut door(context, DoorName::Operator)?)?;
    card::read(file, &fleet, to_be)
}

/// Draws up the next epoch, shows it, asks, signs it and approves it.
pub(super) fn propose(
    context: &Context,
    schema: &str,
    change: ChangeAsk,
    founding: &Founding,
) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let drawn = draw(&mut door, change)?;
    talk(drawn.words().trim_end());
    if !founding.yes {
        confirm(drawn.root.number)?;
    }
    let mut signer = Operator::unlock_as(context, &founding.signing, KeyName::Root)?;
    let id = sign(&mut signer, &drawn)?;
    conclude(context, schema, signer.door(), &drawn, &id)
}

/// An epoch that the node has drawn up.
pub(super) struct Drawn {
    pub(super) root: Root,
    parts: Vec<Pins>,
    parent: StatementId,
    changes: Vec<String>,
    unpinned: u64,
}

impl Drawn {
    /// The lines that say whose key comes or goes.
    pub(super) fn lines(&self) -> Vec<String> {
        self.changes.iter().filter(|line| line.contains(" key ")).cloned().collect()
    }

    fn words(&self) -> String {
        let mut text = format!("Root epoch {} would change:\n", self.root.number);
        self.changes.iter().for_each(|change| text += &format!("  {change}\n"));
        match self.parts.len() {
            0 => {}
            1 => text += "  1 more statement lists those logs\n",
            parts => text += &format!("  {parts} more statements list those logs\n"),
        }
        if self.unpinned > 0 {
            text += &format!(
                "  {} logs of credentials and work find no room: they are issued anew\n",
                self.unpinned
            );
        }
        text
    }
}

pub(super) fn draw(door: &mut DoorClient, change: ChangeAsk) -> Result<Drawn, Fault> {
    let said: EpochDraftSaid = door.call(&Ask::NextEpoch { change })?;
    let odd = |_| Fault::failed("the node's epoch does not read", "use one version of belay");
    let value = |text: &str| {
        let bytes = from_text(text).map_err(|refusal| odd(refusal.why))?;
        codec::read(&bytes).map_err(|error| odd(error.to_string()))
    };
    let root = Root::from_value(value(&said.root)?).map_err(|error| odd(error.to_string()))?;
    let part =
        |text: &String| Pins::from_value(value(text)?).map_err(|error| odd(error.to_string()));
    let parts = said.parts.iter().map(part).collect::<Result<_, Fault>>()?;
    let parent = id_from_text(&said.parent).map(StatementId).map_err(|no| odd(no.why))?;
    Ok(Drawn { root, parts, parent, changes: said.changes, unpinned: said.unpinned })
}

/// Signs the proposal and its first approval; they leave together, after the parts of its list of
/// pins, which count for nothing without them.
pub(super) fn sign(signer: &mut Operator, drawn: &Drawn) -> Result<StatementId, Fault> {
    let mut place = signer.place(Class::AuthorityMinus)?;
    let mut root = drawn.root.clone();
    for part in &drawn.parts {
        let part = signer.sign_next(&mut place, part.clone().into(), Vec::new(), None)?;
        root.pins_in.push(part.id());
        signer.hand_in(&[part], &[])?;
    }
    let body = Body::Root(root);
    let proposal = signer.sign_next(&mut place, body, vec![drawn.parent], None)?;
    let of = proposal.id();
    let yes = signer.sign_next(&mut place, Approve { of }.into(), Vec::new(), None)?;
    signer.hand_in(&[proposal, yes], &[])?;
    Ok(of)
}

fn conclude(
    context: &Context,
    schema: &str,
    door: &mut DoorClient,
    drawn: &Drawn,
    id: &StatementId,
) -> Result<ExitCode, Fault> {
    let id = id.to_hex();
    let waiting: Option<WaitingSaid> =
        super::approve::all(door)?.into_iter().find(|waiting| waiting.id == id);
    let number = drawn.root.number;
    let data = json!({
        "epoch": number,
        "id": id,
        "in_force": waiting.is_none(),
        "changes": drawn.changes,
        "unpinned": drawn.unpinned,
        "waiting": waiting,
    });
    let words = match &waiting {
        None => {
            format!("Root epoch {number} stands, and is on its way to the fleet.\nepoch {id}\n")
        }
        Some(_) => {
            format!("Root epoch {number} is proposed; the one before it stands on.\nepoch {id}\n")
        }
    };
    let missing = waiting.iter().flat_map(|waiting| waiting.open.clone()).collect();
    Shown { schema, missing, data: &data, words }.show(context.format)?;
    waiting.map_or(Ok(ExitCode::SUCCESS), |waiting| Err(lacks(&waiting)))
}

fn confirm(number: u64) -> Result<(), Fault> {
    if !std::io::stdin().is_terminal() {
        let hint = "give --yes where nobody can be asked";
        return Err(Fault::wrong_use("a root epoch asks before it is signed", hint));
    }
    talk(format_args!("Type {number} to sign root epoch {number}:"));
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(io("reading the terminal"))?;
    if typed.trim() == number.to_string() {
        return Ok(());
    }
    Err(Fault::failed("nothing was signed", "type the number of the epoch to go on"))
}
