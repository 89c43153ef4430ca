//! The pooled HTTP clients: one for partners (TLS, public addresses only), one for the lab on loopback.
use super::{address::is_public, body::OutBody, proxy::Dial, trust::Trust};
use caravan_model::Problem;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    error::Error,
    future::Ready,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// A client towards partners.
pub(crate) type PartnerClient = Client<HttpsConnector<Dial>, OutBody>;
/// A client towards the lab.
pub(crate) type LabClient = Client<HttpConnector<LoopbackResolver>, OutBody>;

/// Both clients; connections are pooled over calls and connectors, and carry no state of either.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) partner: PartnerClient,
    pub(crate) lab: LabClient,
}

impl Clients {
    pub(crate) fn new(connect_timeout: Duration, trust: Trust) -> Result<Clients, Problem> {
        let tls = HttpsConnectorBuilder::new().with_tls_config(trust.tls()?).https_only().enable_http1();
        let proxy = trust.proxy().cloned();
        let resolver = PublicResolver::new(trust);
        let mut straight = HttpConnector::new_with_resolver(resolver.clone());
        straight.enforce_http(false);
        straight.set_nodelay(true);
        straight.set_connect_timeout(Some(connect_timeout));
        let dial = Dial { straight, resolver, proxy, patience: connect_timeout };
        let mut near = HttpConnector::new_with_resolver(LoopbackResolver);
        near.set_nodelay(true);
        near.set_connect_timeout(Some(connect_timeout));
        Ok(Clients { partner: builder().build(tls.wrap_connector(dial)), lab: builder().build(near) })
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(32)
        .http1_max_headers(256);
    builder
}

/// Marks an address that no partner may have.
#[derive(Debug, thiserror::Error)]
#[error("the host's name resolves to the address {0}, which is not public")]
pub(crate) struct Prohibited(pub(crate) IpAddr);

/// Resolves a partner's name to public addresses, or not at all. The dial uses exactly the addresses checked here.
#[derive(Clone, Debug)]
pub(crate) struct PublicResolver(Arc<Trust>);

impl PublicResolver {
    pub(super) fn new(trust: Trust) -> PublicResolver {
        PublicResolver(Arc::new(trust))
    }
}

impl Service<Name> for PublicResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let trust = self.0.clone();
        Box::pin(async move {
            if let Some(near) = trust.stand_in(name.as_str()) {
                return Ok(vec![near].into_iter());
            }
            if let Some(address) = trust.address(name.as_str()) {
                return checked(vec![address]);
            }
            checked(trust.look_up(name.as_str()).await?)
        })
    }
}

/// All addresses, if all are public: a name that also has a private one is an attack or a mistake.
pub(super) fn checked(found: Vec<SocketAddr>) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    match found.iter().find(|address| !is_public(address.ip())) {
        Some(address) => Err(io::Error::other(Prohibited(address.ip()))),
        None if found.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "no address")),
        None => Ok(found.into_iter()),
    }
}

/// Resolves `localhost`, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoopbackResolver;

impl Service<Name> for LoopbackResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        std::future::ready(if name.as_str() == "localhost" {
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))].into_iter())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "the lab is on this machine only"))
        })
    }
}

/// An error and those that caused it. An `io::Error` gives the source of what it wraps, not what it wraps.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// This error, or one that caused it, of a kind.
pub(crate) fn caused_by<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// The kind of the innermost I/O error: the connector wraps a failed handshake in one that only says `other`.
pub(crate) fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_private_address_spoils_a_name() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        assert!(checked(vec![address("8.8.8.8:443")]).is_ok());
        let refused = checked(vec![address("8.8.8.8:443"), address("10.0.0.1:443")]).unwrap_err();
        assert!(caused_by::<Prohibited>(&refused).is_some());
        assert!(checked(vec![]).is_err());
    }

    #[test]
    fn what_a_connector_wraps_twice_is_found() {
        let handshake = io::Error::new(io::ErrorKind::InvalidData, Prohibited([127, 0, 0, 1].into()));
        let wrapped = io::Error::other(handshake);
        assert_eq!(io_kind(&wrapped), Some(io::ErrorKind::InvalidData));
        assert!(caused_by::<Prohibited>(&wrapped).is_some() && caused_by::<std::fmt::Error>(&wrapped).is_none());
    }
}
