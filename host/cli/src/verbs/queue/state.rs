//! How a queue stands, in words, and what a person can do about it.
use crate::out;
use caravan_api::nouns::queues::QueueView;
use caravan_model::{Millis, reasons};
use caravan_runner::control::current_name;
use caravan_store::{Hold, HoldScope, LaneState};

/// The reason code of a queue whose audience is not at the partner.
const MISSING: &str = "held-audience-missing";

/// The word, and why: of what a person holds, what the partner made us do, or nothing.
pub fn of(lane: &QueueView) -> (&'static str, String) {
    if let Some(hold) = lane.held_by.first() {
        return ("held", held_in_words(hold));
    }
    match &lane.state {
        LaneState::Open => ("open", String::new()),
        LaneState::Waiting { why, until, reason } => {
            ("waiting", format!("{why} until {}: {}", out::instant(*until), reasons::words_of(reason)))
        }
        LaneState::Held { reason, since, .. } => {
            ("held", format!("since {}: {}", out::instant(*since), reasons::words_of(reason)))
        }
    }
}

/// Whether nothing goes until someone or the partner mends something.
pub fn is_held(lane: &QueueView) -> bool {
    !lane.held_by.is_empty() || matches!(lane.state, LaneState::Held { .. })
}

/// `by ann since …: audit (everything)`.
pub fn held_in_words(hold: &Hold) -> String {
    let scope = match &hold.scope {
        HoldScope::Audience { .. } => String::new(),
        scope => format!(" ({})", scope_in_words(scope)),
    };
    format!("by {} since {}: {}{scope}", hold.by, out::instant(hold.since), hold.words)
}

/// What a hold holds.
pub fn scope_in_words(scope: &HoldScope) -> String {
    match scope {
        HoldScope::Everything => "everything".to_owned(),
        HoldScope::Connector { name } => format!("connector {name}"),
        HoldScope::Connection { name } => format!("connection {name}"),
        HoldScope::Audience { key } => format!("audience {}", key.audience),
    }
}

/// The arguments of `queue resume` that end a hold.
fn to_resume(scope: &HoldScope, queue: &str) -> String {
    match scope {
        HoldScope::Everything => "--everything".to_owned(),
        HoldScope::Connector { name } => format!("--connector {}", out::quoted(name)),
        HoldScope::Connection { name } => format!("--connection {}", out::quoted(name)),
        HoldScope::Audience { .. } => out::quoted(queue),
    }
}

/// Who sends what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// A command: no host serves the store.
    OnCommand,
    /// The host that serves it, by itself.
    ByItself,
}

/// What to do, a line each; empty where there is nothing to do.
pub fn what_to_do(lane: &QueueView, now: Millis, sends: Sends) -> Vec<String> {
    let (called, queue) = (out::called(), lane.queue.as_str());
    let mut lines: Vec<String> = lane
        .held_by
        .iter()
        .map(|hold| format!("a person holds it: `{called} queue resume {}` ends that", to_resume(&hold.scope, queue)))
        .collect();
    match &lane.state {
        LaneState::Held { reason, probe, .. } => {
            lines.extend(reasons::cure_of(reason).map(str::to_owned));
            if reason.code == MISSING {
                lines.push(format!("`{called} audience recreate {}` makes it again", out::quoted(current_name(queue))));
            }
            let quoted = out::quoted(queue);
            lines.push(match *probe == Millis::NEVER {
                true => format!("then `{called} queue resume {quoted}`"),
                false => format!("then it goes on by itself, or at once after `{called} queue resume {quoted}`"),
            });
        }
        LaneState::Waiting { until, .. } if *until > now => {
            lines.push(format!("nothing: it goes on by itself from {} on", out::instant(*until)));
        }
        LaneState::Open | LaneState::Waiting { .. }
            if lane.waiting > 0 && lane.held_by.is_empty() && sends == Sends::OnCommand =>
        {
            lines.push(format!("`{called} queue deliver` sends what waits"));
        }
        LaneState::Open | LaneState::Waiting { .. } => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::Reason;
    use caravan_store::LaneKey;

    fn key() -> LaneKey {
        LaneKey { connector: "meta".into(), account: "act_1".into(), audience: "7".into() }
    }

    fn queue(name: &str) -> QueueView {
        let LaneKey { connector, account, audience } = key();
        QueueView {
            queue: name.into(),
            connection: "acme".into(),
            lab: false,
            connector,
            account,
            audience,
            stripe: 0,
            state: LaneState::Open,
            words: String::new(),
            cure: None,
            held_by: Vec::new(),
            waiting: 0,
            sealed: 0,
            owed: 0,
            oldest: None,
            next_renewal: None,
        }
    }

    fn to_do(queue: &QueueView) -> Vec<String> {
        what_to_do(queue, Millis(1), Sends::OnCommand)
    }

    fn hold(scope: HoldScope) -> Hold {
        Hold { scope, words: "audit".into(), by: "ann".into(), since: Millis(0) }
    }

    #[test]
    fn what_a_person_holds_is_said_first() {
        let mut held = queue("a/list");
        held.held_by = vec![hold(HoldScope::Everything)];
        assert_eq!(of(&held), ("held", "by ann since 1970-01-01 00:00:00Z: audit (everything)".to_owned()));
        assert!(is_held(&held) && !is_held(&queue("a/list")));
        assert_eq!(to_do(&held), ["a person holds it: `caravan queue resume --everything` ends that"]);
        let own = hold(HoldScope::Audience { key: key() });
        assert_eq!(held_in_words(&own), "by ann since 1970-01-01 00:00:00Z: audit");
        held.held_by = vec![own];
        held.queue = "a list".into();
        assert!(to_do(&held)[0].contains("queue resume 'a list'"));
    }

    #[test]
    fn each_state_says_what_to_do() {
        let mut queue = queue("a/list");
        assert!(to_do(&queue).is_empty(), "nothing waits");
        queue.waiting = 3;
        assert!(to_do(&queue)[0].contains("queue deliver"));
        assert!(what_to_do(&queue, Millis(1), Sends::ByItself).is_empty(), "a host sends it");
        let reason = Reason::new("held-audience-missing", "gone");
        queue.state = LaneState::Held { reason, since: Millis(0), probe: Millis(5), probes: 1 };
        let lines = to_do(&queue);
        assert!(lines.iter().any(|line| line.contains("audience recreate a/list")), "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.contains("by itself")), "{lines:?}");
        let reason = Reason::new("throttled", "slow down");
        queue.state = LaneState::Waiting { why: "throttled".into(), until: Millis(10), reason };
        assert!(to_do(&queue)[0].starts_with("nothing: it goes on by itself"));
    }
}
