//! What came of permits: told for each, whoever takes back, leaves or ends.

use super::*;

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#;
const SAMPLE: &str =
    r#"{"jsonrpc":"2.0","id":6,"method":"sampling/createMessage","params":{"x":1}}"#;

fn cancels(id: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    )
}

/// Goal: a permit that comes when nobody wants it any more was not tried. Method: a server takes
/// its question back while the gate is asked; then while the roots are judged.
#[test]
fn permits_that_come_too_late_are_not_tried() {
    let mut lab = Lab::ready(&[READ]);
    lab.server_says(0, SAMPLE);
    lab.server_says(0, &cancels(6));
    lab.yes();
    assert_eq!(lab.outcomes, [Came::NotTried]);
    lab.server_says(0, ROOTS);
    lab.yes();
    let id = lab.told().get("id").unwrap().clone();
    let roots = r#"{"roots":[{"uri":"file:///a"},{"uri":"file:///b"}]}"#;
    lab.says(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{roots}}}"#));
    lab.server_says(0, &cancels(5));
    lab.yes();
    assert_eq!(lab.outcomes, [Came::NotTried; 3]);
    assert!(lab.servers[0].is_empty(), "{:?}", lab.servers[0]);
}

/// Goal: a client that leaves leaves no permit without what came of it, and nothing is done for it
/// afterwards. Method: a call at its server, a question that the client was asked, and one call and
/// one notification of which the gate has not spoken yet.
#[test]
fn who_leaves_leaves_no_permit_open() {
    let mut lab = Lab::ready(&[READ]);
    lab.call(1, "read", "{}");
    lab.server_says(0, SAMPLE);
    lab.yes();
    lab.call(2, "read", "{}");
    lab.says(r#"{"jsonrpc":"2.0","method":"x/unknown"}"#);
    assert_eq!(lab.outcomes, []);
    lab.handle(Input::Left);
    assert_eq!(lab.outcomes, [Came::Cancelled, Came::Cancelled]);
    let last = lab.servers[0].last().unwrap();
    assert_eq!(last.get("method"), Some(&Json::text("notifications/cancelled")));
    lab.servers[0].clear();
    assert!(lab.gateway.waits_for_gate());
    lab.yes();
    assert_eq!(lab.outcomes[2..], [Came::NotTried, Came::NotTried]);
    assert!(lab.servers[0].is_empty() && !lab.gateway.waits_for_gate());
}

/// Goal: a server that is given up does not run on, and one that ended leaves nothing that does.
#[test]
fn a_server_that_is_gone_is_ended() {
    let mut lab = Lab::ready(&[READ]);
    lab.call(1, "read", "{}");
    lab.yes();
    lab.handle(Input::Gone { at: 0, why: "it sent a message longer than this".into() });
    assert_eq!((&lab.ended[..], &lab.outcomes[..]), (&[0][..], &[Came::Failed][..]));
    lab.handle(Input::Gone { at: 0, why: "signal 9 ended it".into() });
    assert_eq!(lab.ended, [0]);
}

/// Goal: calls that are taken back at once fill no queue to the gate.
#[test]
fn calls_taken_back_fill_no_queue() {
    let mut lab = Lab::ready(&[READ]);
    for id in 0..2 * OPEN_MAX as u64 {
        lab.call(id, "read", "{}");
        lab.says(&cancels(id));
    }
    assert_eq!(lab.asks.len(), OPEN_MAX);
    assert!(words(&lab.told()).contains("open already"));
    lab.yes();
    lab.call(0, "read", "{}");
    lab.yes();
    assert_eq!(lab.servers[0].len(), 1);
}
