//! One signed statement of every kind, with every field; `-bare` where what may be absent is.

use super::{agent, class, device, domain, fleet, id, key, operator, project, public, root, user};
use belay_identity::body::{
    Agent, AgentHere, Approve, AuditHead, Autonomy, Award, Body, Build, Cancel, Cause, Change,
    ConnectorHere, Credential, Delegation, DeviceKind, Draft, DraftName, Drill, Enrol, Founding,
    FurtherKey, Generations, Hold, Inventory, Invite, Lift, LogMark, Made, Manifest, Named,
    OnSilence, Operator, Outcome, Payload, Pin, Pins, Presence, ProgramName, Proof, Reason,
    Receipt, Refused, Release, ReleaseVersion, Removal, Restore, Revoke, RingFloor, Role, Root,
    Seen, Started, Subject, Term, Untold, Wall, Witness,
};
use belay_identity::codec::{Bytes, Field, Value};
use belay_identity::principal::Principal;
use belay_identity::{Class, FleetId, Incarnation, Scope, Statement, Verified, sign};

const WALL_MS: u64 = 1_790_000_000_000;
const LIFE: Incarnation = Incarnation { counter: 3, drawn: [0x1c; 16] };

/// The founding root epoch; its id is the fleet's.
pub fn founding() -> Verified<Statement> {
    let statement = Statement {
        class: Class::AuthorityMinus,
        scope: Scope::Fleet,
        author: root(),
        incarnation: Incarnation { counter: 1, drawn: [0x0f; 16] },
        seq: 1,
        prev: None,
        epoch: 0,
        expiry_ms: None,
        refs: Vec::new(),
        body: Root {
            domain: domain(),
            number: 1,
            keys: vec![public(1)],
            threshold: 1,
            operators: vec![Operator {
                id: operator("ada"),
                key: public(3),
                roles: Role::OFFICES.to_vec(),
            }],
            pins: Vec::new(),
            reaffirmed: Vec::new(),
            floors: Vec::new(),
            removals: Vec::new(),
            wall_ms: WALL_MS,
            pins_in: Vec::new(),
        }
        .into(),
    };
    sign(statement, &key(1), &FleetId([0; 32]))
}

/// Every statement, by name.
pub fn statements() -> Vec<(String, Verified<Statement>)> {
    let mut made = vec![("root-founding".to_owned(), founding())];
    for body in bodies() {
        made.push((body.kind().to_owned(), signed(body)));
    }
    for body in bare_bodies() {
        made.push((format!("{}-bare", body.kind()), signed_bare(body)));
    }
    made
}

fn signed(body: Body) -> Verified<Statement> {
    let statement = Statement {
        class: body.class().expect("samples are of known kinds"),
        scope: scope(&body),
        author: author(&body),
        incarnation: LIFE,
        seq: 70_000,
        prev: Some(id(0x9e)),
        epoch: 2,
        expiry_ms: Some(WALL_MS + 1),
        refs: vec![id(0x41), id(0x40)],
        body,
    };
    let secret = key(if matches!(statement.author, Principal::Device(_)) { 8 } else { 3 });
    sign(statement, &secret, &fleet())
}

fn signed_bare(body: Body) -> Verified<Statement> {
    let full = signed(body);
    let bare =
        Statement { seq: 1, prev: None, expiry_ms: None, refs: Vec::new(), ..(*full).clone() };
    let secret = key(if matches!(bare.author, Principal::Device(_)) { 8 } else { 3 });
    sign(bare, &secret, &fleet())
}

fn scope(body: &Body) -> Scope {
    match body.class() {
        Some(Class::Presence) if matches!(body, Body::Inventory(_)) => {
            Scope::Site("north-1".into())
        }
        Some(Class::Identity) => Scope::Site("north-1".into()),
        Some(Class::Task) => Scope::Tree(id(0x7e)),
        _ => Scope::Fleet,
    }
}

fn author(body: &Body) -> Principal {
    match body.class() {
        Some(Class::Identity | Class::Task | Class::Presence | Class::Audit) => {
            device("laptop").into()
        }
        _ => operator("ada").into(),
    }
}

fn bodies() -> Vec<Body> {
    authority()
        .into_iter()
        .chain(orders())
        .chain(members())
        .chain(tasks())
        .chain([draft(true)])
        .collect()
}

fn draft(begins: bool) -> Body {
    let name = DraftName::new("outward-tools").expect("a constant name");
    let founding = Founding { name, drawn: [0xd1; 16] };
    let document = founding.document(public(3));
    let change = Change(vec![0x85, 0x6f, 0x4a, 0x83]);
    Draft { document, change, founding: begins.then_some(founding) }.into()
}

fn release(reason: Option<Reason>) -> Body {
    Release {
        version: ReleaseVersion { epoch: 2, number: 5 },
        ring: "main".into(),
        body: [0xb0; 32],
        beacons: vec![public(7), public(8)],
        quorum: 2,
        liars: 1,
        autonomy: autonomy(),
        adopt_by_ms: WALL_MS + 3_600_000,
        language: 1,
        drafts: vec![id(0x55)],
        gateways: Vec::new(),
        profiles: Vec::new(),
        reason,
    }
    .into()
}

fn authority() -> Vec<Body> {
    vec![
        Root {
            domain: domain(),
            number: 2,
            keys: vec![public(1), public(2), public(4)],
            threshold: 2,
            operators: vec![
                Operator { id: operator("ada"), key: public(3), roles: Role::OFFICES.to_vec() },
                Operator { id: operator("bob"), key: public(5), roles: vec![Role::Audit] },
            ],
            pins: pins(),
            reaffirmed: vec![id(0x51), id(0x52)],
            floors: vec![RingFloor { ring: "main".into(), release: id(0x53) }],
            removals: vec![Removal { operator: operator("eve"), reason: "key stolen".into() }],
            wall_ms: WALL_MS,
            pins_in: Vec::new(),
        }
        .into(),
        Pins { pins: pins() }.into(),
        Approve { of: id(0x54) }.into(),
        FurtherKey { key: public(6), possession: possession_of_further() }.into(),
        release(Some(reason("fewer outward tools"))),
    ]
}

fn pins() -> Vec<Pin> {
    vec![Pin {
        key: public(8),
        class: Class::Task,
        scope: Scope::Tree(id(0x7e)),
        incarnation: LIFE,
        seq: 24,
        id: id(0x50),
    }]
}

/// An epoch whose list of pins lies in parts.
fn root_in_parts() -> Body {
    Root {
        domain: domain(),
        number: 3,
        keys: vec![public(1)],
        threshold: 1,
        operators: Vec::new(),
        pins: Vec::new(),
        reaffirmed: Vec::new(),
        floors: Vec::new(),
        removals: Vec::new(),
        wall_ms: WALL_MS,
        pins_in: vec![id(0x56), id(0x57)],
    }
    .into()
}

fn possession_of_further() -> Bytes {
    let words = FurtherKey::possession_words(&fleet().0, &public(6), &operator("ada"));
    Bytes(key(6).sign(&words).to_vec())
}

fn autonomy() -> Autonomy {
    Autonomy {
        local_ms: 28_800_000,
        tool_ms: 3_600_000,
        outward_ms: 900_000,
        work_ms: 28_800_001,
        motion_ms: 10_000,
        unsealed_run_ms: 3_600_001,
        lapse_grace_ms: 14_400_000,
    }
}

fn subject(terms: Vec<Term>) -> Subject {
    Subject::new(terms).expect("one to three distinct terms")
}

fn reason(text: &str) -> Reason {
    Reason(text.into())
}

fn orders() -> Vec<Body> {
    let home = device("laptop");
    let three = vec![
        Term::Agent(agent("scout")),
        Term::Project(project("docs")),
        Term::Device(device("gateway")),
    ];
    let others =
        vec![Term::User(user("carol")), Term::Class(class("default")), Term::Manifest([0x3a; 32])];
    vec![
        Hold {
            subject: subject(three),
            home: home.clone(),
            reason: reason("sends mail: “stop”"),
            until_ms: Some(WALL_MS + 86_400_000),
            pause: Field::decode(Value::Bool(true)).ok(),
        }
        .into(),
        Revoke {
            subject: subject(vec![Term::Operator(operator("eve"))]),
            home: home.clone(),
            reason: reason("left"),
        }
        .into(),
        Drill { subject: subject(others), home, reason: reason("") }.into(),
        Lift { reason: reason("checked") }.into(),
        Restore { subject: subject(vec![Term::Agent(agent("scout"))]), reason: reason("new key") }
            .into(),
        proof(),
    ]
}

fn proof() -> Body {
    let forked = |text: &str| {
        let lift = Lift { reason: reason(text) };
        Bytes(signed(lift.into()).bytes().to_vec())
    };
    Proof { first: forked("one"), second: forked("other") }.into()
}

fn members() -> Vec<Body> {
    vec![
        enrol(Some("north-1".into())),
        invite(Some(device("phone"))),
        Witness { invite: id(0x56), enrol: id(0x57) }.into(),
        Body::User(Named { id: user("carol").into() }),
        Body::Project(Named { id: project("docs").into() }),
        Body::Class(Named { id: class("default").into() }),
        manifest(Some(1_500)),
        Agent { agent: agent("scout") }.into(),
        credential(Some(id(0x7e))),
        presence(vec!["/ip4/192.0.2.1/udp/4433/quic-v1".into()], vec!["gpu".into(), "wasm".into()]),
        inventory(),
        AuditHead { rows: 70_000, hash: [0xa5; 32] }.into(),
    ]
}

fn enrol(site: Option<String>) -> Body {
    let (key, name) = (key(8), device("laptop"));
    let words = Enrol::possession_words(&fleet().0, &key.public(), &name);
    Enrol {
        key: key.public(),
        device: name,
        site,
        kind: DeviceKind::Gateway,
        owner: user("carol"),
        possession: Bytes(key.sign(&words).to_vec()),
    }
    .into()
}

fn invite(device_name: Option<belay_identity::principal::DeviceId>) -> Body {
    Invite { key: public(9), witness: device("laptop"), device: device_name, owner: user("carol") }
        .into()
}

pub(super) fn credential(tree: Option<belay_identity::StatementId>) -> Body {
    Credential {
        key: public(10),
        agent: agent("scout"),
        user: user("carol"),
        project: project("docs"),
        class: class("default"),
        manifest: [0x3a; 32],
        device: device("laptop"),
        generations: Generations { agent: 1, user: 2, project: 3, class: 4, device: 5 },
        run_by: if tree.is_some() { vec![[0x3b; 32]] } else { Vec::new() },
        tree,
    }
    .into()
}

fn manifest(stop_grace_ms: Option<u64>) -> Body {
    let build = |platform: &str, byte| Build { platform: platform.into(), file: [byte; 32] };
    let several = stop_grace_ms.is_some();
    let mut builds = vec![build("linux/x86_64", 0x3a)];
    builds.extend(several.then(|| build("linux/aarch64", 0x3c)));
    Manifest {
        name: ProgramName::new("crawler").expect(super::SOUND),
        version: "1.2.0".into(),
        publisher: "Ada & Sons".into(),
        builds,
        tools: if several { vec!["tool.call".into(), "local.*".into()] } else { Vec::new() },
        stop_grace_ms,
        rings: if several { vec!["main".into()] } else { Vec::new() },
    }
    .into()
}

fn inventory() -> Body {
    let agent = |name: &str, governed_as: Option<&str>| AgentHere {
        agent: name.into(),
        version: governed_as.map(|_| "0.169.0".into()),
        program: governed_as.map(|_| [0x3a; 32]),
        governed_as: governed_as.map(str::to_owned),
    };
    let connector =
        |name: &str, gateway| ConnectorHere { agent: "cursor".into(), name: name.into(), gateway };
    Inventory {
        agents: vec![agent("codex", Some("scout")), agent("goose", None)],
        connectors: vec![connector("docs", true), connector("tracker", false)],
        untold: None,
    }
    .into()
}

fn presence(addresses: Vec<String>, capabilities: Vec<String>) -> Body {
    Presence { addresses, capabilities, load: 1_250 }.into()
}

fn tasks() -> Vec<Body> {
    vec![
        Delegation {
            from: id(0x7e),
            agent: agent("scout"),
            device: device("gateway"),
            tools: vec!["tool.call".into(), "local.*".into()],
            data: 2,
            depth: 3,
            budget: 100,
            deadline_ms: WALL_MS + 60_000,
            carried: vec!["internal".into(), "secret".into()],
        }
        .into(),
        award(Some(id(0x58)), Some(WALL_MS + 60_000)),
        Started { award: id(0x59), credential: id(0x5a) }.into(),
        Refused { award: id(0x59), reason: "no room".into() }.into(),
        Cancel { award: id(0x59), reason: "not needed".into() }.into(),
        Receipt {
            award: Some(id(0x59)),
            outcome: Outcome::Stopped,
            cause: Cause::Order,
            seen: Seen::NoChildrenLeft,
            wall: Wall::None,
            wall_clock_ms: WALL_MS + 2,
            made: vec![Made { award: id(0x5b), executor: device("robot") }],
            attempts: 1,
            effects: 2,
            log: Some(LogMark { seq: 69_999, id: id(0x9e) }),
            exit: Some(143),
            signal: Some(15),
            tail: Some(Bytes(b"last words\n".to_vec())),
        }
        .into(),
    ]
}

/// A file that travels with work.
pub(super) fn payload() -> Payload {
    Payload { hash: [0xf1; 32], bytes: 3 << 20, name: "scan.tar".into() }
}

fn award(delegation: Option<belay_identity::StatementId>, deadline_ms: Option<u64>) -> Body {
    Award {
        credential: id(0x5a),
        delegation,
        executor: device("gateway"),
        fence: 256,
        argv: [0xc0; 32],
        on_silence: OnSilence::RunToDeadline,
        lease_ms: 10_000,
        deadline_ms,
        payload: deadline_ms.map(|_| payload()),
    }
    .into()
}

fn bare_bodies() -> Vec<Body> {
    vec![
        Hold {
            subject: subject(vec![Term::Agent(agent("scout"))]),
            home: device("laptop"),
            reason: reason("stop"),
            until_ms: None,
            pause: None,
        }
        .into(),
        root_in_parts(),
        draft(false),
        release(None),
        enrol(None),
        invite(None),
        manifest(None),
        credential(None),
        presence(Vec::new(), Vec::new()),
        Inventory { agents: vec![], connectors: vec![], untold: Some(Untold::Refused) }.into(),
        award(None, None),
        Receipt {
            award: None,
            outcome: Outcome::NeverStarted,
            cause: Cause::Order,
            seen: Seen::NotSeen,
            wall: Wall::Sealed,
            wall_clock_ms: 0,
            made: Vec::new(),
            attempts: 0,
            effects: 0,
            log: None,
            exit: None,
            signal: None,
            tail: None,
        }
        .into(),
    ]
}
