//! The steps of a plan's script: one thing at one moment each.

use super::{Plan, Share, Span};
use crate::clock::Time;
use crate::limits::DEPTH_MAX;
use serde::Deserialize;

/// One thing that happens at one moment; exactly one of its keys besides `at` is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// When.
    pub at: Option<Span>,
    /// An agent is started and hands work on.
    pub run: Option<Run>,
    /// A device's owner gives work to whoever takes it.
    pub offload: Option<Lend>,
    /// An operator gives an order.
    pub order: Option<Order>,
    /// An operator lifts the hold on an agent.
    pub lift: Option<Order>,
    /// A group of devices is cut off from the rest.
    pub cut: Option<Cut>,
    /// The group is linked again.
    pub heal: Option<Heal>,
    /// A node's process is killed.
    pub crash: Option<Hit>,
    /// It is started again.
    pub restart: Option<Hit>,
    /// A device sleeps.
    pub suspend: Option<Suspend>,
    /// A device's wall clock is set.
    pub clock: Option<Set>,
}

/// An agent is started on a device; its work is handed on to linked devices, level by level.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its name; the agents below it are `NAME-2`, `NAME-3` and so on.
    pub agent: String,
    /// Where.
    pub node: usize,
    /// How many levels below it.
    #[serde(default)]
    pub depth: usize,
    /// How many each task hands work to.
    #[serde(default = "one")]
    pub fan: usize,
    /// What happens below when those above fall silent.
    #[serde(default)]
    pub silence: Gives,
}

/// Work is given away at a device, and nobody is named.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lend {
    /// The agent that is to do it.
    pub agent: String,
    /// Where it is given away.
    pub node: usize,
    /// What the device must be able to do.
    #[serde(default)]
    pub needs: Vec<String>,
    /// How many pieces, all at once.
    #[serde(default = "one")]
    pub times: usize,
}

/// What happens to work whose giver is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gives {
    /// It ends.
    #[default]
    End,
    /// It runs on to its deadline.
    RunOn,
}

fn one() -> usize {
    1
}

/// An order on an agent, given on a device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Whom it names.
    pub agent: String,
    /// Where the operator sits.
    pub from: usize,
    /// True where work is to freeze instead of end.
    #[serde(default)]
    pub pause: bool,
}

/// A group of devices, named or drawn.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The name by which it is healed.
    pub group: String,
    /// Who is in it.
    #[serde(default)]
    pub nodes: Vec<usize>,
    /// What share of the others is drawn into it; devices where somebody orders stay out.
    pub share: Option<Share>,
}

/// A group is linked again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heal {
    /// Which.
    pub group: String,
}

/// One device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hit {
    /// Which.
    pub node: usize,
}

/// One device sleeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Which.
    pub node: usize,
    /// For how long.
    pub lasts: Span,
}

/// A device's wall clock is set ahead or back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Which.
    pub node: usize,
    /// By how much ahead.
    #[serde(default = "nothing")]
    pub ahead: Span,
    /// By how much back.
    #[serde(default = "nothing")]
    pub back: Span,
}

fn nothing() -> Span {
    Span(0)
}

impl Step {
    /// When it begins.
    pub(crate) fn begins(&self) -> Time {
        self.at.map_or(0, |at| at.0)
    }

    /// When it is over.
    pub(crate) fn ends(&self) -> Time {
        self.begins() + self.suspend.as_ref().map_or(0, |suspend| suspend.lasts.0)
    }

    /// The device at whose door it happens.
    pub(crate) fn door(&self) -> Option<usize> {
        let run = self.run.as_ref().map(|run| run.node);
        let order = self.order.iter().chain(&self.lift).map(|order| order.from).next();
        let lend = self.offload.as_ref().map(|lend| lend.node);
        run.or(order).or(lend).or(self.restart.as_ref().map(|hit| hit.node))
    }

    /// Why it cannot be done in this plan, after these steps.
    pub(super) fn can_be(&self, plan: &Plan, before: &[Step]) -> Result<(), String> {
        if self.at.is_none() {
            return Err("it has no `at`; say when".into());
        }
        let given = [
            self.run.is_some(),
            self.offload.is_some(),
            self.order.is_some(),
            self.lift.is_some(),
            self.cut.is_some(),
            self.heal.is_some(),
            self.crash.is_some(),
            self.restart.is_some(),
            self.suspend.is_some(),
            self.clock.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            1 => {}
            0 => {
                let words = "run, offload, order, lift, cut, heal, crash, restart, suspend, clock";
                return Err(format!("it says nothing; give one of {words}"));
            }
            _ => return Err("it says several things; give each a step of its own".into()),
        }
        self.nodes_exist(plan)?;
        self.follows(before)?;
        let Some(run) = &self.run else { return Ok(()) };
        let deepest = DEPTH_MAX.min(plan.nodes.saturating_sub(1));
        if run.depth > deepest {
            return Err(format!(
                "{} levels among {} nodes; {deepest} at most",
                run.depth, plan.nodes
            ));
        }
        if run.fan < 1 {
            Err("work is handed to nobody; `fan` is at least 1".into())
        } else {
            Ok(())
        }
    }

    fn nodes_exist(&self, plan: &Plan) -> Result<(), String> {
        let cut = self.cut.iter().flat_map(|cut| cut.nodes.iter().copied());
        let one = [
            self.run.as_ref().map(|run| run.node),
            self.offload.as_ref().map(|lend| lend.node),
            self.order.as_ref().map(|order| order.from),
            self.lift.as_ref().map(|order| order.from),
            self.crash.as_ref().map(|hit| hit.node),
            self.restart.as_ref().map(|hit| hit.node),
            self.suspend.as_ref().map(|suspend| suspend.node),
            self.clock.as_ref().map(|clock| clock.node),
        ];
        match cut.chain(one.into_iter().flatten()).find(|node| *node >= plan.nodes) {
            Some(node) => Err(format!("there is no node {node}; they are 0 to {}", plan.nodes - 1)),
            None => Ok(()),
        }
    }

    fn follows(&self, before: &[Step]) -> Result<(), String> {
        if let Some(last) = before.last()
            && last.begins() > self.begins()
        {
            return Err("it stands before the step above it; put steps in order of time".into());
        }
        if let Some(heal) = &self.heal
            && !before.iter().any(|s| s.cut.as_ref().is_some_and(|cut| cut.group == heal.group))
        {
            return Err(format!("no step before it cuts the group “{}”", heal.group));
        }
        if let Some(hit) = &self.restart
            && !before.iter().any(|s| s.crash.as_ref().is_some_and(|c| c.node == hit.node))
        {
            return Err(format!("no step before it crashes node {}", hit.node));
        }
        if let Some(lift) = &self.lift
            && !before.iter().any(|s| s.order.as_ref().is_some_and(|o| o.agent == lift.agent))
        {
            return Err(format!("no step before it orders against “{}”", lift.agent));
        }
        let Some(cut) = &self.cut else { return Ok(()) };
        if cut.nodes.is_empty() && cut.share.is_none() {
            return Err("the group is empty; give `nodes` or `share`".into());
        }
        Ok(())
    }
}
