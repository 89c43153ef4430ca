//! Components in OCI registries, by the conventions of the CNCF for WebAssembly: a manifest whose config is
//! `application/vnd.wasm.config.v0+json` and whose only layer is `application/wasm`.
//!
//! A registry is a stranger too: whatever it gives is held to the digests that were named, within bounds of time and bytes.
mod client;
mod reference;

pub use reference::{OciReference, OciVersion};

use crate::egress::proxy::Proxy;
use crate::scrub::base64;
use crate::{Outline, section};
use bytes::Bytes;
use caravan_model::port::Secret;
use caravan_model::{Code, Digest, Problem};
use client::{Ask, Registry};
use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
/// The largest component.
const LARGEST: usize = 64 << 20;
/// The largest manifest.
const LARGEST_MANIFEST: usize = 1 << 20;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who pulls or pushes, where the registry asks.
pub struct OciLogin {
    /// The name.
    pub user: String,
    /// The password, or a token in its place.
    pub password: Secret,
}

impl OciLogin {
    fn basic(&self) -> String {
        let mut text = base64(format!("{}:{}", self.user, self.password.expose()).as_bytes());
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
        format!("Basic {text}")
    }
}

/// How registries are visited.
#[derive(Default)]
pub struct Visit {
    /// Who says they are there; nobody where the registry does not ask.
    pub login: Option<OciLogin>,
    /// The network's proxy, towards registries at public addresses and whatever they lead to. One of the own network or
    /// machine is reached without it.
    pub proxy: Option<Proxy>,
}

/// A component that came from a registry.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Its bytes, which have the digest that the manifest names.
    pub bytes: Vec<u8>,
    /// The manifest's digest: what names exactly this one.
    pub digest: Digest,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Descriptor {
    fn of(kind: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: kind.to_owned(),
            digest: format!("sha256:{}", Digest::of(bytes)),
            size: bytes.len() as u64,
        }
    }
}

/// A problem with a registry.
fn bad(reference: &OciReference, what: &str) -> Problem {
    Problem::new(Code::Registry, format!("the registry {} {what} ({reference})", reference.registry))
        .cure("look at the name and at the registry; `caravan explain CV056` says what is asked of it")
}

/// Gets a component.
///
/// # Errors
/// CV056: it is not there, is no component, is too large, takes too long, or is not what its digest says.
pub async fn pull(reference: &OciReference, visit: &Visit) -> Result<Pulled, Problem> {
    let late = |_| bad(reference, "takes longer than two minutes");
    tokio::time::timeout(PATIENCE, pull_all(reference, visit)).await.map_err(late)?
}

async fn pull_all(reference: &OciReference, visit: &Visit) -> Result<Pulled, Problem> {
    let mut registry = Registry::new(reference, visit).await?;
    let url = format!("{}/manifests/{}", reference.base(), reference.version.in_path());
    let (head, bytes) = registry.get(url, MANIFEST, LARGEST_MANIFEST).await?;
    let digest = Digest::of(&bytes);
    let told = head.get("docker-content-digest").and_then(|told| told.to_str().ok());
    let told = told.is_none_or(|told| !told.starts_with("sha256:") || told == format!("sha256:{digest}"));
    let named = match &reference.version {
        OciVersion::Digest(named) => *named == digest,
        OciVersion::Tag(_) => true,
    };
    if !told || !named {
        return Err(bad(reference, "gave a manifest that is not the one of its digest: it was changed"));
    }
    let layer = component_of(reference, &bytes)?;
    let size = usize::try_from(layer.size).unwrap_or(usize::MAX);
    let (_, bytes) = registry.get(format!("{}/blobs/{}", reference.base(), layer.digest), "*/*", size).await?;
    if bytes.len() != size || format!("sha256:{}", Digest::of(&bytes)) != layer.digest {
        return Err(bad(reference, "gave bytes that are not those of their digest: they were changed"));
    }
    Ok(Pulled { bytes: bytes.to_vec(), digest })
}

/// The layer of a manifest that is a component.
fn component_of(reference: &OciReference, bytes: &[u8]) -> Result<Descriptor, Problem> {
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|_| bad(reference, "gave a manifest that cannot be read"))?;
    if manifest.config.media_type != CONFIG {
        return Err(bad(reference, &format!("has something of another kind there: its config is no {CONFIG}")));
    }
    let mut layers = manifest.layers;
    let layer = layers.pop().filter(|layer| layers.is_empty() && layer.media_type == LAYER);
    let layer = layer.ok_or_else(|| bad(reference, &format!("has no artifact of exactly one layer {LAYER} there")))?;
    if layer.size > LARGEST as u64 {
        return Err(bad(reference, "has a component there that is larger than 64 MiB"));
    }
    match layer.digest.starts_with("sha256:") && layer.digest.parse::<Digest>().is_ok() {
        true => Ok(layer),
        false => Err(bad(reference, "names a layer by something else than a SHA-256 digest")),
    }
}

/// Puts a component into a registry under a tag; gives the manifest's digest. `created` is the time now (RFC 3339).
///
/// # Errors
/// CV050 to CV052 where the bytes are no connector, CV056 where the registry does not take it, CV090 for a digest.
pub async fn push(reference: &OciReference, visit: &Visit, bytes: Vec<u8>, created: &str) -> Result<Digest, Problem> {
    let OciVersion::Tag(tag) = &reference.version else {
        return Err(
            Problem::new(Code::Usage, "a component is pushed under a tag").cure("write oci://REGISTRY/NAME:TAG")
        );
    };
    let late = |_| bad(reference, "takes longer than two minutes");
    let work = push_all(reference, visit, bytes, (tag, created));
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}

async fn push_all(
    reference: &OciReference,
    visit: &Visit,
    bytes: Vec<u8>,
    (tag, created): (&str, &str),
) -> Result<Digest, Problem> {
    Outline::read(&bytes)?;
    let anatomy = section::dissect(&bytes)?;
    let config = json!({
        "created": created, "architecture": "wasm", "os": "wasip2",
        "layerDigests": [format!("sha256:{}", Digest::of(&bytes))],
        "component": {"exports": anatomy.exports, "imports": anatomy.imports},
    });
    let config = config.to_string().into_bytes();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: Descriptor::of(CONFIG, &config),
        layers: vec![Descriptor::of(LAYER, &bytes)],
    };
    let manifest = serde_json::to_vec(&manifest).map_err(|_| bad(reference, "cannot be told the manifest"))?;
    let mut registry = Registry::new(reference, visit).await?;
    for blob in [config, bytes] {
        upload(reference, &mut registry, Bytes::from(blob)).await?;
    }
    let digest = Digest::of(&manifest);
    let headers = [(header::CONTENT_TYPE, MANIFEST)];
    let url = format!("{}/manifests/{tag}", reference.base());
    let ask = Ask { method: Method::PUT, url, headers: &headers, body: Bytes::from(manifest) };
    let answer = registry.ask(&ask).await?;
    match answer.status() {
        StatusCode::CREATED | StatusCode::OK => Ok(digest),
        status => Err(registry.refused(status)),
    }
}

/// Uploads a blob, unless the registry has it.
async fn upload(reference: &OciReference, registry: &mut Registry<'_>, blob: Bytes) -> Result<(), Problem> {
    let digest = format!("sha256:{}", Digest::of(&blob));
    let none = |method, url| Ask { method, url, headers: &[], body: Bytes::new() };
    let known = registry.ask(&none(Method::HEAD, format!("{}/blobs/{digest}", reference.base()))).await?;
    if known.status() == StatusCode::OK {
        return Ok(());
    }
    let begin = format!("{}/blobs/uploads/", reference.base());
    let headers = [(header::CONTENT_LENGTH, "0")];
    let ask = Ask { method: Method::POST, url: begin.clone(), headers: &headers, body: Bytes::new() };
    let begun = registry.ask(&ask).await?;
    if begun.status() != StatusCode::ACCEPTED {
        return Err(registry.refused(begun.status()));
    }
    let to = registry.led(&begin, begun.headers())?;
    let url = format!("{to}{}digest={digest}", if to.contains('?') { '&' } else { '?' });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    let done = registry.ask(&Ask { method: Method::PUT, url, headers: &headers, body: blob }).await?;
    match done.status() {
        StatusCode::CREATED => Ok(()),
        status => Err(registry.refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_layer_of_a_component_is_taken_and_only_within_bounds() {
        let reference: OciReference = "oci://localhost:5000/ads".parse().unwrap();
        let manifest = |config: &str, layers: Vec<Descriptor>| {
            let config = Descriptor::of(config, b"{}");
            serde_json::to_vec(&Manifest { schema_version: 2, media_type: None, config, layers }).unwrap()
        };
        let take = |bytes: Vec<u8>| component_of(&reference, &bytes).map(|layer| layer.size).map_err(|p| p.code);
        let layer = || Descriptor::of(LAYER, b"abc");
        assert_eq!(take(manifest(CONFIG, vec![layer()])), Ok(3));
        let huge = Descriptor { size: LARGEST as u64 + 1, ..layer() };
        let path = Descriptor { digest: "sha256:../../../x".into(), ..layer() };
        for wrong in [
            manifest("application/vnd.oci.image.config.v1+json", vec![layer()]),
            manifest(CONFIG, vec![]),
            manifest(CONFIG, vec![layer(), layer()]),
            manifest(CONFIG, vec![Descriptor::of("application/gzip", b"abc")]),
            manifest(CONFIG, vec![huge]),
            manifest(CONFIG, vec![path]),
            b"<html>".to_vec(),
        ] {
            assert_eq!(take(wrong), Err(Code::Registry));
        }
    }

    #[tokio::test]
    async fn a_registry_leads_to_itself_and_to_public_hosts_by_tls_alone() {
        let lead = async |registry: &str, to: &str| {
            let reference: OciReference = format!("oci://{registry}/ads").parse().unwrap();
            let visit = Visit::default();
            let registry = Registry::new(&reference, &visit).await.unwrap();
            let mut head = http::HeaderMap::new();
            head.insert(header::LOCATION, to.parse().unwrap());
            registry.led(&format!("{}/blobs/x", reference.base()), &head).ok()
        };
        let near = "localhost:5000";
        assert_eq!(lead(near, "/v2/ads/x?a=1").await.as_deref(), Some("http://localhost:5000/v2/ads/x?a=1"));
        assert_eq!(lead(near, "http://localhost:5000/y").await.as_deref(), Some("http://localhost:5000/y"));
        assert!(lead("ghcr.io", "https://cdn.example.com/x").await.is_some());
        for (registry, to) in [
            (near, "http://localhost:5001/x"),
            (near, "http://127.0.0.1:5000/x"),
            ("ghcr.io", "http://ghcr.io/x"),
            ("ghcr.io", "http://localhost:5000/x"),
            ("ghcr.io", "https://localhost/x"),
            ("ghcr.io", "https://127.0.0.1/x"),
            ("ghcr.io", "https://[::1]/x"),
            ("ghcr.io", "https://169.254.169.254/x"),
            ("ghcr.io", "https://me:pw@cdn.example.com/x"),
            ("ghcr.io", "file:///etc/passwd"),
        ] {
            assert_eq!(lead(registry, to).await, None, "{registry} {to}");
        }
    }
}
