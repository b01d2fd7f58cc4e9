//! A question with texts of its own, for whoever thinks one up: a test, an author, a near miss.
//!
//! Refused here: what an agent really asked; the gate puts that together.

use super::question::{Action, Here, Origin, Question};
use crate::input::Posture;

/// One action of one agent, as somebody imagines it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asking {
    /// The acting agent, by short name or SPIFFE id; so are the next three.
    pub agent: String,
    /// The user for whom it acts.
    pub user: String,
    /// The project in which it acts.
    pub project: String,
    /// Its policy class.
    pub class: String,
    /// Hash of its manifest, lowercase hex.
    pub manifest: String,
    /// The device on which the action would happen.
    pub device: String,
    /// The site of that device.
    pub site: String,
    /// Its kind.
    pub kind: String,
    /// What it saw of itself.
    pub posture: Posture,
    /// Whether it was told the time.
    pub time_known: bool,
    /// What it wants to do.
    pub action: Action,
    /// What it wants to do it to.
    pub target: String,
    /// Arguments of the call.
    pub args: Vec<(String, String)>,
    /// Links in the delegation chain below the user.
    pub depth: u32,
    /// Level of enforcement.
    pub wall: String,
    /// True where the action began on another device.
    pub arriving: bool,
    /// Class of the data involved.
    pub data_class: String,
    /// How long the lease of this class still holds, milliseconds.
    pub lease_ms: i64,
}

/// The name of everybody of whom nothing is said.
pub const SOMEBODY: &str = "somebody";

impl Asking {
    /// The plainest question about an action: nobody in particular, on this device, no wall.
    pub fn plain(action: Action, target: &str) -> Self {
        Self {
            agent: SOMEBODY.into(),
            user: SOMEBODY.into(),
            project: "default".into(),
            class: "default".into(),
            manifest: String::new(),
            device: SOMEBODY.into(),
            site: String::new(),
            kind: String::new(),
            posture: Posture::default(),
            time_known: false,
            action,
            target: target.to_owned(),
            args: Vec::new(),
            depth: 1,
            wall: "none".into(),
            arriving: false,
            data_class: String::new(),
            lease_ms: i64::MAX,
        }
    }

    /// The same as the rules see it.
    pub fn with<T>(&self, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let chain = [self.agent.as_str()];
        ask(&Question {
            agent: &self.agent,
            user: &self.user,
            project: &self.project,
            class: &self.class,
            manifest: &self.manifest,
            device: &self.device,
            here: Here {
                site: &self.site,
                kind: &self.kind,
                posture: self.posture,
                time_known: self.time_known,
            },
            action: self.action,
            target: &self.target,
            args: &self.args,
            depth: self.depth,
            chain: &chain,
            lease_ms: self.lease_ms,
            wall: &self.wall,
            origin: if self.arriving { Origin::Arriving } else { Origin::Here },
            data_class: &self.data_class,
        })
    }

    /// The same question again, as somebody's to change.
    pub(super) fn of(question: &Question<'_>) -> Self {
        Self {
            agent: question.agent.into(),
            user: question.user.into(),
            project: question.project.into(),
            class: question.class.into(),
            manifest: question.manifest.into(),
            device: question.device.into(),
            site: question.here.site.into(),
            kind: question.here.kind.into(),
            posture: question.here.posture,
            time_known: question.here.time_known,
            action: question.action,
            target: question.target.into(),
            args: question.args.to_vec(),
            depth: question.depth,
            wall: question.wall.into(),
            arriving: question.origin == Origin::Arriving,
            data_class: question.data_class.into(),
            lease_ms: question.lease_ms,
        }
    }
}
