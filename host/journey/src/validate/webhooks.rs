//! The webhook steps: an endpoint that exists, and a body whose templates can be read.
use super::{Facts, Findings, step_path};
use crate::suggest;
use crate::webhook::Body;
use caravan_model::Code;

pub(super) fn check(findings: &mut Findings<'_>, facts: &Facts<'_>) {
    for (id, step) in &findings.canvas().steps.0 {
        let Some(webhook) = &step.webhook else { continue };
        let at = step_path(id.as_str()).key("webhook");
        if let Some(known) = facts.connections.map(|file| &file.webhooks)
            && !known.contains_key(&webhook.endpoint)
        {
            let message = format!("there is no endpoint `{}`", webhook.endpoint);
            let cure = match known.is_empty() {
                true => "add it under `webhooks:` in the connections file".to_owned(),
                false => suggest::cure(&webhook.endpoint, known.keys().map(String::as_str), "endpoints"),
            };
            findings.add(Code::UnknownEndpoint, &at.key("use"), message, cure);
        }
        for flaw in Body::new(&webhook.body).err().into_iter().flatten() {
            let place = flaw.at.below(&at);
            let cure = "for instance \"{{ first_name | default('you') }}\"; `{{ '{{' }}` writes two braces";
            findings.add(Code::BadTemplate, &place, flaw.words, cure);
        }
    }
}
