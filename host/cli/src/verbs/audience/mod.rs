//! `caravan audience list | show | refill | takeback | rebind | recreate`.
mod change;
pub mod list;
pub mod show;

use crate::args::{AudienceVerb, Global};
use crate::fail::End;

/// Does a verb of audiences.
pub async fn audience(global: &Global, verb: AudienceVerb) -> anyhow::Result<End> {
    match verb {
        AudienceVerb::List => list::list(global, &super::look(global)?).await,
        AudienceVerb::Show { audience } => show::show(global, &super::look(global)?, &audience).await,
        AudienceVerb::Refill { audience, delivery } => change::refill(global, &audience, &delivery).await,
        AudienceVerb::Takeback { canvas, step, delivery } => change::take_back(global, &canvas, &step, &delivery).await,
        AudienceVerb::Rebind { audience, id, refill, delivery } => {
            change::rebind(global, &audience, &id, refill, &delivery).await
        }
        AudienceVerb::Recreate { audience, delivery } => change::recreate(global, &audience, &delivery).await,
    }
}
