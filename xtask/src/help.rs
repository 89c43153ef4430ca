//! What the tasks are, and what each of them takes.

/// A task: its name, how it is called, what it does, and what its words mean.
struct Task {
    name: &'static str,
    call: &'static str,
    does: &'static str,
    words: &'static str,
}

const TASKS: [Task; 6] = [
    Task {
        name: "demo",
        call: "cargo xtask demo [--trouble] [--people N] [--again]",
        does: "100,000 people through two sandboxed components to the lab",
        words: "\
--trouble    Meta's token dies and is mended, TikTok throttles, and the process is killed and started again
--people N   so many people instead of 100,000
--again      the same people enter once more",
    },
    Task {
        name: "test",
        call: "cargo xtask test [--full]",
        does: "the whole suite, as CI runs it",
        words: "--full       many more random cases: takes much longer",
    },
    Task {
        name: "bench",
        call: "cargo xtask bench [CASE…] [--quick]",
        does: "measures; all cases where none is named",
        words: "\
CASE         identity, load, call, neighbour, path, quota, stream, waiting
--quick      fewer rounds and people: orients, does not prove",
    },
    Task {
        name: "fuzz",
        call: "cargo xtask fuzz [TARGET…] [--seconds N]",
        does: "the properties of strangers' inputs, led by coverage",
        words: "\
TARGET       a file of fuzz/fuzz_targets; all where none is named
--seconds N  for each target so long instead of 300 s",
    },
    Task {
        name: "build-guests",
        call: "cargo xtask build-guests",
        does: "the connectors, for wasm32-wasip2",
        words: "",
    },
    Task { name: "tidy", call: "cargo xtask tidy", does: "formatting, file sizes, paths named in the docs", words: "" },
];

/// All tasks, a line each.
pub fn of_all() -> String {
    let wide = TASKS.iter().map(|task| task.call.chars().count()).max().unwrap_or_default();
    let line = |task: &Task| format!("{:wide$}   {}", task.call, task.does);
    let lines: Vec<String> = TASKS.iter().map(line).collect();
    format!("{}\n`cargo xtask TASK --help` says what a task takes.", lines.join("\n"))
}

/// One task; `None` where there is none of that name.
pub fn of(name: &str) -> Option<String> {
    let task = TASKS.iter().find(|task| task.name == name)?;
    let words: String = task.words.lines().map(|line| format!("\n  {line}")).collect();
    let gap = if words.is_empty() { "" } else { "\n" };
    Some(format!("{}\n  {}{gap}{words}", task.call, task.does))
}

/// Whether somebody asks for help with a task instead of for the task.
pub fn is_asked(arguments: &[String]) -> bool {
    arguments.iter().any(|word| word == "--help" || word == "-h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_says_what_it_takes_and_what_all_are_in_one_list() {
        for task in &TASKS {
            let text = of(task.name).expect("a task");
            assert!(text.starts_with(task.call) && of_all().contains(task.call), "{text}");
            // Every word of the call is explained.
            for word in task.call.split(['[', ']', ' ']).filter(|word| word.starts_with("--")) {
                assert!(task.words.contains(word), "{}: {word}", task.name);
            }
        }
        assert_eq!(of("nothing"), None);
    }
}
