//! What a runner needs to tell people of alerts.
use super::{AlertPolicy, Signals};
use caravan_model::alert::Messenger;
use std::{fmt, sync::Arc};

/// How a runner tells people of alerts. Whom it tells stands in the store, as subscriptions.
#[derive(Clone, Default)]
pub struct AlertOptions {
    /// How notices leave. Without one they wait in the store.
    pub messenger: Option<Arc<dyn Messenger>>,
    /// Thresholds and bounds; also the public URL that links begin with.
    pub policy: AlertPolicy,
    /// What delivery and checks call out.
    pub signals: Arc<Signals>,
}

impl fmt::Debug for AlertOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertOptions")
            .field("messenger", &self.messenger.is_some())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
