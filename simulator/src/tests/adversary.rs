//! One engine, one peer that sends what it likes: every refusal is named, and nothing panics.

use crate::fleet::{Fleet, RING};
use crate::plan::Plan;
use belay_identity::body::{Hold, Reason, Subject, Term};
use belay_identity::codec;
use belay_identity::principal::Principal;
use belay_identity::{
    Body, Class, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId, sign,
};
use belay_mesh::output::Event;
use belay_mesh::wire::{self, FrameKind, Heads, Hello, Lane};
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output, Restored, limits};

struct Victim {
    engine: Engine,
    fleet: Fleet,
    boot_ms: u64,
}

impl Victim {
    fn new() -> Self {
        let plan = Plan::read(super::WALK, Some(3)).unwrap();
        let fleet = Fleet::found(&plan, 1).unwrap();
        let device = SecretKey::from_seed(&fleet.devices[0].secret);
        let (ring, tighten, lends) = (RING.to_owned(), None, None);
        let config = Config { fleet: fleet.id, device, seed: [1; 32], ring, tighten, lends };
        let statements = fleet.devices[0].disk.to_vec();
        let restored = Restored { statements, bodies: vec![fleet.policy.clone()] };
        let now = Now { boot: BootTime(0), wall_ms: 1_800_000_000_000 };
        let mut engine = Engine::new(config, now, restored);
        while engine.poll().is_some() {}
        Self { engine, fleet, boot_ms: 0 }
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        let boot = BootTime(self.boot_ms * 1_000_000);
        let now = Now { boot, wall_ms: 1_800_000_000_000 + self.boot_ms };
        self.engine.handle(now, input);
        std::iter::from_fn(|| self.engine.poll()).collect()
    }

    fn send(&mut self, link: PublicKey, lane: Lane, kind: u8, body: &[u8]) -> Vec<Output> {
        match wire::check(&self.fleet.id, lane, kind, body) {
            Ok(frame) => self.give(Input::Frame { link, lane, frame }),
            Err(why) => self.give(Input::Malformed { link, why }),
        }
    }

    /// A member that has said hello.
    fn member(&mut self) -> PublicKey {
        let key = self.fleet.devices[1].key;
        self.give(Input::LinkUp { link: key });
        let chain = self.fleet.devices[1].disk.iter();
        let hello = Hello {
            version: wire::WIRE_VERSION,
            fleet: self.fleet.id,
            chain: chain.map(|s| codec::Bytes(s.bytes().to_vec())).collect(),
            epoch: 1,
            leaf: None,
        };
        let body = codec::write(&hello.to_value());
        let said = self.send(key, Lane::Bulk, FrameKind::Hello.code() as u8, &body);
        assert!(said.iter().any(|o| matches!(o, Output::Admit { .. })), "the member is admitted");
        key
    }
}

/// The reason that a link was refused with, and that it is closed.
fn refused(outputs: &[Output]) -> String {
    assert!(outputs.iter().any(|o| matches!(o, Output::Hangup { .. })), "the link is closed");
    let reason = outputs.iter().find_map(|output| match output {
        Output::Tell(Event::Refused(_, reason)) => Some(reason.clone()),
        _ => None,
    });
    reason.expect("the refusal has a name")
}

/// Goal: broken, oversized, over-long and unknown frames close the link with the reason.
#[test]
fn bad_frames_are_named() {
    let long = vec![0; limits::URGENT_FRAME_BYTES_MAX + 1];
    let ids = vec![StatementId([3; 32]); limits::FRAME_IDS_MAX + 1];
    let frames: [(Lane, u8, Vec<u8>, &str); 5] = [
        (Lane::Urgent, 2, long, "over the bound"),
        (Lane::Bulk, 99, Vec::new(), "unknown to this version"),
        (Lane::Bulk, FrameKind::Ids.code() as u8, wire::write_list(&ids), "items in one frame"),
        (Lane::Bulk, FrameKind::Statements.code() as u8, vec![0xff; 40], ""),
        (Lane::Bulk, FrameKind::Heads.code() as u8, vec![0xbf, 0xff], ""),
    ];
    for (lane, kind, body, words) in frames {
        let mut victim = Victim::new();
        let member = victim.member();
        let reason = refused(&victim.send(member, lane, kind, &body));
        assert!(reason.contains(words) && !reason.is_empty(), "“{reason}”");
    }
}

/// Goal: a part of a list of heads that was lost on its way costs the list and not the link; a part
/// that no list has is refused by name.
#[test]
fn a_lost_part_of_a_list_costs_no_link() {
    let part = |part| {
        let heads = Heads { digest: [1; 32], heads: Vec::new(), part: Some(part), parts: Some(3) };
        codec::write(&heads.to_value())
    };
    let code = FrameKind::Heads.code() as u8;
    let mut victim = Victim::new();
    let member = victim.member();
    for number in [1, 3, 2, 1, 2] {
        let said = victim.send(member, Lane::Repair, code, &part(number));
        assert!(!said.iter().any(|o| matches!(o, Output::Hangup { .. })), "after part {number}");
    }
    for number in [0, 4] {
        let mut victim = Victim::new();
        let member = victim.member();
        let reason = refused(&victim.send(member, Lane::Repair, code, &part(number)));
        assert!(reason.contains("has no such part"), "{reason}");
    }
}

/// Goal: another fleet's hello is refused by name, and a stranger without enrolment too.
#[test]
fn strangers_are_refused() {
    for (fleet, words) in [(Some([9; 32]), "belongs to fleet"), (None, "no enrolment")] {
        let mut victim = Victim::new();
        let link = SecretKey::from_seed(&[9; 32]).public();
        victim.give(Input::LinkUp { link });
        let fleet = fleet.map_or(victim.fleet.id, belay_identity::FleetId);
        let (version, chain) = (wire::WIRE_VERSION, Vec::new());
        let hello = Hello { version, fleet, chain, epoch: 1, leaf: None };
        let body = codec::write(&hello.to_value());
        let said = victim.send(link, Lane::Urgent, FrameKind::Hello.code() as u8, &body);
        let reason = refused(&said);
        assert!(reason.contains(words), "“{reason}”");
    }
}

/// Goal: an order signed by a key that holds no role is kept by the set and cuts nobody.
#[test]
fn a_strangers_order_stops_nobody() {
    let mut victim = Victim::new();
    let member = victim.member();
    let stranger = SecretKey::from_seed(&[9; 32]);
    let agent = victim.fleet.agent("planner").unwrap();
    let home = victim.fleet.devices[0].id.clone();
    let subject = Subject::new(vec![Term::Agent(agent)]).unwrap();
    let reason = Reason("because".into());
    let hold = Hold { subject, home, reason, until_ms: None, pause: None };
    let operator = belay_identity::principal::OperatorId::new(&victim.fleet.domain, "eve").unwrap();
    let statement = Statement {
        class: Class::AuthorityMinus,
        scope: Scope::Fleet,
        author: Principal::Operator(operator),
        incarnation: Incarnation { counter: 1, drawn: [0; 16] },
        seq: 1,
        prev: None,
        epoch: 1,
        expiry_ms: None,
        refs: Vec::new(),
        body: Body::Hold(hold),
    };
    let signed = std::sync::Arc::new(sign(statement, &stranger, &victim.fleet.id));
    let (kind, body) = wire::write_statements(&[signed]);
    victim.send(member, Lane::Urgent, kind.code() as u8, &body);
    let ask = belay_mesh::input::AskId(1);
    let request = Box::new(belay_mesh::Request::Status);
    let said = victim.give(Input::Ask { ask, request });
    let status = said.iter().find_map(|output| match output {
        Output::Answer { answer: Ok(answer), .. } => match &**answer {
            belay_mesh::output::Answer::Status(status) => Some(status.orders.len()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(status, Some(0), "no order stands");
}

/// Goal: one id announced a thousand times is asked for again once a second, not a thousand times.
#[test]
fn repeated_announcements_take_no_room() {
    let mut victim = Victim::new();
    let member = victim.member();
    let body = wire::write_list(&[StatementId([5; 32])]);
    let mut wants = 0;
    for _ in 0..1_000 {
        wants += count_wants(&victim.send(member, Lane::Bulk, FrameKind::Ids.code() as u8, &body));
    }
    for _ in 0..20 {
        victim.boot_ms += 1_001;
        wants += count_wants(&victim.give(Input::Deadline));
    }
    assert!(wants <= 3, "asked {wants} times for one id of one peer");
}

fn count_wants(outputs: &[Output]) -> usize {
    let want = |o: &&Output| matches!(o, Output::Send { kind: FrameKind::Want, .. });
    outputs.iter().filter(want).count()
}
