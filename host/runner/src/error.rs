//! What can go wrong in a run.
use caravan_model::{Cause, Code, Fault, Problem};

/// Why a run, a publish or a dry run could not go on. Nothing that was committed is lost.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or another host has taken it over.
    #[error(transparent)]
    Store(#[from] caravan_store::Error),
    /// Something that a person can mend.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// A canvas that was not validated: it has a loop without a delay.
    #[error(transparent)]
    Endless(#[from] caravan_journey::walk::Endless),
    /// A task of the runner broke: a mistake of Caravan's own.
    #[error("a task of the runner broke: {0}")]
    Broken(String),
}

/// The result of the runner's calls.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The code that `caravan explain` knows.
    pub fn code(&self) -> Code {
        match self {
            Error::Problem(problem) | Error::Store(caravan_store::Error::Problem(problem)) => problem.code,
            Error::Endless(_) => Code::LoopWithoutDelay,
            Error::Store(_) | Error::Broken(_) => Code::Internal,
        }
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Error::Broken(error.to_string())
    }
}

/// A document as the store keeps it.
pub(crate) fn written(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Broken(error.to_string()))
}

/// A fault of a call that nothing can be queued for (listing, creating, checking) as a problem for a person.
pub(crate) fn problem_of(fault: &Fault, connection: &str, doing: &str) -> Problem {
    let (code, cure) = match fault {
        Fault::Throttled { .. } | Fault::Unavailable { .. } | Fault::Preparing { .. } => {
            (Code::Unreached, "try again later")
        }
        Fault::Unauthorized { .. } => (Code::Unauthorized, "renew the connection's secret"),
        Fault::Forbidden { .. } => (Code::Forbidden, "give the credentials the right at the partner"),
        Fault::Terms { .. } => (Code::TermsUnsigned, "accept the terms at the partner"),
        Fault::Audience { .. } => (Code::AudienceMissing, "look at the audience and the account at the partner"),
        Fault::Misconfigured { .. } => (Code::BadConnection, "correct the connection's settings"),
        Fault::Outdated { .. } => (Code::UnknownConnector, "install a newer version of the connector"),
        Fault::Stopped { .. } | Fault::Bug { .. } => (Code::LimitBreached, "ask the connector's publisher"),
        Fault::Rows { .. } | Fault::TooLarge => (Code::Internal, "ask the connector's publisher"),
    };
    let words = fault.cause().map_or_else(|| fault.class().to_owned(), Cause::to_string);
    let problem =
        Problem::new(code, format!("connection `{connection}` could not {doing}: {}: {words}", fault.class()));
    match fault.cause().and_then(|cause| cause.link.as_deref()) {
        Some(link) => problem.cure(format!("{cure}: {link}")),
        None => problem.cure(cure),
    }
}
