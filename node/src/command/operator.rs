//! Signing as an operator or with a root key, in the calling process: ask the node for the place,
//! sign, hand it back.
//!
//! The key is unlocked for one command and wiped with it; the node never holds it. It may be sealed
//! in another state than the one whose node is asked: each node numbers the statements that are
//! signed by way of it in a log of its own. Or it stays in the user's ssh-agent: then it signs what
//! takes away and nothing else, which the root says of it and every fold holds.

use super::door;
use crate::api::{Ask, PlaceSaid, id_from_text, to_text};
use crate::cli::keys::KeySource;
use crate::cli::{Context, Signing, Unlocking};
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use crate::os;
use crate::vault::{
    AgentError, AgentKey, KeyName, OpenError, Seed32, Turn, Unlock, Vault, open_sealed,
};
use belay_identity::body::Body;
use belay_identity::key::unhex;
use belay_identity::principal::{DeviceId, OperatorId, Principal, TrustDomain};
use belay_identity::{
    Class, FleetId, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId, Unsigned,
    Verified, sign,
};
use std::path::{Path, PathBuf};

/// An operator, or the holder of a root key, at work on one node.
pub(super) struct Operator {
    door: DoorClient,
    hand: Hand,
}

/// What signs.
enum Hand {
    /// A key that was unlocked for this command.
    Key(SecretKey),
    /// A key in an ssh-agent, which may sign without anybody being asked: for orders only.
    Agent(AgentKey),
}

impl Hand {
    fn public(&self) -> PublicKey {
        match self {
            Self::Key(secret) => secret.public(),
            Self::Agent(key) => key.public(),
        }
    }

    fn sign(&self, statement: Statement, fleet: &FleetId) -> Result<Verified<Statement>, Fault> {
        match self {
            Self::Key(secret) => Ok(sign(statement, secret, fleet)),
            Self::Agent(key) => {
                let unsigned = Unsigned::new(statement, key.public(), fleet);
                let signature = key.sign(unsigned.message()).map_err(of_agent)?;
                let signed = unsigned.signed(&signature);
                signed.map_err(|error| Fault::failed(error, "look with `ssh-add -l`"))
            }
        }
    }
}

/// An ssh-agent did not do what was asked of it.
pub(super) fn of_agent(error: AgentError) -> Fault {
    match &error {
        AgentError::Unsigned => Fault::failed(&error, error.hint()),
        AgentError::NoAgent
        | AgentError::Silent { .. }
        | AgentError::NoKey { .. }
        | AgentError::Ambiguous { .. }
        | AgentError::OtherKind { .. } => Fault::wrong_use(&error, error.hint()),
    }
}

/// Where the operator's next statement stands, and who he is there.
pub(super) struct Standing {
    pub(super) fleet: FleetId,
    pub(super) domain: TrustDomain,
    pub(super) device: DeviceId,
    author: Principal,
    incarnation: Incarnation,
    seq: u64,
    prev: Option<StatementId>,
    epoch: u64,
}

impl Operator {
    /// The operator's key for an order, which only takes away: one in an ssh-agent may give it too.
    pub(super) fn unlock_for_order(context: &Context, signing: &Signing) -> Result<Self, Fault> {
        match &signing.key {
            Some(KeySource::Agent(word)) => {
                let hand = Hand::Agent(AgentKey::find(word).map_err(of_agent)?);
                Ok(Self { door: door(context, DoorName::Operator)?, hand })
            }
            Some(KeySource::File(_)) | None => Self::unlock(context, signing),
        }
    }

    /// Unlocks the operator's key for this command.
    pub(super) fn unlock(context: &Context, signing: &Signing) -> Result<Self, Fault> {
        Self::unlock_as(context, signing, KeyName::Operator)
    }

    /// Unlocks an operator's or a root key for this command.
    pub(super) fn unlock_as(
        context: &Context,
        signing: &Signing,
        name: KeyName,
    ) -> Result<Self, Fault> {
        // Whoever types a passphrase for nothing is told so first; a door waits for nobody's
        // typing.
        drop(door(context, DoorName::Operator)?);
        let secret = match &signing.key {
            Some(KeySource::Agent(word)) => return Err(orders_only(word)),
            Some(KeySource::File(file)) => open_file(file, name, &signing.unlock)?,
            None => open_key(&context.state()?, name, &signing.unlock)?,
        };
        Self::holding(context, secret)
    }

    /// The key that signs.
    pub(super) fn key(&self) -> PublicKey {
        self.hand.public()
    }

    /// Whoever holds this key, at this node.
    pub(super) fn holding(context: &Context, secret: SecretKey) -> Result<Self, Fault> {
        Ok(Self { door: door(context, DoorName::Operator)?, hand: Hand::Key(secret) })
    }

    pub(super) fn door(&mut self) -> &mut DoorClient {
        &mut self.door
    }

    /// Asks where the next statement of a class stands.
    pub(super) fn place(&mut self, class: Class) -> Result<Standing, Fault> {
        let key = self.key().to_hex();
        let place: PlaceSaid = self.door.call(&Ask::Place { key, class: class.code() })?;
        Standing::read(&place)
    }

    /// Signs a body at its place and hands it to the node; back when it is on disk.
    pub(super) fn say(
        &mut self,
        mut place: Standing,
        body: Body,
        refs: Vec<StatementId>,
        expiry_ms: Option<u64>,
    ) -> Result<Verified<Statement>, Fault> {
        let signed = self.sign_next(&mut place, body, refs, expiry_ms)?;
        self.hand_in(std::slice::from_ref(&signed), &[])?;
        Ok(signed)
    }

    /// Signs a body at its place; the place is then that of the next statement.
    pub(super) fn sign_next(
        &self,
        place: &mut Standing,
        body: Body,
        refs: Vec<StatementId>,
        expiry_ms: Option<u64>,
    ) -> Result<Verified<Statement>, Fault> {
        let statement = Statement {
            class: body.class().unwrap_or(Class::AuthorityMinus),
            scope: Scope::Fleet,
            author: place.author.clone(),
            incarnation: place.incarnation,
            seq: place.seq,
            prev: place.prev,
            epoch: place.epoch,
            expiry_ms,
            refs,
            body,
        };
        let signed = self.hand.sign(statement, &place.fleet)?;
        place.seq += 1;
        place.prev = Some(signed.id());
        Ok(signed)
    }

    /// Hands in what counts only once others have approved it.
    pub(super) fn propose(&mut self, signed: &[Verified<Statement>]) -> Result<(), Fault> {
        let statements = signed.iter().map(|statement| to_text(statement.bytes())).collect();
        let _: Vec<String> = self.door.call(&Ask::Propose { statements })?;
        Ok(())
    }

    /// Hands what was signed to the node, all or nothing; back when it is on disk.
    pub(super) fn hand_in(
        &mut self,
        signed: &[Verified<Statement>],
        bodies: &[Vec<u8>],
    ) -> Result<(), Fault> {
        let statements = signed.iter().map(|statement| to_text(statement.bytes())).collect();
        let bodies = bodies.iter().map(|body| to_text(body)).collect();
        let _: Vec<String> = self.door.call(&Ask::Submit { statements, bodies })?;
        Ok(())
    }
}

impl Standing {
    /// Who signs here, as screens name him.
    pub(super) fn operator_name(&self) -> String {
        match &self.author {
            Principal::Operator(id) => format!("operator:{}", id.name()),
            other => other.to_string(),
        }
    }

    fn read(place: &PlaceSaid) -> Result<Self, Fault> {
        let odd = |what: &str| {
            let hint = "use `belay` of the version that runs the node";
            Fault::failed(format!("the node's answer has no valid {what}"), hint)
        };
        let id = |text: &str| id_from_text(text).map_err(|_| odd("id"));
        let drawn = unhex(&place.drawn).and_then(|bytes| bytes.try_into().ok());
        let domain = TrustDomain::new(&place.domain).map_err(|_| odd("trust domain"))?;
        let author = match (&place.operator, place.root) {
            (_, true) => Principal::Root(domain.clone()),
            (Some(operator), false) => {
                let operator = OperatorId::parse(operator).map_err(|_| odd("operator"))?;
                Principal::Operator(operator)
            }
            (None, false) => return Err(nobody()),
        };
        Ok(Self {
            fleet: FleetId(id(&place.fleet)?),
            domain,
            device: DeviceId::parse(&place.device).map_err(|_| odd("device"))?,
            author,
            incarnation: Incarnation {
                counter: place.counter,
                drawn: drawn.ok_or_else(|| odd("incarnation"))?,
            },
            seq: place.seq,
            prev: place.prev.as_deref().map(id).transpose()?.map(StatementId),
            epoch: place.epoch,
        })
    }
}

/// A key that signs without its holder's presence was named for something else than an order.
fn orders_only(word: &str) -> Fault {
    let what = format!(
        "the key “{word}” of an ssh-agent signs without a touch or a typed secret, so it counts for \
         orders only: stop, pause, quarantine and revoke"
    );
    Fault::exit(3, what, "leave --key out: the sealed key is unlocked for this")
}

fn nobody() -> Fault {
    let hint = "use the state of the operator's own device, or ask the root to name this key: \
                `belay operator add CARD`; a rotation that broke off goes on with `belay key rotate`";
    Fault::exit(3, "this key is no operator's and no root key of the standing root", hint)
}

/// Opens one sealed key of a state directory.
pub(super) fn open_key(
    state: &Path,
    name: KeyName,
    unlock: &Unlocking,
) -> Result<SecretKey, Fault> {
    let vault = Vault::at(state);
    if !vault.has(name) {
        return Err(no_such_key(name));
    }
    open(name, unlock, |unlock| vault.open(name, unlock))
}

/// What to do where a key is asked for that does not lie in this state.
pub(super) fn no_such_key(name: KeyName) -> Fault {
    let hint = match name {
        KeyName::Operator | KeyName::Root => {
            "name the sealed key with --key FILE; it lies in keys/operator.age of the state \
             of the operator's own device"
        }
        KeyName::Device => "found a fleet with `belay up`, or join with `belay up --join FILE`",
    };
    Fault::exit(4, format!("this state holds no {} key", name.as_str()), hint)
}

/// What opens every key of this state, asked for once.
pub(super) fn unlock_all(unlock: &Unlocking) -> Result<Unlock, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    Unlock::from_choice(unlock.unlock_file.as_deref(), "Passphrase for the keys of this state: ")
        .map_err(|error| Fault::wrong_use(&error, error.hint()))
}

/// Opens a key of this state: in use, next, or set aside.
pub(super) fn open_turn(
    vault: &Vault,
    name: KeyName,
    turn: Turn,
    unlock: &Unlock,
) -> Result<SecretKey, Fault> {
    secret(vault.open_of(name, turn, unlock))
}

/// Opens a sealed key that lies in another state.
fn open_file(file: &Path, name: KeyName, unlock: &Unlocking) -> Result<SecretKey, Fault> {
    let what = name.as_str();
    let hint = format!("name a sealed {what} key, such as STATE/keys/{what}.age");
    if !file.is_file() {
        return Err(Fault::wrong_use(format!("{}: no such file", file.display()), hint));
    }
    let path: PathBuf = file.to_owned();
    let mut other = false;
    let opened = open(name, unlock, |unlock| {
        let opened = open_sealed(path, name, unlock);
        let is_other = |error: &OpenError| {
            matches!(error, OpenError::OtherKey { .. } | OpenError::Tampered { .. })
        };
        other = opened.as_ref().is_err_and(is_other);
        opened
    });
    match opened {
        Err(fault) if other => Err(Fault::wrong_use(fault.what, hint)),
        opened => opened,
    }
}

fn open(
    name: KeyName,
    unlock: &Unlocking,
    seed: impl FnOnce(&Unlock) -> Result<Seed32, OpenError>,
) -> Result<SecretKey, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let prompt = format!("Passphrase for the {} key: ", name.as_str());
    let unlock = Unlock::from_choice(unlock.unlock_file.as_deref(), &prompt)
        .map_err(|error| Fault::wrong_use(&error, error.hint()))?;
    secret(seed(&unlock))
}

/// The key of an opened seed.
pub(super) fn secret(opened: Result<Seed32, OpenError>) -> Result<SecretKey, Fault> {
    let seed = opened.map_err(|error| Fault::failed(&error, error.hint()))?;
    Ok(SecretKey::from_seed(seed.as_bytes()))
}
