//! What lies between hosts: links that are reliable streams, each a peer and not a connection.
//!
//! A frame takes its link's latency and a little jitter; a lost one arrives later, and what follows
//! it in its lane waits. A cut link is silent: what is sent waits in it, and only after the idle
//! time both ends hear that it is gone. Frames are checked once by the real `wire::check`, and the
//! checked frame is shared by all who receive the same bytes.
//!
//! Refused here: deciding what is sent. Bandwidth is not modelled.

use crate::clock::Time;
use crate::dice::Dice;
use crate::limits::FRAMES_SHARED_MAX;
use crate::plan::{NetworkPlan, Plan};
use belay_identity::FleetId;
use belay_mesh::wire::{self, Checked, Frame, FrameKind, Lane, WireError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What the check said of a frame's bytes.
type Weighed = Result<Checked<Frame>, WireError>;

/// A frame on its way, checked.
#[derive(Clone)]
pub(crate) struct Carried {
    pub(crate) lane: Lane,
    pub(crate) frame: Rc<Weighed>,
}

/// Every link there can be.
pub(crate) struct Network {
    plan: NetworkPlan,
    links: BTreeMap<(usize, usize), Link>,
    neighbours: Vec<Vec<usize>>,
    dice: Dice,
    shared: HashMap<(u8, Vec<u8>), Rc<Weighed>>,
}

/// One pair of hosts.
pub(crate) struct Link {
    /// One way, nanoseconds.
    pub(crate) latency: Time,
    /// Grows with every connection.
    pub(crate) session: u64,
    /// True while nothing passes.
    pub(crate) cut: bool,
    ends: [End; 2],
}

/// One end of a link: what its host believes and has not read yet.
#[derive(Default)]
struct End {
    up: bool,
    admitted: bool,
    unread: Vec<Carried>,
    held: Vec<Carried>,
    last: [Time; 4],
}

/// What became of a frame that reached the end of its way.
pub(crate) enum Arrival {
    /// It is read now.
    Read(Carried),
    /// It waits, or nobody is there.
    Nothing,
}

impl Network {
    /// Links of the plan's fleet: a ring, a beacon for as many as have seats, the rest by chance.
    pub(crate) fn build(plan: &Plan, seed: u64) -> Self {
        let mut dice = Dice::of(seed, "links");
        let pairs = topology(plan, &mut dice);
        let mut neighbours = vec![Vec::new(); plan.nodes];
        for (a, b) in &pairs {
            neighbours[*a].push(*b);
            neighbours[*b].push(*a);
        }
        let latency = plan.network.latency;
        let link = |dice: &mut Dice| Link {
            latency: dice.between(latency.low, latency.high),
            session: 0,
            cut: false,
            ends: [End::default(), End::default()],
        };
        let links = pairs.into_iter().map(|pair| (pair, link(&mut dice))).collect();
        let (plan, shared) = (plan.network.clone(), HashMap::new());
        Self { plan, links, neighbours, dice, shared }
    }

    /// Hosts that this one has a link to, up or not.
    pub(crate) fn neighbours(&self, node: usize) -> &[usize] {
        &self.neighbours[node]
    }

    /// Every pair that has a link.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.links.keys().copied()
    }

    pub(crate) fn link(&self, a: usize, b: usize) -> &Link {
        let found = self.links.get(&(a.min(b), a.max(b)));
        found.expect("only pairs of the topology are asked for")
    }

    fn link_mut(&mut self, a: usize, b: usize) -> &mut Link {
        let found = self.links.get_mut(&(a.min(b), a.max(b)));
        found.expect("only pairs of the topology are asked for")
    }

    /// True when `node` believes its link to `peer` stands.
    pub(crate) fn is_up(&self, node: usize, peer: usize) -> bool {
        self.link(node, peer).ends[side(node, peer)].up
    }

    /// Links both ends anew.
    pub(crate) fn connect(&mut self, a: usize, b: usize) {
        let link = self.link_mut(a, b);
        link.session += 1;
        link.ends = [End { up: true, ..End::default() }, End { up: true, ..End::default() }];
    }

    /// This end learns that the link is gone; true when it thought otherwise.
    pub(crate) fn disconnect(&mut self, node: usize, peer: usize) -> bool {
        let end = &mut self.link_mut(node, peer).ends[side(node, peer)];
        std::mem::take(end).up
    }

    /// A frame leaves; says when it arrives, or keeps it where the link is cut.
    pub(crate) fn send(
        &mut self,
        from: usize,
        to: usize,
        now: Time,
        frame: Carried,
    ) -> Option<Time> {
        let at = now + self.way(from, to);
        let link = self.link_mut(from, to);
        if !link.ends[side(from, to)].up {
            return None;
        }
        if link.cut {
            link.ends[side(to, from)].held.push(frame);
            return None;
        }
        Some(in_order(link, to, from, frame.lane, at))
    }

    fn way(&mut self, from: usize, to: usize) -> Time {
        let lost = self.dice.happens(self.plan.loss.0);
        let jitter = self.dice.below(self.plan.jitter.0);
        let repair = self.dice.between(self.plan.repair.low, self.plan.repair.high);
        self.link(from, to).latency + jitter + if lost { repair } else { 0 }
    }

    /// A frame reaches the end of its way.
    pub(crate) fn arrive(
        &mut self,
        to: usize,
        from: usize,
        session: u64,
        frame: Carried,
    ) -> Arrival {
        let link = self.link_mut(to, from);
        let cut = link.cut;
        let fresh = link.session == session;
        let end = &mut link.ends[side(to, from)];
        if !fresh || !end.up {
            return Arrival::Nothing;
        }
        if cut {
            end.held.push(frame);
            return Arrival::Nothing;
        }
        if !end.admitted && frame.lane != Lane::Urgent {
            end.unread.push(frame);
            return Arrival::Nothing;
        }
        Arrival::Read(frame)
    }

    /// The other lanes may be read: what waited in them.
    pub(crate) fn admit(&mut self, node: usize, peer: usize) -> Vec<Carried> {
        let end = &mut self.link_mut(node, peer).ends[side(node, peer)];
        end.admitted = true;
        std::mem::take(&mut end.unread)
    }

    /// Nothing passes from now on.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.link_mut(a, b).cut = true;
    }

    /// Everything passes again; what waited arrives, if its link still stood: (to, from, when).
    pub(crate) fn heal(
        &mut self,
        a: usize,
        b: usize,
        now: Time,
    ) -> Vec<(usize, usize, Time, Carried)> {
        self.link_mut(a, b).cut = false;
        let mut arriving = Vec::new();
        for (to, from) in [(a, b), (b, a)] {
            let held = std::mem::take(&mut self.link_mut(to, from).ends[side(to, from)].held);
            for frame in held {
                let at = now + self.way(from, to);
                let at = in_order(self.link_mut(to, from), to, from, frame.lane, at);
                arriving.push((to, from, at, frame));
            }
        }
        arriving
    }

    /// Checks a frame as its receiver will; each frame's bytes are checked once.
    pub(crate) fn check(
        &mut self,
        fleet: &FleetId,
        lane: Lane,
        kind: FrameKind,
        body: Vec<u8>,
    ) -> Carried {
        let code = u8::try_from(kind.code()).unwrap_or(u8::MAX);
        let check = |body: &[u8]| Rc::new(wire::check(fleet, lane, code, body));
        let frame = if is_for_one(kind) {
            check(&body)
        } else {
            if self.shared.len() >= FRAMES_SHARED_MAX {
                self.shared.clear();
            }
            let key = (code | (u8::try_from(lane.code()).unwrap_or(0) << 5), body);
            let found = self.shared.get(&key).cloned();
            found.unwrap_or_else(|| {
                let checked = check(&key.1);
                self.shared.insert(key, checked.clone());
                checked
            })
        };
        Carried { lane, frame }
    }

    /// The shortest ways from one host to all others over links that are not cut.
    pub(crate) fn floors(&self, from: usize) -> Vec<Option<Time>> {
        let mut floors = vec![None; self.neighbours.len()];
        let mut open = BTreeSet::from([(0, from)]);
        while let Some((far, node)) = open.pop_first() {
            if floors[node].is_some() {
                continue;
            }
            floors[node] = Some(far);
            for next in &self.neighbours[node] {
                let link = self.link(node, *next);
                if !link.cut && floors[*next].is_none() {
                    open.insert((far + link.latency, *next));
                }
            }
        }
        floors
    }
}

/// True for frames that no two hosts receive alike.
fn is_for_one(kind: FrameKind) -> bool {
    match kind {
        FrameKind::Draw
        | FrameKind::Answer
        | FrameKind::Offer
        | FrameKind::Bid
        | FrameKind::Refuse
        | FrameKind::Standing => true,
        FrameKind::Hello
        | FrameKind::Bye
        | FrameKind::Statements
        | FrameKind::Ids
        | FrameKind::Want
        | FrameKind::Heads
        | FrameKind::Bodies => false,
    }
}

fn side(node: usize, peer: usize) -> usize {
    usize::from(node > peer)
}

/// One lane is one stream: nothing overtakes in it.
fn in_order(link: &mut Link, to: usize, from: usize, lane: Lane, at: Time) -> Time {
    let place = usize::try_from(lane.code()).unwrap_or(0).min(3);
    let last = &mut link.ends[side(to, from)].last[place];
    *last = at.max(*last + 1);
    *last
}

fn topology(plan: &Plan, dice: &mut Dice) -> BTreeSet<(usize, usize)> {
    use crate::limits::SEATS_MAX;
    let n = plan.nodes;
    let beacons = plan.fleet.beacons;
    let mut pairs = BTreeSet::new();
    let mut seats = vec![0_usize; n];
    let join =
        |pairs: &mut BTreeSet<(usize, usize)>, seats: &mut Vec<usize>, a: usize, b: usize| {
            if a != b
                && seats[a] < SEATS_MAX
                && seats[b] < SEATS_MAX
                && pairs.insert((a.min(b), a.max(b)))
            {
                seats[a] += 1;
                seats[b] += 1;
            }
        };
    for node in 0..n {
        join(&mut pairs, &mut seats, node, (node + 1) % n);
    }
    for node in 0..n {
        for step in 0..plan.fleet.quorum {
            join(&mut pairs, &mut seats, node, (node + step) % beacons);
        }
    }
    for node in 0..n {
        for _ in 0..4 * plan.fleet.degree {
            if seats[node] >= plan.fleet.degree {
                break;
            }
            let other = dice.index(n);
            join(&mut pairs, &mut seats, node, other);
        }
    }
    pairs
}
