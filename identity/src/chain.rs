//! Delegation chains: who stands behind an act, and that every link only narrows.
//!
//! A chain leads from the acting agent to a user. An act is judged over its whole chain: an order
//! cuts it when every term is carried by some link, so a longer chain can only match more.
//!
//! Refused here: finding the links (a fold does), and saying which orders stand.

use crate::body::{Credential, Delegation, Generations, Subject, Term};
use crate::limits::CHAIN_LINKS_MAX;
use crate::principal::{AgentId, ClassId, DeviceId, ProjectId, UserId};

/// Who stands behind an act, the user's own agent first, the acting one last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    links: Vec<Link>,
}

/// One agent on one device, and for whom it acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Who acts.
    pub agent: AgentId,
    /// Whose reach it borrows.
    pub user: UserId,
    /// For which project.
    pub project: ProjectId,
    /// Under which policy class.
    pub class: ClassId,
    /// The program; unknown until the executor has said which.
    pub manifest: Option<[u8; 32]>,
    /// The interpreters that read it, where it is a script.
    pub run_by: Vec<[u8; 32]>,
    /// Where it acts.
    pub device: DeviceId,
    /// The generations it was made for; none until the executor has made a credential.
    pub generations: Option<Generations>,
    /// The root epoch under which it was granted; where nobody said which, every order counts.
    pub epoch: Option<u64>,
}

/// The files that act, by SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// The file that was named.
    pub file: [u8; 32],
    /// The interpreters that read it, where it is a script; the last one is what the system starts.
    pub run_by: Vec<[u8; 32]>,
}

impl Program {
    /// A program that needs no interpreter.
    pub fn of(file: [u8; 32]) -> Self {
        Self { file, run_by: Vec::new() }
    }
}

/// How a child would hold more than its parent; the child's issuer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Widened {
    /// An action that the parent may not take.
    #[error("the action {0} is not among those of the delegation above; ask for less")]
    Tool(String),
    /// A higher data class.
    #[error("data class {child} is above the {parent} of the delegation above")]
    Data {
        /// What the child asks for.
        child: u64,
        /// What the parent holds.
        parent: u64,
    },
    /// No further link is allowed.
    #[error("the delegation above allows no further link")]
    Depth,
    /// A larger budget.
    #[error("a budget of {child} is above the {parent} of the delegation above")]
    Budget {
        /// What the child asks for.
        child: u64,
        /// What the parent holds.
        parent: u64,
    },
    /// A later deadline.
    #[error("the deadline is later than that of the delegation above")]
    Deadline,
    /// Longer than any chain may be.
    #[error("a chain has at most 32 links")]
    TooLong,
}

impl Chain {
    /// A chain of these links, the user's own agent first.
    pub fn new(links: Vec<Link>) -> Result<Self, Widened> {
        if links.len() > CHAIN_LINKS_MAX { Err(Widened::TooLong) } else { Ok(Self { links }) }
    }

    /// This chain with one more link at its acting end.
    pub fn extended(&self, link: Link) -> Result<Self, Widened> {
        let mut links = self.links.clone();
        links.push(link);
        Self::new(links)
    }

    /// The links, the user's own agent first.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The acting link.
    pub fn acting(&self) -> Option<&Link> {
        self.links.last()
    }

    /// True when some link carries the term.
    pub fn carries(&self, term: &Term) -> bool {
        self.links.iter().any(|link| link.carries(term))
    }

    /// True when every term is carried by some link.
    pub fn matches(&self, subject: &Subject) -> bool {
        subject.terms().iter().all(|term| self.carries(term))
    }
}

impl Link {
    /// The link that a credential makes.
    pub fn of(credential: &Credential) -> Self {
        Self {
            agent: credential.agent.clone(),
            user: credential.user.clone(),
            project: credential.project.clone(),
            class: credential.class.clone(),
            manifest: Some(credential.manifest),
            run_by: credential.run_by.clone(),
            device: credential.device.clone(),
            generations: Some(credential.generations.clone()),
            epoch: None,
        }
    }

    /// The same link, granted under this root epoch: late orders count against older grants only.
    pub fn granted(self, epoch: u64) -> Self {
        Self { epoch: Some(epoch), ..self }
    }

    /// The link that a delegation promises before its executor has made a credential.
    pub fn promised(delegation: &Delegation, parent: &Link) -> Self {
        Self {
            agent: delegation.agent.clone(),
            user: parent.user.clone(),
            project: parent.project.clone(),
            class: parent.class.clone(),
            manifest: None,
            run_by: Vec::new(),
            device: delegation.device.clone(),
            generations: None,
            epoch: None,
        }
    }

    /// The files that act, by hash; none for a person's own link, which runs nothing.
    pub fn programs(&self) -> impl Iterator<Item = &[u8; 32]> {
        let named = self.manifest.iter().filter(|file| **file != [0; 32]);
        named.chain(&self.run_by)
    }

    /// The same as one value.
    pub fn program(&self) -> Program {
        Program { file: self.manifest.unwrap_or_default(), run_by: self.run_by.clone() }
    }

    /// The same link, by this program.
    pub fn by(self, program: Program) -> Self {
        Self { manifest: Some(program.file), run_by: program.run_by, ..self }
    }

    /// True when this link carries the term; operators stand behind no act.
    pub fn carries(&self, term: &Term) -> bool {
        match term {
            Term::Agent(id) => *id == self.agent,
            Term::User(id) => *id == self.user,
            Term::Project(id) => *id == self.project,
            Term::Class(id) => *id == self.class,
            Term::Manifest(hash) => Some(*hash) == self.manifest || self.run_by.contains(hash),
            Term::Device(id) => *id == self.device,
            Term::Operator(_) => false,
        }
    }
}

/// Checks INV-TASK-1 for one step: a child never holds more than its parent.
pub fn check_narrows(parent: &Delegation, child: &Delegation) -> Result<(), Widened> {
    if let Some(tool) = child.tools.iter().find(|tool| !covers(&parent.tools, tool)) {
        return Err(Widened::Tool(tool.clone()));
    }
    if child.data > parent.data {
        return Err(Widened::Data { child: child.data, parent: parent.data });
    }
    if child.depth >= parent.depth {
        return Err(Widened::Depth);
    }
    if child.budget > parent.budget {
        return Err(Widened::Budget { child: child.budget, parent: parent.budget });
    }
    if child.deadline_ms > parent.deadline_ms {
        return Err(Widened::Deadline);
    }
    Ok(())
}

/// True when some of these grants covers the action: the same words, `class.*`, or `*`.
pub fn covers(tools: &[String], action: &str) -> bool {
    tools.iter().any(|tool| {
        tool == action
            || tool == "*"
            || tool
                .strip_suffix('*')
                .is_some_and(|stem| stem.ends_with('.') && action.starts_with(stem))
    })
}
