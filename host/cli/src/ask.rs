//! Asking before something that deletes, sends or widens (design, section 10).
use crate::args::Global;
use crate::fail::usage;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Asks on a terminal whether to go on; elsewhere `--yes` must have been said.
///
/// # Errors
/// The person does not want it, or nobody can be asked.
pub fn confirm(global: &Global, what: &str) -> anyhow::Result<()> {
    if global.yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(usage(format!("{what}: nobody can be asked here"), "say --yes to do it").into());
    }
    let mut err = io::stderr().lock();
    write!(err, "{what}. Go on? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if agrees(&answer) { Ok(()) } else { Err(usage("nothing was done", "answer y, or say --yes, to do it").into()) }
}

/// Asks on a terminal for one of two ways, by the first letters of their words; gives whether it is the first.
///
/// # Errors
/// Nobody can be asked, or the answer is neither.
pub fn choose(what: &str, (one, other): (&str, &str), cure: &str) -> anyhow::Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(usage(format!("{what}: nobody can be asked here"), cure).into());
    }
    let mut err = io::stderr().lock();
    write!(err, "{what}. Shall they {one}, or {other}? ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let means = |word: &str| !answer.trim().is_empty() && word.starts_with(&answer.trim().to_lowercase());
    match (means(one), means(other)) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(usage("nothing was done", format!("answer {one} or {other}")).into()),
    }
}

fn agrees(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::agrees;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", " YES \n"].into_iter().all(agrees));
        assert!(!["", "\n", "n\n", "yep\n", "no"].into_iter().any(agrees));
    }
}
