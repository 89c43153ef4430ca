//! The verdict on a call: what its end means for the queue, and what it may have done at the partner.
use crate::{
    egress::ledger::{Last, Ledger},
    grant::Limits,
    state::Breach,
    words::cut,
};
use caravan_model::port::Answer;
use caravan_model::{Cause, Code, Effect, Fault, Report};
use std::time::Duration;
use wasmtime::Trap;

/// How a call ended.
pub(crate) enum Ended {
    /// The guest answered.
    Answered(Result<Answer, Fault>),
    /// The guest trapped, or could not be instantiated.
    Trapped(wasmtime::Error),
    /// The deadline passed.
    Late,
    /// The host itself failed.
    Panicked,
    /// The guest was never run.
    NotRun(Fault),
}

/// What is known when a call has ended.
pub(crate) struct Evidence<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) breach: Option<Breach>,
    pub(crate) limits: &'a Limits,
    /// What it had: the caller's deadline, or less by the grant.
    pub(crate) deadline: Duration,
    /// How long it took.
    pub(crate) took: Duration,
    /// What the guest last printed on its standard error: a panic's message.
    pub(crate) last_words: Option<&'a str>,
    /// Whether the call was `sync`, whose faults stand in a report.
    pub(crate) sync: bool,
}

impl Evidence<'_> {
    /// The answer that the queue gets.
    pub(crate) fn judge(&self, ended: Ended) -> (Result<Answer, Fault>, Effect) {
        let was_run = !matches!(ended, Ended::NotRun(_));
        let mut answer = match ended {
            Ended::Answered(answer) => answer,
            Ended::NotRun(fault) => Err(fault),
            Ended::Trapped(wrong) => Err(self.fault_of_trap(&wrong)),
            Ended::Late => Err(self.fault_of_lateness()),
            Ended::Panicked => {
                Err(Fault::Bug { cause: Cause::new(Code::Internal.as_str(), "the sandbox itself failed in this call") })
            }
        };
        // A denial ends the matter, and nothing that the guest made of it is believed; a repeat would be denied again.
        if let Some(denial) = self.ledger.denial() {
            let stopped = Fault::Stopped { cause: denial.cause() };
            answer = Err(stopped);
        } else if was_run && self.blames_the_partner(&answer) {
            answer = Err(Fault::Bug {
                cause: Cause::new(
                    "unfinished-body",
                    "the connector left its own request unfinished, and says that the partner cannot be reached",
                ),
            });
        } else if was_run && self.claims_too_much(&answer) {
            answer = Err(Fault::Bug {
                cause: Cause::new(
                    "bad-report",
                    "the connector's report cannot be right: it settles rows, and no request was answered",
                ),
            });
        }
        if self.sync {
            answer = answer.or_else(|fault| Ok(Answer::Report(Report::fault(fault))));
        }
        let effect = if was_run { self.effect(&answer) } else { Effect::None };
        (answer, effect)
    }

    /// Accepted means accepted by the partner: without an answer of theirs nothing is.
    fn claims_too_much(&self, answer: &Result<Answer, Fault>) -> bool {
        matches!(answer, Ok(Answer::Report(report)) if report.settled.iter().any(|(from, to)| from < to))
            && !self.ledger.has_answer()
    }

    /// Where the guest let go of its own body, and nothing was answered, the partner did not fail.
    fn blames_the_partner(&self, answer: &Result<Answer, Fault>) -> bool {
        let fault = match answer {
            Ok(Answer::Report(report)) => report.fault.as_ref(),
            Ok(_) => None,
            Err(fault) => Some(fault),
        };
        matches!(fault, Some(Fault::Unavailable { .. })) && self.ledger.last() == Last::Abandoned { answered: false }
    }

    fn fault_of_trap(&self, wrong: &wasmtime::Error) -> Fault {
        if let Some(breach) = self.breach {
            return Fault::Stopped { cause: self.breach_cause(breach) };
        }
        match self.ledger.last() {
            Last::Failed(words) => {
                return Fault::Unavailable { after_ms: None, cause: Cause::new(Code::Unreached.as_str(), words) };
            }
            Last::Starved if self.waited_most() => return self.half_an_answer(),
            _ => {}
        }
        // Wasmtime counts instances by itself and tells in words alone; no guest runs before all of them stand.
        let root = wrong.root_cause().to_string();
        if wrong.downcast_ref::<Trap>().is_none() && root.starts_with("resource limit exceeded: instance count") {
            return Fault::Stopped { cause: self.breach_cause(Breach::Instances) };
        }
        let what = match (wrong.downcast_ref::<Trap>(), wrong.downcast_ref::<wasmtime_wasi::I32Exit>()) {
            (Some(trap), _) => trap.to_string(),
            (_, Some(exit)) => format!("it ended its process with code {}", exit.0),
            _ => cut(wrong.root_cause().to_string(), 300),
        };
        let said = match self.last_words {
            Some(words) => format!("; its last words: {words}"),
            None => String::new(),
        };
        Fault::Bug { cause: Cause::new("trap", cut(format!("the connector crashed: {what}{said}"), 1000)) }
    }

    fn fault_of_lateness(&self) -> Fault {
        let seconds = self.deadline.as_secs_f64();
        match self.ledger.last() {
            Last::Waiting => Fault::Unavailable {
                after_ms: None,
                cause: Cause::new(Code::Unreached.as_str(), format!("the partner did not answer within {seconds} s")),
            },
            Last::Failed(words) => {
                Fault::Unavailable { after_ms: None, cause: Cause::new(Code::Unreached.as_str(), words) }
            }
            Last::Fine | Last::Starved | Last::Abandoned { .. } => match self.breach {
                Some(breach) => Fault::Stopped { cause: self.breach_cause(breach) },
                None if self.waited_most() => self.half_an_answer(),
                None => {
                    let own = Duration::from_millis(self.limits.wall_ms) <= self.deadline;
                    let more = match own {
                        true => {
                            format!("a grant with `limits: {{ wall_ms: {} }}`", self.limits.wall_ms.saturating_mul(2))
                        }
                        false => "a longer deadline of the call".to_owned(),
                    };
                    let words = format!(
                        "the connector had not ended after {seconds} s, and was waiting for no answer; {more} would allow more"
                    );
                    Fault::Stopped { cause: Cause::new(Code::LimitBreached.as_str(), words) }
                }
            },
        }
    }

    /// Whether at least half of the call's time was spent waiting for the partner.
    fn waited_most(&self) -> bool {
        self.ledger.patience.total() * 2 >= self.took
    }

    /// The partner sends its answer too slowly.
    fn half_an_answer(&self) -> Fault {
        let (waited, took) = (self.ledger.patience.total().as_secs_f64(), self.took.as_secs_f64());
        let words = format!(
            "the partner had sent only a part of its answer after {took:.1} s, of which it was waited for {waited:.1} s"
        );
        Fault::Unavailable { after_ms: None, cause: Cause::new(Code::Unreached.as_str(), words) }
    }

    fn breach_cause(&self, breach: Breach) -> Cause {
        let limits = self.limits;
        let (what, line) = match breach {
            Breach::Memory => (
                format!("asked for more than {} MiB of memory", limits.memory_bytes >> 20),
                format!("memory_bytes: {}", limits.memory_bytes.saturating_mul(2)),
            ),
            Breach::Table => (
                format!("asked for tables of more than {} elements", limits.table_elements),
                format!("table_elements: {}", limits.table_elements.saturating_mul(2)),
            ),
            Breach::Instances => (
                format!("has more than {} core instances", limits.instances),
                format!("instances: {}", limits.instances.saturating_mul(2)),
            ),
            Breach::Cpu => (
                format!("computed for more than {} s", f64::from(limits.cpu_ticks) / 100.0),
                format!("cpu_ticks: {}", limits.cpu_ticks.saturating_mul(2)),
            ),
        };
        Cause::new(
            Code::LimitBreached.as_str(),
            format!("the connector {what}; a grant with `limits: {{ {line} }}` would allow more"),
        )
    }

    /// What the call may have done (design, 11.6).
    fn effect(&self, answer: &Result<Answer, Fault>) -> Effect {
        if !self.ledger.has_changed() {
            return Effect::None;
        }
        let (fault, settled) = match answer {
            Ok(Answer::Report(report)) => (report.fault.as_ref(), !report.settled.is_empty()),
            Ok(_) => (None, true),
            Err(fault) => (Some(fault), false),
        };
        let proves_nothing_done = matches!(
            fault,
            Some(
                Fault::Throttled { .. }
                    | Fault::Unauthorized { .. }
                    | Fault::Forbidden { .. }
                    | Fault::Terms { .. }
                    | Fault::Rows { .. }
                    | Fault::TooLarge
                    | Fault::Outdated { .. }
                    | Fault::Misconfigured { .. }
            )
        );
        if proves_nothing_done && !settled && self.ledger.is_answered() { Effect::None } else { Effect::MayHaveLanded }
    }
}
