//! `caravan canvas validate | fmt | schema | pause | stop | resume`.
mod files;
mod state;

use crate::args::{CanvasVerb, Global};
use crate::fail::End;
use crate::out;
use caravan_journey::document;

/// Does a verb of canvases.
pub async fn canvas(global: &Global, verb: CanvasVerb) -> anyhow::Result<End> {
    match verb {
        CanvasVerb::Validate { canvas, connections } => files::validate(global, &canvas, connections.as_deref()),
        CanvasVerb::Fmt { canvas, check, write } => files::fmt(global, &canvas, check, write),
        CanvasVerb::Schema { connections } => {
            out::print_json(&if connections { document::connections_schema() } else { document::canvas_schema() })?;
            Ok(End::Done)
        }
        CanvasVerb::Pause { canvas } => state::pause(global, &canvas).await,
        CanvasVerb::Stop { canvas, now } => state::stop(global, &canvas, now).await,
        CanvasVerb::Resume { canvas } => state::resume(global, &canvas).await,
    }
}
