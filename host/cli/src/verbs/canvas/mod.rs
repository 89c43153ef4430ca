//! `caravan canvas …`: canvases, from a file to who is where.
pub mod cap;
mod files;
pub mod forecast;
mod new;
pub mod numbers;
pub mod preview;
pub mod publish;
pub mod replay;
pub mod state;
pub mod versions;

use crate::args::{CanvasVerb, Global};
use crate::fail::End;
use crate::registry::Shelf;
use crate::{out, policies};
use caravan_journey::document;

/// Does a verb of canvases.
pub async fn canvas(global: &Global, verb: CanvasVerb) -> anyhow::Result<End> {
    match verb {
        CanvasVerb::Validate { canvas, connections, policy } => {
            let policy = policies::holding(global, policy.as_deref(), &canvas).await?;
            let shelf = Shelf::of_canvas(global, &canvas).await?;
            files::validate(global, &canvas, connections.as_deref(), (&policy, &shelf)).await
        }
        CanvasVerb::Fmt { canvas, check, write } => files::fmt(global, &canvas, check, write),
        CanvasVerb::Schema { connections, policy } => {
            out::print_json(&match (connections, policy) {
                (true, _) => document::connections_schema(),
                (_, true) => document::policy_schema(),
                _ => document::canvas_schema(),
            })?;
            Ok(End::Done)
        }
        CanvasVerb::New(args) => new::new(global, &args),
        CanvasVerb::Publish(args) => publish::publish(global, &args).await,
        CanvasVerb::Preview(args) => preview::preview(global, &args).await,
        CanvasVerb::Replay(args) => replay::replay(global, &args).await,
        CanvasVerb::Forecast(args) => forecast::forecast(global, &args).await,
        CanvasVerb::Pause { canvas } => state::pause(global, &canvas).await,
        CanvasVerb::Stop { canvas, now } => state::stop(global, &canvas, now).await,
        CanvasVerb::LetOut { canvas, profile } => state::let_out(global, &canvas, &profile).await,
        CanvasVerb::Cap(args) => cap::cap(global, args).await,
        CanvasVerb::Resume { canvas } => state::resume(global, &canvas).await,
        CanvasVerb::Save { canvas } => versions::save(global, &canvas).await,
        CanvasVerb::List { archived } => versions::list(global, archived).await,
        CanvasVerb::Show { canvas, version, draft } => versions::show(global, &canvas, version, draft).await,
        CanvasVerb::Numbers { canvas, version } => numbers::numbers(global, &canvas, version).await,
        CanvasVerb::History { canvas } => versions::versions(global, &canvas).await,
        CanvasVerb::Restore { canvas, version } => versions::restore(global, &canvas, version).await,
        CanvasVerb::Diff(args) => versions::compare(global, &args).await,
        CanvasVerb::Archive { canvas } => versions::archive(global, &canvas).await,
    }
}
