//! What people do to queues, audiences, people and canvases beside a run: hold and let go, send again, take back, refill,
//! bind anew, erase, pause and stop.
//!
//! Each call writes through the store's contract in chunks, and is harmless when repeated: whoever is interrupted says it
//! again. What a call queues is sent by the next delivery.
mod access;
mod acting;
mod audience_book;
mod canvases;
mod caps;
mod chain;
mod dossier;
mod drafts;
mod groups;
mod history;
mod holds;
mod labs;
mod links;
pub mod names;
mod people;
mod rebind;
mod recreate;
mod refill;
mod resend;
mod state;
mod takeback;
mod uses;
mod waits;

pub use access::{Signed, keys, member, members, secret_id, signed_by};
pub use acting::Acting;
pub use audience_book::{current_name, is_former, versions_of};
pub use canvases::Stopped;
pub use caps::caps_of;
pub use chain::{BrokenNote, ChainState, verify_notes};
pub use dossier::{
    Dossier, DossierClaim, DossierEvent, DossierMembership, DossierReceipt, DossierVisit, receipts, sent_keys,
};
pub use drafts::{Draft, draft, drafts};
pub use groups::{count_whoever, is_filled, lists_of};
pub use history::{CanvasDiff, CanvasLine, Side, VersionLine, canvases, diff, history, version_text};
pub use holds::Resumed;
pub use labs::{Labs, badged};
pub use links::{link_mail, no_mail};
pub use people::{Erased, Imported};
pub use rebind::Rebound;
pub use recreate::Recreated;
pub use resend::{Resends, SentAgain};
pub(crate) use state::still_versions;
pub use state::{CanvasState, CanvasStates, states};
pub use uses::{ConnectionUse, uses_of_connection};
pub use waits::{CanvasWaits, StepWaits, what_waits};

/// Visits or members that one transaction of these calls looks at, in chunks of the runner: each page reads what waits
/// in the lane anew, so pages are larger than those of intake.
const PAGES: usize = 8;
