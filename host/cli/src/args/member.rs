//! `caravan member VERB` and `caravan key VERB`.
use caravan_model::Rights;
use clap::Subcommand;

/// `caravan member VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum MemberVerb {
    /// Adds a member, or changes one.
    Add {
        /// The e-mail address.
        email: String,
        /// Roles (viewer, designer, operator, admin) and single rights, separated by commas.
        #[arg(long, value_name = "RIGHTS")]
        rights: Rights,
        /// For people.
        #[arg(long)]
        name: Option<String>,
        /// Reads a password from the standard input: one line, at least twelve characters.
        #[arg(long)]
        password_stdin: bool,
        /// Mails them a link that signs them in once.
        #[arg(long)]
        mail: bool,
    },
    /// All members.
    List,
    /// Makes a link's secret that signs a member in once, within a day, and prints it: `POST /api/sessions {"link": …}`.
    Link {
        /// The e-mail address.
        email: String,
        /// Mails it to them instead of printing it.
        #[arg(long)]
        mail: bool,
    },
    /// Takes a member's rights, and ends their sessions.
    Remove {
        /// The e-mail address.
        email: String,
    },
    /// All rights, with what they allow, and the roles that have them.
    Rights,
}

/// `caravan key VERB`.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyVerb {
    /// Makes a key and prints its secret, once. `--rights send-events` makes a write key of the tracking API.
    Add {
        /// What people call it; each name once.
        name: String,
        /// Roles (viewer, designer, operator, admin) and single rights, separated by commas.
        #[arg(long, value_name = "RIGHTS")]
        rights: Rights,
    },
    /// All keys, without their secrets.
    List,
    /// Forgets a key: whoever uses it is refused from then on.
    Remove {
        /// Its name or id.
        key: String,
    },
}
