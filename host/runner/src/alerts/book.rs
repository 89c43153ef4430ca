//! The book of open alerts: takes observations, gives notices and what to store.
use super::causes::{causes, is_unproven};
use super::notice::Failed;
use super::subscriber::Alerts;
use super::{AlertKey, AlertPolicy, Notice, Observation, OpenAlert, SubscriptionState};
use caravan_model::alert::SendError;
use caravan_model::{Millis, Subscription, SubscriptionId};
use std::collections::{BTreeMap, BTreeSet};

/// All that is open, what each subscription has been told, and what is still to be sent.
///
/// It knows no clock and no store. Whoever holds it stores the [`Changes`] of a call in one transaction before sending,
/// and makes it anew with [`AlertBook::from_parts`] after a restart: nothing is forgotten and nothing repeated, but for
/// a notice that left and whose sending was not stored any more; its id is the same both times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertBook {
    alerts: Alerts,
    states: BTreeMap<SubscriptionId, SubscriptionState>,
    outbox: BTreeMap<SubscriptionId, Notice>,
}

/// What to store: documents to write by their key, and keys whose documents go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Alerts to write.
    pub alerts: Vec<OpenAlert>,
    /// Alerts that are over and told.
    pub alerts_gone: Vec<AlertKey>,
    /// Subscriptions' states to write.
    pub states: Vec<SubscriptionState>,
    /// States of subscriptions that are no more.
    pub states_gone: Vec<SubscriptionId>,
    /// Notices to write and send: new ones, and failed ones with a new `due`.
    pub notices: Vec<Notice>,
    /// Ids of notices that were sent or given up.
    pub notices_gone: Vec<String>,
    /// For the log: notices that were given up, and why.
    pub lines: Vec<String>,
}

impl Changes {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

impl AlertBook {
    /// The book as it was stored.
    pub fn from_parts(alerts: Vec<OpenAlert>, states: Vec<SubscriptionState>, notices: Vec<Notice>) -> AlertBook {
        AlertBook {
            alerts: alerts.into_iter().map(|alert| (alert.key.clone(), alert)).collect(),
            states: states.into_iter().map(|state| (state.subscription.clone(), state)).collect(),
            outbox: notices.into_iter().map(|notice| (notice.subscription.clone(), notice)).collect(),
        }
    }

    /// Alerts that are open now, in order of kind.
    pub fn open(&self) -> impl Iterator<Item = &OpenAlert> {
        self.alerts.values().filter(|alert| alert.is_active())
    }

    /// What a subscription has been told so far.
    pub fn told(&self, subscription: &SubscriptionId) -> Option<&SubscriptionState> {
        self.states.get(subscription)
    }

    /// What waits to be sent to a subscription.
    pub fn waiting(&self, subscription: &SubscriptionId) -> Option<&Notice> {
        self.outbox.get(subscription)
    }

    /// Takes an observation. To be called every few seconds, also where nothing changed: repeats, recoveries and what
    /// was held back come with time.
    pub fn observe(
        &mut self,
        now: Millis,
        seen: &Observation,
        subscriptions: &[Subscription],
        policy: &AlertPolicy,
    ) -> Changes {
        let mut changes = Changes::default();
        let changed = self.look(now, seen, policy);
        self.drop_strangers(subscriptions, &mut changes);
        for wanted in subscriptions {
            self.tell(wanted, now, policy, &mut changes);
        }
        self.forget(now, subscriptions, policy, &mut changes);
        changes.alerts = changed.iter().filter_map(|key| self.alerts.get(key)).cloned().collect();
        changes
    }

    /// Notices to send now; each subscription has one at most.
    pub fn due(&self, now: Millis) -> impl Iterator<Item = &Notice> {
        self.outbox.values().filter(move |notice| notice.due <= now)
    }

    /// When the next notice is to be sent.
    pub fn next_due(&self) -> Option<Millis> {
        self.outbox.values().map(|notice| notice.due).min()
    }

    /// What became of a notice's sending. Unknown ids are ignored: the subscription is no more.
    pub fn sent(&mut self, now: Millis, id: &str, result: Result<(), &SendError>, policy: &AlertPolicy) -> Changes {
        let mut changes = Changes::default();
        let Some(notice) = self.outbox.values().find(|notice| notice.id == id).cloned() else { return changes };
        let subscription = notice.subscription.clone();
        let state = self.states.get_mut(&subscription);
        match result.map_err(|wrong| (notice.clone().failed(now, wrong, policy), wrong)) {
            Err((Failed::Again(later), _)) => {
                self.outbox.insert(subscription, (*later).clone());
                changes.notices.push(*later);
                return changes;
            }
            Ok(()) => {
                if let Some(state) = state {
                    state.delivered(&notice, now);
                    changes.states.push(state.clone());
                }
            }
            Err((Failed::GivenUp(line), _)) => {
                changes.lines.push(line);
                if let Some(state) = state {
                    state.lost(&notice, now, policy);
                    changes.states.push(state.clone());
                }
            }
        }
        self.outbox.remove(&subscription);
        changes.notices_gone.push(notice.id);
        changes
    }

    /// Opens, updates and clears alerts. Gives those that changed in a way that a restart must know.
    fn look(&mut self, now: Millis, seen: &Observation, policy: &AlertPolicy) -> BTreeSet<AlertKey> {
        let mut causes = causes(seen, now, policy, |key| self.alerts.get(key).is_some_and(OpenAlert::is_active));
        let mut changed = BTreeSet::new();
        for (key, alert) in &mut self.alerts {
            let differs = match causes.remove(key) {
                Some(cause) => alert.see(cause, now, policy),
                None if alert.clear.is_some() || is_unproven(key, seen, now, policy) => false,
                None => {
                    alert.clear = Some(now);
                    true
                }
            };
            if differs {
                changed.insert(key.clone());
            }
        }
        for (key, cause) in causes {
            self.alerts.insert(key.clone(), OpenAlert::new(cause, now));
            changed.insert(key);
        }
        changed
    }

    /// Forgets subscriptions that are no more.
    fn drop_strangers(&mut self, subscriptions: &[Subscription], changes: &mut Changes) {
        let known: BTreeSet<&SubscriptionId> = subscriptions.iter().map(|wanted| &wanted.id).collect();
        self.states.retain(|id, _| {
            let stays = known.contains(id);
            if !stays {
                changes.states_gone.push(id.clone());
            }
            stays
        });
        self.outbox.retain(|id, notice| {
            let stays = known.contains(id);
            if !stays {
                changes.notices_gone.push(notice.id.clone());
            }
            stays
        });
    }

    fn tell(&mut self, wanted: &Subscription, now: Millis, policy: &AlertPolicy, changes: &mut Changes) {
        let known = self.states.get(&wanted.id);
        let mut state = known.cloned().unwrap_or_else(|| SubscriptionState::new(wanted.id.clone()));
        let busy = self.outbox.contains_key(&wanted.id);
        if let Some(notice) = state.tell(wanted, &self.alerts, busy, now, policy) {
            self.outbox.insert(wanted.id.clone(), notice.clone());
            changes.notices.push(notice);
        }
        if known != Some(&state) {
            changes.states.retain(|earlier| earlier.subscription != wanted.id);
            changes.states.push(state.clone());
            self.states.insert(wanted.id.clone(), state);
        }
    }

    /// Lets go of alerts that are over, once everyone who was told of them has heard so.
    fn forget(&mut self, now: Millis, subscriptions: &[Subscription], policy: &AlertPolicy, changes: &mut Changes) {
        let states = &mut self.states;
        self.alerts.retain(|key, alert| {
            if !alert.is_over(now, policy) || states.values().any(|state| state.awaits(key)) {
                return true;
            }
            for wanted in subscriptions {
                let Some(state) = states.get_mut(&wanted.id) else { continue };
                let before = state.untold;
                state.forget(wanted, alert, policy);
                if state.untold != before {
                    changes.states.retain(|earlier| earlier.subscription != wanted.id);
                    changes.states.push(state.clone());
                }
            }
            changes.alerts_gone.push(key.clone());
            false
        });
    }
}
