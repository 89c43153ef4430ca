//! What the runner asks of a host's connections.
use super::{BoxFuture, Connector};
use crate::manifest::QuotaCredential;
use crate::{Identities, Millis, Problem};
use std::{collections::BTreeSet, sync::Arc};

/// All connections that a host can use now.
pub trait Connectors: Send + Sync {
    /// The connector of a connection.
    ///
    /// # Errors
    /// In plain words why it cannot be used.
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem>;
    /// The connection's default country for phone numbers.
    fn default_country(&self, connection: &str) -> Option<String>;
    /// Whether a connection leads to the lab, the partner's emulator on this machine.
    fn is_lab(&self, connection: &str) -> bool {
        let _ = connection;
        false
    }
    /// Which fields of people the connection sends as which identifiers; without, the partner's defaults.
    fn identities(&self, _connection: &str) -> Option<Arc<Identities>> {
        None
    }
    /// When the connection's token ends without another one coming by itself; `None` where that is not known.
    fn token_ends<'a>(&'a self, _connection: &'a str) -> BoxFuture<'a, Option<Millis>> {
        Box::pin(async { None })
    }
    /// By which kind of credential the connection calls now: a partner's quotas may differ by it. `None` where nobody said.
    fn called_by<'a>(&'a self, _connection: &'a str) -> BoxFuture<'a, Option<QuotaCredential>> {
        Box::pin(async { None })
    }
    /// The partner's ids of the connection's accounts that are switched off.
    fn switched_off(&self, _connection: &str) -> Option<Arc<BTreeSet<String>>> {
        None
    }
}
