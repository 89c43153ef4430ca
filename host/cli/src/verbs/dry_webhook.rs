//! `caravan dry-run` of a webhook step: the requests that its people would cause. No connection is made.
use super::dry_run::{as_json, people};
use crate::args::{DryRunArgs, Global};
use crate::check::{self, Secrets};
use crate::fail::End;
use crate::registry::Shelf;
use crate::{files, host, out, policies};
use caravan_journey::Person;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::webhook::WebhookCall;
use caravan_model::{Code, Problem, Reason, Status};
use caravan_runner::{DryRunPerson, DryRunResult};
use std::path::Path;

/// What stands for the key: only a visit has one.
const NO_KEY_YET: &str = "(the key of the visit)";

/// Prints the requests and what would become of each person if their endpoint took them.
pub async fn dry_run(global: &Global, args: &DryRunArgs, canvas: &Path, step: &str) -> anyhow::Result<End> {
    let connections = files::connections_path(args.connections.as_deref(), canvas);
    let policy = policies::holding(global, args.policy.as_deref(), canvas).await?;
    let shelf = Shelf::of_canvas(global, canvas).await?;
    let checked = check::canvas_with_connections(canvas, &connections, &policy, Secrets::Overlook, &shelf)?;
    let plan = CompiledCanvas::new(&checked.canvas.value)?;
    let Some(webhook) = plan.index_of(step).and_then(|place| plan.webhook(place)) else {
        return Err(Problem::new(Code::Internal, "a checked canvas lacks a step").into());
    };
    let sender = host::webhooks(&checked.connections.value)?;
    let mut result = DryRunResult::default();
    for person in people(&args.users)? {
        let (status, reason) = match webhook.body.render(&Person { profile: &person, events: &[] }) {
            Ok(body) => {
                let (endpoint, key) = (webhook.endpoint.clone(), NO_KEY_YET.to_owned());
                let call = WebhookCall { endpoint, key, body: body.into() };
                result.requests.push(sender.shown(&call).map_err(|words| Problem::new(Code::UnknownEndpoint, words))?);
                (Status::Passed, Reason::none())
            }
            Err(why) => (Status::Failed, why),
        };
        result.results.push(DryRunPerson { external_id: person.external_id, status, reason });
    }
    let shown = as_json(&result);
    if global.json {
        out::print(&serde_json::to_string(&shown)?)?;
    } else {
        out::print_json(&shown)?;
    }
    Ok(End::Done)
}
