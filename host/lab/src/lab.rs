//! The lab as other crates hold it: served on loopback, or asked in the process.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::call::{Partner, bare_account};
use crate::control;
use crate::serve::serve;
use crate::world::{Addresses, Door, World};

/// How to start a [`Lab`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabOptions {
    /// Port of the control address; the partners follow in alphabetical order of their names. None takes free ports.
    pub base_port: Option<u16>,
    /// Any well-formed account and audience exists, and nothing is rate limited.
    pub permissive: bool,
    /// Seed of what the partners would draw at random (trace ids, session ids).
    pub seed: u64,
    /// Where the certificate of the lab's own authority is written (PEM): the partners' addresses then speak HTTPS, too,
    /// with certificates for `localhost` and 127.0.0.1 that this authority signed. None: HTTP alone.
    pub tls: Option<PathBuf>,
}

impl Default for LabOptions {
    fn default() -> LabOptions {
        LabOptions { base_port: None, permissive: false, seed: 1, tls: None }
    }
}

/// Why a lab does not start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The port is taken or may not be used.
    #[error("cannot listen on 127.0.0.1:{port} for {what}: {source}")]
    Bind {
        /// Whose address it would have been: `lab` or a partner's name.
        what: &'static str,
        /// The port, 0 for any free one.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// There are not enough ports above the base port.
    #[error("base port {0} leaves no room for the partners' ports above it")]
    BasePort(u16),
    /// No certificate can be made.
    #[error("the lab cannot make its certificates: {0}")]
    Certificate(String),
    /// The authority's certificate cannot be written.
    #[error("cannot write the certificate to trust to {path}: {source}")]
    Authority {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A running lab. It stops when it is shut down or dropped.
#[derive(Debug)]
pub struct Lab {
    world: Arc<World>,
    url: String,
    partners: BTreeMap<String, String>,
    line: String,
    authority: Option<PathBuf>,
    stop: watch::Sender<()>,
    servers: Vec<JoinHandle<()>>,
}

impl Lab {
    /// Starts a lab on 127.0.0.1; it listens when this returns.
    ///
    /// # Errors
    /// [`LabError`] if a port cannot be had.
    pub async fn start(options: LabOptions) -> Result<Lab, LabError> {
        let world = Arc::new(World::new(options.permissive, options.seed));
        let doors = std::iter::once(Door::Lab).chain(Partner::ALL.map(Door::Partner));
        let mut listeners = Vec::new();
        for (door, place) in doors.zip(0u16..) {
            let port = match options.base_port {
                None | Some(0) => 0,
                Some(base) => base.checked_add(place).ok_or(LabError::BasePort(base))?,
            };
            let what = match door {
                Door::Lab => "lab",
                Door::Partner(partner) => partner.name(),
            };
            let failed = |source| LabError::Bind { what, port, source };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
            let url = format!("http://{}", listener.local_addr().map_err(failed)?);
            listeners.push((door, url, listener));
        }
        let tls = options.tls.map(crate::tls::prepare).transpose()?;
        let authority = tls.as_ref().map(|tls| tls.ca.clone());
        let ca = authority.as_ref().map(|ca| ca.display().to_string());
        let mut addresses = Addresses { lab: String::new(), partners: Vec::new(), ca };
        for (door, url, _) in &listeners {
            match door {
                Door::Lab => addresses.lab.clone_from(url),
                Door::Partner(partner) => addresses.partners.push((*partner, url.clone())),
            }
        }
        let line = control::address_line(&addresses);
        let url = addresses.lab.clone();
        let partners =
            addresses.partners.iter().map(|(partner, url)| (partner.name().to_string(), url.clone())).collect();
        world.addresses.get_or_init(|| addresses);
        let (stop, watch) = watch::channel(());
        let servers = listeners
            .into_iter()
            .map(|(door, _, listener)| {
                let tls = tls.as_ref().map(|tls| tls.acceptor.clone());
                tokio::spawn(serve(listener, door, world.clone(), tls, watch.clone()))
            })
            .collect();
        Ok(Lab { world, url, partners, line, authority, stop, servers })
    }

    /// The control address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The partners' addresses by name.
    pub fn partners(&self) -> &BTreeMap<String, String> {
        &self.partners
    }

    /// The addresses as one line of JSON, without a line end; the control address answers the same to `GET /`.
    pub fn address_line(&self) -> &str {
        &self.line
    }

    /// The file with the certificate to trust, where the lab speaks HTTPS.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// The same lab without its sockets: what is changed through one is seen through the other.
    pub fn in_process(&self) -> InProcess {
        InProcess { world: self.world.clone() }
    }

    /// Stops listening, lets answers that are under way finish, and returns when all is closed.
    pub async fn shutdown(self) {
        drop(self.stop);
        for server in self.servers {
            // A server task ends by itself; one that panicked is gone as well.
            let _ = server.await;
        }
    }
}

/// A lab without sockets: the very same emulators, asked in the process.
#[derive(Debug, Clone)]
pub struct InProcess {
    world: Arc<World>,
}

impl InProcess {
    /// A fresh lab. In permissive mode any well-formed account and audience exists, and nothing is rate limited.
    pub fn new(permissive: bool) -> InProcess {
        InProcess { world: Arc::new(World::new(permissive, LabOptions::default().seed)) }
    }

    /// Writes all audiences and their members to a file, into place by a rename.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &std::path::Path) -> std::io::Result<()> {
        crate::snapshot::save(&self.world, path)
    }

    /// Reads what [`InProcess::save`] wrote. Audiences that are there already keep their members.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of a lab.
    pub fn restore(&self, path: &std::path::Path) -> std::io::Result<()> {
        crate::snapshot::restore(&self.world, path)
    }

    /// Answers one request as the partner of this name would, or, for `lab`, as the control address. Only path,
    /// query, headers and body of the request count. Any other partner is a 404.
    pub async fn answer(&self, partner: &str, request: Request<Bytes>) -> Response<Bytes> {
        let door = match Partner::parse(partner) {
            Some(partner) => Door::Partner(partner),
            None if partner == "lab" => Door::Lab,
            None => {
                let mut response = Response::new(Bytes::from(format!("the lab has no partner `{partner}`")));
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                return response;
            }
        };
        self.world.answer(door, request).await.whole()
    }

    /// Makes an audience known under an account, as if it had been created there long ago through the API. An
    /// audience that is known already stays as it is. False if the partner or an id is not well formed.
    pub fn adopt(&self, partner: &str, account: &str, audience: &str, name: &str) -> bool {
        match Partner::parse(partner) {
            Some(Partner::Google) => self.world.google().adopt(bare_account(account), audience, name),
            Some(Partner::Marketo) => self.world.marketo().adopt(bare_account(account), audience, name),
            // Nothing is made there through the API.
            Some(Partner::Platform) => false,
            Some(Partner::Meta) => self.world.meta().adopt(bare_account(account), audience, name),
            Some(Partner::TikTok) => self.world.tiktok().adopt(account, audience, name),
            Some(partner) => self.world.shelf(partner).is_some_and(|mut shelf| shelf.adopt(account, audience, name)),
            None => false,
        }
    }
}
