//! What an answer of an endpoint means for one visit: pure.
use caravan_journey::retry::{Policy, backoff};
use caravan_model::status::reason;
use caravan_model::webhook::WebhookAnswer;
use caravan_model::{Duration, Millis, Reason, Status};
use caravan_store::Tried;

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The visit is final.
    Ends(Status, Reason),
    /// The call is made again.
    Again {
        /// When.
        due: Millis,
        /// All attempts up to now.
        tried: Tried,
    },
}

/// What follows from an answer at `now` to a call that was made at `called`.
pub(crate) fn of_answer(
    answer: &WebhookAnswer,
    before: Option<&Tried>,
    (called, now): (Millis, Millis),
    policy: &Policy,
    draw: u64,
) -> Verdict {
    match answer {
        WebhookAnswer::Taken => Verdict::Ends(Status::Passed, Reason::none()),
        WebhookAnswer::Refused { status } => {
            let words = format!("the endpoint answered {status}{}", meaning(*status));
            Verdict::Ends(Status::Failed, Reason::new(reason::WEBHOOK_REFUSED, words))
        }
        WebhookAnswer::Later { words, after } => {
            let attempts = before.map_or(0, |tried| tried.attempts) + 1;
            let wait = backoff(attempts, policy, draw).max(after.unwrap_or_default());
            again(before, called, attempts, now, now.after(wait), words, policy)
        }
    }
}

/// What follows for whoever is due while the endpoint rests.
pub(crate) fn of_rest(before: Option<&Tried>, now: Millis, until: Millis, words: &str, policy: &Policy) -> Verdict {
    again(before, now, before.map_or(0, |tried| tried.attempts), now, until, words, policy)
}

fn again(
    before: Option<&Tried>,
    called: Millis,
    attempts: u32,
    now: Millis,
    due: Millis,
    words: &str,
    policy: &Policy,
) -> Verdict {
    let since = before.map_or(called, |tried| tried.since);
    let end = since.after(policy.flowing);
    if now >= end {
        return Verdict::Ends(Status::Failed, Reason::new(reason::WEBHOOK_EXPIRED, format!("at last: {words}")));
    }
    let reason = Reason::new(reason::RETRYING, words);
    // The last attempt is made when the time is over.
    let due = due.min(end).max(now.after(Duration(1)));
    Verdict::Again { due, tried: Tried { since, attempts, reason } }
}

/// What the usual statuses say.
fn meaning(status: u16) -> &'static str {
    match status {
        300..=399 => ": a redirect, which is not followed",
        400 => ": it does not understand the request",
        401 => ": the credentials are missing or wrong",
        403 => ": the credentials may not do this",
        404 | 410 => ": there is nothing at this URL",
        405 => ": it takes another method",
        409 => ": it conflicts with what is there",
        413 => ": the body is too large",
        415 => ": it takes another kind of body",
        422 => ": it does not accept the values",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn later(after: Option<Duration>) -> WebhookAnswer {
        WebhookAnswer::Later { words: "the endpoint answered 503".into(), after }
    }

    fn verdict(answer: &WebhookAnswer, before: Option<&Tried>, now: Millis) -> Verdict {
        of_answer(answer, before, (now, now), &Policy::default(), u64::MAX - 1)
    }

    #[test]
    fn an_answer_ends_a_visit_or_says_when_to_call_again() {
        assert_eq!(verdict(&WebhookAnswer::Taken, None, NOW), Verdict::Ends(Status::Passed, Reason::none()));
        let Verdict::Ends(Status::Failed, why) = verdict(&WebhookAnswer::Refused { status: 422 }, None, NOW) else {
            panic!("a refusal is final")
        };
        assert_eq!((why.code.as_str(), why.words.contains("422")), ("webhook-refused", true));
        let Verdict::Again { due, tried } = verdict(&later(None), None, NOW) else { panic!("it may work later") };
        assert!((NOW.after(Duration(500))..=NOW.after(Duration::SECOND)).contains(&due), "{due:?}");
        assert_eq!((tried.since, tried.attempts, tried.reason.code.as_str()), (NOW, 1, "retrying"));
        let named = verdict(&later(Some(Duration::MINUTE.times(7))), Some(&tried), NOW);
        assert!(
            matches!(named, Verdict::Again { due, .. } if due == NOW.after(Duration::MINUTE.times(7))),
            "{named:?}"
        );
    }

    #[test]
    fn waits_grow_and_the_last_attempt_is_made_when_72_hours_are_over() {
        let (mut now, mut tried, mut waits) = (NOW, None, Vec::new());
        let end = NOW.after(Duration::HOUR.times(72));
        let why = loop {
            match verdict(&later(None), tried.as_ref(), now) {
                Verdict::Again { due, tried: more } => {
                    waits.push(due.since(now));
                    (now, tried) = (due, Some(more));
                }
                Verdict::Ends(status, why) => break (status, why),
            }
        };
        assert_eq!((now, why.0, why.1.code.as_str()), (end, Status::Failed, "webhook-expired"));
        assert!(why.1.words.contains("503"), "{why:?}");
        assert!(waits.iter().all(|wait| *wait <= Duration::MINUTE.times(15)) && waits.len() < 700, "{}", waits.len());
        assert!(waits[0] <= Duration::SECOND && waits[8] >= Duration::MINUTE.times(2), "{waits:?}");
    }

    #[test]
    fn whoever_waits_for_an_endpoint_that_rests_expires_as_well() {
        let policy = Policy::default();
        let rest =
            |before: Option<&Tried>, now: Millis| of_rest(before, now, now.after(Duration::MINUTE), "503", &policy);
        let Verdict::Again { due, tried } = rest(None, NOW) else { panic!("nobody expires at once") };
        assert_eq!((due, tried.attempts, tried.since), (NOW.after(Duration::MINUTE), 0, NOW));
        let late = rest(Some(&tried), NOW.after(Duration::HOUR.times(72)));
        assert!(matches!(late, Verdict::Ends(Status::Failed, why) if why.code == "webhook-expired"));
    }
}
