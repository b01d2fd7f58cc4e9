//! Replay: what was once said in a fleet is played again, to whom it was said and to others, after
//! a restart, and in another fleet (security notes, row 11).
//!
//! A tape takes down every frame while a device is enrolled and gets another key, leases are drawn,
//! work is given away, and an order stops it. Then enrolments, leases, offers and receipts are
//! taken from the tape at random. Refused means: at once no lease reaches farther, and in the end
//! nothing has begun, the replaced key is let in nowhere, and the case of the order says what it
//! said. In another fleet no frame passes the first check.
//!
//! Refused here: frames that a thief would have to sign.

use super::{Court, Failed, Found, Held, is_leased};
use crate::fleet::enrolment;
use crate::plan::Plan;
use crate::world::Recorded;
use belay_identity::body::OnSilence;
use belay_identity::principal::{DeviceId, UserId};
use belay_identity::{Body, SecretKey, StatementId};
use belay_mesh::Request;
use belay_mesh::input::{AnswerAt, Offload};
use belay_mesh::output::Answer;
use belay_mesh::status::LeaseReach;
use belay_mesh::wire::FrameKind;
use std::time::Duration;

/// Work that is given away before the replays begin.
const WORK: usize = 6;

/// Replays between two looks at every door.
const LOOK_EVERY: u64 = 250;

/// After a restart a node is linked again, and holds its leases.
const STARTED: Duration = Duration::from_secs(15);

/// Holds the trial; planted, the root's operator enrols the old key once more, so that it counts.
pub(crate) fn replay(plan: &Plan, seed: u64, times: u64, planted: bool) -> Result<Found, Failed> {
    let mut found = Found { seed, nodes: plan.nodes, ..Found::default() };
    let (mut court, mut other) = (Court::open(plan, seed)?, Court::open(plan, seed + 1_000_000)?);
    let scene = Scene::play(&mut court, planted)?;
    let begun = court.stage.begun();
    for time in 1..=times {
        let taken = &scene.tape[court.dice.index(scene.tape.len())];
        let kind = counted(taken.kind);
        if court.dice.below(4) == 0 {
            let told = other.stage.play(taken.to, taken);
            found.expect(kind, told.is_err(), || format!("another fleet reads a {kind}"));
            continue;
        }
        let node = match court.dice.below(2) {
            0 => taken.to,
            _ => court.dice.index(plan.nodes),
        };
        let before = reach(&mut court, node);
        // A frame that its lane refuses is refused.
        let _ = court.stage.play(node, taken);
        let longer = reach(&mut court, node).iter().zip(&before).any(|(now, then)| now > then);
        found.expect(kind, !longer, || format!("node {node}: a {kind} makes a lease longer"));
        if time % LOOK_EVERY == 0 {
            scene.look(&mut court, &mut found)?;
            let node = court.dice.index(plan.nodes);
            court.stage.crash(node);
            court.stage.restart(node);
            court.stage.pass(STARTED);
            found.count("restarts", 1);
        }
    }
    scene.look(&mut court, &mut found)?;
    let more = court.stage.begun() - begun;
    found.expect("tapes", more == 0, || format!("{more} pieces of work have begun again"));
    Ok(found)
}

/// What was said, and what must not change by its being said again.
struct Scene {
    tape: Vec<Recorded>,
    replaced: (SecretKey, Held),
    order: StatementId,
    case: Vec<u8>,
}

impl Scene {
    fn play(court: &mut Court, planted: bool) -> Result<Self, Failed> {
        court.stage.record();
        let operator = court.operator()?;
        let id = DeviceId::new(court.stage.domain(), "spare")?;
        let (old, new) = (court.dice.bytes(), court.dice.bytes());
        let mut enrolled: Vec<Held> = Vec::new();
        for seed in [&old, &new].into_iter().chain(planted.then_some(&old)) {
            let owner = UserId::new(court.stage.domain(), "user")?;
            let key = SecretKey::from_seed(seed);
            let enrol = enrolment(court.stage.fleet(), &key, id.clone(), owner);
            let refs = enrolled.last().map(|held| held.id()).into_iter().collect();
            enrolled.push(court.say(0, &operator, refs, Body::Enrol(enrol))?);
            court.stage.pass(Duration::from_secs(3));
        }
        for work in 0..WORK {
            give_work(court, work);
        }
        court.stage.pass(Duration::from_secs(5));
        let body = court.hold("worker")?;
        let order = court.say(0, &operator, Vec::new(), body)?.id();
        court.stage.pass(Duration::from_secs(30));
        let tape: Vec<Recorded> =
            court.stage.recorded().into_iter().filter(|one| is_wanted(one.kind)).collect();
        let case = case_of(court, order)?;
        let replaced = (SecretKey::from_seed(&old), enrolled.swap_remove(0));
        Ok(Self { tape, replaced, order, case })
    }

    /// Every door is asked.
    fn look(&self, court: &mut Court, found: &mut Found) -> Result<(), Failed> {
        for node in 0..found.nodes {
            let Some(status) = court.status(node) else { continue };
            let (key, enrolled) = &self.replaced;
            let in_again = court.stage.knock(node, &key.public(), enrolled);
            found.expect("knocks by a replaced key", !in_again, || {
                format!("node {node} lets a replaced key in")
            });
            found.count("devices with leases", u64::from(is_leased(&status)));
        }
        let case = case_of(court, self.order)?;
        found.expect("cases read again", case == self.case, || "a case has changed".to_owned());
        Ok(())
    }
}

/// A device gives work to one that it is linked with.
fn give_work(court: &mut Court, work: usize) {
    let node = 1 + work;
    let Some(to) = court.stage.messenger(node) else { return };
    let want = Offload {
        parent: None,
        device: Some(court.stage.device(to).clone()),
        needs: Vec::new(),
        agent: "worker".into(),
        argv: vec!["work".into()],
        tools: Vec::new(),
        on_silence: OnSilence::End,
        payload: None,
        answer: AnswerAt::Start,
    };
    // Whoever has no room says so: the tape has its offer all the same.
    let _ = court.stage.ask(node, Request::Offload(want));
}

fn case_of(court: &mut Court, order: StatementId) -> Result<Vec<u8>, Failed> {
    match court.stage.ask(0, Request::Case { order }) {
        Ok(Answer::Case(bytes)) => Ok(bytes),
        Ok(_) => Err(Failed::Odd("a case is answered by something else")),
        Err(why) => Err(Failed::Door { what: "the case of an order", why }),
    }
}

/// How far each class's lease reaches at this moment, milliseconds.
fn reach(court: &mut Court, node: usize) -> Vec<u64> {
    let leases = court.status(node).map(|status| status.leases).unwrap_or_default();
    let reaches = leases.iter().map(|line| match line.reach {
        LeaseReach::Unbounded => u64::MAX,
        LeaseReach::ForMs(ms) => ms,
        LeaseReach::Lapsed => 0,
    });
    reaches.collect()
}

/// Enrolments and receipts are statements, or come in a hello.
fn is_wanted(kind: FrameKind) -> bool {
    match kind {
        FrameKind::Hello
        | FrameKind::Statements
        | FrameKind::Answer
        | FrameKind::Offer
        | FrameKind::Bid
        | FrameKind::Standing => true,
        FrameKind::Bye
        | FrameKind::Ids
        | FrameKind::Want
        | FrameKind::Heads
        | FrameKind::Draw
        | FrameKind::Refuse
        | FrameKind::Bodies => false,
    }
}

fn counted(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Hello => "replays of a hello",
        FrameKind::Statements => "replays of statements",
        FrameKind::Answer => "replays of a lease",
        FrameKind::Offer => "replays of an offer",
        FrameKind::Bid | FrameKind::Standing => "replays of a promised place",
        FrameKind::Bye
        | FrameKind::Ids
        | FrameKind::Want
        | FrameKind::Heads
        | FrameKind::Draw
        | FrameKind::Refuse
        | FrameKind::Bodies => "replays of anything else",
    }
}
