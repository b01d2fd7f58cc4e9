//! `belay key rotate device`: a new key takes the place of this device's, in steps that leave it a
//! member at every moment; interrupted, the same command goes on where it stopped.
//!
//! The next key is made and sealed; an operator with the role enrol signs this device's enrolment
//! by it, which names the one before; the keys change places and the node starts again by the new
//! one. From the enrolment on the old key is nobody's: what it said stays this device's word, what
//! it says now is refused. Refused here: the key of a device that gives leases, for releases name
//! those by their keys.

use super::operator::{Operator, open_turn, unlock_all};
use super::up::draw_key;
use super::{door, down, living, statement, up};
use crate::api::policy::PolicySaid;
use crate::api::{Ask, PlaceSaid, id_from_text};
use crate::cli::authority::Rotate;
use crate::cli::keys::KeySource;
use crate::cli::{Context, Signing, Unlocking};
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, talk};
use crate::vault::{KeyName, SealError, Seed32, Turn, Unlock, Vault};
use belay_identity::body::{Body, Enrol, Role};
use belay_identity::codec::Bytes;
use belay_identity::{Class, SecretKey, StatementId};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// One step; each changes one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Make and seal the next key.
    Make,
    /// Have an operator enrol this device by it.
    Enrol,
    /// Give the key in use its second name.
    SetAside,
    /// Let the next key take its place.
    TakeOver,
    /// Start the node by it.
    Restart,
    /// Remove the old key.
    Drop,
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Self::Make => "making the next device key",
            Self::Enrol => "enrolling this device by the next key",
            Self::SetAside => "setting the old device key aside",
            Self::TakeOver => "putting the next device key in its place",
            Self::Restart => "starting the node by the new key",
            Self::Drop => "removing the old device key",
        }
    }
}

pub(super) fn run(context: &Context, ask: &Rotate) -> Result<ExitCode, Fault> {
    let path = context.state()?;
    let vault = Vault::at(&path);
    if !vault.has(KeyName::Device) {
        let hint = "run it where the key lies; see `belay key list`";
        return Err(Fault::exit(4, "this state holds no device key", hint));
    }
    let unlock = unlock_all(&ask.unlock)?;
    let mut turning = Turning { context, ask, path, vault, unlock, moved: false };
    while let Some(step) = turning.next()? {
        talk(format_args!("belay: {}", step.words()));
        turning.take(step)?;
    }
    let key = turning.open(Turn::Now)?.public().to_hex();
    let data = json!({ "key": KeyName::Device.as_str(), "public": key });
    let words = format!("The device key of this state is {key} now; the node runs by it.\n");
    Shown::whole("belay.key.rotate/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// A rotation on its way.
struct Turning<'a> {
    context: &'a Context,
    ask: &'a Rotate,
    path: PathBuf,
    vault: Vault,
    unlock: Unlock,
    moved: bool,
}

impl Turning<'_> {
    /// What is to be done next, by which keys lie here and whose they are.
    fn next(&self) -> Result<Option<Step>, Fault> {
        let has = |turn| self.vault.has_of(KeyName::Device, turn);
        Ok(match (has(Turn::Next), has(Turn::Old)) {
            (false, false) if self.moved => None,
            (false, false) => Some(Step::Make),
            (true, true) => Some(Step::TakeOver),
            (true, false) if self.place_of(Turn::Next)?.enrol.is_some() => Some(Step::SetAside),
            (true, false) => Some(Step::Enrol),
            (false, true) if self.runs_by_the_new_one()? => Some(Step::Drop),
            (false, true) => Some(Step::Restart),
        })
    }

    fn take(&mut self, step: Step) -> Result<(), Fault> {
        self.moved = true;
        let fault = |error: SealError| Fault::failed(&error, error.hint());
        match step {
            Step::Make => self.make(),
            Step::Enrol => self.enrol(),
            Step::SetAside => self.vault.set_aside(KeyName::Device).map_err(fault),
            Step::TakeOver => self.vault.take_over(KeyName::Device).map_err(fault),
            Step::Restart => self.restart(),
            Step::Drop => self.vault.drop_old(KeyName::Device).map_err(fault),
        }
    }

    fn open(&self, turn: Turn) -> Result<SecretKey, Fault> {
        open_turn(&self.vault, KeyName::Device, turn, &self.unlock)
    }

    /// What the node says of a key of ours.
    fn place_of(&self, turn: Turn) -> Result<PlaceSaid, Fault> {
        let key = self.open(turn)?.public().to_hex();
        let class = Class::AuthorityPlus.code();
        Ok(door(self.context, DoorName::Operator)?.call(&Ask::Place { key, class })?)
    }

    /// A node whose own key is the enrolled one says which device it is.
    fn runs_by_the_new_one(&self) -> Result<bool, Fault> {
        let lives = living::pid_of_living(&self.path)?.is_some();
        Ok(lives && !self.place_of(Turn::Now)?.device.is_empty())
    }

    fn make(&self) -> Result<(), Fault> {
        let key = self.open(Turn::Now)?.public().to_hex();
        let ask = Ask::Policy { agent: None };
        let policy: PolicySaid = door(self.context, DoorName::Operator)?.call(&ask)?;
        let older = policy.older.iter().map(|older| &older.release);
        let mut givers = policy
            .judging
            .iter()
            .chain(older)
            .flat_map(|release| release.beacons.iter().chain(&release.gateways));
        if givers.any(|giver| giver.key == key) {
            let hint = "publish a release whose [beacons] leave this device out, rotate once it \
                        judges alone, then publish one that names it again";
            let what = "this device gives or passes on leases, and releases name its key";
            return Err(Fault::wrong_use(what, hint));
        }
        let seed = Seed32::new(*draw_key().seed());
        let sealed = self.vault.seal_next(KeyName::Device, &seed, &self.unlock);
        sealed.map_err(|error| Fault::failed(&error, error.hint()))
    }

    /// An operator enrols this device by the next key, in place of the enrolment that stands.
    fn enrol(&self) -> Result<(), Fault> {
        let no_member = || {
            let hint = "join again with a fresh invite: `belay device invite`";
            Fault::exit(4, "this device's key is no member's", hint)
        };
        let odd = |refusal: belay_mesh::output::Refusal| {
            Fault::failed(refusal.why, "use `belay` of the version that runs the node")
        };
        let before = self.place_of(Turn::Now)?.enrol.ok_or_else(no_member)?;
        let (stands, fleet) = statement::fetch(self.context, &before)?;
        let Body::Enrol(enrol) = &stands.body else { return Err(no_member()) };
        let next = self.open(Turn::Next)?;
        let words = Enrol::possession_words(&fleet.0, &next.public(), &enrol.device);
        let possession = Bytes(next.sign(&words).to_vec());
        let enrol = Enrol { key: next.public(), possession, ..enrol.clone() };
        let unlock_file = self.ask.unlock.unlock_file.clone();
        let signing = Signing {
            key: self.ask.key.clone().map(KeySource::File),
            unlock: Unlocking { unlock_file },
        };
        let mut operator = Operator::unlock(self.context, &signing)?;
        let place = operator.place(Class::AuthorityPlus)?;
        let before = StatementId(id_from_text(&before).map_err(odd)?);
        operator.say(place, enrol.into(), vec![before], None)?;
        if self.place_of(Turn::Next)?.enrol.is_some() {
            return Ok(());
        }
        let what = format!("the operator's key does not hold the role {}", Role::Enrol);
        Err(Fault::exit(3, what, "name the key of one that does with --key"))
    }

    fn restart(&self) -> Result<(), Fault> {
        if living::lives(&self.path)? {
            down::end(self.context)?;
            while living::lives(&self.path)? {}
        }
        up::start(&self.path, &self.open(Turn::Now)?)?;
        up::wait_until_member(self.context)
    }
}
