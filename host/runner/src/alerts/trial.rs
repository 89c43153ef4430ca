//! A notice that says nothing but that it arrived.
use super::{Incident, Notice};
use caravan_model::{AlertKind, Millis, Severity, Subscription};

/// A test of a subscription's channel. At PagerDuty it opens an incident and resolves it at once.
pub fn trial(wanted: &Subscription, now: Millis) -> Notice {
    let words = format!("this is a test of subscription {}; nothing is wrong", wanted.id);
    let incident = |open: bool| Incident {
        key: format!("caravan/{}/test/{}", wanted.id, now.0),
        open,
        kind: wanted.kinds.first().copied().unwrap_or(AlertKind::QueueHeld),
        severity: Severity::Warning,
        group: "test".to_owned(),
        component: "test".to_owned(),
        summary: words.clone(),
        link: None,
    };
    Notice {
        id: format!("{}-{}-test", wanted.id, now.0),
        subscription: wanted.id.clone(),
        severity: Severity::Warning,
        subject: format!("[test] {words}"),
        lines: Vec::new(),
        notes: vec!["Alerts of this subscription arrive here.".to_owned()],
        link: None,
        recovery: false,
        incidents: vec![incident(true), incident(false)],
        alerts: Vec::new(),
        made: now,
        due: now,
        tries: 0,
    }
}
