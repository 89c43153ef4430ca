//! How a runner calls endpoints.
use caravan_model::webhook::{NoWebhooks, WebhookSender};
use std::{fmt, sync::Arc};

/// How a runner calls the endpoints of webhook steps.
#[derive(Clone)]
pub struct WebhookOptions {
    /// Who makes requests.
    pub sender: Arc<dyn WebhookSender>,
    /// How many requests may be under way at one endpoint.
    pub at_once: usize,
    /// How many in all.
    pub in_all: usize,
    /// After so many failures in a row an endpoint rests.
    pub patience: u32,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        WebhookOptions { sender: Arc::new(NoWebhooks), at_once: 64, in_all: 256, patience: 8 }
    }
}

impl fmt::Debug for WebhookOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookOptions")
            .field("at_once", &self.at_once)
            .field("in_all", &self.in_all)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
