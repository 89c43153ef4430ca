//! The webhook steps: an endpoint that exists, and a body whose templates can be read.
use super::{Facts, Findings, step_path};
use crate::document::Document;
use crate::suggest;
use crate::webhook::Body;
use caravan_model::{Canvas, Code, Connections, Problem};

pub(super) fn check(findings: &mut Findings<'_>, facts: &Facts<'_>) {
    if let Some(connections) = facts.connections {
        findings.problems.extend(unknown_endpoints(findings.canvas, connections));
    }
    for (id, step) in &findings.canvas().steps.0 {
        let Some(webhook) = &step.webhook else { continue };
        let at = step_path(id.as_str()).key("webhook");
        for flaw in Body::new(&webhook.body).err().into_iter().flatten() {
            let place = flaw.at.below(&at);
            let cure = "for instance \"{{ first_name | default('you') }}\"; `{{ '{{' }}` writes two braces";
            findings.add(Code::BadTemplate, &place, flaw.words, cure);
        }
    }
}

/// The endpoints that webhook steps use and nobody configured.
pub fn unknown_endpoints(canvas: &Document<Canvas>, connections: &Connections) -> Vec<Problem> {
    let known = &connections.webhooks;
    let webhooks = canvas.value.steps.0.iter().filter_map(|(id, step)| Some((id, step.webhook.as_ref()?)));
    let missing = webhooks.filter(|(_, webhook)| !known.contains_key(&webhook.endpoint));
    let problem = |(id, webhook): (&caravan_model::StepId, &caravan_model::canvas::Webhook)| {
        let at = step_path(id.as_str()).key("webhook").key("use");
        let message = format!("there is no endpoint `{}`", webhook.endpoint);
        let cure = match known.is_empty() {
            true => "add it under `webhooks:` in the connections file".to_owned(),
            false => suggest::cure(&webhook.endpoint, known.keys().map(String::as_str), "endpoints"),
        };
        canvas.problem(Code::UnknownEndpoint, &at, message).cure(cure)
    };
    missing.map(problem).collect()
}
