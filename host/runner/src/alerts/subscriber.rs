//! What one subscription has been told, and what it is told next.
use super::compose::{compose, incident_key};
use super::{AlertKey, AlertPolicy, Change, Notice, OpenAlert};
use caravan_model::{Duration, Millis, Severity, Subscription, SubscriptionId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// The span in which notices are counted.
const HOUR: Duration = Duration::HOUR;

/// All alerts by their key.
pub(super) type Alerts = BTreeMap<AlertKey, OpenAlert>;

/// What one subscription has been told of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Of which alert.
    pub alert: AlertKey,
    /// How bad it was said to be.
    pub severity: Severity,
    /// Whether the subscription takes it for open.
    pub open: bool,
    /// When it was last told: opened, worse, still or mended.
    pub at: Millis,
    /// How often it was told as still open.
    pub repeats: u32,
    /// When it is told again.
    pub next: Millis,
    /// Whether the notice that opened it never arrived: then a recovery is nothing to tell either.
    #[serde(default)]
    pub lost: bool,
    /// The incident it belongs to.
    pub incident: String,
}

/// What one subscription has been told. One document per subscription in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// Which.
    pub subscription: SubscriptionId,
    /// What it was told, by alert; mended ones while they are damped.
    #[serde(default, serialize_with = "as_list", deserialize_with = "from_list")]
    pub told: BTreeMap<AlertKey, Told>,
    /// Since when something waits to be told.
    #[serde(default)]
    pub gathering: Option<Millis>,
    /// When notices of the last hour were made or sent.
    #[serde(default)]
    pub recent: Vec<Millis>,
    /// Alerts that came and went while notices were held back.
    #[serde(default)]
    pub untold: u64,
    /// How many notices were ever made.
    #[serde(default)]
    pub made: u64,
}

fn as_list<S: Serializer>(told: &BTreeMap<AlertKey, Told>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(told.values())
}

fn from_list<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<AlertKey, Told>, D::Error> {
    let list = Vec::<Told>::deserialize(from)?;
    Ok(list.into_iter().map(|told| (told.alert.clone(), told)).collect())
}

/// Whether a subscription is about an alert, whatever its severity.
fn concerns(wanted: &Subscription, alert: &OpenAlert) -> bool {
    let canvas = wanted.canvas.as_ref();
    wanted.wants(alert.key.kind, Severity::Critical)
        && canvas.is_none_or(|canvas| alert.facts.places.iter().any(|place| place.canvas == *canvas))
        && wanted.connection.as_ref().is_none_or(|name| alert.facts.connection.as_ref() == Some(name))
}

impl SubscriptionState {
    pub(super) fn new(subscription: SubscriptionId) -> SubscriptionState {
        SubscriptionState {
            subscription,
            told: BTreeMap::new(),
            gathering: None,
            recent: Vec::new(),
            untold: 0,
            made: 0,
        }
    }

    /// Whether an alert may not be forgotten yet: its recovery is still to be told.
    pub(super) fn awaits(&self, alert: &AlertKey) -> bool {
        self.told.get(alert).is_some_and(|told| told.open)
    }

    /// An alert is over and forgotten; it counts where it should have been told and never was.
    pub(super) fn forget(&mut self, wanted: &Subscription, alert: &OpenAlert, policy: &AlertPolicy) {
        let lasted = alert.clear.unwrap_or(alert.opened).since(alert.opened);
        let told = self.told.get(&alert.key).is_some_and(|told| told.at >= alert.opened);
        let wanted = concerns(wanted, alert) && alert.severity >= wanted.at_least;
        if wanted && !told && (lasted >= policy.gather || alert.flaps > 0) {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// The last notice arrived: this time counts for the hour, and repeats are counted from it.
    pub(super) fn delivered(&mut self, notice: &Notice, now: Millis) {
        if let Some(last) = self.recent.last_mut() {
            *last = now.max(*last);
        }
        for (_, key) in &notice.alerts {
            if let Some(told) = self.told.get_mut(key) {
                told.next = told.next.after(now.since(notice.made));
            }
        }
    }

    /// The last notice never arrived: what it opened is told anew with the next repeat.
    pub(super) fn lost(&mut self, notice: &Notice, now: Millis, policy: &AlertPolicy) {
        for (change, key) in &notice.alerts {
            let Some(told) = self.told.get_mut(key).filter(|told| told.open) else { continue };
            told.next = now.after(policy.repeat_first);
            if *change == Change::Opened {
                (told.lost, told.repeats) = (true, 0);
            }
        }
    }

    /// What is to be told now, if it may be.
    pub(super) fn tell(
        &mut self,
        wanted: &Subscription,
        alerts: &Alerts,
        busy: bool,
        now: Millis,
        policy: &AlertPolicy,
    ) -> Option<Notice> {
        self.recent.retain(|at| now.since(*at) < HOUR);
        self.told.retain(
            |key, told| {
                if told.open { alerts.contains_key(key) } else { now.since(told.at) < policy.damp }
            },
        );
        let news = self.news(wanted, alerts, now, policy);
        if news.is_empty() {
            self.gathering = None;
            return None;
        }
        let since = *self.gathering.get_or_insert(now);
        let urgent = news.iter().any(|(change, alert)| {
            matches!(change, Change::Opened | Change::Worse) && alert.severity == Severity::Critical
        });
        if busy || now.since(since) < policy.gather || self.recent.len() >= policy.budget(urgent) {
            return None;
        }
        self.gathering = None;
        self.made = self.made.saturating_add(1);
        self.recent.push(now);
        for (change, alert) in &news {
            self.note(*change, alert, now, policy);
        }
        let notes = self.notes(now, policy);
        Some(compose(wanted, &self.told, alerts, &news, notes, (now, self.made), policy))
    }

    /// What differs between how things stand and what was told.
    fn news<'a>(
        &mut self,
        wanted: &Subscription,
        alerts: &'a Alerts,
        now: Millis,
        policy: &AlertPolicy,
    ) -> Vec<(Change, &'a OpenAlert)> {
        let mut news = Vec::new();
        for alert in alerts.values() {
            let about = concerns(wanted, alert) && alert.severity >= wanted.at_least;
            let Some(told) = self.told.get_mut(&alert.key) else {
                if about && alert.is_felt(now, policy) {
                    news.push((Change::Opened, alert));
                }
                continue;
            };
            if !told.open {
                // Told as mended a moment ago: only what is worse than it was is news.
                if about && alert.is_active() && alert.severity > told.severity {
                    news.push((Change::Opened, alert));
                }
                continue;
            }
            let eased = alert.is_active() && alert.severity < wanted.at_least;
            if alert.is_over(now, policy) || eased {
                if told.lost {
                    self.told.remove(&alert.key);
                } else {
                    news.push((Change::Mended, alert));
                }
                continue;
            }
            if !alert.is_active() {
                continue;
            }
            if alert.severity > told.severity && about {
                news.push((Change::Worse, alert));
            } else {
                told.severity = told.severity.min(alert.severity);
                if about && now >= told.next {
                    news.push((if told.lost { Change::Opened } else { Change::Still }, alert));
                }
            }
        }
        news
    }

    /// Remembers what is told.
    fn note(&mut self, change: Change, alert: &OpenAlert, now: Millis, policy: &AlertPolicy) {
        let told = self.told.entry(alert.key.clone()).or_insert_with(|| Told {
            alert: alert.key.clone(),
            severity: alert.severity,
            open: true,
            at: now,
            repeats: 0,
            next: now,
            lost: false,
            incident: String::new(),
        });
        (told.at, told.lost) = (now, false);
        match change {
            Change::Opened | Change::Worse => {
                (told.open, told.severity, told.repeats) = (true, alert.severity, 0);
                told.incident = incident_key(&self.subscription, alert);
            }
            Change::Still => told.repeats = told.repeats.saturating_add(1),
            Change::Mended => told.open = false,
        }
        let wait = policy.repeat_first.0.saturating_mul(1 << (2 * told.repeats.min(15)));
        told.next = now.after(Duration(wait.min(policy.repeat_longest.0)));
    }

    fn notes(&mut self, now: Millis, policy: &AlertPolicy) -> Vec<String> {
        let mut notes = Vec::new();
        match std::mem::take(&mut self.untold) {
            0 => {}
            1 => notes.push("1 more alert came and went since the last notice".to_owned()),
            n => notes.push(format!("{n} more alerts came and went since the last notice")),
        }
        let (calm, urgent) = (policy.budget(false), policy.budget(true));
        if self.recent.len() >= calm
            && let Some(first) = self.recent.get(self.recent.len() - calm)
        {
            let wait = super::words::span(first.after(HOUR).since(now));
            let but = if self.recent.len() < urgent { ", but for what is newly critical" } else { "" };
            notes.push(format!(
                "so many notices in an hour are enough: what follows is told together in about {wait}{but}"
            ));
        }
        notes
    }
}
