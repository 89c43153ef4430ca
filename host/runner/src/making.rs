//! Audiences that a partner makes only with their first people: until these come, our marker stands for the id.
//!
//! Publishing registers the marker; the first part of the queue asks the connector to make the audience with its rows. The
//! answer's id is stored before the part is settled, so that a crash in between repeats the part: the connector then finds
//! the audience by its marker, makes no second, and the rows are sent once more to the one that is there.
use crate::attempts::Delivery;
use crate::neighbours::words_of;
use caravan_model::port::{Answer, Ask, CallContext, CallOutcome};
use caravan_model::{Action, Cause, Effect, Fault, Part, Report};
use caravan_store::{Lane, LaneKey, Store};
use std::sync::Arc;

/// The part of a registered audience that carries its name at the partner until it is made.
const NAME: &str = "name";
/// What a connector says that would need first people and was given none: there is no such audience yet.
const NO_SEED: &str = "no-seed";

/// The parts of an audience that is to be made.
pub(crate) fn parts(name: &str) -> Vec<(String, String)> {
    vec![(NAME.to_owned(), name.to_owned())]
}

/// What an audience is made of, beside its first people.
#[derive(Clone, Debug)]
pub(crate) struct Making {
    name: String,
    marker: String,
}

impl Making {
    /// Of a lane whose audience is still to be made.
    pub fn of(lane: &Lane) -> Option<Making> {
        let marker = lane.key.marker_to_be_made()?.to_owned();
        let name = lane.audience_parts.iter().find(|(part, _)| part == NAME);
        Some(Making { name: name.map_or_else(|| marker.clone(), |(_, name)| name.clone()), marker })
    }
}

impl<S: Store> Delivery<'_, S> {
    /// Makes the audience with the people of this part, or finds the one that an earlier attempt made and sends them
    /// there. Of removals nobody is made a member: where there is no audience, nobody is in it.
    pub(crate) async fn first_call(
        &mut self,
        context: CallContext,
        making: Making,
        sent: Arc<Part>,
    ) -> crate::Result<CallOutcome> {
        let adds = sent.action == Action::Add;
        let ask = Ask::CreateAudience {
            account: self.lane.key.account.clone(),
            name: making.name.clone(),
            marker: making.marker.clone(),
            group: sent.group.clone(),
            seed: adds.then(|| (*sent).clone()),
        };
        let mut outcome = self.plug.connector.call(context.clone(), ask).await;
        let done = || Ok(Answer::Report(Report { settled: vec![(0, sent.rows)], ..Report::default() }));
        match outcome.answer {
            Ok(Answer::Created { audience, audience_parts, adopted }) => {
                let (lease, key) = (self.shared.lease, self.lane.key.clone());
                let not_ours = match self.of_another_workspace(&audience).await? {
                    Some(cause) => Some(cause),
                    None => {
                        let (id, parts) = (audience.clone(), audience_parts.clone());
                        let is_named = self.shared.store.name_audience(lease, key, id, parts).await?;
                        let words = || format!("the audience {audience} has a queue of its own: bind the name to it");
                        (!is_named).then(|| Cause::new("already-bound", words()))
                    }
                };
                if let Some(cause) = not_ours {
                    let answer = Ok(Answer::Report(Report::fault(Fault::Misconfigured { cause })));
                    return Ok(CallOutcome { answer, effect: Effect::MayHaveLanded, ..outcome });
                }
                self.making = None;
                self.target.audience = audience;
                self.target.audience_parts = audience_parts;
                if !adopted {
                    return Ok(CallOutcome { answer: done(), effect: Effect::MayHaveLanded, ..outcome });
                }
                // Whom the earlier attempt sent is not known any more.
                let then = self.sync(context, sent).await;
                outcome.requests.extend(then.requests);
                outcome.usage.extend(then.usage);
                outcome.log.extend(then.log);
                return Ok(CallOutcome { answer: then.answer, effect: Effect::MayHaveLanded, ..outcome });
            }
            Err(Fault::Misconfigured { cause }) if !adds && cause.code == NO_SEED => {
                outcome.answer = done();
                outcome.effect = Effect::None;
            }
            other => outcome.answer = other,
        }
        Ok(outcome)
    }

    /// Why the audience with which the connector answered cannot be this queue's, where another workspace writes to it
    /// (design, 11.2).
    async fn of_another_workspace(&self, audience: &str) -> crate::Result<Option<Cause>> {
        let Some(neighbours) = &self.shared.neighbours else { return Ok(None) };
        let key = LaneKey { audience: audience.to_owned(), ..self.lane.key.clone() };
        let by = neighbours.writes_to(&key).await?;
        let words = |by: &str| format!("{}: bind the name to another audience", words_of(&key, by));
        Ok(by.map(|by| Cause::new("another-workspace", words(&by))))
    }
}
