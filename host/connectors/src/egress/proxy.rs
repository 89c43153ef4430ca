//! The dial towards partners: straight, or through the network's proxy. The guard holds either way: names are looked up and
//! addresses checked here, and the proxy is asked for a tunnel to a checked address, never to a name. TLS is spoken through the
//! tunnel with the partner, by its name, so that the proxy sees neither requests nor tokens.
use super::client::{PublicResolver, checked};
use crate::scrub::base64;
use caravan_model::port::Secret;
use caravan_model::{Code, Problem};
use http::Uri;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service;

/// The longest answer of a proxy.
const ANSWER: usize = 8 << 10;
/// How many of a partner's addresses are tried.
const TRIED: usize = 4;

type Failed = Box<dyn Error + Send + Sync>;

/// The network's proxy, through which partners are reached: `http://[USER:PASSWORD@]HOST:PORT`. It may stand anywhere: whoever
/// runs the host names it.
///
/// ```
/// use caravan_connectors::Proxy;
/// let proxy: Proxy = "http://me:secret@proxy.corp.example:3128".parse().unwrap();
/// assert_eq!(format!("{proxy:?}"), "Proxy(proxy.corp.example:3128)");
/// assert!("https://proxy.corp.example:3128".parse::<Proxy>().is_err());
/// ```
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    login: Option<Secret>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl FromStr for Proxy {
    type Err = Problem;

    /// The text is not repeated in a problem: it may hold a password.
    fn from_str(text: &str) -> Result<Proxy, Problem> {
        let wrong = || {
            Problem::new(Code::BadProxy, "the proxy's address cannot be understood")
                .cure("write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT")
        };
        let uri: Uri = text.trim().parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let port = authority.port_u16().filter(|port| plain && *port != 0).ok_or_else(wrong)?;
        let login = authority.as_str().rsplit_once('@').map(|(login, _)| Secret::new(login));
        if login.as_ref().is_some_and(|login| !login.expose().contains(':')) || authority.host().is_empty() {
            return Err(wrong());
        }
        Ok(Proxy { host: authority.host().trim_matches(['[', ']']).to_owned(), port, login })
    }
}

impl Proxy {
    /// A tunnel to an address, or to a host and port.
    async fn tunnel(&self, to: impl fmt::Display) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let mut ask = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
        if let Some(login) = &self.login {
            let mut text = base64(decoded(login.expose()).as_slice());
            while !text.len().is_multiple_of(4) {
                text.push('=');
            }
            ask.push_str(&format!("Proxy-Authorization: Basic {text}\r\n"));
        }
        ask.push_str("\r\n");
        stream.write_all(ask.as_bytes()).await?;
        // Byte by byte, for what follows the answer is the partner's.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= ANSWER {
                return Err(io::Error::other("the proxy's answer has no end"));
            }
            head.push(stream.read_u8().await?);
        }
        let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
        match status {
            [b'2', ..] => Ok(stream),
            _ => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the proxy gives no tunnel")),
        }
    }
}

/// A name and password of a URL without their percent-encoding.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// Dials partners.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(super) straight: HttpConnector<PublicResolver>,
    pub(super) resolver: PublicResolver,
    pub(super) proxy: Option<Proxy>,
    pub(super) patience: Duration,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.proxy.clone() else {
            // An address is dialled without being looked up, and so without the check of what is found.
            if let Some(Err(prohibited)) = literal(&uri).map(|address| checked(vec![address])) {
                return Box::pin(async move { Err(prohibited.into()) });
            }
            let dialling = self.straight.call(uri);
            return Box::pin(async move { Ok(dialling.await?) });
        };
        let (mut resolver, patience) = (self.resolver.clone(), self.patience);
        Box::pin(async move {
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            Ok(tokio::time::timeout(patience, through(&proxy, &mut resolver, &uri)).await.map_err(late)??)
        })
    }
}

/// The address that a URL has in place of a name.
fn literal(uri: &Uri) -> Option<SocketAddr> {
    let address = uri.host()?.trim_matches(['[', ']']).parse::<IpAddr>().ok()?;
    Some(SocketAddr::new(address, 0))
}

async fn through(proxy: &Proxy, resolver: &mut PublicResolver, uri: &Uri) -> io::Result<TokioIo<TcpStream>> {
    let found = match literal(uri) {
        Some(address) => checked(vec![address])?,
        None => {
            let name: Name =
                uri.host().unwrap_or_default().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            resolver.call(name).await?
        }
    };
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for mut address in found.take(TRIED) {
        if uri.port_u16().is_some() || address.port() == 0 {
            address.set_port(uri.port_u16().unwrap_or(443));
        }
        match proxy.tunnel(address).await {
            Ok(stream) => return Ok(TokioIo::new(stream)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Dials a host that whoever runs the program named, such as a registry: wherever it is, straight or through the proxy,
/// which is asked for it by its name, for it may be the only one to know it.
#[derive(Clone)]
pub(crate) struct NamedDial {
    straight: HttpConnector,
    proxy: Option<Proxy>,
    patience: Duration,
}

impl NamedDial {
    /// Dials within a time.
    pub(crate) fn new(proxy: Option<Proxy>, patience: Duration) -> NamedDial {
        let mut straight = HttpConnector::new();
        straight.enforce_http(false);
        straight.set_connect_timeout(Some(patience));
        NamedDial { straight, proxy, patience }
    }
}

impl Service<Uri> for NamedDial {
    type Response = TokioIo<TcpStream>;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.proxy.clone() else {
            let dialling = self.straight.call(uri);
            return Box::pin(async move { Ok(dialling.await?) });
        };
        let patience = self.patience;
        Box::pin(async move {
            let to = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            Ok(TokioIo::new(tokio::time::timeout(patience, proxy.tunnel(to)).await.map_err(late)??))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_place_of_a_name_is_checked_like_one_that_was_found() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let resolver = PublicResolver::new(crate::Trust::default());
        let mut straight = HttpConnector::new_with_resolver(resolver.clone());
        straight.enforce_http(false);
        let patience = Duration::from_secs(5);
        let mut dial = Dial { straight, resolver, proxy: None, patience };
        for host in [format!("127.0.0.1:{port}"), format!("[::ffff:127.0.0.1]:{port}"), "10.0.0.5:8443".into()] {
            let failed = dial.call(format!("https://{host}/token").parse().unwrap()).await.unwrap_err();
            let why = super::super::client::caused_by::<super::super::client::Prohibited>(failed.as_ref());
            assert!(why.is_some(), "{host}: {failed}");
        }
    }

    #[test]
    fn a_proxy_is_named_by_host_and_port_and_its_password_is_never_shown() {
        for good in ["http://10.0.0.8:3128", "http://proxy:8080/", "http://me:s%40fe@proxy:1", "http://[::1]:3128"] {
            let proxy: Proxy = good.parse().unwrap();
            assert!(!format!("{proxy:?}").contains("s%40fe"), "{good}");
        }
        for wrong in [
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://me@proxy:1",
            "http://proxy:1/x",
            "socks5://p:1",
            "",
        ] {
            let problem = wrong.parse::<Proxy>().unwrap_err();
            assert_eq!(problem.code, Code::BadProxy, "{wrong}");
            assert!(wrong.is_empty() || !problem.to_string().contains(wrong));
        }
        assert_eq!(decoded("me:s%40fe%"), b"me:s@fe%");
    }
}
