//! Compiling: from a step as people write it to one that is ready to walk.
use crate::delay::DelayRule;
use crate::plan::{
    AudienceIx, Awaited, CompiledStep, DEFAULT_PURPOSE, StepKind, SyncStep, Target, VariantStep, WebhookStep,
};
use crate::webhook::Body;
use caravan_model::canvas::{ConsentNeed, EventTrigger, Step, WaitFor};
use caravan_model::changes::Changes;
use caravan_model::{Canvas, Code, Problem, StepId};
use std::sync::Arc;

/// Resolves the names of a canvas.
pub(crate) struct Resolver<'a> {
    /// The canvas.
    pub canvas: &'a Canvas,
}

impl Resolver<'_> {
    /// Where an id leads.
    pub(crate) fn target(&self, id: &StepId, path: &str) -> Result<Target, Problem> {
        if id.is_exit() {
            return Ok(Target::Exit);
        }
        self.canvas.steps.index_of(id.as_str()).map(Target::Step).ok_or_else(|| {
            Problem::new(Code::MissingStep, format!("there is no step `{id}`"))
                .at_path(path)
                .cure("name one of the canvas's steps, or `exit`")
        })
    }

    fn required(&self, id: Option<&StepId>, path: &str) -> Result<Target, Problem> {
        match id {
            Some(id) => self.target(id, path),
            None => Err(Problem::new(Code::DeadEnd, "nothing follows here")
                .at_path(path)
                .cure("name the step that follows, or `exit`")),
        }
    }

    /// A step, ready to walk.
    pub(crate) fn step(&self, id: &StepId, step: &Step) -> Result<CompiledStep, Problem> {
        let at = |field: &str| format!("steps.{id}.{field}");
        if let [_, .., _] | [] = step.kinds().as_slice() {
            return Err(Problem::new(Code::StepKind, "a step has exactly one kind").at_path(format!("steps.{id}")));
        }
        let next = || self.required(step.next.as_ref(), &at("next"));
        let (kind, next) = if let Some(delay) = &step.delay {
            let rule = DelayRule::new(delay).map_err(|why| Problem::new(Code::BadValue, why).at_path(at("delay")))?;
            (StepKind::Delay(rule), next()?)
        } else if let Some(arms) = &step.branch {
            let otherwise = match &step.otherwise_branch {
                None => next()?,
                some => self.required(some.as_ref(), &at("else"))?,
            };
            let arms = arms
                .iter()
                .enumerate()
                .map(|(i, arm)| Ok((arm.condition.clone(), self.target(&arm.next, &at(&format!("branch[{i}].next")))?)))
                .collect::<Result<_, Problem>>()?;
            (StepKind::Branch { arms, otherwise }, otherwise)
        } else if let Some(variants) = &step.experiment {
            let variants: Vec<VariantStep> = variants
                .iter()
                .enumerate()
                .map(|(i, variant)| {
                    let next = self.target(&variant.next, &at(&format!("experiment[{i}].next")))?;
                    Ok(VariantStep { label: variant.label(i), weight: variant.weight, next })
                })
                .collect::<Result<_, Problem>>()?;
            if variants.iter().all(|variant| variant.weight == 0) {
                let words = "an experiment has at least one variant with a weight above 0";
                return Err(Problem::new(Code::BadValue, words).at_path(at("experiment")));
            }
            (StepKind::Experiment(variants), Target::Exit)
        } else if let Some(changes) = &step.update {
            let changes = Changes(changes.clone());
            if let Some((path, words, cure)) = crate::update::flaws(&changes).into_iter().next() {
                return Err(Problem::new(Code::BadValue, words).at_path(at(&format!("update.{path}"))).cure(cure));
            }
            (StepKind::Update(Arc::new(changes)), next()?)
        } else if let Some(wait) = &step.wait_for {
            let what = match wait {
                WaitFor { event: Some(event), properties, segment: None, .. } => {
                    Awaited::Event(EventTrigger { event: event.clone(), properties: properties.clone() })
                }
                WaitFor { event: None, segment: Some(segment), .. } => Awaited::Segment(segment.clone()),
                _ => {
                    let words = "a wait is for an event or for a segment";
                    return Err(Problem::new(Code::BadValue, words).at_path(at("wait_for")));
                }
            };
            (StepKind::WaitFor { what, timeout: wait.timeout }, next()?)
        } else if let Some(webhook) = &step.webhook {
            let body = Body::new(&webhook.body).map_err(|flaws| {
                let flaw = flaws.into_iter().next().unwrap_or_default();
                Problem::new(Code::BadTemplate, flaw.words).at_path(at(&format!("webhook.{}", flaw.at)))
            })?;
            (StepKind::Webhook(WebhookStep { endpoint: webhook.endpoint.clone(), body: Arc::new(body) }), next()?)
        } else if let Some(sync) = &step.audience_sync {
            let place = self.canvas.audiences.keys().position(|name| *name == sync.audience);
            let audience = place.and_then(|at| u16::try_from(at).ok()).map(AudienceIx).ok_or_else(|| {
                Problem::new(Code::UnknownAudience, format!("the canvas names no audience `{}`", sync.audience))
                    .at_path(at("audience_sync.audience"))
            })?;
            let sync = SyncStep {
                audience,
                action: sync.action,
                match_on: sync.match_on.clone(),
                purpose: sync.purpose.clone().unwrap_or_else(|| DEFAULT_PURPOSE.to_owned()),
                consent_required: sync.consent == ConsentNeed::Required,
                keep_for: sync.keep_for,
                advance: sync.advance,
            };
            (StepKind::Sync(sync), next()?)
        } else {
            // The only kind that is left.
            (StepKind::Exit, Target::Exit)
        };
        let in_vain = step.wait_for.as_ref().and_then(|wait| wait.on_timeout.as_ref());
        let otherwise = match step.otherwise.as_ref().or(in_vain) {
            Some(target) => {
                self.target(target, &at(if in_vain.is_some() { "wait_for.on_timeout" } else { "otherwise" }))?
            }
            None => next,
        };
        Ok(CompiledStep { id: id.clone(), kind, next, otherwise })
    }
}
