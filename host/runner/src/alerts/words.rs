//! What people read: one line per cause, its cure, and the way to the step. Names of ours, codes and counts only.
use super::{AlertKey, AlertPolicy, Facts, OpenAlert};
use bytesize::ByteSize;
use caravan_model::{AlertKind, CanvasId, Code, Duration, Millis, Severity};

/// What a hold's reason code means.
pub(super) struct Hold {
    /// Why, after "is held: ".
    pub(super) why: &'static str,
    /// What a person does.
    pub(super) cure: &'static str,
    /// The page that explains it.
    pub(super) code: Option<Code>,
    /// How bad.
    pub(super) severity: Severity,
}

/// The meaning of a hold's reason code (`journey::retry` gives them).
pub(super) fn hold_of(code: &str) -> Hold {
    use Severity::{Critical, Warning};
    let (why, cure, code, severity) = match code {
        "held-unauthorized" => {
            ("the partner refuses the credentials", "renew the connection's secret", Some(Code::Unauthorized), Critical)
        }
        "held-forbidden" => (
            "the credentials may not do this",
            "give the credentials the right at the partner",
            Some(Code::Forbidden),
            Critical,
        ),
        "held-terms" => {
            ("terms are not accepted", "accept the terms at the partner", Some(Code::TermsUnsigned), Warning)
        }
        "held-audience-missing" => (
            "the audience is gone or invisible",
            "restore the audience at the partner, or publish the canvas with another",
            Some(Code::AudienceMissing),
            Warning,
        ),
        "held-audience-not-writable" => (
            "the audience takes no members from us",
            "share the audience with the account for writing",
            Some(Code::AudienceMissing),
            Warning,
        ),
        "held-audience-blocked" => (
            "the partner has blocked the audience",
            "look at the audience at the partner",
            Some(Code::AudienceMissing),
            Warning,
        ),
        "held-audience-too-small" => (
            "the audience would become too small",
            "add people to the audience at the partner",
            Some(Code::AudienceMissing),
            Warning,
        ),
        "held-audience-full" => (
            "the audience is at the partner's limit",
            "remove people from the audience, or publish the canvas with another",
            Some(Code::AudienceMissing),
            Warning,
        ),
        "held-misconfigured" => (
            "a setting of the connection is wrong",
            "correct the connection's settings",
            Some(Code::BadConnection),
            Critical,
        ),
        "held-outdated" => (
            "the partner no longer serves this version of the connector",
            "install a newer version of the connector",
            Some(Code::UnknownConnector),
            Critical,
        ),
        "held-stopped" => (
            "the connector was stopped at a limit or a rule",
            "look at what was denied, and ask the connector's publisher or widen the grant",
            Some(Code::LimitBreached),
            Critical,
        ),
        "held-poison" => (
            "the connector fails on too many rows",
            "ask the connector's publisher",
            Some(Code::LimitBreached),
            Critical,
        ),
        "not_entitled" => (
            "the policy gives this partner no slot",
            "give it one: caravan entitlement add NAME",
            Some(Code::NotEntitled),
            Critical,
        ),
        "account_off" => {
            ("somebody switched the ad account off", "switch it on when it may go on", Some(Code::AccountOff), Warning)
        }
        "held-by-person" => ("a person holds it", "resume it when it may go on", None, Warning),
        _ => ("something must be mended first", "look at the queue", None, Warning),
    };
    Hold { why, cure, code, severity }
}

/// A name as one line of bounded length.
pub(super) fn tidy(name: &str) -> String {
    let mut text: String = name.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if name.chars().nth(80).is_some() {
        text.push('…');
    }
    text
}

/// A span in its largest unit: people want to know roughly.
pub(super) fn span(span: Duration) -> String {
    let rough = [Duration::DAY, Duration::HOUR, Duration::MINUTE, Duration::SECOND]
        .into_iter()
        .find(|unit| span >= *unit)
        .map_or(0, |unit| span.0 / unit.0 * unit.0);
    Duration(rough).to_string()
}

/// `1 person`, `12 people`.
fn people(n: u64) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

fn bytes(n: u64) -> String {
    ByteSize::b(n).to_string()
}

fn of_connection(facts: &Facts) -> String {
    facts.connection.as_deref().map_or_else(String::new, |name| format!(" of connection {}", tidy(name)))
}

fn step(facts: &Facts) -> String {
    let canvas = facts.places.first().map_or_else(String::new, |place| format!(" of canvas {}", place.canvas));
    format!("step {}{canvas}", tidy(&facts.name))
}

fn share(facts: &Facts) -> String {
    let percent = facts.count.saturating_mul(100).checked_div(facts.of).unwrap_or(0);
    let mut text = format!("{} of {} ({percent} %)", facts.count, facts.of);
    if !facts.reasons.is_empty() {
        let reasons: Vec<String> = facts.reasons.iter().map(|(code, n)| format!("{code} {n}")).collect();
        text.push_str(&format!(": {}", reasons.join(", ")));
    }
    text
}

/// What is wrong, in one line.
pub(super) fn what(alert: &OpenAlert, now: Millis) -> String {
    let (facts, code) = (&alert.facts, &alert.key.code);
    let name = tidy(&facts.name);
    let mut text = match alert.key.kind {
        AlertKind::QueueHeld => {
            let (why, held) = (hold_of(code).why, span(now.since(facts.at)));
            let waits = if facts.count == 1 { "waits" } else { "wait" };
            let wait = people(facts.count);
            format!("queue {name}{} is held: {why} ({code}), for {held}; {wait} {waits}", of_connection(facts))
        }
        AlertKind::ErrorRate => format!("{}: rejected, expired or failed: {}", step(facts), share(facts)),
        AlertKind::SkipRate => format!("{}: skipped: {}", step(facts), share(facts)),
        AlertKind::Lateness => {
            let late = span(now.since(facts.at));
            format!(
                "queue {name}{} is late: its oldest has waited for {late}; {} in all",
                of_connection(facts),
                people(facts.count)
            )
        }
        AlertKind::ConnectorTrapped => {
            let times = if facts.count == 1 { "once".to_owned() } else { format!("{} times", facts.count) };
            format!("connector {name}{} trapped or broke a limit {times}", of_connection(facts))
        }
        AlertKind::TokenEnds if facts.at <= now => format!("the token of connection {name} has ended"),
        AlertKind::TokenEnds => format!("the token of connection {name} ends in {}", span(facts.at.since(now))),
        AlertKind::OwedRemovalRefused => format!(
            "the partner refuses to remove {} from {name}{}, as consent or erasure demands ({code})",
            people(facts.count),
            of_connection(facts)
        ),
        AlertKind::EndpointRests => format!(
            "endpoint {name} has failed for {}: whoever comes to its webhook steps waits",
            span(now.since(facts.at))
        ),
        AlertKind::DiskFull => match (code.as_str(), alert.severity) {
            ("", Severity::Critical) => {
                format!("the store's disk has {} left: nothing is taken in any more", bytes(facts.count))
            }
            ("", _) => format!(
                "the store's disk has {} left; below {} nothing is taken in any more",
                bytes(facts.count),
                bytes(facts.of)
            ),
            (_, Severity::Critical) => {
                format!("the store takes {}, all that it may: nothing is taken in any more", bytes(facts.count))
            }
            _ => format!("the store takes {} of the {} that it may", bytes(facts.count), bytes(facts.of)),
        },
    };
    if alert.flaps > 0 {
        let times = if alert.flaps == 1 { "once".to_owned() } else { format!("{} times", alert.flaps) };
        text.push_str(&format!(" (came back {times})"));
    }
    text
}

/// What is mended, in one line.
pub(super) fn mended(alert: &OpenAlert) -> String {
    let (facts, code) = (&alert.facts, &alert.key.code);
    let name = tidy(&facts.name);
    match alert.key.kind {
        AlertKind::QueueHeld => format!("queue {name}{} is no longer held ({code})", of_connection(facts)),
        AlertKind::ErrorRate => format!("{}: errors are rare again", step(facts)),
        AlertKind::SkipRate => format!("{}: few are skipped again", step(facts)),
        AlertKind::Lateness => format!("queue {name}{} is in time again", of_connection(facts)),
        AlertKind::ConnectorTrapped => format!("connector {name}{} works again", of_connection(facts)),
        AlertKind::TokenEnds => format!("the token of connection {name} no longer ends soon"),
        AlertKind::OwedRemovalRefused => {
            format!("removals owed from {name}{} are no longer refused ({code})", of_connection(facts))
        }
        AlertKind::EndpointRests => format!("endpoint {name} answers again"),
        AlertKind::DiskFull => "the store has room again".to_owned(),
    }
}

/// Several alerts of one kind, code and connection in one line.
pub(super) fn together(alerts: &[&OpenAlert], mended: bool) -> String {
    let names: Vec<String> = alerts.iter().take(3).map(|alert| tidy(&alert.facts.name)).collect();
    let names = format!("{} and {} more", names.join(", "), alerts.len().saturating_sub(names.len()));
    let Some(first) = alerts.first() else { return names };
    let (n, of) = (alerts.len(), of_connection(&first.facts));
    let waiting: u64 = alerts.iter().map(|alert| alert.facts.count).sum();
    let (code, why) = (&first.key.code, hold_of(&first.key.code).why);
    match (first.key.kind, mended) {
        (AlertKind::QueueHeld, false) => {
            format!("{n} queues{of} are held: {why} ({code}); {} wait: {names}", people(waiting))
        }
        (AlertKind::QueueHeld, true) => format!("{n} queues{of} are no longer held ({code}): {names}"),
        (AlertKind::ErrorRate, false) => format!("{n} steps{of} have too many errors: {names}"),
        (AlertKind::ErrorRate, true) => format!("errors are rare again in {n} steps{of}: {names}"),
        (AlertKind::SkipRate, false) => format!("{n} steps{of} skip too many: {names}"),
        (AlertKind::SkipRate, true) => format!("few are skipped again in {n} steps{of}: {names}"),
        (AlertKind::Lateness, false) => format!("{n} queues{of} are late; {} wait: {names}", people(waiting)),
        (AlertKind::Lateness, true) => format!("{n} queues{of} are in time again: {names}"),
        (AlertKind::ConnectorTrapped, false) => format!("{n} connectors{of} trapped or broke a limit: {names}"),
        (AlertKind::ConnectorTrapped, true) => format!("{n} connectors{of} work again: {names}"),
        (AlertKind::TokenEnds, false) => format!("the tokens of {n} connections end or have ended: {names}"),
        (AlertKind::TokenEnds, true) => format!("the tokens of {n} connections no longer end soon: {names}"),
        (AlertKind::OwedRemovalRefused, false) => format!(
            "the partner refuses to remove {} from {n} audiences{of}, as consent or erasure demands ({code}): {names}",
            people(waiting)
        ),
        (AlertKind::OwedRemovalRefused, true) => {
            format!("removals owed from {n} audiences{of} are no longer refused ({code}): {names}")
        }
        (AlertKind::EndpointRests, false) => format!("{n} endpoints of webhook steps fail: {names}"),
        (AlertKind::EndpointRests, true) => format!("{n} endpoints answer again: {names}"),
        (AlertKind::DiskFull, false) => "the store has little room".to_owned(),
        (AlertKind::DiskFull, true) => "the store has room again".to_owned(),
    }
}

/// What a person does about it.
pub(super) fn cure(key: &AlertKey) -> String {
    let (cure, code) = match key.kind {
        AlertKind::QueueHeld => {
            let hold = hold_of(&key.code);
            let then = if key.code == "held-by-person" { "" } else { "; then it goes on by itself" };
            (format!("{}{then}", hold.cure), hold.code)
        }
        AlertKind::ErrorRate => ("look at the commonest reason and mend it at its source".to_owned(), None),
        AlertKind::SkipRate => {
            ("look at the commonest reason: identifiers, consent and match fields of these people".to_owned(), None)
        }
        AlertKind::Lateness => ("look at why the queue waits".to_owned(), None),
        AlertKind::ConnectorTrapped => {
            ("read the connector's log, and ask its publisher".to_owned(), Some(Code::LimitBreached))
        }
        AlertKind::TokenEnds => {
            ("renew the connection's secret before its queues are held".to_owned(), Some(Code::Unauthorized))
        }
        AlertKind::OwedRemovalRefused => (
            "these removals never expire: remove the people by hand at the partner, or mend what it refuses".to_owned(),
            Some(Code::AudienceMissing),
        ),
        AlertKind::EndpointRests => {
            ("mend the endpoint; people wait for it for some days, and then it goes on by itself".to_owned(), None)
        }
        AlertKind::DiskFull => (
            "make room: `caravan store prune` forgets what the policy no longer keeps; what was refused comes again by itself"
                .to_owned(),
            None,
        ),
    };
    code.map_or_else(|| cure.clone(), |code| format!("{cure}; `caravan explain {code}`"))
}

/// The page of the step: of the subscription's canvas first. `None` without a public URL, or where no step feels it.
pub(super) fn link(facts: &Facts, canvas: Option<&CanvasId>, policy: &AlertPolicy) -> Option<String> {
    let base = policy.public_url.as_deref()?.trim_end_matches('/');
    let wanted = facts.places.iter().find(|place| canvas == Some(&place.canvas));
    let place = wanted.or(facts.places.first())?;
    let step = place.step.as_ref().map_or_else(String::new, |step| format!("?step={step}"));
    Some(format!("{base}/canvas/{}{step}", place.canvas))
}

/// The command that shows more.
pub(super) fn command(alert: &OpenAlert) -> String {
    match alert.key.kind {
        AlertKind::QueueHeld
        | AlertKind::Lateness
        | AlertKind::OwedRemovalRefused
        | AlertKind::ErrorRate
        | AlertKind::SkipRate => "caravan queue list".to_owned(),
        AlertKind::TokenEnds => format!("caravan connection check {}", tidy(&alert.facts.name)),
        AlertKind::ConnectorTrapped => format!("caravan connector inspect {}", tidy(&alert.facts.name)),
        AlertKind::EndpointRests => "caravan canvas show".to_owned(),
        AlertKind::DiskFull => "caravan store prune".to_owned(),
    }
}

/// A kind in the plural, for subjects.
pub(super) fn plural(kind: AlertKind, n: usize) -> String {
    let (one, many) = match kind {
        AlertKind::QueueHeld => ("queue held", "queues held"),
        AlertKind::ErrorRate => ("step with errors", "steps with errors"),
        AlertKind::Lateness => ("late queue", "late queues"),
        AlertKind::SkipRate => ("step that skips", "steps that skip"),
        AlertKind::ConnectorTrapped => ("connector trapped", "connectors trapped"),
        AlertKind::TokenEnds => ("token about to end", "tokens about to end"),
        AlertKind::OwedRemovalRefused => ("owed removal refused", "owed removals refused"),
        AlertKind::EndpointRests => ("endpoint that fails", "endpoints that fail"),
        AlertKind::DiskFull => ("store without room", "stores without room"),
    };
    format!("{n} {}", if n == 1 { one } else { many })
}
