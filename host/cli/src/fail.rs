//! How errors end: as words on stderr and an exit code.
use caravan_model::{Code, Problem};
use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Done; nothing needs a person.
    Done,
    /// Done as far as possible; something needs a person.
    NeedsYou,
    /// Not done: usage or input.
    NotDone,
    /// Interrupted; state is kept.
    Interrupted,
}

impl End {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            End::Done => 0,
            End::NeedsYou => 1,
            End::NotDone => 2,
            End::Interrupted => 130,
        }
    }
}

impl From<End> for ExitCode {
    fn from(end: End) -> ExitCode {
        ExitCode::from(end.code())
    }
}

/// Several problems at once, in the order in which people should read them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// An error, unless there is none.
    pub fn check(problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

/// A problem of the command line that the parser cannot see.
pub fn usage(message: impl Into<String>, cure: impl Into<String>) -> Problem {
    Problem::new(Code::Usage, message).cure(cure)
}

/// Prints an error and says how the process ends. A reader that left early is no error.
pub fn report(error: &anyhow::Error) -> End {
    if error.chain().any(is_broken_pipe) {
        return End::Done;
    }
    if let Some(problems) = error.downcast_ref::<Problems>() {
        eprintln!("{problems}");
        if let [_, _, ..] = problems.0.as_slice() {
            eprintln!("{} problems; nothing was done", problems.0.len());
        }
        return End::NotDone;
    }
    if let Some(problem) = problem_in(error) {
        eprintln!("{problem}");
        return End::NotDone;
    }
    eprintln!(
        "{}",
        Problem::new(Code::Internal, format!("{error:#}")).cure("run it again; if it stays, report it with this text")
    );
    End::NeedsYou
}

/// The problem behind an error, if it is one that a person can mend.
pub fn problem_in(error: &anyhow::Error) -> Option<&Problem> {
    error.chain().find_map(|cause| {
        let of_runner = cause.downcast_ref::<caravan_runner::Error>().and_then(|error| match error {
            caravan_runner::Error::Problem(problem) => Some(problem),
            caravan_runner::Error::Store(error) => of_store(error),
            _ => None,
        });
        let of_store = || cause.downcast_ref::<caravan_store::Error>().and_then(of_store);
        cause.downcast_ref::<Problem>().or(of_runner).or_else(of_store)
    })
}

fn of_store(error: &caravan_store::Error) -> Option<&Problem> {
    match error {
        caravan_store::Error::Problem(problem) => Some(problem),
        _ => None,
    }
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
