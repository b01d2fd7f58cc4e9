//! The stories: what a fleet does for those who rely on it.
//!
//! `told_twice` holds each story that both worlds can play, once, as a plain function. The files
//! beside it are told on real nodes only, because they need what no simulated host has: a command
//! line to be called wrongly, files and sockets to be spoilt, a disk that is full, wardens and
//! nodes to be killed or stopped by signals.

mod authority;
mod bad_calls;
mod bad_cases;
mod bad_invites;
mod bad_policies;
mod bad_wire;
mod copied;
mod data_classes;
mod developers;
mod discover;
mod drafts;
mod events;
mod full_disk;
mod gateway;
mod gateway_http;
mod gateway_remote;
mod gateway_stopped;
mod gateway_tls;
mod impact;
mod invite_members;
mod keys_kept;
mod keys_lost;
mod killed;
mod leaves;
mod lending;
mod neighbours;
mod no_warden;
mod operators;
mod operators_policy;
mod operators_resume;
mod policy_words;
mod programs;
mod rotation;
mod secrets;
mod statements;
mod tenants;
mod told_twice;
mod up_again;

use belay_tests::story::{Nodes, wait_for};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The `belay` command, built with these tests.
fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_belay-story"))
}

/// The branches of a `stop`, `prove` or `verify` as (agent, device, state, proven), sorted.
fn branches(data: &Value) -> Vec<(String, String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let branch =
        |b: &Value| (text(&b["agent"]), text(&b["device"]), text(&b["state"]), b["proven"] == true);
    let all = data["branches"].as_array().expect("a list of branches");
    let mut branches: Vec<_> = all.iter().map(branch).collect();
    branches.sort();
    branches
}

/// The id of an order.
fn order_of(data: &Value) -> String {
    let order = data["order"].as_str().expect("an order");
    assert_eq!(order.len(), 64, "{data}");
    order.to_owned()
}

/// Waits until an order stands at a node.
fn wait_for_order(fleet: &Nodes, node: &str, order: &str) {
    wait_for(&format!("order {order} stands at {node}"), Duration::from_secs(30), || {
        let status = fleet.status(node);
        let orders = status["orders"].as_array().expect("a list of orders");
        orders.iter().any(|known| known["id"] == order).then_some(())
    });
}
