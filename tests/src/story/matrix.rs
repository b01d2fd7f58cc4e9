//! Every node of the demo killed at every phase of it: the cells, and what became of each.
//!
//! Refused here: choosing the cells that are known to go well. A part of them is spread over nodes
//! and phases.

use super::figures::Figures;
use super::telling::{Cell, tell};
use belay_node::demo::cast::{Phase, Telling};
use std::path::Path;

/// Every node at every phase in which it is up, ordered so that any beginning of the list is spread
/// over both.
pub fn cells(telling: &'static Telling) -> Vec<Cell> {
    let (nodes, phases) = (telling.devices, Phase::ALL);
    let all = (0..phases.len()).flat_map(|round| {
        nodes.iter().enumerate().map(move |(at, device)| {
            // A step of two visits every phase once, because their number is odd.
            let phase = phases[(round + 2 * at) % phases.len()];
            Cell { phase, node: device.name }
        })
    });
    all.filter(|cell| cell.phase != Phase::Founded || cell.node == telling.founder()).collect()
}

/// Plays so many cells and prints what became of each; panics when something did not hold.
pub fn run(exe: &Path, telling: &'static Telling, times: usize) {
    let cells = cells(telling);
    let played = times.min(cells.len());
    let (mut proven, mut relinked) = (0, Vec::new());
    for cell in &cells[..played] {
        println!("kill -9 of {} at “{}”:", cell.node, cell.phase.as_str());
        let end = tell(exe, telling, *cell);
        proven += usize::from(end.proven);
        relinked.push(end.relinked_ms);
        println!("  {end}");
    }
    let (all, named) = (cells.len(), played - proven);
    let what = "kill -9 of each node at each phase";
    println!("{what}: n {played} of {all}, proven {proven}, with the gap named {named}");
    println!("{what}: linked again after it, ms: {}", Figures::of(relinked));
}

#[cfg(test)]
mod tests {
    use super::*;
    use belay_node::demo::cast::WHOLE;
    use std::collections::BTreeSet;

    /// Goal: no cell is left out or played twice, and a part of them is spread. Method: all of them
    /// counted; the first five are five nodes at five phases.
    #[test]
    fn every_node_meets_every_phase() {
        let cells = cells(&WHOLE);
        let names = |cells: &[Cell]| -> BTreeSet<_> {
            cells.iter().map(|cell| (cell.node, cell.phase)).collect()
        };
        let (nodes, phases) = (WHOLE.devices.len(), Phase::ALL.len());
        // Only the founder is up when the fleet is founded.
        assert_eq!(cells.len(), nodes * (phases - 1) + 1);
        assert_eq!(names(&cells).len(), cells.len());
        let first = names(&cells[..nodes]);
        let spread = |of: fn(&(&'static str, Phase)) -> String| {
            first.iter().map(of).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(spread(|cell| cell.0.to_owned()), nodes, "{first:?}");
        assert_eq!(spread(|cell| cell.1.as_str().to_owned()), nodes, "{first:?}");
    }
}
