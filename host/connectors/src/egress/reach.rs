//! Where admitted requests go: to the partner, to the lab on this machine, or nowhere.
use bytes::Bytes;
use caravan_model::port::BoxFuture;
use caravan_model::{Code, Problem};
use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc};

/// Answers requests within this process: a dry run's emulator. All checks of the egress run before.
pub trait Transport: Send + Sync {
    /// Answers one request. Its URL names the partner's host; credentials are those of the lab.
    fn send(&self, partner_host: &str, request: http::Request<Bytes>) -> BoxFuture<'static, http::Response<Bytes>>;
}

/// Which loopback address stands for a partner's host.
///
/// ```
/// use caravan_connectors::LabMap;
/// let lab = LabMap::new([("graph.facebook.com", "127.0.0.1:4001")]).unwrap();
/// assert_eq!(lab.authority("graph.facebook.com"), Some("127.0.0.1:4001"));
/// let place = LabMap::new([("{settings.id}.example.com", "127.0.0.1:4002")]).unwrap();
/// assert_eq!(place.authority("my.example.com"), Some("127.0.0.1:4002"));
/// assert_eq!((place.authority("a.my.example.com"), place.authority("example.com")), (None, None));
/// assert!(LabMap::new([("graph.facebook.com", "93.184.216.34:80")]).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabMap {
    hosts: BTreeMap<String, String>,
}

impl LabMap {
    /// A map of partner hosts to `ADDRESS:PORT`, reached by plain HTTP.
    ///
    /// # Errors
    /// CV026 where an address is not of this machine.
    pub fn new<H: Into<String>, A: AsRef<str>>(hosts: impl IntoIterator<Item = (H, A)>) -> Result<LabMap, Problem> {
        let hosts = hosts.into_iter().map(|(host, authority)| {
            let authority = authority.as_ref();
            let port = authority.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
            let loopback = authority.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
            if port.is_some() || loopback {
                Ok((host.into(), authority.to_owned()))
            } else {
                Err(Problem::new(Code::BadConnection, format!("a lab cannot be at `{authority}`"))
                    .cure("the lab runs on this machine: give 127.0.0.1:PORT, as `caravan lab` prints it"))
            }
        });
        Ok(LabMap { hosts: hosts.collect::<Result<_, _>>()? })
    }

    /// The address that stands for a partner's host. A host whose first label is a setting stands for all of its domain.
    pub fn authority(&self, host: &str) -> Option<&str> {
        let domain = host.split_once('.').map(|(_, domain)| domain);
        let of_domain = || {
            let after_place =
                |known: &str| known.starts_with('{') && known.split_once("}.").map(|(_, after)| after) == domain;
            self.hosts.iter().find(|(known, _)| after_place(known))
        };
        self.hosts.get_key_value(host).or_else(of_domain).map(|(_, authority)| authority.as_str())
    }
}

/// Where admitted requests go.
#[derive(Clone, Default)]
pub enum Reach {
    /// To the partner, by TLS, at public addresses only.
    #[default]
    Partner,
    /// To the lab on this machine, by plain HTTP. The guest sees the partner's host all the same.
    Lab(LabMap),
    /// Nowhere: a dry run. No connection is made and no secret is read.
    InProcess(Arc<dyn Transport>),
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Partner => f.write_str("Partner"),
            Reach::Lab(map) => f.debug_tuple("Lab").field(map).finish(),
            Reach::InProcess(_) => f.write_str("InProcess"),
        }
    }
}
