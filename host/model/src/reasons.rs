//! Plain words and a cure for every reason code. Codes are stored with visits and queues; these are joined when they are
//! read, so that better words also reach what happened long ago.
use crate::{Code, Reason};
use std::borrow::Cow;

/// What a reason code means, and what a person can do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Meaning {
    /// The code; `partner:…` for any code of a partner's.
    pub code: &'static str,
    /// Plain words, short enough for a line.
    pub words: &'static str,
    /// What to do next.
    pub cure: &'static str,
    /// The code whose page tells more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Code>,
}

const fn of(code: &'static str, words: &'static str, cure: &'static str, page: Option<Code>) -> Meaning {
    Meaning { code, words, cure, page }
}

/// The entry that stands for all codes of partners.
pub const PARTNER: &str = "partner:…";

/// All reason codes, in the order in which people meet them: skipped, ended, waiting, held, refused, not admitted.
pub const ALL: &[Meaning] = &[
    of(
        "no-identifier",
        "no usable identifier",
        "give the profile an e-mail, phone or id that the step's `match` names; one that is there may be misspelt, \
         or a phone number may lack its country",
        None,
    ),
    of(
        "consent-denied",
        "consent denied",
        "nothing to mend: the person said no. They enter again once consent is granted and the canvas lets them",
        None,
    ),
    of(
        "consent-unknown",
        "consent unknown",
        "the policy or the step demands a yes: import the person's consent for this purpose",
        None,
    ),
    of("do-not-sell-or-share", "asked not to be sold or shared", "nothing to mend: the person's wish is kept", None),
    of(
        "tracking-off",
        "only an advertising id is known, and tracking is off",
        "give the profile an e-mail or phone that the step's `match` names",
        None,
    ),
    of(
        "superseded",
        "a newer operation of the same person took its place",
        "nothing to mend: the newer one stands in the person's trace",
        None,
    ),
    of("erased", "the profile was erased", "nothing to mend: an erased person is not sent again", None),
    of("exited", "the entry ended before this was sent", "nothing to mend: an exit rule of the canvas applied", None),
    of(
        "merged",
        "their other profile is inside: the two were merged",
        "nothing to mend: they go on with that entry",
        None,
    ),
    of("branch", "the branch decided", "nothing to mend: the words say which arm was taken", None),
    of("variant", "the experiment's variant", "nothing to mend: the words say which one this person always gets", None),
    of(
        "no-date",
        "the person has no such date: did not wait",
        "give the profile the attribute that the delay names, as 2026-03-01 or 2026-03-01T09:00",
        None,
    ),
    of("happened", "what the step waited for happened", "nothing to mend: the person went on by `next`", None),
    of(
        "timed-out",
        "what the step waited for did not happen in time",
        "nothing to mend: the person went on by `on_timeout`, else by `next`",
        None,
    ),
    of(
        "control-group",
        "in the control group of the canvas: the entry ended at once",
        "nothing to mend: compare these people with the others, or take `control` out of the canvas",
        None,
    ),
    of(
        "cap",
        "the canvas had let in as many as its caps allow",
        "`caravan canvas cap CANVAS` shows and changes them; who was kept out comes again with their next occasion",
        None,
    ),
    of("date-passed", "the date had passed: did not wait", "nothing to mend: the person went on at once", None),
    of(
        "unknown-step",
        "the canvas version that asked for this is not in the store",
        "run the canvas again, so that its version is stored; if it stays, report it",
        None,
    ),
    of(
        "poison-row",
        "this row alone makes the connector fail",
        "look at the values of this person; a new version of the connector may take them",
        None,
    ),
    of(
        "audience-too-small",
        "an owed removal would make the audience too small",
        "add people to the audience, or delete it at the partner; the removal is asked for anew every six hours",
        None,
    ),
    of(
        "retries-exhausted",
        "retried for as long as allowed",
        "see the batch for the partner's last answer; once it works again, `caravan queue resend --status expired`",
        None,
    ),
    of(
        "template-missing",
        "the webhook's body names what is not known",
        "give the profile the value, or write a fallback into the body: {{ first_name | default(\"you\") }}",
        Some(Code::BadTemplate),
    ),
    of(
        "template-failed",
        "the webhook's body cannot be made for this person",
        "look at the filter or condition that the words name: this person's value does not suit it",
        Some(Code::BadTemplate),
    ),
    of(
        "webhook-refused",
        "the endpoint refused the request",
        "look into the endpoint's own log for this `Idempotency-Key`; the person went on by `otherwise`, else by `next`. Once \
         it is mended, `caravan queue resend --status failed` calls it again",
        None,
    ),
    of(
        "webhook-expired",
        "the endpoint did not take it for as long as allowed",
        "look at the endpoint: the words have its last answer. The person went on by `otherwise`, else by `next`. Once it \
         works again, `caravan queue resend --status failed` calls it again",
        None,
    ),
    of("batching", "the batch is filling", "nothing to mend: it leaves when it is full or its time is over", None),
    of(
        "throttled",
        "over the partner's quota",
        "nothing to mend: the call is made again when the partner allows it. If it stays, other programs use up the \
         quota, or the account needs a higher one",
        None,
    ),
    of(
        "retrying",
        "the partner was down, slow or garbled",
        "mostly nothing: calls go on with growing pauses. `caravan connection check NAME` tries a partner now",
        Some(Code::Unreached),
    ),
    of(
        "preparing",
        "the partner is still preparing the audience",
        "nothing to mend: the call is made again by itself",
        None,
    ),
    of(
        "held-unauthorized",
        "held: the partner refuses the credentials",
        "put a new token where the connection's `secret` says; people then go on by themselves",
        Some(Code::Unauthorized),
    ),
    of(
        "held-forbidden",
        "held: the credentials may not do this",
        "give them the right at the partner; `caravan connection check NAME` names what is missing",
        Some(Code::Forbidden),
    ),
    of(
        "held-terms",
        "held: the partner's terms are not accepted",
        "let somebody with the right role accept them at the partner; people then go on by themselves",
        Some(Code::TermsUnsigned),
    ),
    of(
        "held-audience-missing",
        "held: the audience is not at the partner",
        "make it again, or bind the canvas's name to another audience",
        Some(Code::AudienceMissing),
    ),
    of(
        "held-audience-not-writable",
        "held: the audience takes no members from us",
        "use an audience of people's lists that this ad account owns",
        Some(Code::AudienceMissing),
    ),
    of(
        "held-audience-blocked",
        "held: the partner has blocked the audience",
        "open it at the partner and do what is asked there",
        Some(Code::AudienceMissing),
    ),
    of(
        "held-audience-too-small",
        "held: the audience would become too small",
        "add people first, or delete the audience at the partner",
        Some(Code::AudienceMissing),
    ),
    of(
        "held-audience-full",
        "held: the audience is at the partner's limit",
        "make room in it, or use another audience",
        Some(Code::AudienceMissing),
    ),
    of(
        "held-misconfigured",
        "held: a setting of the connection is wrong",
        "mend it in the connections file: the words say which; then run again",
        Some(Code::BadConnection),
    ),
    of(
        "held-outdated",
        "held: the partner no longer serves this version",
        "use a newer version of the connector",
        Some(Code::UnknownConnector),
    ),
    of(
        "not_entitled",
        "held: the policy gives this partner no slot",
        "give it one (`caravan entitlement add NAME`); people then go on by themselves",
        Some(Code::NotEntitled),
    ),
    of(
        "lab_denied",
        "held: the policy denies connections to the lab",
        "use a connection to the partner itself, or allow the lab in the policy (`caravan policy set FILE`)",
        Some(Code::LabDenied),
    ),
    of(
        "account_off",
        "held: the ad account is switched off",
        "switch it on (`caravan connection account NAME ACCOUNT on`); people then go on by themselves",
        Some(Code::AccountOff),
    ),
    of(
        "held-stopped",
        "held: the connector did what it may not",
        "read which rule or limit stopped it; grant more if that is right, then `caravan queue resume QUEUE`",
        Some(Code::LimitBreached),
    ),
    of(
        "held-poison",
        "held: the connector fails on too many rows",
        "it is likely the connector, not the people: use another version, then `caravan queue resume QUEUE`",
        Some(Code::LimitBreached),
    ),
    of(
        PARTNER,
        "the partner refused this person",
        "the partner's words say why; look its code up in its documentation, or ask its support with the trace id that \
         the batch shows",
        None,
    ),
    of(
        "bad-row",
        "the row cannot be read",
        "mend the lines that the run names in the file, then run it again",
        Some(Code::UserRow),
    ),
    of("consent", "no consent that the canvas demands", "nothing to mend, unless the file lacks consents", None),
    of("who", "not whom the canvas wants", "nothing to mend: `who` of the canvas says who may enter", None),
    of("other", "further reasons", "nothing to mend: too many different reasons to count each; traces show them", None),
];

/// What a code means; `None` for one that Caravan does not give.
///
/// ```
/// use caravan_model::reasons;
/// assert_eq!(reasons::of_code("no-identifier").unwrap().words, "no usable identifier");
/// assert_eq!(reasons::of_code("partner:2650").unwrap().code, reasons::PARTNER);
/// assert!(reasons::of_code("CV020").is_none());
/// ```
pub fn of_code(code: &str) -> Option<&'static Meaning> {
    let code = if code.starts_with("partner:") { PARTNER } else { code };
    ALL.iter().find(|meaning| meaning.code == code)
}

/// The words of a reason: its own, else those of its code, else the code itself.
pub fn words_of(reason: &Reason) -> Cow<'_, str> {
    if reason.words.is_empty() { words_of_code(&reason.code) } else { Cow::Borrowed(&reason.words) }
}

/// The words of a code, else the code itself.
pub fn words_of_code(code: &str) -> Cow<'_, str> {
    match (code.strip_prefix("partner:"), of_code(code)) {
        (Some(theirs), _) => Cow::Owned(format!("the partner's code {theirs}")),
        (None, Some(meaning)) => Cow::Borrowed(meaning.words),
        (None, None) => Cow::Borrowed(code),
    }
}

/// What to do about a reason, where its code is known.
pub fn cure_of(reason: &Reason) -> Option<&'static str> {
    of_code(&reason.code).map(|meaning| meaning.cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::reason;

    #[test]
    fn every_code_that_caravan_gives_has_words_and_a_cure() {
        for code in reason::ALL {
            let meaning = of_code(code).unwrap_or_else(|| panic!("`{code}` has no entry"));
            assert_eq!(meaning.code, *code);
        }
        for (at, meaning) in ALL.iter().enumerate() {
            assert!(!meaning.words.is_empty() && !meaning.cure.is_empty(), "{meaning:?}");
            assert!(meaning.words.chars().count() <= 60, "too long for a line: {meaning:?}");
            assert!(ALL[..at].iter().all(|earlier| earlier.code != meaning.code), "twice: {meaning:?}");
        }
    }

    #[test]
    fn words_are_joined_only_where_a_reason_has_none() {
        let own = Reason::new("consent-denied", "consent for advertising was denied");
        assert_eq!(words_of(&own), "consent for advertising was denied");
        assert_eq!(words_of(&Reason::new("consent-denied", "")), "consent denied");
        assert_eq!(words_of(&Reason::new("partner:2650", "")), "the partner's code 2650");
        assert_eq!((words_of(&Reason::new("made-up", "")), words_of(&Reason::none())), ("made-up".into(), "".into()));
        assert!(cure_of(&own).is_some() && cure_of(&Reason::none()).is_none());
    }
}
