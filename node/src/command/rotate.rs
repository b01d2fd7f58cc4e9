//! `belay key rotate`: a new key takes the place of one in use, in steps that leave a valid one at
//! every moment; interrupted, it goes on where it stopped.
//!
//! Where it stands follows from which keys lie in the vault and what the standing epoch names, and
//! from nothing else. An operator's two keys count side by side until the root retires the old one;
//! a root key gives its place to the next in one epoch, which both sign. Refused here: dropping a
//! key that an epoch still names.

use super::approve::{all, lacks};
use super::authority::ask as ask_authority;
use super::card::fleet;
use super::epoch::{draw, sign};
use super::operator::{Operator, open_turn, unlock_all};
use super::up::draw_key;
use crate::api::approval::{ChangeAsk, WaitingSaid};
use crate::api::authority::{AuthoritySaid, OperatorSaid};
use crate::api::{Ask, PlaceSaid, id_from_text};
use crate::card::{self, Card, CardUse};
use crate::cli::Context;
use crate::cli::authority::Rotate;
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::screen::{Shown, talk};
use crate::vault::{KeyName, SealError, Seed32, Turn, Unlock, Vault};
use belay_identity::body::{Approve, FurtherKey, Role};
use belay_identity::codec::Bytes;
use belay_identity::principal::OperatorId;
use belay_identity::{Class, SecretKey, StatementId};
use belay_mesh::approval::ActKind;
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &Rotate) -> Result<ExitCode, Fault> {
    let name = match ask.which.as_str() {
        "operator" => KeyName::Operator,
        "root" => KeyName::Root,
        "device" => return super::turn_device::run(context, ask),
        other => {
            let hint = "name operator, root or device";
            return Err(Fault::wrong_use(format!("“{other}” is no key that turns"), hint));
        }
    };
    let mut turning = Turning::begin(context, ask, name)?;
    while let Some(step) = turning.next()? {
        talk(format_args!("belay: {}", step.words(name)));
        turning.take(step)?;
    }
    let key = turning.now()?.public().to_hex();
    let data = json!({ "key": name.as_str(), "public": key });
    let words = format!("The {} key of this state is {key} now.\n", name.as_str());
    Shown::whole("belay.key.rotate/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// One step; each changes one thing, here or in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Make and seal the next key.
    Make,
    /// Have the root name it.
    Name,
    /// Give the key in use its second name.
    SetAside,
    /// Let the next key take its place.
    TakeOver,
    /// Have the root retire the old key.
    Retire,
    /// Remove the old key here.
    Drop,
}

impl Step {
    fn words(self, name: KeyName) -> String {
        let name = name.as_str();
        match self {
            Self::Make => format!("making the next {name} key"),
            Self::Name => format!("letting the root name the next {name} key"),
            Self::SetAside => format!("setting the old {name} key aside"),
            Self::TakeOver => format!("putting the next {name} key in its place"),
            Self::Retire => format!("letting the root retire the old {name} key"),
            Self::Drop => format!("removing the old {name} key"),
        }
    }
}

/// A rotation on its way.
struct Turning<'a> {
    context: &'a Context,
    ask: &'a Rotate,
    name: KeyName,
    vault: Vault,
    unlock: Unlock,
    /// True once this process has taken a step: a rotation that is complete is not begun anew.
    moved: bool,
}

impl<'a> Turning<'a> {
    fn begin(context: &'a Context, ask: &'a Rotate, name: KeyName) -> Result<Self, Fault> {
        let vault = Vault::at(&context.state()?);
        if !vault.has(name) {
            let what = format!("this state holds no {} key", name.as_str());
            return Err(Fault::exit(4, what, "run it where the key lies; see `belay key list`"));
        }
        // Whoever types a passphrase for nothing is told so first.
        drop(super::door(context, DoorName::Operator)?);
        let unlock = unlock_all(&ask.unlock)?;
        Ok(Self { context, ask, name, vault, unlock, moved: false })
    }

    /// A door of its own for each question: opening keys takes longer than a door waits.
    fn door(&self) -> Result<DoorClient, Fault> {
        super::door(self.context, DoorName::Operator)
    }

    /// What is to be done next, by what lies here and what the standing epoch names.
    fn next(&self) -> Result<Option<Step>, Fault> {
        let has = |turn| self.vault.has_of(self.name, turn);
        Ok(match (has(Turn::Next), has(Turn::Old)) {
            (false, false) if self.moved => None,
            (false, false) => Some(Step::Make),
            (true, true) => Some(Step::TakeOver),
            (true, false) if self.is_named(Turn::Next)? => Some(Step::SetAside),
            (true, false) => Some(Step::Name),
            (false, true) if self.is_named(Turn::Old)? => Some(Step::Retire),
            (false, true) => Some(Step::Drop),
        })
    }

    fn take(&mut self, step: Step) -> Result<(), Fault> {
        self.moved = true;
        let fault = |error: SealError| Fault::failed(&error, error.hint());
        match step {
            Step::Make => self.make(),
            Step::Name if self.name == KeyName::Root => self.replace_root(),
            Step::Name => self.name_operator(),
            Step::SetAside => self.vault.set_aside(self.name).map_err(fault),
            Step::TakeOver => self.vault.take_over(self.name).map_err(fault),
            Step::Retire => self.retire_operator(),
            Step::Drop => self.vault.drop_old(self.name).map_err(fault),
        }
    }

    fn make(&self) -> Result<(), Fault> {
        // Whatever seals the next key opens the one in use.
        self.now()?;
        let seed = Seed32::new(*draw_key().seed());
        let sealed = self.vault.seal_next(self.name, &seed, &self.unlock);
        sealed.map_err(|error| Fault::failed(&error, error.hint()))
    }

    fn now(&self) -> Result<SecretKey, Fault> {
        self.open(self.name, Turn::Now)
    }

    fn open(&self, name: KeyName, turn: Turn) -> Result<SecretKey, Fault> {
        open_turn(&self.vault, name, turn, &self.unlock)
    }

    /// True when the standing epoch names this key of ours.
    fn is_named(&self, turn: Turn) -> Result<bool, Fault> {
        let key = self.open(self.name, turn)?.public().to_hex();
        let said: AuthoritySaid = ask_authority(self.context)?;
        Ok(match self.name {
            KeyName::Root => said.keys.contains(&key),
            KeyName::Operator | KeyName::Device => {
                said.operators.iter().any(|line| line.keys.contains(&key))
            }
        })
    }

    /// The root names the next key beside the one in use; where no root key lies, another operator
    /// certifies it.
    fn name_operator(&self) -> Result<(), Fault> {
        let id = self.operator_id()?;
        let next = self.open(KeyName::Operator, Turn::Next)?;
        if !self.vault.has(KeyName::Root) {
            return Err(self.named_by_another(&id, &next)?);
        }
        let (id, key) = (id.to_string(), next.public().to_hex());
        self.found(ChangeAsk::AddOperatorKey { id, key }, None)
    }

    /// His own word that the next key is his too; another security operator says yes to it. Where
    /// there is none, whoever holds a root key names the key by its card.
    fn named_by_another(&self, id: &OperatorId, next: &SecretKey) -> Result<Fault, Fault> {
        let said: AuthoritySaid = ask_authority(self.context)?;
        let name = id.name();
        let may = |line: &OperatorSaid| {
            line.name != name && line.roles.iter().any(|role| role == Role::Security.as_str())
        };
        if !said.operators.iter().any(may) {
            return self.card_for(id, next);
        }
        let digits = next.public().to_hex().chars().take(16).collect::<String>();
        let of_next = |waiting: &WaitingSaid| {
            waiting.act == ActKind::FurtherKey.as_str() && waiting.what.contains(&digits)
        };
        if let Some(waiting) = all(&mut self.door()?)?.into_iter().find(of_next) {
            return Ok(lacks(&waiting));
        }
        let mut signer = Operator::holding(self.context, self.now()?)?;
        let mut place = signer.place(Class::AuthorityMinus)?;
        let words = FurtherKey::possession_words(&place.fleet.0, &next.public(), id);
        let possession = Bytes(next.sign(&words).to_vec());
        let word = FurtherKey { key: next.public(), possession };
        let word = signer.sign_next(&mut place, word.into(), Vec::new(), None)?;
        signer.hand_in(&[word], &[])?;
        let waiting = all(&mut self.door()?)?.into_iter().find(of_next);
        let gone = || Fault::failed("the node lost the word about the next key", "try again");
        waiting.map(|waiting| lacks(&waiting)).ok_or_else(gone)
    }

    fn card_for(&self, id: &OperatorId, next: &SecretKey) -> Result<Fault, Fault> {
        let (fleet, _) = fleet(&mut self.door()?)?;
        let out = &self.ask.out;
        if !out.exists() {
            card::write(out, &Card::of(fleet, CardUse::Operator, id.clone(), next))?;
        }
        let hint = format!(
            "whoever holds a root key names it: belay operator add {} --further-key; then go on \
             here with the same command",
            out.display()
        );
        let what = "the next key is not named by the root yet; the old one counts on";
        Ok(Fault::exit(super::approve::APPROVAL_NEEDED, what, hint))
    }

    /// Who the key in use is.
    fn operator_id(&self) -> Result<OperatorId, Fault> {
        let key = self.now()?.public().to_hex();
        let class = Class::AuthorityMinus.code();
        let place: PlaceSaid = self.door()?.call(&Ask::Place { key, class })?;
        let id = place.operator.as_deref().and_then(|id| OperatorId::parse(id).ok());
        id.ok_or_else(|| {
            let hint = "a key that nobody knows is named by its card: `belay operator card`";
            Fault::exit(3, "the key in use belongs to no operator", hint)
        })
    }

    fn retire_operator(&self) -> Result<(), Fault> {
        let key = self.open(KeyName::Operator, Turn::Old)?.public().to_hex();
        if self.vault.has(KeyName::Root) {
            return self.found(ChangeAsk::RetireOperatorKey { key }, None);
        }
        let digits = key.get(..16).unwrap_or(&key);
        let hint = format!(
            "whoever holds a root key retires it: belay operator retire {digits}; then go on here \
             with the same command"
        );
        let what = "the new key is in use, and the root has not retired the old one yet";
        Err(Fault::exit(super::approve::APPROVAL_NEEDED, what, hint))
    }

    /// The next root key takes the place of the one in use, in one epoch that both approve.
    fn replace_root(&self) -> Result<(), Fault> {
        let next = self.open(KeyName::Root, Turn::Next)?;
        let (old, new) = (self.now()?.public().to_hex(), next.public().to_hex());
        self.found(ChangeAsk::ReplaceRootKey { old, new }, Some(next))
    }

    /// Proposes and approves an epoch, unless it waits already; then it must stand.
    fn found(&self, change: ChangeAsk, next: Option<SecretKey>) -> Result<(), Fault> {
        let drawn = draw(&mut self.door()?, change)?;
        let mine = drawn.lines();
        let same = |waiting: &WaitingSaid| {
            waiting.act == "root epoch" && waiting.changes.iter().any(|line| mine.contains(line))
        };
        let waiting = all(&mut self.door()?)?.into_iter().find(same);
        let id = match waiting {
            Some(waiting) => waiting.id,
            None => {
                let root = self.open(KeyName::Root, Turn::Now)?;
                let mut signer = Operator::holding(self.context, root)?;
                sign(&mut signer, &drawn)?.to_hex()
            }
        };
        if let Some(next) = next {
            self.approve_as(next, &id)?;
        }
        match all(&mut self.door()?)?.into_iter().find(|waiting| waiting.id == id) {
            Some(waiting) => Err(lacks(&waiting)),
            None => Ok(()),
        }
    }

    fn approve_as(&self, secret: SecretKey, id: &str) -> Result<(), Fault> {
        let mine = format!("root key {}", &secret.public().to_hex()[..16]);
        let waits = all(&mut self.door()?)?.into_iter().find(|waiting| waiting.id == id);
        if waits.is_none_or(|waiting| waiting.approved.contains(&mine)) {
            return Ok(());
        }
        let of = id_from_text(id).map(StatementId);
        let of = of.map_err(|refusal| Fault::failed(refusal.why, "use one version of belay"))?;
        let mut signer = Operator::holding(self.context, secret)?;
        let mut place = signer.place(Class::AuthorityMinus)?;
        let yes = signer.sign_next(&mut place, Approve { of }.into(), Vec::new(), None)?;
        signer.hand_in(&[yes], &[])
    }
}
