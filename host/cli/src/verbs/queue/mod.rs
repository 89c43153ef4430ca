//! `caravan queue list | show | hold | resume | resend | deliver`.
mod hold;
pub mod list;
pub mod resend;
pub mod show;
pub mod state;

use crate::args::{Global, QueueVerb};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::out;

/// Does a verb of queues.
pub async fn queue(global: &Global, verb: QueueVerb) -> anyhow::Result<End> {
    match verb {
        QueueVerb::List => list::list(global, &super::look(global)?).await,
        QueueVerb::Show { queue } => show::show(global, &super::look(global)?, &queue).await,
        QueueVerb::Hold { scope, because } => hold::hold(global, &scope, &because).await,
        QueueVerb::Resume { scope } => hold::resume(global, &scope).await,
        QueueVerb::Resend(args) => resend::resend(global, &args).await,
        QueueVerb::Deliver { delivery } => {
            Hands::with(global, Some(&delivery), async |hands| {
                let sent = hands.deliver(global).await?;
                if global.json {
                    out::print_json(&sent.as_json())?;
                } else {
                    out::print(&sent.in_words())?;
                }
                Ok(sent.end())
            })
            .await
        }
    }
}
