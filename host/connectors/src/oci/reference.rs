//! How a component in a registry is named: `oci://REGISTRY/NAME:TAG`, `oci://REGISTRY/NAME@sha256:DIGEST`.
use caravan_model::{Code, Digest, Problem};
use std::fmt;
use std::str::FromStr;

/// A component in a registry.
///
/// ```
/// use caravan_connectors::OciReference;
/// let one: OciReference = "oci://ghcr.io/acme/ads:1.2.0".parse().unwrap();
/// assert_eq!(one.to_string(), "oci://ghcr.io/acme/ads:1.2.0");
/// let newest: OciReference = "oci://localhost:5000/ads".parse().unwrap();
/// assert_eq!(newest.to_string(), "oci://localhost:5000/ads:latest");
/// assert!("oci://ghcr.io/Acme/ads".parse::<OciReference>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciReference {
    /// The registry: a host, and a port where it is not 443.
    pub registry: String,
    /// The repository's name within it.
    pub name: String,
    /// Which one.
    pub version: OciVersion,
}

/// Which component of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OciVersion {
    /// What a tag names now.
    Tag(String),
    /// Exactly the one whose manifest has this digest.
    Digest(Digest),
}

impl OciReference {
    /// The registry's host without its port.
    pub(super) fn host(&self) -> &str {
        let end = self.registry.rfind(':').filter(|at| !self.registry[*at..].contains(']'));
        &self.registry[..end.unwrap_or(self.registry.len())]
    }

    /// Whether the registry is on this machine, so that plain HTTP is spoken with it.
    pub(super) fn is_near(&self) -> bool {
        matches!(self.host(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Where the registry's interface is.
    pub(super) fn base(&self) -> String {
        let scheme = if self.is_near() { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}", self.registry, self.name)
    }
}

impl OciVersion {
    /// As it stands in a manifest's address.
    pub(super) fn in_path(&self) -> String {
        match self {
            OciVersion::Tag(tag) => tag.clone(),
            OciVersion::Digest(digest) => format!("sha256:{digest}"),
        }
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if matches!(self.version, OciVersion::Tag(_)) { ':' } else { '@' };
        write!(f, "oci://{}/{}{mark}{}", self.registry, self.name, self.version.in_path())
    }
}

impl FromStr for OciReference {
    type Err = Problem;

    fn from_str(text: &str) -> Result<OciReference, Problem> {
        let wrong = || {
            Problem::new(Code::Usage, "this names no component in a registry")
                .cure("write oci://REGISTRY/NAME:TAG or oci://REGISTRY/NAME@sha256:DIGEST; names are in small letters")
        };
        let rest = text.trim().strip_prefix("oci://").ok_or_else(wrong)?;
        let (registry, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (name, version) = match rest.split_once('@') {
            Some((name, digest)) => (name, OciVersion::Digest(digest.parse().map_err(|_| wrong())?)),
            None => {
                let (name, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
                (name, OciVersion::Tag(tag.to_owned()))
            }
        };
        // With a digest the tag says nothing.
        let name = match &version {
            OciVersion::Digest(_) => name.split_once(':').map_or(name, |(name, _)| name),
            OciVersion::Tag(_) => name,
        };
        let piece = |piece: &str| {
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            piece.bytes().all(inner) && edge(piece.bytes().next()) && edge(piece.bytes().next_back())
        };
        let tag = |tag: &str| {
            let start = tag.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            start && tag.len() <= 128 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let host = registry.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let is_authority = host && registry.parse::<http::uri::Authority>().is_ok();
        let good_version = match &version {
            OciVersion::Tag(text) => tag(text),
            OciVersion::Digest(_) => true,
        };
        if !is_authority || name.len() > 255 || !name.split('/').all(piece) || !good_version {
            return Err(wrong());
        }
        Ok(OciReference { registry: registry.to_ascii_lowercase(), name: name.to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_one_place_alone() {
        let digest = Digest::of(b"x");
        let one: OciReference = format!("oci://ghcr.io/acme/ads:1@sha256:{digest}").parse().unwrap();
        assert_eq!((one.base().as_str(), one.version), ("https://ghcr.io/v2/acme/ads", OciVersion::Digest(digest)));
        for near in ["oci://localhost:5000/a", "oci://127.0.0.1:5000/a", "oci://[::1]:5000/a"] {
            let near: OciReference = near.parse().unwrap();
            assert!(near.is_near() && near.base().starts_with("http://"), "{near}");
        }
        for far in ["oci://localhost.example.com/a", "oci://127.0.0.1.example.com/a", "oci://10.0.0.1/a"] {
            assert!(!far.parse::<OciReference>().unwrap().is_near(), "{far}");
        }
        for wrong in [
            "ghcr.io/acme/ads",
            "oci://ghcr.io",
            "oci://ghcr.io/",
            "oci:///acme",
            "oci://ghcr.io/../x",
            "oci://ghcr.io/a//b",
            "oci://ghcr.io/a:",
            "oci://ghcr.io/a:b/c",
            "oci://me:secret@ghcr.io/a",
            "oci://ghcr.io/a?x=1",
            "oci://ghcr.io/a@sha256:12",
            "oci://ghcr.io#/a",
        ] {
            assert!(wrong.parse::<OciReference>().is_err(), "{wrong}");
        }
    }
}
