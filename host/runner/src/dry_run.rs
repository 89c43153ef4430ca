//! A dry run: the same sealing and the same call as a real run, without any store.
use crate::prepare::{LaneFacts, prepare, slice_length};
use crate::shared::plug_of;
use crate::steps::{Demands, StepFacts, Steps};
use caravan_journey::plan::DEFAULT_PURPOSE;
use caravan_model::port::{Answer, Ask, CallContext, Connectors, RequestRecord};
use caravan_model::{
    Action, EntryId, Fault, LaneId, Millis, Part, Profile, ProfileId, Reason, Status, StepIx, Target, VersionId,
    VisitId,
};
use caravan_store::{Origin, Queued, Rider};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What a dry run is about.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The connection.
    pub connection: String,
    /// The partner's account id.
    pub account: String,
    /// The partner's audience id.
    pub audience: String,
    /// Further ids of the audience.
    pub audience_parts: Vec<(String, String)>,
    /// Add or remove.
    pub action: Action,
    /// The words of `match`.
    pub match_on: Vec<String>,
    /// The consent purpose that an add asks for; the default where absent.
    pub purpose: Option<String>,
    /// What the policy and the step demand of a person.
    pub demands: Demands,
    /// Sealing time: what the component's clock shows.
    pub at: Millis,
    /// How long one call may take.
    pub deadline: Duration,
}

/// What a dry run gave.
#[derive(Clone, Debug, Default)]
pub struct DryRunResult {
    /// All requests, bodies included, secrets masked.
    pub requests: Vec<RequestRecord>,
    /// One per person, in their order.
    pub results: Vec<DryRunPerson>,
    /// Log lines of the component.
    pub log: Vec<String>,
    /// Faults of calls, in words.
    pub faults: Vec<String>,
}

/// What became of one person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DryRunPerson {
    /// The customer's id.
    pub external_id: String,
    /// The status: `waiting` where a call failed.
    pub status: Status,
    /// Why.
    pub reason: Reason,
}

const STEP: (VersionId, StepIx) = (VersionId(0), StepIx(0));

/// Seals and calls for these people as a real run would for the same people in the same order. Nothing is stored; what
/// leaves depends on `connectors` alone.
///
/// # Errors
/// The connection cannot be used, or its connector does not take these match words.
pub async fn dry_run(
    connectors: &dyn Connectors,
    asked: &DryRun,
    people: Vec<Profile>,
) -> Result<DryRunResult, caravan_model::Problem> {
    let plug = plug_of(connectors, &asked.connection)?;
    let mut step = StepFacts::alone(plug.group_plans(&asked.match_on)?);
    step.purpose = asked.purpose.clone().unwrap_or_else(|| DEFAULT_PURPOSE.to_owned());
    step.demands = asked.demands;
    let steps = Steps::from([(STEP, Arc::new(step))]);
    let mut result = DryRunResult {
        results: people
            .iter()
            .map(|person| DryRunPerson {
                external_id: person.external_id.clone(),
                status: Status::Waiting,
                reason: Reason::none(),
            })
            .collect(),
        ..DryRunResult::default()
    };
    let manifest = plug.connector.manifest();
    let queued = queue(asked, people);
    let most = manifest.batch.rows.max(1) as usize;
    let target = Target {
        account: asked.account.clone(),
        audience: asked.audience.clone(),
        audience_parts: asked.audience_parts.clone(),
        settings: plug.settings.to_string(),
    };
    let (mut from, mut slice) = (0, 1);
    while from < queued.len() {
        let head = &queued[from..queued.len().min(from + most)];
        let head = &head[..slice_length(head, manifest).max(1)];
        from += head.len();
        let facts = LaneFacts {
            manifest,
            steps: &steps,
            digest: plug.connector.digest(),
            settings: &plug.settings,
            made_by_us: false,
            now: asked.at,
            lasts: caravan_model::Duration::DAY,
            first_attempt: None,
        };
        let sealing = prepare(LaneId(0), head, &facts);
        for outcome in sealing.outcomes {
            result.tell(outcome.seq, outcome.status, outcome.reason);
        }
        if sealing.parts.is_empty() {
            continue;
        }
        for (part, draft) in (1..).zip(sealing.parts) {
            let sent = Arc::new(Part { id: format!("{slice}-{part}"), ..draft.part });
            let context =
                CallContext { at: asked.at, seed: sent.id.clone(), deadline: asked.deadline, record_bodies: true };
            let ask = Ask::Sync { target: target.clone(), part: sent.clone() };
            let outcome = plug.connector.call(context, ask).await;
            result.requests.extend(outcome.requests);
            result.log.extend(outcome.log);
            result.called(&sent, &draft.riders, outcome.answer);
        }
        slice += 1;
    }
    Ok(result)
}

fn queue(asked: &DryRun, people: Vec<Profile>) -> Vec<Queued> {
    let connection: Arc<str> = asked.connection.as_str().into();
    let mut ids: HashMap<String, ProfileId> = HashMap::with_capacity(people.len());
    people
        .into_iter()
        .enumerate()
        .map(|(at, person)| {
            let seq = at as i64;
            let profile = *ids.entry(person.external_id.clone()).or_insert(ProfileId(seq));
            Queued {
                origin: Origin::Visit,
                seq,
                action: asked.action,
                visit: VisitId { entry: EntryId(seq), ordinal: 0 },
                step: STEP,
                connection: connection.clone(),
                parks: false,
                exited: false,
                profile,
                person: Some(Arc::new(person)),
                membership: None,
                offered: asked.at,
            }
        })
        .collect()
}

impl DryRunResult {
    fn tell(&mut self, seq: i64, status: Status, reason: Reason) {
        let place = usize::try_from(seq).ok().and_then(|seq| self.results.get_mut(seq));
        // Of several parts, one that took the person is enough.
        if let Some(person) = place.filter(|person| person.status != Status::Synced) {
            (person.status, person.reason) = (status, reason);
        }
    }

    fn called(&mut self, sent: &Part, riders: &[Rider], answer: Result<Answer, Fault>) {
        let (report, fault) = match answer {
            Ok(Answer::Report(report)) => {
                let fault = report.fault.clone();
                (report, fault)
            }
            Ok(_) => return self.faults.push("the connector answered another question".to_owned()),
            Err(fault) => (Default::default(), Some(fault)),
        };
        let named = match &fault {
            Some(Fault::Rows { refused }) => refused.as_slice(),
            _ => &[],
        };
        for (place, rider) in riders.iter().enumerate() {
            let rows = sent.rows_of(place);
            let refused = report.refused.iter().chain(named);
            let mut refused = refused.filter(|refusal| rows.contains(&refusal.row)).peekable();
            let is_refused = |row: u32| report.refused.iter().any(|refusal| refusal.row == row);
            let taken = rows
                .clone()
                .any(|row| report.settled.iter().any(|(from, to)| (*from..*to).contains(&row)) && !is_refused(row));
            let (status, why) = match (refused.peek(), &fault) {
                _ if taken => (Status::Synced, Reason::none()),
                (Some(refusal), _) => {
                    (Status::Rejected, Reason::new(format!("partner:{}", refusal.code), refusal.message.clone()))
                }
                (None, Some(fault)) => {
                    let words = fault.cause().map(ToString::to_string).unwrap_or_default();
                    (Status::Waiting, Reason::new(fault.class(), words))
                }
                (None, None) => (Status::Waiting, Reason::new("bug", "the connector did not report on this row")),
            };
            for operation in &rider.operations {
                self.tell(operation.0, status, why.clone());
            }
        }
        if let Some(fault) = fault {
            let words = fault.cause().map(ToString::to_string).unwrap_or_default();
            self.faults.push(format!("{}: {words}", fault.class()));
        }
    }
}
