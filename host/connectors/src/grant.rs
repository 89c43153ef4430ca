//! Grants: a manifest asks, a grant allows. What either lacks is denied at the egress.
use caravan_model::Manifest;
use serde::{Deserialize, Serialize};

/// What a platform team allows a connector version to do; a file that Git can review.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Hosts that it may reach.
    pub hosts: Vec<String>,
    /// Names of routes that it may use.
    pub routes: Vec<String>,
    /// The bounds of each call.
    #[serde(default)]
    pub limits: Limits,
}

impl Grant {
    /// A grant of all that the manifest asks for, within the default limits.
    pub fn as_asked(manifest: &Manifest) -> Grant {
        Grant {
            hosts: manifest.hosts.clone(),
            routes: manifest.routes.iter().map(|route| route.name.clone()).collect(),
            limits: Limits::default(),
        }
    }

    /// Whether a route of the manifest is allowed.
    pub fn allows(&self, host: &str, route: &str) -> bool {
        self.hosts.iter().any(|granted| granted == host) && self.routes.iter().any(|granted| granted == route)
    }
}

/// The bounds of one call. Breaching one stops the call; the queue then says which, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of the guest's memories together.
    pub memory_bytes: u64,
    /// Most computing time, in ticks of 10 ms; waiting costs nothing.
    pub cpu_ticks: u32,
    /// Most requests.
    pub requests: u32,
    /// Most bytes of a request's body.
    pub request_bytes: u64,
    /// Most bytes of an answer's body.
    pub response_bytes: u64,
    /// Most headers of a request or an answer.
    pub headers: u32,
    /// Most bytes of all headers of a request or an answer.
    pub header_bytes: u32,
    /// Most lines of the log.
    pub log_lines: u32,
    /// Most bytes of the log.
    pub log_bytes: u32,
    /// Most elements of a table.
    pub table_elements: u32,
    /// Most core instances of the component.
    pub instances: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 256 << 20,
            cpu_ticks: 500,
            requests: 32,
            request_bytes: 64 << 20,
            response_bytes: 16 << 20,
            headers: 64,
            header_bytes: 32 << 10,
            log_lines: 200,
            log_bytes: 64 << 10,
            table_elements: 100_000,
            instances: 200,
        }
    }
}
