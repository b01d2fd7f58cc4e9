//! One engine with a disk that is there at once, agents that run, and many orders held.
//!
//! Refused here: links; nobody else is there.

use super::workload::Workload;
use crate::Plan;
use crate::clock::WALL_AT_START_MS;
use crate::fleet::{Fleet, Log, RING};
use belay_identity::body::{Hold, Mode, Modes, Policy, Reason, Subject, Term, Wall};
use belay_identity::chain::Program;
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{Class, SecretKey, StatementId};
use belay_mesh::gate::{Act, GateView};
use belay_mesh::input::{AskId, Run, TaskEvent};
use belay_mesh::output::Answer;
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output, Request, Restored};
use std::sync::Arc;

const PLAN: &str = include_str!("../../../../configs/plans/offload.toml");

/// Agents that run at once.
const AGENTS: usize = 48;
/// Agents that are asked to run until so many do.
const ASKED_MAX: usize = 96;

/// The moment at which everything is asked.
pub(super) const NOW: Now = Now { boot: BootTime(1_000_000_000), wall_ms: WALL_AT_START_MS };

/// The engine, and its tasks.
pub(super) struct Device {
    engine: Engine,
    tasks: Vec<StatementId>,
    asks: u64,
}

impl Device {
    /// A device that holds the workload's rules and so many orders against agents elsewhere.
    pub(super) fn with(workload: &Workload, orders: usize) -> Result<Self, String> {
        let mut plan = Plan::read(PLAN, None).map_err(|error| error.to_string())?;
        // The plan tells of more devices; here one is alone.
        plan.nodes = 1;
        let policy = policy(workload.rules());
        let fleet = Fleet::found_with(&plan, 1, policy, |node| format!("d{node}"));
        let fleet = fleet.map_err(|error| error.to_string())?;
        let member = &fleet.devices[0];
        let operator = OperatorId::new(&fleet.domain, "operator").map_err(|e| e.to_string())?;
        let secret = SecretKey::from_seed(&fleet.operator.seed());
        let mut log = Log::new(secret, Principal::Operator(operator), [0xaa; 16], fleet.id);
        for number in 0..orders {
            let agent = fleet.agent(&format!("held-{number}")).map_err(|e| e.to_string())?;
            let subject = Subject::new(vec![Term::Agent(agent)]).map_err(|e| format!("{e:?}"))?;
            let (home, reason) = (member.id.clone(), Reason("held".into()));
            let hold = Hold { subject, home, reason, until_ms: None, pause: None };
            log.say(Class::AuthorityMinus, hold.into());
        }
        let config = Config {
            fleet: fleet.id,
            device: SecretKey::from_seed(&member.secret),
            seed: [1; 32],
            ring: RING.to_owned(),
            tighten: None,
            lends: None,
        };
        let statements = member.disk.iter().chain(log.said()).cloned().collect();
        let restored = Restored { statements, bodies: vec![fleet.policy.clone()] };
        let mut device =
            Self { engine: Engine::new(config, NOW, restored), tasks: Vec::new(), asks: 0 };
        device.settle();
        // Some of them the rules do not let run.
        for number in 0..ASKED_MAX {
            if device.tasks.len() < AGENTS && device.start(&format!("agent-{number}")).is_err() {
                device.settle();
            }
        }
        match device.tasks.is_empty() {
            true => Err("the rules let no agent run: take another seed".into()),
            false => Ok(device),
        }
    }

    fn start(&mut self, agent: &str) -> Result<(), String> {
        let run = Run {
            agent: agent.to_owned(),
            project: "default".into(),
            class: "default".into(),
            argv: vec!["work".into()],
            program: Program::of([7; 32]),
            wall: Wall::None,
        };
        match self.request(Request::Run(run))? {
            Answer::Run(grant) => {
                let (award, event) = (grant.award, TaskEvent::Started);
                self.give(Input::Task { award, event });
                self.tasks.push(award);
                Ok(())
            }
            other => Err(format!("a run was answered by {other:?}")),
        }
    }

    /// What the gate judges by.
    pub(super) fn view(&self) -> Arc<GateView> {
        self.engine.gate_view().clone()
    }

    /// The requests of a workload as acts of the agents that run here.
    pub(super) fn acts(&self, workload: &Workload) -> Vec<Act> {
        let tasks = self.tasks.iter().cycle();
        let act = |(request, task): (&super::workload::Request, &StatementId)| Act {
            task: *task,
            action: request.verb.text().to_owned(),
            target: request.target.clone(),
            args: request.args.clone(),
        };
        workload.requests.iter().zip(tasks).map(act).collect()
    }

    /// Asks the engine, and lets its record be on disk at once.
    pub(super) fn ask(&mut self, act: Act) {
        std::hint::black_box(self.request(Request::Act(act)).is_ok());
    }

    fn request(&mut self, request: Request) -> Result<Answer, String> {
        self.asks += 1;
        let (ask, request) = (AskId(self.asks), Box::new(request));
        self.engine.handle(NOW, Input::Ask { ask, request });
        let mut answered = None;
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Persist { write, .. } => {
                    self.engine.handle(NOW, Input::Persisted { write });
                }
                Output::Answer { answer, .. } => answered = Some(answer),
                _ => {}
            }
        }
        match answered {
            Some(Ok(answer)) => Ok(*answer),
            Some(Err(refusal)) => Err(refusal.why),
            None => Err("the engine gave no answer".into()),
        }
    }

    fn give(&mut self, input: Input) {
        self.engine.handle(NOW, input);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.engine.poll() {
            if let Output::Persist { write, .. } = output {
                self.engine.handle(NOW, Input::Persisted { write });
            }
        }
    }
}

fn policy(rules: String) -> Vec<u8> {
    let mode = Mode::Enforce;
    let policy = Policy {
        rules,
        modes: Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".to_owned()],
        classes: vec!["default".to_owned()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    };
    policy.to_bytes()
}
