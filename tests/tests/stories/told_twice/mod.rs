//! Every story told twice from one text: by real nodes, and by the simulator with every checker on.
//!
//! A story is a function of a fleet and nothing else. The table below plays each of them in both
//! worlds, so that none exists in one only; a story that passes in one of them and fails in the
//! other has found a defect of the engine, of a shell, or of the simulator.

mod authority;
mod census;
mod cut_off;
mod drafts;
mod enrol;
mod lease;
mod policy;
mod programs;
mod races;
mod restart;
mod subjects;
mod tree;

use super::exe;
use belay_simulator::Planted;
use belay_tests::story::fleet::Fleet;
use belay_tests::story::fleet::real::Real;
use belay_tests::story::fleet::simulated::Simulated;

/// How many worlds of the simulator each story is told in.
const SEEDS: u64 = 8;

/// Plays each story by real nodes and by the simulator.
macro_rules! told_twice {
    ($($chapter:ident::$story:ident,)*) => {
        mod real {
            $(#[test]
            fn $story() {
                super::by_real_nodes(super::$chapter::$story);
            })*
        }

        mod simulated {
            $(#[test]
            fn $story() {
                super::by_the_simulator(super::$chapter::$story);
            })*
        }
    };
}

told_twice! {
    enrol::devices_join_and_hear_an_order,
    lease::linked_work_outlives_its_first_lease,
    tree::one_order_stops_a_tree,
    cut_off::a_cut_off_tree_ends_by_its_lease,
    restart::an_executor_killed_before_its_receipt_answers_later,
    restart::an_order_outlives_the_node_that_gave_it,
    policy::a_release_from_any_device_judges_everywhere,
    drafts::three_operators_write_one_release,
    programs::what_a_release_blocks_ends_everywhere,
    census::who_is_here,
    subjects::an_order_is_obeyed_on_every_device,
    subjects::an_order_on_a_device_ends_what_runs_there,
    subjects::an_order_on_a_user_ends_all_of_his,
    authority::several_hold_a_fleet,
    authority::an_operators_grants_are_held,
    authority::epochs_are_slept_through,
    races::an_order_meets_a_tree_that_grows,
    races::an_order_in_the_middle_spares_what_is_above,
}

type Story = fn(&mut dyn Fleet);

/// Goal: a story can fail, and so can the checkers beside it. Method: one defect at a time is
/// planted on every device, and a story that must notice is told in all its worlds.
#[test]
fn planted_defects_spoil_their_stories() {
    let stories: [(Planted, Story); 3] = [
        (Planted::Forgotten, restart::an_order_outlives_the_node_that_gave_it),
        (Planted::NoLook, tree::one_order_stops_a_tree),
        (Planted::Shallow, tree::one_order_stops_a_tree),
    ];
    for (planted, story) in stories {
        let spoilt = (1..=SEEDS).find(|seed| {
            let told = std::panic::catch_unwind(|| {
                let mut fleet = Simulated::found_with(*seed, Some(planted));
                story(&mut fleet);
                fleet.end().is_green()
            });
            !told.unwrap_or(false)
        });
        assert!(spoilt.is_some(), "{planted} is not noticed");
    }
}

fn by_real_nodes(story: Story) {
    story(&mut Real::found(exe()));
}

fn by_the_simulator(story: Story) {
    for seed in 1..=SEEDS {
        println!("seed {seed}");
        let mut fleet = Simulated::found(seed);
        story(&mut fleet);
        let report = fleet.end();
        let red: Vec<_> = report.invariants.iter().filter(|i| i.violations > 0).collect();
        assert!(red.is_empty(), "{red:#?}");
        assert_eq!(report.actions_after_bound, 0);
    }
}
