//! Who plays in the demo, how they are linked, and who hands work to whom: data, nothing else.
//!
//! The stories play the same cast. Refused here: a device or a link that is not said on the screen.

/// One telling of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// How many devices, in words.
    pub count: &'static str,
    /// Every device, in the order in which they come up; the first one founds and gives the order.
    pub devices: &'static [Device],
    /// The delegation tree, the planner first: each hands work to the next.
    pub agents: &'static [Agent],
}

/// One device of a telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Its name in the fleet.
    pub name: &'static str,
    /// What it is to people, with its article.
    pub role: &'static str,
    /// Its kind, as `--kind` takes it.
    pub kind: &'static str,
    /// Whom it dials: first whoever invited it.
    pub dials: &'static [Dial],
}

/// One link, from the side that dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial {
    /// The device at the other end.
    pub to: &'static str,
    /// The way there.
    pub way: Way,
}

/// The way of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight to the other device's own address.
    Direct,
    /// Through the relay, which can be cut.
    Relay,
}

/// One agent, on the device where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// The agent's name.
    pub name: &'static str,
    /// The device's name.
    pub device: &'static str,
    /// What it asks to do first.
    pub act: Act,
}

/// What an agent asks to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing of its own.
    None,
    /// A tool that the release permits.
    Search,
    /// A motion that the release forbids.
    Move,
}

/// How far a telling has come, in its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The first device has founded the fleet.
    Founded,
    /// Every device is linked as told, and holds a lease.
    Joined,
    /// One act was denied.
    Denied,
    /// Every agent's work runs.
    Working,
    /// The relay is cut.
    Cut,
    /// The order is given.
    Ordered,
    /// What is cut off has ended by its lease.
    Lapsed,
    /// The relay is healed.
    Healed,
    /// Every receipt is home.
    Received,
}

impl Phase {
    /// All of them, first to last.
    pub const ALL: [Self; 9] = [
        Self::Founded,
        Self::Joined,
        Self::Denied,
        Self::Working,
        Self::Cut,
        Self::Ordered,
        Self::Lapsed,
        Self::Healed,
        Self::Received,
    ];

    /// One word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Founded => "founded",
            Self::Joined => "joined",
            Self::Denied => "denied",
            Self::Working => "work running",
            Self::Cut => "cut",
            Self::Ordered => "order given",
            Self::Lapsed => "lapsed",
            Self::Healed => "healed",
            Self::Received => "receipts in",
        }
    }
}

/// Five devices, and work that is handed on three times.
pub static WHOLE: Telling = Telling {
    count: "five",
    devices: &[
        Device { name: "ops-laptop", role: "the operator's laptop", kind: "laptop", dials: &[] },
        Device {
            name: "gateway",
            role: "the gateway",
            kind: "gateway",
            dials: &[direct("ops-laptop")],
        },
        Device {
            name: "dev-laptop",
            role: "the developer's laptop",
            kind: "laptop",
            dials: &[direct("ops-laptop"), direct("gateway")],
        },
        Device {
            name: "robot",
            role: "the robot",
            kind: "robot",
            dials: &[by_relay("ops-laptop"), by_relay("gateway")],
        },
        Device {
            name: "phone",
            role: "the phone",
            kind: "phone",
            dials: &[direct("ops-laptop"), direct("robot")],
        },
    ],
    agents: &[
        Agent { name: "planner", device: "dev-laptop", act: Act::Search },
        Agent { name: "dispatcher", device: "gateway", act: Act::None },
        Agent { name: "mover", device: "robot", act: Act::Move },
        Agent { name: "watcher", device: "phone", act: Act::None },
    ],
};

/// Two devices, and work that is handed on once.
pub static SMALL: Telling = Telling {
    count: "two",
    devices: &[
        Device { name: "laptop", role: "the laptop", kind: "laptop", dials: &[] },
        Device { name: "robot", role: "the robot", kind: "robot", dials: &[by_relay("laptop")] },
    ],
    agents: &[
        Agent { name: "planner", device: "laptop", act: Act::Search },
        Agent { name: "mover", device: "robot", act: Act::Move },
    ],
};

const fn direct(to: &'static str) -> Dial {
    Dial { to, way: Way::Direct }
}

const fn by_relay(to: &'static str) -> Dial {
    Dial { to, way: Way::Relay }
}

impl Telling {
    /// The device that founds the fleet, is its beacon, and gives the order.
    pub fn founder(&self) -> &'static str {
        self.devices.first().map_or("", |device| device.name)
    }

    /// True for a device whose only way to whom it dials is the relay.
    pub fn is_behind_relay(&self, name: &str) -> bool {
        let device = self.devices.iter().find(|device| device.name == name);
        let relayed = |dial: &Dial| dial.way == Way::Relay;
        device.is_some_and(|d| !d.dials.is_empty() && d.dials.iter().all(relayed))
    }

    /// What a device is to people.
    pub fn role(&self, name: &str) -> &'static str {
        let device = self.devices.iter().find(|device| device.name == name);
        device.map_or("a device", |device| device.role)
    }
}

impl Act {
    /// The word that the agents' script takes.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Search => "search",
            Self::Move => "move",
        }
    }
}
