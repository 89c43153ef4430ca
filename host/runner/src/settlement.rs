//! From what a connector answered to what the store is told: statuses, membership, strikes, splits, the lane's state
//! (design, 11.6 to 11.10). Pure, but for the books that it keeps up to date.
use crate::assembly::excerpt;
use crate::ledger::Ledger;
use crate::standing::{claim_of, nowhere};
use crate::steps::Steps;
use caravan_journey::retry::{self, History, Policy, Treatment};
use caravan_model::port::{Answer, CallOutcome, RequestRecord};
use caravan_model::status::reason;
use caravan_model::{
    Action, Cause, Duration, Effect, Fault, Millis, Part, Reason, Refusal, Report, Status, exchanges_of,
};
use caravan_store::{
    GoesTo, LaneState, MembershipChange, MembershipNow, OpenPart, Outcome, PartDraft, Rider, Settlement,
};
use std::sync::Arc;

/// A partner that judges later is asked first after so long.
const FIRST_FOLLOW_UP: Duration = Duration::MINUTE;

/// An attempt that has ended.
pub(crate) struct Attempted<'a> {
    /// The part as sealed.
    pub part: &'a OpenPart,
    /// What was sent of it.
    pub sent: &'a Part,
    /// Which of the part's people were sent, by their place.
    pub places: &'a [u32],
    /// The attempt's number.
    pub number: u32,
    /// What the connector answered.
    pub outcome: CallOutcome,
}

/// What a settlement stands on, beside the attempt.
pub(crate) struct Circumstances<'a> {
    pub steps: &'a Steps,
    pub ledger: &'a mut Ledger,
    pub history: History,
    /// Whether we made the audience.
    pub made_by_us: bool,
    pub policy: &'a Policy,
    /// A random number, for the spread of our own waits.
    pub draw: u64,
    pub now: Millis,
    /// When a lane that is to be held is looked at first, and how often it was before.
    pub probe: (Millis, u32),
}

/// How the lane goes on after a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// With the next part, or the same one again.
    Flows,
    /// With the same part at once, after the credentials were fetched anew.
    Refreshed,
    /// The part was halved in search of the row that breaks the connector.
    Halved,
    /// Not now.
    Blocked,
}

/// What is known of a row after a call.
#[derive(Clone, Copy, PartialEq)]
enum Row {
    Open,
    Taken,
    /// By which refusal.
    Refused(u32),
}

/// What is known of a person after a call.
enum Fate {
    Open,
    Taken,
    Not(Status, Reason),
}

/// The settlement of an attempt.
pub(crate) fn settle(attempted: Attempted<'_>, with: Circumstances<'_>) -> (Settlement, Next) {
    let Attempted { part, sent, places, number, outcome } = attempted;
    let Circumstances { steps, ledger, history, made_by_us, policy, draw, now, probe } = with;
    let requests = requests_in_words(&outcome.requests);
    let exchange = exchange_of(&outcome.requests);
    let effect = outcome.effect;
    let mut report = report_of(outcome.answer);
    let (mut rows, covered) = read_rows(sent, &report);
    if !covered && report.fault.is_none() {
        let words = "the connector reported on only some of the rows, without a fault";
        report.fault = Some(Fault::Bug { cause: Cause::new("incomplete-report", words) });
    }
    let treatment = report.fault.as_ref().map(|fault| retry::treat(fault, effect, &history, policy, draw));
    let mut refusals = report.refused;
    if let Some(Treatment::Strike { rows: named }) = &treatment {
        for refusal in named {
            refusals.push(refusal.clone());
            rows[refusal.row as usize] = Row::Refused((refusals.len() - 1) as u32);
        }
    }
    let fates = fates_of(sent, &rows, &refusals, treatment.as_ref());

    let mut books = Books::new(steps, ledger, made_by_us, now);
    let landed_before = part.may_have_landed;
    let landed = landed_before || (report.fault.is_some() && effect == Effect::MayHaveLanded);
    let (mut open, mut whole, mut struck) = (0usize, true, Vec::new());
    let mut strip = vec![false; part.riders.len()];
    for (at, fate) in fates.iter().enumerate() {
        let place = places[at] as usize;
        let Some(rider) = part.riders.get(place) else { continue };
        let range = sent.rows_of(at);
        let own = &rows[range.start as usize..range.end as usize];
        let remains = !matches!(fate, Fate::Not(..)) && own.contains(&Row::Open);
        if remains {
            open += 1;
            whole &= own.iter().all(|row| *row == Row::Open);
        }
        match fate {
            Fate::Taken => {
                let done = !remains || sent.action == Action::Add;
                books.taken(sent.action, rider, done);
                strip[place] = remains;
            }
            Fate::Not(status, why) => {
                struck.push(places[at]);
                // Who is named among rows that were processed was not taken by this call.
                let may_stand = if own.contains(&Row::Open) { landed } else { landed_before };
                books.not_taken(rider, *status, why, may_stand);
            }
            Fate::Open if landed && !landed_before => books.may_stand(rider),
            Fate::Open => {}
        }
    }

    let processed = fates.iter().any(|fate| matches!(fate, Fate::Taken));
    let halves = matches!(treatment, Some(Treatment::Halve));
    let same_part = open > 0 && whole && !processed && !halves;
    let mut replaced_by = Vec::new();
    if open > 0 && !same_part {
        let riders: Vec<Rider> = places.iter().filter_map(|place| part.riders.get(*place as usize).cloned()).collect();
        let strip: Vec<bool> = places.iter().map(|place| strip[*place as usize]).collect();
        let gone = |at: usize| matches!(fates[at], Fate::Not(..));
        let mut keep: Vec<bool> = rows.iter().map(|row| *row == Row::Open).collect();
        for at in (0..fates.len()).filter(|at| gone(*at)) {
            let range = sent.rows_of(at);
            keep[range.start as usize..range.end as usize].fill(false);
        }
        if halves {
            halve(sent, &riders, &keep, &strip, &mut replaced_by)
        } else {
            replaced_by.push(excerpt(sent, &riders, &keep, &strip));
        }
    }
    books.ledger.release(&mut replaced_by);
    let poisoned = matches!(&treatment, Some(Treatment::Reject { reason: why }) if why.code == reason::POISON);
    let (lane, mut next) = lane_after(treatment.as_ref(), now, probe);
    if report.fault == Some(Fault::TooLarge) {
        next = Next::Flows;
    }
    let settlement = Settlement {
        part: part.id,
        attempt: number,
        effect,
        outcomes: books.outcomes,
        membership: books.membership,
        struck: if same_part { struck } else { Vec::new() },
        ends: !same_part,
        replaced_by,
        poison: part.poison + u32::from(poisoned),
        doubtful: report.unnamed_refused,
        pending: report.pending.map(|reference| (reference, now.after(FIRST_FOLLOW_UP))),
        lane,
        note: note(report.fault.as_ref(), &requests),
        exchange,
        now,
    };
    (settlement, next)
}

fn report_of(answer: Result<Answer, Fault>) -> Report {
    match answer {
        Ok(Answer::Report(report)) => report,
        Ok(_) => Report::fault(Fault::Stopped { cause: Cause::new("", "the connector answered another question") }),
        Err(fault) => Report::fault(fault),
    }
}

/// What the report says of each row, and whether it speaks of all.
fn read_rows(sent: &Part, report: &Report) -> (Vec<Row>, bool) {
    let total = sent.rows as usize;
    let mut rows = vec![Row::Open; total];
    for (from, to) in &report.settled {
        let range = (*from as usize).min(total)..(*to as usize).min(total);
        if range.start < range.end {
            rows[range].fill(Row::Taken);
        }
    }
    for (at, refusal) in report.refused.iter().enumerate() {
        if let Some(row) = rows.get_mut(refusal.row as usize) {
            *row = Row::Refused(at as u32);
        }
    }
    let covered = !rows.contains(&Row::Open);
    (rows, covered)
}

fn fates_of(sent: &Part, rows: &[Row], refusals: &[Refusal], treatment: Option<&Treatment>) -> Vec<Fate> {
    (0..sent.people())
        .map(|person| {
            let range = sent.rows_of(person);
            let own = &rows[range.start as usize..range.end as usize];
            if own.contains(&Row::Taken) {
                return Fate::Taken;
            }
            if own.contains(&Row::Open) {
                return match treatment {
                    Some(Treatment::Reject { reason }) => Fate::Not(Status::Rejected, reason.clone()),
                    Some(Treatment::Expire { reason }) => Fate::Not(Status::Expired, reason.clone()),
                    _ => Fate::Open,
                };
            }
            let named = own.iter().find_map(|row| match row {
                Row::Refused(at) => refusals.get(*at as usize),
                Row::Open | Row::Taken => None,
            });
            let why = named.map_or_else(Reason::none, |refusal| {
                Reason::new(format!("partner:{}", refusal.code), refusal.message.clone())
            });
            Fate::Not(Status::Rejected, why)
        })
        .collect()
}

/// Cuts what remains in two by people.
fn halve(sent: &Part, riders: &[Rider], keep: &[bool], strip: &[bool], into: &mut Vec<PartDraft>) {
    let remaining: Vec<usize> = (0..sent.people())
        .filter(|person| {
            let range = sent.rows_of(*person);
            keep[range.start as usize..range.end as usize].contains(&true)
        })
        .collect();
    let border = remaining.get(remaining.len() / 2).map_or(0, |person| sent.rows_of(*person).start as usize);
    for first in [true, false] {
        let half: Vec<bool> = keep.iter().enumerate().map(|(row, keep)| *keep && (row < border) == first).collect();
        if half.contains(&true) {
            into.push(excerpt(sent, riders, &half, strip));
        }
    }
}

fn lane_after(treatment: Option<&Treatment>, now: Millis, probe: (Millis, u32)) -> (LaneState, Next) {
    match treatment {
        Some(Treatment::Hold { reason, link, .. }) => {
            let mut reason = reason.clone();
            if let Some(link) = link {
                reason.words = format!("{}: {link}", reason.words);
            }
            (LaneState::Held { reason, since: now, probe: probe.0, probes: probe.1 }, Next::Blocked)
        }
        Some(Treatment::RetryAt { after, state }) => {
            let why = state.word().to_owned();
            let reason = Reason::new(why.clone(), format!("again after {after}"));
            (LaneState::Waiting { why, until: now.after(*after), reason }, Next::Blocked)
        }
        Some(Treatment::RefreshThenRepeat) => (LaneState::Open, Next::Refreshed),
        Some(Treatment::Halve) => (LaneState::Open, Next::Halved),
        Some(Treatment::Strike { .. } | Treatment::Reject { .. } | Treatment::Expire { .. }) | None => {
            (LaneState::Open, Next::Flows)
        }
    }
}

/// The statuses and memberships that a settlement carries.
pub(crate) struct Books<'a> {
    pub steps: &'a Steps,
    pub ledger: &'a mut Ledger,
    pub made_by_us: bool,
    pub now: Millis,
    pub outcomes: Vec<Outcome>,
    pub membership: Vec<MembershipChange>,
}

impl<'a> Books<'a> {
    /// Empty ones.
    pub(crate) fn new(steps: &'a Steps, ledger: &'a mut Ledger, made_by_us: bool, now: Millis) -> Books<'a> {
        Books { steps, ledger, made_by_us, now, outcomes: Vec::new(), membership: Vec::new() }
    }

    /// The partner took a rider's rows; `done` unless rows of a removal remain.
    pub(crate) fn taken(&mut self, action: Action, rider: &Rider, done: bool) {
        let mut now = Some(if done {
            self.ledger.taken(action, rider, self.now)
        } else {
            self.ledger.may_stand(rider, self.now)
        });
        for operation in &rider.operations {
            self.membership.push(MembershipChange {
                profile: rider.profile,
                now: now.take(),
                claim: claim_of(action, (operation.1, operation.2, operation.3), self.steps, self.now),
                clear_claims: action == Action::Remove,
                ended: self.now,
                ..MembershipChange::default()
            });
        }
        if now.is_some() {
            self.push(rider, now);
        }
        self.decide(rider, Status::Synced, &Reason::none());
    }

    /// What a rider's membership becomes, whichever steps ask.
    fn push(&mut self, rider: &Rider, now: Option<MembershipNow>) {
        self.membership.push(MembershipChange {
            profile: rider.profile,
            now,
            ended: self.now,
            ..MembershipChange::default()
        });
    }

    /// A rider's rows are not sent any more.
    pub(crate) fn not_taken(&mut self, rider: &Rider, status: Status, why: &Reason, may_stand: bool) {
        if may_stand {
            self.may_stand(rider);
        } else if !rider.operations.is_empty() {
            // Nothing of theirs changes, but that something has ended: a resend must not overtake it.
            self.membership.push(MembershipChange {
                profile: rider.profile,
                unless_known: Some(nowhere(self.made_by_us)),
                ended: self.now,
                ..MembershipChange::default()
            });
        }
        self.decide(rider, status, why);
    }

    /// A rider's rows may stand at the partner.
    pub(crate) fn may_stand(&mut self, rider: &Rider) {
        let now = Some(self.ledger.may_stand(rider, self.now));
        self.push(rider, now);
    }

    fn decide(&mut self, rider: &Rider, status: Status, why: &Reason) {
        for &(seq, visit, version, step, parks) in &rider.operations {
            if !self.ledger.decides(seq, status == Status::Synced) {
                continue;
            }
            let goes = self.steps.get(&(version, step)).map_or(GoesTo::Stays, |facts| facts.goes(parks, status));
            self.outcomes.push(Outcome {
                seq,
                visit,
                step: (version, step),
                profile: rider.profile,
                status,
                reason: why.clone(),
                goes,
            });
        }
    }
}

/// The redacted exchange as the store keeps it.
fn exchange_of(requests: &[RequestRecord]) -> String {
    if requests.is_empty() {
        return String::new();
    }
    serde_json::to_string(&exchanges_of(requests)).unwrap_or_default()
}

fn requests_in_words(requests: &[RequestRecord]) -> String {
    let words = requests.iter().map(|request| match &request.outcome {
        Ok(status) => format!("{} {} {status}", request.method, request.url),
        Err(why) => format!("{} {} ({why})", request.method, request.url),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn note(fault: Option<&Fault>, requests: &str) -> String {
    match fault {
        None => requests.to_owned(),
        Some(fault) => {
            let words = fault.cause().map(Cause::to_string).unwrap_or_default();
            format!("{}: {words}; {requests}", fault.class())
        }
    }
}

/// The people of a part who are still sent, by their place, and the part without the others.
pub(crate) fn remaining(part: &OpenPart) -> (Vec<u32>, Arc<Part>) {
    remaining_of(&part.part, &part.struck)
}

/// The same of a part and those who were taken out of it.
pub(crate) fn remaining_of(part: &Arc<Part>, gone: &[u32]) -> (Vec<u32>, Arc<Part>) {
    let people = part.people();
    if gone.is_empty() {
        return ((0..people as u32).collect(), part.clone());
    }
    let mut struck = vec![false; people];
    for place in gone {
        if let Some(struck) = struck.get_mut(*place as usize) {
            *struck = true;
        }
    }
    let places = (0..people as u32).filter(|place| !struck[*place as usize]).collect();
    (places, Arc::new(part.without(&struck)))
}
