//! A plan: which fleet, which weather, and what happens when. Data in TOML, read once.
//!
//! Refused here: unknown keys, and fleets that cannot be; each refusal says what to change.

mod nearest;
mod script;

pub use script::{Cut, Gives, Heal, Hit, Lend, Order, Run, Set, Step, Suspend};

use crate::clock::Time;
use crate::limits::{BEACONS_MAX, DEGREE_MAX, NODES_MAX, QUIET_MIN, SEATS_MAX};
use serde::{Deserialize, Deserializer};

/// One fleet and what happens to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it shows, in a sentence.
    pub about: String,
    /// How many devices.
    pub nodes: usize,
    /// How long it lasts, in the world's time.
    pub duration: Span,
    /// Its members.
    #[serde(default)]
    pub fleet: FleetPlan,
    /// How long devices may go on without contact.
    pub lease: LeasePlan,
    /// What lies between devices.
    pub network: NetworkPlan,
    /// What holds their words.
    pub disk: DiskPlan,
    /// What runs on them.
    pub task: TaskPlan,
    /// How wrong their clocks are.
    pub clock: ClockPlan,
    /// What devices say that they can do; absent where they take only work for which they are
    /// named.
    pub lend: Option<LendPlan>,
    /// What happens at chance moments.
    #[serde(default)]
    pub weather: WeatherPlan,
    /// What happens at given moments.
    #[serde(default)]
    pub script: Vec<Step>,
}

/// Who is in the fleet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetPlan {
    /// How many devices give leases; the first ones.
    pub beacons: usize,
    /// How many of them must answer.
    pub quorum: usize,
    /// How many of them may lie.
    pub liars: usize,
    /// How many devices may pass the beacons' answers on; those that come after the beacons.
    pub gateways: usize,
    /// Links that each device keeps.
    pub degree: usize,
    /// How many devices join by invite while the world runs; the last ones.
    pub joins: usize,
}

impl Default for FleetPlan {
    fn default() -> Self {
        Self { beacons: 1, quorum: 1, liars: 0, gateways: 0, degree: 3, joins: 0 }
    }
}

/// How long devices may go on without contact.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeasePlan {
    /// Every action class.
    pub act: Span,
    /// Trees that are not sealed.
    pub run: Span,
    /// How long frozen work waits before it is ended.
    pub lapse_grace: Span,
}

/// What lies between devices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// One way, drawn for each link.
    pub latency: Between,
    /// Added to each frame, up to this.
    pub jitter: Span,
    /// The share of frames that are lost once.
    pub loss: Share,
    /// How much later a lost frame arrives: links are reliable streams.
    pub repair: Between,
    /// How long a cut link takes to be noticed.
    pub idle: Span,
}

/// What holds their words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskPlan {
    /// How long a write takes to be on disk.
    pub write: Between,
    /// How long a program takes to be looked up.
    #[serde(default = "lookup")]
    pub lookup: Between,
}

fn lookup() -> Between {
    Between { low: crate::clock::MS / 10, high: crate::clock::MS }
}

/// What devices say of themselves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LendPlan {
    /// Words for what they can do.
    pub capabilities: Vec<String>,
    /// The share of devices that has each.
    pub share: Share,
    /// How often they look how busy they are.
    pub load_every: Span,
    /// Until when that changes: a change is said up to a minute later.
    pub load_until: Span,
    /// How busy they are at most, thousandths of a core.
    pub load_max: u64,
}

/// What runs on devices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPlan {
    /// How long a warden takes to start its tree.
    pub start: Between,
    /// How often a tree acts.
    pub act_every: Span,
    /// The share of trees that do not heed a request to end.
    pub deaf: Share,
    /// How long others take to end when asked.
    pub ends: Between,
}

/// How wrong clocks are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockPlan {
    /// Rate error of boot clocks, up to this many parts per million either way.
    pub ppm: u64,
    /// Error of wall clocks, up to this either way.
    pub wall: Span,
}

/// What happens at chance moments, each to one device drawn for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeatherPlan {
    /// The first and the last moment.
    pub when: Between,
    /// How many devices are cut off for a while.
    pub cuts: usize,
    /// How many are suspended for a while.
    pub suspends: usize,
    /// How many nodes are killed and started again.
    pub crashes: usize,
    /// How long each of these lasts.
    pub lasts: Between,
}

impl Default for WeatherPlan {
    fn default() -> Self {
        let never = Between { low: 0, high: 0 };
        Self { when: never, cuts: 0, suspends: 0, crashes: 0, lasts: never }
    }
}

/// A span of time, nanoseconds; `250us`, `5ms`, `10s`, `15m` or `8h` in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Time);

/// Two spans between which one is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// The shortest, nanoseconds.
    pub low: Time,
    /// The longest, nanoseconds.
    pub high: Time,
}

/// A share in millionths; a number from 0 to 1 in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u64);

/// Why a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It does not read as a plan.
    #[error("it does not read as a plan: {0}")]
    Text(String),
    /// The fleet cannot be.
    #[error("no such fleet can be: {0}")]
    Fleet(String),
    /// A step of the script cannot be done.
    #[error("step {step} cannot be done: {why}")]
    Step {
        /// Which, from 1.
        step: usize,
        /// Why, and what to change.
        why: String,
    },
    /// The run would end before anything could be said of it.
    #[error("the last step is at {last_s} s and the end at {end_s} s; leave {quiet_s} s of quiet")]
    TooShort {
        /// The last moment of the script.
        last_s: u64,
        /// The end of the run.
        end_s: u64,
        /// How much must lie between.
        quiet_s: u64,
    },
}

impl Plan {
    /// Reads a plan; `nodes` stands in for its own number.
    pub fn read(text: &str, nodes: Option<usize>) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| {
            let meant = nearest::meant(error.message()).unwrap_or_default();
            PlanError::Text(format!("{error}{meant}"))
        })?;
        let plan = Self { nodes: nodes.unwrap_or(plan.nodes), ..plan };
        plan.fleet_can_be()?;
        for (index, step) in plan.script.iter().enumerate() {
            let refuse = |why| PlanError::Step { step: index + 1, why };
            step.can_be(&plan, &plan.script[..index]).map_err(refuse)?;
        }
        plan.leaves_quiet()?;
        Ok(plan)
    }

    fn fleet_can_be(&self) -> Result<(), PlanError> {
        let fleet = &self.fleet;
        let n = self.nodes;
        let seats = fleet.beacons * SEATS_MAX;
        let refusals = [
            (!(1..=NODES_MAX).contains(&n), format!("{n} nodes; name 1 to {NODES_MAX}")),
            (fleet.beacons < 1, "no beacon; somebody must give leases".to_owned()),
            (fleet.beacons > n, format!("{} beacons among {n} nodes", fleet.beacons)),
            (
                fleet.beacons + fleet.gateways > n,
                format!("{} gateways besides {} beacons among {n}", fleet.gateways, fleet.beacons),
            ),
            (
                fleet.beacons > BEACONS_MAX,
                format!("{} beacons; a release's header holds {BEACONS_MAX}", fleet.beacons),
            ),
            (
                !(1..=fleet.beacons).contains(&fleet.quorum),
                format!("a quorum of {} among {} beacons", fleet.quorum, fleet.beacons),
            ),
            (
                fleet.liars >= fleet.quorum,
                format!("{} liars in a quorum of {}; fewer lie", fleet.liars, fleet.quorum),
            ),
            (fleet.joins >= n, format!("all {n} nodes join by invite; somebody founds the fleet")),
            (
                !(1..=DEGREE_MAX).contains(&fleet.degree),
                format!("{} links each; name 1 to {DEGREE_MAX}", fleet.degree),
            ),
            (
                fleet.quorum * n.min(seats / fleet.quorum.max(1)) > seats,
                format!("{} beacons have {seats} seats; name more beacons", fleet.beacons),
            ),
            (self.task.act_every.0 == 0, "trees that act without pause".to_owned()),
            (
                self.lend.as_ref().is_some_and(|lend| lend.load_every.0 == 0),
                "devices that look how busy they are without pause".to_owned(),
            ),
            (self.clock.ppm > 200, format!("clocks wrong by {} ppm; 200 at most", self.clock.ppm)),
        ];
        match refusals.into_iter().find(|(refused, _)| *refused) {
            Some((_, why)) => Err(PlanError::Fleet(why)),
            None => Ok(()),
        }
    }

    fn leaves_quiet(&self) -> Result<(), PlanError> {
        let weather = self.weather.when.high + self.weather.lasts.high;
        let said = belay_mesh::limits::PRESENCE_EVERY_MS * crate::clock::MS;
        let loads = self.lend.as_ref().map_or(0, |lend| lend.load_until.0 + said);
        let steps = self.script.iter().map(Step::ends);
        let last = steps.chain([weather, loads]).max().unwrap_or(0);
        let second = crate::clock::SECOND;
        if last + QUIET_MIN <= self.duration.0 {
            return Ok(());
        }
        Err(PlanError::TooShort {
            last_s: last / second,
            end_s: self.duration.0 / second,
            quiet_s: QUIET_MIN / second,
        })
    }
}

impl Span {
    /// Milliseconds.
    pub fn ms(self) -> u64 {
        self.0 / crate::clock::MS
    }

    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("“{text}” is no span; write 250us, 5ms, 10s, 15m or 8h");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = text.split_at(digits);
        let factor: Time = match unit {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(bad()),
        };
        let number: Time = number.parse().map_err(|_| bad())?;
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Between {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [low, high] = <[Span; 2]>::deserialize(from)?;
        let (low, high) = (low.0, high.0);
        let bad = "two spans, the shorter one first";
        if low <= high { Ok(Self { low, high }) } else { Err(serde::de::Error::custom(bad)) }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(from)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(serde::de::Error::custom("a share is a number from 0.0 to 1.0"));
        }
        // Rounded to millionths: within bounds by the check above.
        Ok(Self((share * 1e6).round() as u64))
    }
}
