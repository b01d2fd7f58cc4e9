//! How a device, a user or a group becomes part of the fleet.

use crate::codec::Bytes;
use crate::key::PublicKey;
use crate::principal::{DeviceId, Principal, UserId};
use crate::record;
use crate::signed::{FleetId, StatementId};

record! {
    /// A device joins; signed by an enrol operator, or by the key of an invite that its refs name.
    pub struct Enrol("enrol") {
        /// The device's key.
        1 => key: PublicKey,
        /// Its name.
        2 => device: DeviceId,
        /// The site it belongs to.
        3 => site: Option<String>,
        /// What it is.
        4 => kind: DeviceKind,
        /// Whose agents run there.
        5 => owner: UserId,
        /// The device key's signature over `possession_words`.
        6 => possession: Bytes,
    }
}

impl Enrol {
    /// What the device key signs to show that it is there: never a COSE structure.
    pub fn possession_words(fleet: &[u8], key: &PublicKey, device: &DeviceId) -> Vec<u8> {
        let mut words = b"belay possession 1\0".to_vec();
        words.extend_from_slice(fleet);
        words.extend_from_slice(&key.0);
        words.extend_from_slice(device.as_str().as_bytes());
        words
    }

    /// True when the device key signed that it is there.
    pub(crate) fn is_possessed(&self, fleet: &FleetId) -> bool {
        let words = Self::possession_words(&fleet.0, &self.key, &self.device);
        let signature = <&[u8; 64]>::try_from(self.possession.0.as_slice());
        signature.is_ok_and(|signature| self.key.verify_strict(&words, signature))
    }
}

crate::codes! {
    /// What a device is; phones are leaves.
    pub enum DeviceKind {
        /// A laptop or desktop.
        Laptop = 1 "laptop",
        /// A phone: relays nothing.
        Phone = 2 "phone",
        /// A robot.
        Robot = 3 "robot",
        /// A gateway.
        Gateway = 4 "gateway",
        /// A server.
        Server = 5 "server",
    }
}

impl DeviceKind {
    /// True for what people carry about, among networks of strangers.
    pub fn moves_about(self) -> bool {
        match self {
            Self::Laptop | Self::Phone => true,
            Self::Robot | Self::Gateway | Self::Server => false,
        }
    }
}

record! {
    /// A one-use grant to a fresh key; the expiry stands in the statement.
    pub struct Invite("invite") {
        /// The fresh key.
        1 => key: PublicKey,
        /// The device that decides between two uses.
        2 => witness: DeviceId,
        /// The name it may enrol; any where absent.
        3 => device: Option<DeviceId>,
        /// The owner that the enrolment must name.
        4 => owner: UserId,
    }
}

record! {
    /// The first enrolment of an invite that its witness saw.
    pub struct Witness("witness") {
        /// The invite.
        1 => invite: StatementId,
        /// The enrolment.
        2 => enrol: StatementId,
    }
}

record! {
    /// A user, project or policy class exists.
    pub struct Named("name") {
        /// Its id.
        1 => id: Principal,
    }
}

record! {
    /// Where a device can be reached and what it can do; a register.
    pub struct Presence("presence") {
        /// Multiaddresses.
        1 => addresses: Vec<String>,
        /// Words for what it can do.
        2 => capabilities: Vec<String>,
        /// Load in thousandths of one core, on average over its cores.
        3 => load: u64,
    }
}
