//! Time limits hold whatever is heard meanwhile, and no chatter fills a table.

use super::*;

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// Goal: a server that never answers its handshake is given up in time though another is heard
/// all the while. Method: one hangs, the other logs more often than time is looked at.
#[test]
fn chatter_does_not_stop_the_clock() {
    let mut lab = Lab::new(&[("a", &[READ]), ("b", &[READ])]);
    lab.greet();
    lab.serve(1, &greeting_of("b"), &[READ]);
    while lab.now_ms <= START_MS_MAX + 1000 {
        lab.now_ms += 900;
        lab.server_says(1, LOG);
    }
    assert_eq!(lab.ended, [0]);
    lab.yes();
    let told = lab.told();
    assert_eq!(told.get("id"), Some(&Json::text("hi")), "{told}");
}

/// Goal: whoever looks at a server that only talks is told so in time. Method: as `connector add`
/// does it, with plain words twice a second.
#[test]
fn a_talkative_server_is_not_looked_at_for_ever() {
    let mut lab = Lab::new(&[("files", &[READ])]);
    lab.gateway.look_at_servers();
    while lab.gateway.shown_by(0).is_none() {
        assert!(lab.now_ms <= START_MS_MAX + 1000, "it is still waited for");
        lab.now_ms += 500;
        lab.server_says(0, "hi");
    }
    let why = lab.gateway.shown_by(0).unwrap().unwrap_err();
    assert!(why.contains("handshake"), "{why}");
}

fn lists(lab: &Lab) -> usize {
    let listed = |told: &&Json| told.get("method") == Some(&Json::text("tools/list"));
    lab.servers[0].iter().filter(listed).count()
}

/// Goal: a server that says again and again that its tools changed is asked for them once at a
/// time, and the last word counts. Method: a thousand words before it answers, one change more.
#[test]
fn one_list_at_a_time_is_asked_for() {
    let mut lab = Lab::ready(&[READ]);
    for _ in 0..1000 {
        lab.server_says(0, CHANGED);
    }
    assert_eq!((lists(&lab), lab.gateway.servers[0].sent.len()), (1, 1));
    lab.server_lists(0, &[READ]);
    assert_eq!(lists(&lab), 2, "it may have changed since it was asked");
    lab.server_lists(0, &[&READ.replace("Reads.", "Evil.")]);
    assert_eq!((lists(&lab), lab.differs.len()), (2, 1));
    assert!(lab.gateway.servers[0].sent.is_empty());
}

/// Goal: requests that were taken back leave nothing behind. Method: lists and levels asked for
/// and cancelled, at a server that answers nothing.
#[test]
fn what_is_taken_back_is_not_kept() {
    let mut lab = Lab::ready(&[READ]);
    for id in 0..1000 {
        let method = if id % 2 == 0 { "tools/list" } else { "logging/setLevel" };
        lab.says(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#));
        lab.yes();
        lab.says(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }
    assert!(lab.gateway.servers[0].sent.is_empty(), "{}", lab.gateway.servers[0].sent.len());
}
