//! How a runner behaves, and what one run is asked to do.
use crate::alerts::AlertOptions;
use crate::webhooks::WebhookOptions;
use caravan_journey::{TimeZone, retry::Policy};
use std::time::Duration;

/// How a runner behaves.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// This host's name, written into the lease.
    pub host: String,
    /// How long a part may fill before it is sent all the same.
    pub batch_window: Duration,
    /// Whether a part is sent at once where nothing upstream can add to it.
    pub idle_flush: bool,
    /// How long one call may take; also the recorded deadline of an attempt.
    pub call_deadline: Duration,
    /// People per transaction of intake, positions per transaction of advancing.
    pub chunk: usize,
    /// The workspace's time zone, for people whose own is unknown.
    pub workspace_zone: TimeZone,
    /// The bounds of retrying.
    pub retry: Policy,
    /// The first wait before a held lane is looked at again; it doubles with each look.
    pub probe_first: Duration,
    /// The longest wait between two looks at a held lane.
    pub probe_longest: Duration,
    /// For how long publishing waits for a partner that is busy.
    pub publish_patience: Duration,
    /// How long an interrupted run lets calls in flight end before it leaves them to the next run.
    pub interrupt_grace: Duration,
    /// How often a lease is renewed.
    pub lease_renewal: Duration,
    /// How long a run sleeps at most; hints of the store wake it earlier.
    pub longest_nap: Duration,
    /// Makes a run repeatable: random waits come from this seed, and pure work is done in line instead of on threads of
    /// its own. For simulations.
    pub seed: Option<u64>,
    /// How people are told of alerts.
    pub alerts: AlertOptions,
    /// How endpoints of webhook steps are called.
    pub webhooks: WebhookOptions,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        RunnerOptions {
            host: "localhost".to_owned(),
            batch_window: Duration::from_secs(1),
            idle_flush: true,
            call_deadline: Duration::from_secs(60),
            chunk: 4_000,
            workspace_zone: TimeZone::UTC,
            retry: Policy::default(),
            probe_first: Duration::from_secs(5),
            probe_longest: Duration::from_secs(15 * 60),
            publish_patience: Duration::from_secs(60),
            interrupt_grace: Duration::from_secs(10),
            lease_renewal: Duration::from_secs(3),
            longest_nap: Duration::from_secs(1),
            seed: None,
            alerts: AlertOptions::default(),
            webhooks: WebhookOptions::default(),
        }
    }
}

/// What a delivery of the queues is asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliverOptions {
    /// How long it stays while everything waits; beyond, it ends and says what waits.
    pub wait: Duration,
}

/// What one run is asked to do.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// How long the run stays while everything waits; beyond, it ends and says what waits.
    pub wait: Duration,
    /// Delays of this version are over at once.
    pub skip_delays: bool,
    /// The intake source, usually the digest of the users file. A run with the same source resumes it.
    pub source: String,
    /// Lets the people of the source in anew, as a new generation of it.
    pub again: bool,
}
