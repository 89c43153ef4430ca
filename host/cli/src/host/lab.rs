//! The lab that a command uses: one that runs already, or one started in this process.
use bytes::Bytes;
use caravan_connectors::{LabMap, Transport};
use caravan_lab::{InProcess, Lab, LabOptions};
use caravan_model::port::BoxFuture;
use caravan_model::{Code, Connections, Manifest, Problem};
use caravan_store::Audience;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which emulator answers for a partner's host.
const HOSTS: [(&str, &str); 7] = [
    ("api.criteo.com", "criteo"),
    ("graph.facebook.com", "meta"),
    ("ims-na1.adobelogin.com", "experience-platform"),
    ("platform.adobe.io", "experience-platform"),
    ("api.pinterest.com", "pinterest"),
    ("adsapi.snapchat.com", "snapchat"),
    ("business-api.tiktok.com", "tiktok"),
];

/// The emulator of a host; a connector of the emulator's own name reaches it by any of its hosts.
fn emulator<'a>(host: &str, connector: &'a str) -> &'a str {
    HOSTS.iter().find(|(known, _)| *known == host).map_or(connector, |(_, partner)| *partner)
}

/// A lab in use.
pub struct LabHome {
    url: String,
    partners: BTreeMap<String, String>,
    client: Client<HttpConnector, Full<Bytes>>,
    own: Option<Lab>,
}

#[derive(Deserialize)]
struct Addresses {
    lab: String,
    partners: BTreeMap<String, String>,
}

/// The lab that the used lab connections reach, if there are any: the one at `url`, else one in this process.
///
/// # Errors
/// Nothing at `url` answers like a lab, or none can be started.
pub async fn of_connections<'a>(
    connections: &Connections,
    mut used: impl Iterator<Item = &'a String>,
    url: Option<&str>,
) -> Result<Option<LabHome>, Problem> {
    let wanted = used.any(|name| connections.connections.get(name).is_some_and(|connection| connection.lab));
    match (wanted, url) {
        (false, _) => Ok(None),
        (true, Some(url)) => LabHome::attach(url).await.map(Some),
        (true, None) => LabHome::start().await.map(Some),
    }
}

impl LabHome {
    /// Finds a running lab by its control address.
    ///
    /// # Errors
    /// Nothing there answers like a lab.
    pub async fn attach(url: &str) -> Result<LabHome, Problem> {
        let mut home = LabHome::new(url.trim_end_matches('/').to_owned());
        let addresses: Addresses = home.get("/").await?;
        home.url = addresses.lab;
        home.partners = addresses.partners;
        Ok(home)
    }

    /// Starts one in this process; it ends with it.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> Result<LabHome, Problem> {
        let lab = Lab::start(LabOptions::default()).await;
        let lab = lab.map_err(|error| Problem::new(Code::Unreached, format!("the lab cannot start: {error}")))?;
        let mut home = LabHome::new(lab.url().to_owned());
        home.partners = lab.partners().clone();
        home.own = Some(lab);
        Ok(home)
    }

    fn new(url: String) -> LabHome {
        let client = Client::builder(TokioExecutor::new()).build_http();
        LabHome { url, partners: BTreeMap::new(), client, own: None }
    }

    /// Whether it was started by this process, and so knows nothing of earlier runs.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Makes an audience of an earlier run known to a lab of our own, as if it had been made there long ago. Its
    /// members are not.
    pub fn adopt(&self, partner: &str, account: &str, audience: &str, name: &str) {
        if let Some(lab) = &self.own {
            lab.in_process().adopt(partner, account, audience, name);
        }
    }

    /// [`LabHome::adopt`] of all that a store has registered.
    pub fn adopt_all(&self, audiences: &[Audience]) {
        for audience in audiences {
            if let Some(id) = &audience.partner_id {
                self.adopt(&audience.connector, &audience.account, id, &audience.name);
            }
        }
    }

    /// The addresses that stand for the hosts of a connector.
    ///
    /// # Errors
    /// The lab is not on this machine.
    pub fn map(&self, manifest: &Manifest) -> Result<LabMap, Problem> {
        // A browser goes to a page of consent: its host need not be among those that the connector reaches.
        let page = manifest.auth.oauth.iter().map(|spec| &spec.authorize.host);
        LabMap::new(manifest.hosts.iter().chain(page).filter_map(|host| {
            let url = self.partners.get(emulator(host, &manifest.name))?;
            Some((host.clone(), url.strip_prefix("http://").unwrap_or(url).to_owned()))
        }))
    }

    /// What an audience holds of one match key, one value per line.
    ///
    /// # Errors
    /// The lab does not answer, or has no such audience.
    pub async fn members(&self, partner: &str, audience: &str, key: &str) -> Result<String, Problem> {
        let path = format!("/_lab/audiences/{audience}/members?format=hashes&partner={partner}&key={key}");
        let bytes = self.fetch(&path).await?;
        String::from_utf8(bytes.to_vec()).map_err(|_| no_lab(&self.url, "its answer is not UTF-8"))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let bytes = self.fetch(path).await?;
        serde_json::from_slice(&bytes).map_err(|_| no_lab(&self.url, "what answers there is no lab"))
    }

    async fn fetch(&self, path: &str) -> Result<Bytes, Problem> {
        let url = format!("{}{path}", self.url);
        let parsed: http::Uri = url.parse().map_err(|_| no_lab(&self.url, "this is no address"))?;
        let near = matches!(parsed.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if parsed.scheme_str() != Some("http") || !near {
            return Err(no_lab(&self.url, "a lab runs on this machine: http://127.0.0.1:PORT"));
        }
        let silent = |error: &dyn std::fmt::Display| no_lab(&self.url, &format!("it does not answer: {error}"));
        let answer = self.client.get(parsed).await.map_err(|error| silent(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| silent(&error))?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let words = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let words = words.as_ref().and_then(|value| value["error"].as_str()).unwrap_or("no reason is given");
        Err(no_lab(&self.url, &format!("it answers {status}: {words}")))
    }
}

fn no_lab(url: &str, why: &str) -> Problem {
    Problem::new(Code::Unreached, format!("the lab at {url} cannot be used: {why}"))
        .cure("start one with `caravan lab`, and give the address that it prints by --lab or CARAVAN_LAB")
}

/// The in-process lab as a dry run's other side.
pub struct DryTransport {
    lab: InProcess,
    connector: String,
}

impl DryTransport {
    /// A fresh lab in which any well-formed account and audience exists.
    pub fn new(manifest: &Manifest) -> DryTransport {
        DryTransport { lab: InProcess::new(true), connector: manifest.name.clone() }
    }
}

impl Transport for DryTransport {
    fn send(&self, partner_host: &str, request: http::Request<Bytes>) -> BoxFuture<'static, http::Response<Bytes>> {
        let lab = self.lab.clone();
        let partner = emulator(partner_host, &self.connector).to_owned();
        Box::pin(async move { lab.answer(&partner, request).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_running_lab_is_found_by_its_address_and_nothing_else_is() {
        let lab = Lab::start(LabOptions::default()).await.expect("a lab");
        let home = LabHome::attach(&format!("{}/", lab.url())).await.expect("found");
        assert_eq!(home.url, lab.url());
        assert!(home.partners.contains_key("meta") && home.partners.contains_key("tiktok"));
        assert!(!home.is_own());
        for wrong in ["http://192.0.2.1:1", "https://127.0.0.1:1", "nonsense", "http://127.0.0.1:1"] {
            let problem = LabHome::attach(wrong).await.err().expect(wrong);
            assert_eq!(problem.code, Code::Unreached);
        }
    }
}
