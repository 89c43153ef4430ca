//! Puts what is told at once into one notice: like causes in one line, the worst first.
use super::subscriber::{Alerts, Told};
use super::words::{command, cure, link, mended, plural, tidy, together, what};
use super::{AlertKey, AlertPolicy, Change, Incident, Line, Notice, OpenAlert};
use caravan_model::{AlertKind, Digest, Millis, Severity, Subscription, SubscriptionId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// More alerts of one cause than this become one line.
const APART: usize = 3;
/// The most lines of a notice.
const LINES: usize = 20;
/// PagerDuty's longest `dedup_key`.
const LONGEST_KEY: usize = 255;

/// One notice about all of `news`. `told` is what the subscription has been told, this notice included; `made` is when
/// the notice is made, and the how-manieth of its subscription it is.
pub(super) fn compose(
    wanted: &Subscription,
    told: &BTreeMap<AlertKey, Told>,
    alerts: &Alerts,
    news: &[(Change, &OpenAlert)],
    mut notes: Vec<String>,
    made: (Millis, u64),
    policy: &AlertPolicy,
) -> Notice {
    let now = made.0;
    let mut lines = lines(wanted, news, now, policy);
    if let Some(more) = lines.len().checked_sub(LINES).filter(|more| *more > 0) {
        lines.truncate(LINES);
        notes.insert(0, format!("and {more} more; `caravan queue list` shows all queues"));
    }
    let recovery = news.iter().all(|(change, _)| *change == Change::Mended);
    Notice {
        id: format!("{}-{}-{}", wanted.id, now.0, made.1),
        subscription: wanted.id.clone(),
        severity: worst(news),
        subject: subject(news, &lines, recovery),
        notes,
        link: lines.iter().find_map(|line| line.link.clone()),
        lines,
        recovery,
        incidents: incidents(wanted, told, alerts, news, now, policy),
        alerts: news.iter().map(|(change, alert)| (*change, alert.key.clone())).collect(),
        made: now,
        due: now,
        tries: 0,
    }
}

/// The worst of what is open; of what is mended where nothing is.
fn worst(news: &[(Change, &OpenAlert)]) -> Severity {
    let open = news.iter().filter(|(change, _)| *change != Change::Mended).map(|(_, alert)| alert.severity).max();
    open.or_else(|| news.iter().map(|(_, alert)| alert.severity).max()).unwrap_or_default()
}

fn lines(wanted: &Subscription, news: &[(Change, &OpenAlert)], now: Millis, policy: &AlertPolicy) -> Vec<Line> {
    type Group<'a> = (bool, Reverse<Severity>, Change, AlertKind, &'a str, Option<&'a str>);
    let mut groups: BTreeMap<Group<'_>, Vec<&OpenAlert>> = BTreeMap::new();
    for (change, alert) in news {
        let (over, of) = (*change == Change::Mended, alert.facts.connection.as_deref());
        // Each token is of a connection of its own.
        let of = of.filter(|_| alert.key.kind != AlertKind::TokenEnds);
        let group = (over, Reverse(alert.severity), *change, alert.key.kind, alert.key.code.as_str(), of);
        groups.entry(group).or_default().push(alert);
    }
    let mut lines = Vec::new();
    for ((over, _, change, ..), alerts) in &groups {
        let line = |words: String, alert: &OpenAlert, n: usize| Line {
            change: *change,
            kind: alert.key.kind,
            severity: alert.severity,
            code: alert.key.code.clone(),
            alerts: n as u64,
            words,
            cure: (!over).then(|| cure(&alert.key)),
            link: link(&alert.facts, wanted.canvas.as_ref(), policy),
            command: command(alert),
        };
        match alerts.as_slice() {
            [] => {}
            [first, ..] if alerts.len() > APART => lines.push(line(together(alerts, *over), first, alerts.len())),
            few => lines.extend(few.iter().map(|alert| {
                let words = if *over { mended(alert) } else { what(alert, now) };
                line(words, alert, 1)
            })),
        }
    }
    lines
}

fn subject(news: &[(Change, &OpenAlert)], lines: &[Line], recovery: bool) -> String {
    let tag = if recovery { "mended" } else { worst(news).word() };
    if let [line] = lines {
        let still = if line.change == Change::Still { "still: " } else { "" };
        return format!("[{tag}] {still}{}", line.words);
    }
    let mut kinds: BTreeMap<(bool, AlertKind), usize> = BTreeMap::new();
    for (change, alert) in news {
        *kinds.entry((*change == Change::Mended, alert.key.kind)).or_default() += 1;
    }
    let parts: Vec<String> = kinds
        .iter()
        .map(|((over, kind), n)| {
            let word = if *over && !recovery { "mended: " } else { "" };
            format!("{word}{}", plural(*kind, *n))
        })
        .collect();
    format!("[{tag}] {}", parts.join(", "))
}

/// The incident of an alert as it is now.
pub(super) fn incident_key(subscription: &SubscriptionId, alert: &OpenAlert) -> String {
    let key = format!("caravan/{subscription}/{}/{}/{}", alert.key.kind, group(alert), alert.severity);
    if key.len() <= LONGEST_KEY {
        return key;
    }
    format!("caravan/{}", Digest::of(key.as_bytes()))
}

/// What an alert's incident is about: its connection, else its canvas, else itself.
fn group(alert: &OpenAlert) -> String {
    let canvas = || alert.facts.places.first().map(|place| place.canvas.to_string());
    let name = alert.facts.connection.clone().or_else(canvas);
    tidy(&name.unwrap_or_else(|| alert.key.subject.clone()))
}

/// The incidents that this notice touches, and whether each has an open alert still.
fn incidents(
    wanted: &Subscription,
    told: &BTreeMap<AlertKey, Told>,
    alerts: &Alerts,
    news: &[(Change, &OpenAlert)],
    now: Millis,
    policy: &AlertPolicy,
) -> Vec<Incident> {
    let mut touched: BTreeSet<String> = BTreeSet::new();
    for (change, alert) in news {
        touched.extend(told.get(&alert.key).map(|told| told.incident.clone()));
        if *change == Change::Worse {
            // It leaves its milder incident.
            let milder = OpenAlert { severity: Severity::Warning, ..(*alert).clone() };
            touched.insert(incident_key(&wanted.id, &milder));
        }
    }
    let mut all = Vec::new();
    for key in touched {
        let open: Vec<&OpenAlert> = told
            .values()
            .filter(|told| told.open && told.incident == key)
            .filter_map(|told| alerts.get(&told.alert))
            .collect();
        let over = || news.iter().map(|(_, alert)| *alert).find(|alert| in_incident(told, wanted, alert, &key));
        let Some(first) = open.first().copied().or_else(over) else { continue };
        let summary = match open.as_slice() {
            [] => mended(first),
            [one] => what(one, now),
            [_, ..] => format!("{} ({})", plural(first.key.kind, open.len()), group(first)),
        };
        all.push(Incident {
            open: !open.is_empty(),
            kind: first.key.kind,
            severity: open.iter().map(|alert| alert.severity).max().unwrap_or(first.severity),
            group: group(first),
            component: tidy(&first.facts.name),
            summary,
            link: link(&first.facts, wanted.canvas.as_ref(), policy),
            key,
        });
    }
    // What is resolved last: nobody should see all green between two events.
    all.sort_by_key(|incident| !incident.open);
    all
}

fn in_incident(told: &BTreeMap<AlertKey, Told>, wanted: &Subscription, alert: &OpenAlert, key: &str) -> bool {
    let milder = || OpenAlert { severity: Severity::Warning, ..alert.clone() };
    told.get(&alert.key).is_some_and(|told| told.incident == key) || incident_key(&wanted.id, &milder()) == key
}
