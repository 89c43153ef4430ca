//! A canvas compiled: steps by number, targets resolved, delays parsed. Immutable and shared by all entries.
use crate::compile::Resolver;
use crate::delay::DelayRule;
use crate::lot::{lot, share_of};
use crate::walk::Way;
use crate::webhook::Body;
use caravan_model::canvas::{Advance, EntryRule, EventTrigger, ExitRule, Share};
use caravan_model::changes::Changes;
use caravan_model::status::reason;
use caravan_model::{Action, Canvas, CanvasId, Code, Duration, Filter, Group, Problem, Reason, Status, StepId, StepIx};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The consent purpose that an add asks for where the step names none.
pub const DEFAULT_PURPOSE: &str = "advertising";

/// Where people go from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// To a step.
    Step(StepIx),
    /// Out: the entry ends.
    Exit,
}

/// An audience of the canvas: its place in [`CompiledCanvas::audiences`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AudienceIx(pub u16);

/// A canvas, ready to walk.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledCanvas {
    /// The canvas's id.
    pub id: CanvasId,
    /// Where people start.
    pub start: Target,
    /// The steps in file order; [`StepIx`] is the place.
    pub steps: Vec<CompiledStep>,
    /// The canvas's own names of its audiences, in the order of `canvas.audiences`.
    pub audiences: Vec<String>,
    /// Who enters.
    pub entry: EntryRule,
    /// What ends an entry at once.
    pub exits: Vec<ExitRule>,
    /// The segments and lists that it mentions.
    pub groups: BTreeSet<Group>,
}

/// A step, ready to walk.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledStep {
    /// Its id in the file.
    pub id: StepId,
    /// What it does.
    pub kind: StepKind,
    /// Where people go next.
    pub next: Target,
    /// Where those go whose visit of a sync or webhook did not succeed, or who waited in vain.
    pub otherwise: Target,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// Waits.
    Delay(DelayRule),
    /// The first arm whose condition holds, else `otherwise`.
    Branch {
        /// Conditions and their targets, in order.
        arms: Vec<(Filter, Target)>,
        /// Where people go whom no arm takes.
        otherwise: Target,
    },
    /// One variant for each person, always the same.
    Experiment(Vec<VariantStep>),
    /// Waits for something of the person, at most so long.
    WaitFor {
        /// What is waited for.
        what: Awaited,
        /// How long at most.
        timeout: Duration,
    },
    /// Changes the person's own fields and attributes.
    Update(Arc<Changes>),
    /// Calls an endpoint of the customer's.
    Webhook(WebhookStep),
    /// Adds to or removes from an audience.
    Sync(SyncStep),
    /// Ends the entry.
    Exit,
}

/// A `webhook`, ready to walk.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookStep {
    /// The endpoint's name.
    pub endpoint: String,
    /// What is sent.
    pub body: Arc<Body>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Awaited {
    /// An event; one that happened before the wait does not count.
    Event(EventTrigger),
    /// Being in a segment; who is in it does not wait.
    Segment(String),
}

impl Awaited {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Awaited::Event(event) => &event.event,
            Awaited::Segment(segment) => segment,
        }
    }
}

/// A variant of an experiment, ready to walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantStep {
    /// What people read.
    pub label: String,
    /// Its share of all weights.
    pub weight: u32,
    /// Where its people go.
    pub next: Target,
}

/// An `audience_sync`, ready to walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncStep {
    /// The audience.
    pub audience: AudienceIx,
    /// Add or remove.
    pub action: Action,
    /// The words of `match`, as the connector's manifest names them.
    pub match_on: Vec<String>,
    /// The consent purpose that an add asks for.
    pub purpose: String,
    /// Whether that consent must be granted, whatever the policy says.
    pub consent_required: bool,
    /// For how long an add keeps people there.
    pub keep_for: Option<Duration>,
    /// When people go on.
    pub advance: Advance,
}

impl CompiledCanvas {
    /// Compiles a canvas.
    ///
    /// # Errors
    /// The first thing that keeps it from running. [`crate::validate::validate`] finds all of them, with lines.
    pub fn new(canvas: &Canvas) -> Result<CompiledCanvas, Problem> {
        let resolver = Resolver { canvas };
        if canvas.steps.0.len() > usize::from(u16::MAX) {
            return Err(Problem::new(Code::BadValue, "a canvas has at most 65,535 steps").at_path("steps"));
        }
        let steps = canvas.steps.0.iter().map(|(id, step)| resolver.step(id, step)).collect::<Result<_, _>>()?;
        Ok(CompiledCanvas {
            id: canvas.canvas.clone(),
            start: resolver.target(&canvas.entry.start, "entry.start")?,
            steps,
            audiences: canvas.audiences.keys().cloned().collect(),
            entry: canvas.entry.clone(),
            exits: canvas.exit.clone(),
            groups: crate::segments::mentions(canvas).into_iter().map(|(_, group)| group).collect(),
        })
    }

    /// A step by its place.
    pub fn step(&self, step: StepIx) -> Option<&CompiledStep> {
        self.steps.get(usize::from(step.0))
    }

    /// A step's place by its id.
    pub fn index_of(&self, id: &str) -> Option<StepIx> {
        let at = self.steps.iter().position(|step| step.id.as_str() == id)?;
        u16::try_from(at).ok().map(StepIx)
    }

    /// The name of an audience within the canvas.
    pub fn audience(&self, audience: AudienceIx) -> Option<&str> {
        self.audiences.get(usize::from(audience.0)).map(String::as_str)
    }

    /// The sync at a step, where it is one.
    pub fn sync(&self, step: StepIx) -> Option<&SyncStep> {
        match &self.step(step)?.kind {
            StepKind::Sync(sync) => Some(sync),
            _ => None,
        }
    }

    /// The webhook at a step, where it is one.
    pub fn webhook(&self, step: StepIx) -> Option<&WebhookStep> {
        match &self.step(step)?.kind {
            StepKind::Webhook(webhook) => Some(webhook),
            _ => None,
        }
    }

    /// All webhooks, in file order.
    pub fn webhooks(&self) -> impl Iterator<Item = (StepIx, &WebhookStep)> {
        (0u16..).zip(&self.steps).filter_map(|(at, step)| match &step.kind {
            StepKind::Webhook(webhook) => Some((StepIx(at), webhook)),
            _ => None,
        })
    }

    /// The reason that a visit carries whose person left the step this way.
    pub fn reason(&self, step: StepIx, way: Way) -> Reason {
        match way {
            Way::Next => Reason::none(),
            Way::NoDate => Reason::new(reason::NO_DATE, ""),
            Way::Happened => Reason::new(reason::HAPPENED, ""),
            Way::DatePassed => Reason::new(reason::DATE_PASSED, ""),
            Way::Arm(arm) => Reason::new(reason::BRANCH, format!("arm {}", u32::from(arm) + 1)),
            Way::Else => Reason::new(reason::BRANCH, "else"),
            Way::Variant(place) => {
                let variant = match self.step(step).map(|step| &step.kind) {
                    Some(StepKind::Experiment(variants)) => variants.get(usize::from(place)),
                    _ => None,
                };
                Reason::new(reason::VARIANT, variant.map_or("", |variant| variant.label.as_str()))
            }
        }
    }

    /// What an update at a step changes, where it is one.
    pub fn changes(&self, step: StepIx) -> Option<&Arc<Changes>> {
        match &self.step(step)?.kind {
            StepKind::Update(changes) => Some(changes),
            _ => None,
        }
    }

    /// All syncs, in file order.
    pub fn syncs(&self) -> impl Iterator<Item = (StepIx, &SyncStep)> {
        (0u16..).zip(&self.steps).filter_map(|(at, step)| match &step.kind {
            StepKind::Sync(sync) => Some((StepIx(at), sync)),
            _ => None,
        })
    }

    /// Where people go whose time at this step is over, and why: a delay that has ended, or a wait in vain.
    pub fn after_delay(&self, step: StepIx) -> (Target, Reason) {
        match self.step(step) {
            Some(CompiledStep { kind: StepKind::WaitFor { .. }, otherwise, .. }) => {
                (*otherwise, Reason::new(reason::TIMED_OUT, ""))
            }
            Some(step) => (step.next, Reason::none()),
            None => (Target::Exit, Reason::none()),
        }
    }

    /// What a step waits for, where it does.
    pub fn awaited(&self, step: StepIx) -> Option<&Awaited> {
        match &self.step(step)?.kind {
            StepKind::WaitFor { what, .. } => Some(what),
            _ => None,
        }
    }

    /// Whether any step waits for an event of this name.
    pub fn awaits_event(&self, name: &str) -> bool {
        self.all_awaited().any(|what| matches!(what, Awaited::Event(event) if event.event == name))
    }

    /// Whether any step waits for a segment of this name.
    pub fn awaits_segment(&self, name: &str) -> bool {
        self.all_awaited().any(|what| matches!(what, Awaited::Segment(segment) if segment == name))
    }

    /// All that its steps wait for.
    pub fn all_awaited(&self) -> impl Iterator<Item = &Awaited> {
        self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::WaitFor { what, .. } => Some(what),
            _ => None,
        })
    }

    /// Whether anything in it asks for segments or lists of the person.
    pub fn needs_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Where people go for whom it happened what this step waits for.
    pub fn after_event(&self, step: StepIx) -> Target {
        self.step(step).map_or(Target::Exit, |step| step.next)
    }

    /// Whether a person is held out for comparison: drawn once for ever, independently of all experiments.
    pub fn in_control(&self, external_id: &str) -> bool {
        // No step's id has a space.
        let Some(control) = self.entry.control else { return false };
        let weights = [control.hundredths(), Share::ALL - control.hundredths()];
        share_of(lot(&self.id, "control group", external_id), weights.into_iter()) == Some(0)
    }

    /// Where people go whose visit of this sync or webhook ended with this status: `next` on `synced`, `unchanged` and
    /// `passed`, else `otherwise` (design, 11.1).
    pub fn after_sync(&self, step: StepIx, status: Status) -> Target {
        let Some(step) = self.step(step) else { return Target::Exit };
        match status {
            Status::Exited => Target::Exit,
            status if status.is_success() => step.next,
            _ => step.otherwise,
        }
    }

    /// The names of all events that its filters look at: what the walk of a person needs loaded.
    pub fn needs_events(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        if let Some(who) = &self.entry.who {
            names.extend(crate::filter::needs_events(who));
        }
        for step in &self.steps {
            if let StepKind::Branch { arms, .. } = &step.kind {
                for (condition, _) in arms {
                    names.extend(crate::filter::needs_events(condition));
                }
            }
        }
        for (_, webhook) in self.webhooks() {
            names.extend(webhook.body.events().iter().map(String::as_str));
        }
        names
    }
}
