//! One call: a fresh store, the guest's function, and the verdict.
use crate::{
    bound::BoundConnector,
    component::Linked,
    egress::{Egress, credentials::Credentials, ledger::Ledger, template::Scope},
    grant::Limits,
    scrub::Scrubber,
    state::{Breach, CallState},
    verdict::{Ended, Evidence},
    words::Reader,
    world::{SentPart, SentTarget, SourcePre, owned_part, owned_target, source_target, wit},
};
use caravan_model::port::{Answer, Ask, CallContext, CallOutcome};
use caravan_model::{Cause, Code, Fault};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};
use tokio::time::{Instant, timeout_at};
use wasmtime::{Store, Trap, UpdateDeadline};

/// Most bytes that one call of a host function may hand over, and most that an answer may hold.
const HANDED_OVER: usize = 32 << 20;

/// Runs a call to its end. Whatever happens in it, an outcome comes back.
pub(crate) async fn run(bound: &BoundConnector, context: CallContext, ask: Ask) -> CallOutcome {
    let limits = &bound.policy.limits;
    let ledger = Ledger::within(limits);
    let sync = matches!(ask, Ask::Sync { .. });
    let (deadline, began) = (context.deadline.min(wall(limits)), Instant::now());
    let finished = no_panic(attempt(bound, context, ask, &ledger)).await;
    let (ended, breach, log, scrubber) = finished.unwrap_or((Ended::Panicked, None, Vec::new(), Scrubber::default()));
    let log: Vec<String> = log.into_iter().map(|line| scrubber.text(line)).collect();
    let last_words = last_words(&log);
    let evidence = Evidence {
        ledger: &ledger,
        breach,
        limits,
        deadline,
        took: began.elapsed(),
        last_words: last_words.as_deref(),
        sync,
    };
    let (answer, effect) = evidence.judge(ended);
    let refused = match &answer {
        Ok(Answer::Report(report)) => report.fault.as_ref(),
        Ok(_) => None,
        Err(fault) => Some(fault),
    };
    if matches!(refused, Some(Fault::Unauthorized { .. })) {
        bound.not_let_in().await;
    }
    CallOutcome { answer, effect, requests: ledger.records(), usage: ledger.usage(), log }
}

/// The end of what the guest printed on its standard error, without the hint that Rust adds to a panic.
fn last_words(log: &[String]) -> Option<String> {
    let printed = log.iter().filter_map(|line| line.strip_prefix("stderr: "));
    let lines: Vec<&str> = printed.filter(|line| !line.starts_with("note: run with")).collect();
    let last = &lines[lines.len().saturating_sub(2)..];
    (!last.is_empty()).then(|| last.join(" "))
}

type Finished = (Ended, Option<Breach>, Vec<String>, Scrubber);

async fn attempt(bound: &BoundConnector, context: CallContext, ask: Ask, ledger: &Ledger) -> Finished {
    let not_run = |fault| (Ended::NotRun(fault), None, Vec::new(), Scrubber::default());
    let deadline = Instant::now().checked_add(context.deadline).unwrap_or_else(|| Instant::now() + 30 * DAY);
    if let Some(Err(fault)) = account_of(&ask).map(|account| bound.check_account(account)) {
        return not_run(fault);
    }
    let people = match &ask {
        Ask::Sync { part, .. } => Some(&**part),
        Ask::CreateAudience { seed, .. } => seed.as_ref(),
        _ => None,
    };
    if let Some(Err(fault)) = people.map(|part| bound.check_part(part)) {
        return not_run(fault);
    }
    let credentials = match bound.credentials(deadline).await {
        Ok(credentials) => Arc::new(credentials),
        Err(fault) => return not_run(fault),
    };
    let sandbox = bound.component.sandbox();
    // A share of its own first, so that a slow connector's calls wait for each other and not in everyone's way.
    let Ok(Ok(_share)) = timeout_at(deadline, bound.permits.acquire()).await else {
        let calls = bound.policy.limits.calls;
        let words = format!(
            "{calls} calls of this connection were under way at once, and none ended in time; a grant with `limits: {{ calls: {} }}` would allow more",
            calls.saturating_mul(2)
        );
        let cause = Cause::new(Code::LimitBreached.as_str(), words);
        return not_run(Fault::Unavailable { after_ms: None, cause });
    };
    let Ok(Ok(_permit)) = timeout_at(deadline, sandbox.permits.clone().acquire_owned()).await else {
        let cause = Cause::new(
            Code::LimitBreached.as_str(),
            "this host had no free sandbox in time; it runs too many calls at once",
        );
        return not_run(Fault::Unavailable { after_ms: None, cause });
    };
    // Its own time runs from here on: it does not pay for others' calls.
    let deadline = deadline.min(Instant::now() + wall(&bound.policy.limits));
    let egress = open_egress(bound, &context, &ask, deadline, credentials.clone(), ledger);
    let state = CallState::new(&context, &bound.policy.limits, egress);
    let log = state.log.clone();
    let mut store = open_store(bound, state);
    let ended = match timeout_at(deadline, invoke(bound, &mut store, ask, &credentials.scrubber)).await {
        Ok(Ok(answer)) => Ended::Answered(answer),
        Ok(Err(trap)) => Ended::Trapped(trap),
        Err(_) => Ended::Late,
    };
    let breach = store.data().bounds.breach;
    drop(store); // Ends open lines of the log, and requests still under way.
    (ended, breach, log.take(), credentials.scrubber.clone())
}

/// For how many ticks of computing a call has a core to itself: what a full batch takes many times over.
const FULL_SPEED: u32 = 20;
/// The same while other calls are under way: what a full batch of a compiled language takes.
const FULL_SPEED_AMONG_OTHERS: u32 = 4;
/// How long it rests after each further tick, so that one that never ends leaves most of a core to its neighbours.
const REST: std::time::Duration = std::time::Duration::from_millis(20);
/// Ticks that pass while it rests: they are not charged.
const RESTED: u64 = 2;

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The most time of a call that its grant gives.
fn wall(limits: &Limits) -> std::time::Duration {
    std::time::Duration::from_millis(limits.wall_ms).min(30 * DAY)
}

fn open_egress(
    bound: &BoundConnector,
    context: &CallContext,
    ask: &Ask,
    deadline: Instant,
    credentials: Arc<Credentials>,
    ledger: &Ledger,
) -> Egress {
    Egress {
        policy: bound.policy.clone(),
        clients: bound.component.sandbox().clients.clone(),
        credentials,
        scope: scope_of(ask),
        ledger: ledger.clone(),
        deadline,
        record_bodies: context.record_bodies,
        may_write: matches!(ask, Ask::Sync { .. } | Ask::CreateAudience { .. }),
        creates: matches!(ask, Ask::CreateAudience { .. }),
    }
}

fn open_store(bound: &BoundConnector, state: CallState) -> Store<CallState> {
    let mut store = Store::new(bound.component.linked.engine(), state);
    store.limiter(|state| &mut state.bounds);
    store.set_hostcall_fuel(HANDED_OVER);
    store.set_max_component_handles(4096);
    store.set_epoch_deadline(1);
    let all_ticks = bound.policy.limits.cpu_ticks;
    let sandbox = bound.component.sandbox().clone();
    store.epoch_deadline_callback(move |mut context| {
        let bounds = &mut context.data_mut().bounds;
        match bounds.ticks_left.checked_sub(1) {
            Some(left) => {
                bounds.ticks_left = left;
                let at_full_speed = if sandbox.has_one_call() { FULL_SPEED } else { FULL_SPEED_AMONG_OTHERS };
                Ok(if all_ticks - left <= at_full_speed {
                    UpdateDeadline::Yield(1)
                } else {
                    UpdateDeadline::YieldCustom(1 + RESTED, Box::pin(tokio::time::sleep(REST)))
                })
            }
            None => {
                bounds.breach = Some(Breach::Cpu);
                Err(Trap::Interrupt.into())
            }
        }
    });
    store
}

/// Instantiates the component and calls the function that the question asks for.
async fn invoke(
    bound: &BoundConnector,
    store: &mut Store<CallState>,
    ask: Ask,
    scrubber: &Scrubber,
) -> wasmtime::Result<Result<Answer, Fault>> {
    let reader = Reader { scrubber };
    let pre = match &bound.component.linked {
        Linked::Destination(pre, sync) => (pre, sync),
        Linked::Source(pre) => return invoke_source(bound, pre, store, ask, &reader).await,
    };
    let (pre, index) = pre;
    if let Ask::Sync { target, part } = &ask {
        let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
        let sync = instance.get_typed_func::<(SentTarget<'_>, SentPart<'_>), (wit::Report,)>(&mut *store, index)?;
        let (report,) = sync.call_async(store, (SentTarget::from(target), SentPart::from(&**part))).await?;
        return Ok(Ok(Answer::Report(reader.report(report, part.rows))));
    }
    let guest = pre.instantiate_async(&mut *store).await?;
    let settings = || serde_json::to_string(&bound.settings).unwrap_or_else(|_| "{}".into());
    let answer = match ask {
        Ask::Accounts { cursor } => {
            guest.call_accounts(store, &settings(), cursor.as_deref()).await?.map(|page| reader.accounts(page))
        }
        Ask::Audiences { account, query, cursor } => guest
            .call_audiences(store, &settings(), &account, &query, cursor.as_deref())
            .await?
            .map(|page| reader.audiences(page)),
        Ask::CreateAudience { account, name, marker, group, seed } => {
            let seed = seed.map(owned_part);
            guest
                .call_create_audience(store, &settings(), &account, &name, &marker, &group, seed.as_ref())
                .await?
                .map(|created| reader.created(created))
        }
        Ask::Check { target } => {
            guest.call_check(store, &owned_target(target)).await?.map(|findings| reader.findings(findings))
        }
        Ask::FollowUp { target, reference } => {
            guest.call_follow_up(store, &owned_target(target), &reference).await?.map(|later| reader.later(later))
        }
        Ask::Sync { .. } => return Err(wasmtime::format_err!("answered above")),
        Ask::Members { .. } => return Ok(Err(other_world("it writes into audiences, and reads no members"))),
    };
    Ok(answer.map_err(|fault| reader.fault(fault)))
}

/// The same for a component that reads: its folders are the accounts of a connection.
async fn invoke_source(
    bound: &BoundConnector,
    pre: &SourcePre<CallState>,
    store: &mut Store<CallState>,
    ask: Ask,
    reader: &Reader<'_>,
) -> wasmtime::Result<Result<Answer, Fault>> {
    let settings = || serde_json::to_string(&bound.settings).unwrap_or_else(|_| "{}".into());
    let guest = pre.instantiate_async(&mut *store).await?;
    let answer = match ask {
        Ask::Accounts { cursor } => {
            guest.call_folders(store, &settings(), cursor.as_deref()).await?.map(|page| reader.folders(page))
        }
        Ask::Audiences { account, query, cursor } => guest
            .call_audiences(store, &settings(), &account, &query, cursor.as_deref())
            .await?
            .map(|page| reader.audiences(page)),
        Ask::Check { target } => {
            guest.call_check(store, &source_target(target)).await?.map(|findings| reader.findings(findings))
        }
        Ask::Members { target, cursor } => {
            let page = guest.call_members(store, &source_target(target), cursor.as_deref()).await?;
            return Ok(page.map_err(|fault| reader.fault(fault)).and_then(|page| reader.members(page)));
        }
        Ask::CreateAudience { .. } | Ask::Sync { .. } | Ask::FollowUp { .. } => {
            return Ok(Err(other_world("it reads members, and writes into no audience")));
        }
    };
    Ok(answer.map_err(|fault| reader.fault(fault)))
}

/// A connector is asked what its world does not have.
fn other_world(what: &str) -> Fault {
    Fault::Misconfigured {
        cause: Cause::new(Code::WrongWorld.as_str(), format!("this connector cannot do that: {what}")),
    }
}

fn account_of(ask: &Ask) -> Option<&str> {
    match ask {
        Ask::Accounts { .. } => None,
        Ask::Audiences { account, .. } | Ask::CreateAudience { account, .. } => Some(account),
        Ask::Check { target }
        | Ask::Sync { target, .. }
        | Ask::FollowUp { target, .. }
        | Ask::Members { target, .. } => Some(&target.account),
    }
}

fn scope_of(ask: &Ask) -> Scope {
    match ask {
        Ask::Accounts { .. } => Scope::default(),
        Ask::Audiences { account, .. } | Ask::CreateAudience { account, .. } => Scope::new(account, ""),
        Ask::Check { target }
        | Ask::Sync { target, .. }
        | Ask::FollowUp { target, .. }
        | Ask::Members { target, .. } => Scope::new(&target.account, &target.audience),
    }
}

/// Drives a future; `None` where it panics.
async fn no_panic<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        Err(_) => Poll::Ready(None),
    })
    .await
}
