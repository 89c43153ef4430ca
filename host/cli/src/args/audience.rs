//! `caravan audience VERB`.
use super::DeliveryArgs;
use clap::Subcommand;

/// `caravan audience VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum AudienceVerb {
    /// All audiences by name: where they are, who stands in them.
    List,
    /// One audience: where it is, who stands in it, which steps claim them, removals owed.
    Show {
        /// Its name, CANVAS/NAME as `audience list` shows it.
        audience: String,
    },
    /// Sends all of an audience again: everyone whom we hold to be in it, under today's consent.
    Refill {
        /// Its name.
        audience: String,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
    /// Takes back what a step did: whom nothing else claims is removed.
    Takeback {
        /// The canvas's id: over all its versions.
        canvas: String,
        /// The step that added them.
        step: String,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
    /// Binds a name to another audience at the partner; what is not sent yet goes there.
    Rebind {
        /// The name.
        audience: String,
        /// The partner's id of the other audience, in the same account.
        id: String,
        /// Adds everyone to it who is in the old one.
        #[arg(long)]
        refill: bool,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
    /// Makes an audience again that was deleted at the partner, and sends everyone there who was in it.
    Recreate {
        /// Its name.
        audience: String,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
}
