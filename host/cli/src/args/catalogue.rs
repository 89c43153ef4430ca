//! `caravan catalogue VERB`.
use clap::Subcommand;

/// `caravan catalogue VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum CatalogueVerb {
    /// Lists observed events, properties and attributes with types and how often they are filled; no value of anybody.
    Show {
        /// Events and their properties alone.
        #[arg(long, conflicts_with = "attributes")]
        events: bool,
        /// Fields and attributes of people alone.
        #[arg(long)]
        attributes: bool,
        /// How many people, and how many events, are looked at; more are sampled evenly over the times of their coming.
        #[arg(long, default_value_t = 100_000, value_name = "N")]
        sample: usize,
    },
}
