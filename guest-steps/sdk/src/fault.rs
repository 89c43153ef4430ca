//! Building the contract's `fault`s: why a call could not be done, in words that a person can act on.
use crate::{AudienceFault, AudienceState, Cause, Fault, Wait};

/// The partner's code and plain words.
pub fn cause(code: impl Into<String>, message: impl Into<String>) -> Cause {
    Cause { code: code.into(), message: message.into(), link: None }
}

/// The same with a link to where a person can mend it.
pub fn linked(code: impl Into<String>, message: impl Into<String>, link: impl Into<String>) -> Cause {
    Cause { code: code.into(), message: message.into(), link: Some(link.into()) }
}

/// `throttled`: over a quota; `after_ms` only where the partner says how long.
pub fn throttled(after_ms: Option<u64>, cause: Cause) -> Fault {
    Fault::Throttled(Wait { after_ms, cause })
}

/// `unavailable`: the partner is down, slow or answered garbage.
pub fn unavailable(after_ms: Option<u64>, cause: Cause) -> Fault {
    Fault::Unavailable(Wait { after_ms, cause })
}

/// `preparing`: the audience is not ready yet; no trouble.
pub fn preparing(after_ms: Option<u64>, cause: Cause) -> Fault {
    Fault::Preparing(Wait { after_ms, cause })
}

/// `audience`: it cannot take this call.
pub fn audience(state: AudienceState, cause: Cause) -> Fault {
    Fault::Audience(AudienceFault { state, cause })
}

/// `misconfigured`: a setting of the connection is wrong.
pub fn misconfigured(code: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault::Misconfigured(cause(code, message))
}

/// `bug`: the connector's own mistake.
pub fn bug(code: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault::Bug(cause(code, message))
}

/// The cause that a fault carries; none for `rows` and `too-large`.
pub fn cause_of(fault: &Fault) -> Option<&Cause> {
    match fault {
        Fault::Throttled(wait) | Fault::Unavailable(wait) | Fault::Preparing(wait) => Some(&wait.cause),
        Fault::Unauthorized(cause)
        | Fault::Forbidden(cause)
        | Fault::Terms(cause)
        | Fault::Misconfigured(cause)
        | Fault::Outdated(cause)
        | Fault::Bug(cause) => Some(cause),
        Fault::Audience(fault) => Some(&fault.cause),
        Fault::Rows(_) | Fault::TooLarge => None,
    }
}

/// Whether a fault is about the moment, so that nothing can be said of the credentials or the audience.
pub fn is_temporary(fault: &Fault) -> bool {
    matches!(fault, Fault::Throttled(_) | Fault::Unavailable(_))
}
