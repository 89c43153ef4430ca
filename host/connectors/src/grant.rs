//! Grants: a manifest asks, a grant allows. What either lacks is denied at the egress.
use caravan_model::{Digest, Manifest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a platform team allows a connector version to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Match keys of the manifest that it may send.
    pub send: Vec<String>,
    /// Where to: hosts, and the names of the manifest's routes that it may use there.
    pub to: BTreeMap<String, Vec<String>>,
    /// The bounds of each call.
    #[serde(default)]
    pub limits: Limits,
}

impl Grant {
    /// A grant of all that the manifest asks for, within the default limits.
    pub fn as_asked(manifest: &Manifest) -> Grant {
        let mut to: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for route in &manifest.routes {
            to.entry(route.host.clone()).or_default().push(route.name.clone());
        }
        let send = manifest.keys.iter().map(|key| key.key.clone()).collect();
        Grant { send, to, limits: Limits::default() }
    }

    /// Whether a route of the manifest is allowed.
    pub fn allows(&self, host: &str, route: &str) -> bool {
        self.to.get(host).is_some_and(|routes| routes.iter().any(|granted| granted == route))
    }

    /// Whether a match key may be sent.
    pub fn sends(&self, key: &str) -> bool {
        self.send.iter().any(|granted| granted == key)
    }

    /// What the grant allows and the manifest does not ask for: it has no effect, and a person should know.
    pub fn beyond(&self, manifest: &Manifest) -> Vec<String> {
        let keys = self.send.iter().filter(|key| !manifest.keys.iter().any(|asked| asked.key == **key));
        let mut beyond: Vec<String> = keys.map(|key| format!("send: {key}")).collect();
        for (host, routes) in &self.to {
            let asked = |name: &String| manifest.routes.iter().any(|route| route.host == *host && route.name == *name);
            beyond.extend(routes.iter().filter(|name| !asked(name)).map(|name| format!("to: {host}: {name}")));
        }
        beyond
    }

    /// What the manifest asks for and the grant does not allow, in the grant's own lines.
    pub fn withheld(&self, manifest: &Manifest) -> Vec<String> {
        let keys = manifest.keys.iter().filter(|key| !self.sends(&key.key));
        let routes = manifest.routes.iter().filter(|route| !self.allows(&route.host, &route.name));
        let keys = keys.map(|key| format!("send: [{}]", key.key));
        keys.chain(routes.map(|route| to_line(&route.host, &route.name))).collect()
    }
}

/// The line of a grant that allows a route.
pub(crate) fn to_line(host: &str, route: &str) -> String {
    format!("to: {{ \"{host}\": [{route}] }}")
}

/// A grant as a file that Git can review, `grants/NAME.yaml`: it holds for exactly one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantFile {
    /// The file format: 1.
    pub format: u32,
    /// The version: `NAME@sha256:DIGEST`.
    pub connector: String,
    /// Match keys that it may send.
    pub send: Vec<String>,
    /// Where to: hosts, and the names of routes that it may use there.
    pub to: BTreeMap<String, Vec<String>>,
    /// The bounds of each call; what is not named is the default.
    #[serde(default)]
    pub limits: Limits,
}

impl GrantFile {
    /// The file for a version.
    pub fn new(name: &str, digest: &Digest, grant: Grant) -> GrantFile {
        let Grant { send, to, limits } = grant;
        GrantFile { format: 1, connector: format!("{name}@sha256:{digest}"), send, to, limits }
    }

    /// What it allows.
    pub fn grant(&self) -> Grant {
        Grant { send: self.send.clone(), to: self.to.clone(), limits: self.limits.clone() }
    }

    /// The version that the file names.
    ///
    /// # Errors
    /// In plain words, where it names none or the format is another.
    pub fn names(&self) -> Result<(String, Digest), String> {
        if self.format != 1 {
            return Err(format!("the grant has format {}, this host reads format 1", self.format));
        }
        let (name, digest) = self.connector.split_once('@').ok_or("`connector` must be NAME@sha256:DIGEST")?;
        Ok((name.to_owned(), digest.parse()?))
    }
}

/// The bounds of one call. Breaching one stops the call; the queue then says which, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of the guest's memories together.
    pub memory_bytes: u64,
    /// Most time that a call takes, waiting included, in milliseconds; a run's own deadline may be shorter.
    pub wall_ms: u64,
    /// Most computing time, in ticks of 10 ms; waiting costs nothing.
    pub cpu_ticks: u32,
    /// Most requests.
    pub requests: u32,
    /// Most bytes of a request's body.
    pub request_bytes: u64,
    /// Most bytes of an answer's body.
    pub response_bytes: u64,
    /// Most bytes of all requests' bodies of a call together.
    pub sent_bytes: u64,
    /// Most bytes of all answers' bodies of a call together.
    pub received_bytes: u64,
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
    /// Most calls of one connection at the same time; more wait within their deadlines.
    pub calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 256 << 20,
            wall_ms: 300_000,
            cpu_ticks: 500,
            requests: 32,
            request_bytes: 64 << 20,
            response_bytes: 16 << 20,
            sent_bytes: 128 << 20,
            received_bytes: 64 << 20,
            headers: 64,
            header_bytes: 32 << 10,
            log_lines: 200,
            log_bytes: 64 << 10,
            table_elements: 100_000,
            instances: 200,
            calls: 32, // Half of what a host runs at once: nobody fills it alone.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Manifest {
        serde_json::from_str(include_str!("../../../guest-steps/template/manifest.json")).unwrap()
    }

    #[test]
    fn a_grant_as_asked_allows_what_the_manifest_names_and_nothing_else() {
        let (manifest, grant) = (template(), Grant::as_asked(&template()));
        assert!(grant.allows("api.ads.example", "members") && grant.sends("email"));
        assert!(!grant.allows("api.ads.example", "other") && !grant.allows("ads.example", "members"));
        assert!(!grant.sends("EMAIL"));
        assert!(grant.beyond(&manifest).is_empty() && grant.withheld(&manifest).is_empty());
    }

    #[test]
    fn neither_side_widens_the_other() {
        let manifest = template();
        let mut grant = Grant::as_asked(&manifest);
        grant.send = vec!["email".into(), "passport".into()];
        grant.to = BTreeMap::from([("api.ads.example".into(), vec!["members".into(), "steal".into()])]);
        assert_eq!(grant.beyond(&manifest), ["send: passport", "to: api.ads.example: steal"]);
        assert_eq!(grant.withheld(&manifest), ["send: [phone]", "to: { \"api.ads.example\": [audiences] }"]);
    }

    #[test]
    fn a_file_names_one_version_and_unknown_fields_are_refused() {
        let digest = Digest::of(b"bytes");
        let file = GrantFile::new("acme", &digest, Grant::as_asked(&template()));
        assert_eq!(file.names(), Ok(("acme".to_owned(), digest)));
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!(serde_json::from_value::<GrantFile>(json.clone()).unwrap(), file);
        assert!(GrantFile { connector: "acme".into(), ..file.clone() }.names().is_err());
        assert!(GrantFile { format: 2, ..file }.names().is_err());
        let mut more = json;
        more["everything"] = true.into();
        assert!(serde_json::from_value::<GrantFile>(more).is_err());
    }
}
