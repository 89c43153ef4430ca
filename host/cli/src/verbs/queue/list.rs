//! `caravan queue list`.
use super::state;
use crate::args::Global;
use crate::fail::End;
use crate::out;
use caravan_api::nouns::queues::{QueueView, queues_of};
use caravan_runner::control::badged;
use caravan_store::{Hold, Store};

/// All queues, and what people hold beyond them. Exit 1 where one is held.
pub async fn list(global: &Global, store: &impl Store) -> anyhow::Result<End> {
    tell(global, &queues_of(store).await?, &store.holds().await?)
}

/// Prints queues and holds. Exit 1 where one is held.
///
/// # Errors
/// The output is closed.
pub fn tell(global: &Global, queues: &[QueueView], holds: &[Hold]) -> anyhow::Result<End> {
    let held = queues.iter().any(state::is_held) || !holds.is_empty();
    if global.json {
        out::print_json(&queues)?;
    } else if queues.is_empty() {
        out::print("no queues yet: nobody has been sent to an audience")?;
    } else {
        let rows: Vec<Vec<String>> = queues
            .iter()
            .map(|queue| {
                let (word, why) = state::of(queue);
                vec![
                    queue.queue.clone(),
                    badged(&queue.connection, queue.lab),
                    queue.audience.clone(),
                    out::count(queue.waiting),
                    out::count(queue.owed),
                    word.to_owned(),
                    why,
                ]
            })
            .collect();
        out::print(&out::table(&["QUEUE", "CONNECTION", "AUDIENCE", "WAITING", "OWED", "STATE", "WHY"], &rows))?;
        let other = holds.iter().filter(|hold| queues.iter().all(|queue| !queue.held_by.contains(hold)));
        for hold in other {
            let scope = state::scope_in_words(&hold.scope);
            out::print(&format!("also held: {scope}, {}", state::held_in_words(hold)))?;
        }
        if held && !global.quiet {
            eprintln!("`{} queue show QUEUE` says what to do about one that is held.", out::called());
        }
    }
    Ok(if held { End::NeedsYou } else { End::Done })
}
