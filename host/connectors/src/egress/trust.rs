//! Whom the client towards partners trusts, and where it finds them. The default is the public Internet.
use super::proxy::Proxy;
use caravan_model::port::BoxFuture;
use caravan_model::{Code, Problem};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use std::{collections::BTreeMap, fmt::Debug, io, net::SocketAddr, sync::Arc};

/// Finds the addresses of a host's name. The default is the system's name service.
///
/// It is asked at each dial, and what it says is checked each time: whoever answers with a public address first and a
/// private one later gains nothing. The dial goes to the very addresses that were checked.
pub trait NameService: Debug + Send + Sync {
    /// All addresses of a name, with port 443.
    ///
    /// # Errors
    /// The name is not known, or the service cannot be asked.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The system's name service.
#[derive(Clone, Copy, Debug)]
struct System;

impl NameService for System {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 443)).await?.collect()) })
    }
}

/// Whom the client towards partners trusts beside the public authorities, and where it finds hosts instead of asking
/// the name service. For tests with a partner of their own, and for networks with an authority of their own; nothing
/// that a connector or a canvas says reaches it.
///
/// ```
/// use caravan_connectors::Trust;
/// let here = "127.0.0.1:4443".parse().unwrap();
/// assert!(Trust::default().with_stand_in("graph.facebook.com", here).is_ok());
/// let elsewhere = "10.0.0.1:443".parse().unwrap();
/// assert!(Trust::default().with_stand_in("graph.facebook.com", elsewhere).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Trust {
    service: Arc<dyn NameService>,
    roots: Vec<Vec<u8>>,
    names: BTreeMap<String, SocketAddr>,
    stand_ins: BTreeMap<String, SocketAddr>,
    proxy: Option<Proxy>,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust {
            service: Arc::new(System),
            roots: Vec::new(),
            names: BTreeMap::new(),
            stand_ins: BTreeMap::new(),
            proxy: None,
        }
    }
}

impl Trust {
    /// Asks this name service instead of the system's. Whatever it says must be public all the same.
    #[must_use]
    pub fn with_name_service(mut self, service: Arc<dyn NameService>) -> Trust {
        self.service = service;
        self
    }

    /// What the name service says of a host now.
    pub(crate) async fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        self.service.addresses(host).await
    }

    /// Trusts an authority too: its certificate in DER.
    #[must_use]
    pub fn with_root(mut self, der: impl Into<Vec<u8>>) -> Trust {
        self.roots.push(der.into());
        self
    }

    /// Finds a host at this address, as if the name service had said so: it must be public all the same.
    #[must_use]
    pub fn with_name(mut self, host: &str, address: SocketAddr) -> Trust {
        self.names.insert(host.to_ascii_lowercase(), address);
        self
    }

    /// Lets a server on this machine stand in for a host. It needs a certificate for the host's name all the same, and
    /// gets the connection's credentials.
    ///
    /// # Errors
    /// CV026 where the address is not of this machine.
    pub fn with_stand_in(mut self, host: &str, address: SocketAddr) -> Result<Trust, Problem> {
        if !address.ip().is_loopback() {
            return Err(Problem::new(Code::BadConnection, format!("`{address}` cannot stand in for {host}"))
                .cure("a stand-in runs on this machine: give 127.0.0.1:PORT"));
        }
        self.stand_ins.insert(host.to_ascii_lowercase(), address);
        Ok(self)
    }

    /// Reaches partners through the network's proxy, where there is one.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Option<Proxy>) -> Trust {
        self.proxy = proxy;
        self
    }

    /// The proxy.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Where a host's stand-in is.
    pub(crate) fn stand_in(&self, host: &str) -> Option<SocketAddr> {
        self.stand_ins.get(host).copied()
    }

    /// Where a host is said to be.
    pub(crate) fn address(&self, host: &str) -> Option<SocketAddr> {
        self.names.get(host).copied()
    }

    /// The client's side of TLS.
    ///
    /// # Errors
    /// CV026 where a root is no certificate.
    pub(crate) fn tls(&self) -> Result<ClientConfig, Problem> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for der in &self.roots {
            roots.add(CertificateDer::from(der.as_slice())).map_err(|wrong| {
                Problem::new(Code::BadConnection, format!("an authority to trust is no certificate: {wrong}"))
                    .cure("give the authority's own certificate")
            })?;
        }
        let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|wrong| Problem::new(Code::Internal, format!("TLS cannot be set up: {wrong}")))?;
        Ok(versions.with_root_certificates(roots).with_no_client_auth())
    }
}
