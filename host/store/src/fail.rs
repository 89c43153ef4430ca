//! What goes wrong inside the room, before it is told in the contract's words.
use crate::contract::Error;
use crate::pack::Garbled;
use caravan_model::{Code, Problem};
use rusqlite::ErrorCode;

/// The result of inner work.
pub(crate) type Done<T> = std::result::Result<T, Fail>;

/// A failure of inner work.
#[derive(Debug)]
pub(crate) enum Fail {
    /// In the contract's words already.
    Told(Error),
    /// SQLite's.
    Sql(rusqlite::Error),
}

impl Fail {
    /// A contradiction.
    pub(crate) fn impossible(what: impl Into<String>) -> Fail {
        Fail::Told(Error::Impossible(what.into()))
    }

    /// Says what was being done.
    pub(crate) fn doing(self, doing: &'static str) -> Error {
        match self {
            Fail::Told(error) => error,
            Fail::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Error::Problem(damaged(format!("the store is damaged: {error}")))
                }
                _ => Error::Engine { doing, source: Box::new(error) },
            },
        }
    }
}

/// A store that cannot be read.
pub(crate) fn damaged(what: impl Into<String>) -> Problem {
    Problem::new(Code::StoreDamaged, what).cure("restore the file from a backup, or name another file for a new store")
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Fail {
        Fail::Sql(error)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Fail {
        Fail::Told(error)
    }
}

impl From<Garbled> for Fail {
    fn from(garbled: Garbled) -> Fail {
        Fail::Told(Error::Problem(garbled.into()))
    }
}

impl From<serde_json::Error> for Fail {
    fn from(error: serde_json::Error) -> Fail {
        Fail::Told(Error::Problem(damaged(format!("a document in the store cannot be read: {error}"))))
    }
}
