//! What a component tells without being run: its kind, its manifest, the contract version it was built for.
mod words;

use crate::egress::route::is_host_name;
use crate::oauth::place;
use caravan_model::manifest::{FORMAT, SECTION, check_limits};
use caravan_model::{Code, Manifest, Problem};
use std::collections::HashSet;
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

/// The largest manifest.
const LARGEST: usize = 1 << 20;
/// The largest component: those of Python have about 20 MB.
const LARGEST_COMPONENT: usize = 64 << 20;
/// The most names that a component imports and exports: what bindings bring are some dozens.
const MOST_NAMES: usize = 4096;
/// The most routes, keys, settings and so on of a manifest, of each.
const MOST: usize = 512;
/// How deep components and modules may be nested: those that toolchains make are three deep.
const DEEPEST: u32 = 16;

/// What stands in a component's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anatomy {
    /// The manifest's JSON.
    pub(crate) manifest: Option<Vec<u8>>,
    /// Names that the component exports.
    pub(crate) exports: Vec<String>,
    /// Names that the component imports.
    pub(crate) imports: Vec<String>,
    /// Versions of `caravan:connector` among its imports and exports.
    pub(crate) contract: Vec<String>,
    /// The same, to find one at once.
    known: HashSet<String>,
    /// How many names were read.
    names: usize,
}

/// Reads a component's outline.
///
/// # Errors
/// CV050 where the bytes are no component, CV052 where it carries two manifests.
pub(crate) fn dissect(bytes: &[u8]) -> Result<Anatomy, Problem> {
    let not = |what: String| {
        Problem::new(Code::NotAComponent, what)
            .cure("build the connector for wasm32-wasip2 (`cargo build --release --target wasm32-wasip2`) and give that .wasm file")
    };
    if bytes.len() > LARGEST_COMPONENT {
        return Err(not(format!("this component is larger than {} MiB", LARGEST_COMPONENT >> 20)));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(not("these bytes are no WebAssembly: they do not begin with `\\0asm`".into()));
    }
    let mut anatomy = Anatomy::default();
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload =
            payload.map_err(|wrong| not(format!("these bytes are no whole WebAssembly: {}", wrong.message())))?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(not("this is a core WebAssembly module, no component".into()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(not(format!("its components are nested more than {DEEPEST} deep")));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == SECTION => {
                let data = section.data();
                if data.len() > LARGEST {
                    return Err(bad("its manifest is larger than 1 MiB"));
                }
                match &anatomy.manifest {
                    Some(earlier) if earlier != data => return Err(bad("it carries two different manifests")),
                    _ => anatomy.manifest = Some(data.to_owned()),
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|wrong| not(wrong.message().to_owned()))?;
                    words::is_name(export.name.name).map_err(not)?;
                    anatomy.name(export.name.name).map_err(not)?;
                    anatomy.exports.push(export.name.name.to_owned());
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|wrong| not(wrong.message().to_owned()))?;
                    words::is_name(import.name.name).map_err(not)?;
                    anatomy.name(import.name.name).map_err(not)?;
                    // A type that is another's by name gives nothing; bindings write one for each that they use.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        anatomy.imports.push(import.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(anatomy)
}

impl Anatomy {
    fn name(&mut self, name: &str) -> Result<(), String> {
        self.names += 1;
        if self.names > MOST_NAMES {
            return Err(format!("it imports and exports more than {MOST_NAMES} names"));
        }
        let version = name.strip_prefix("caravan:connector/").and_then(|rest| rest.split_once('@'));
        if let Some((_, version)) = version.filter(|(_, version)| self.known.insert((*version).to_owned())) {
            self.contract.push(version.to_owned());
        }
        Ok(())
    }
}

/// Reads the manifest and holds it to what every manifest must be.
///
/// # Errors
/// CV052, saying what is wrong in it; CV051 where it was written for another contract.
pub(crate) fn manifest(anatomy: &Anatomy, served: &str) -> Result<Manifest, Problem> {
    let json = anatomy.manifest.as_deref().ok_or_else(|| {
        bad("it has no section `caravan:manifest`")
            .cure("declare the manifest with the SDK's macro, or add it with `caravan connector pack`")
    })?;
    #[derive(serde::Deserialize)]
    struct Head {
        manifest: u32,
        wit: Option<String>,
    }
    let head: Head =
        serde_json::from_slice(json).map_err(|wrong| bad(&format!("its manifest is no manifest: {wrong}")))?;
    if head.manifest != FORMAT {
        return Err(bad(&format!("its manifest has format {}, this host reads format {FORMAT}", head.manifest))
            .cure("rebuild the connector with this host's SDK, or use a host that reads this format"));
    }
    let built_for = head.wit.as_deref().or(anatomy.contract.first().map(String::as_str));
    if let Some(other) = built_for.filter(|version| *version != served) {
        return Err(wrong_version(other, served));
    }
    let manifest: Manifest =
        serde_json::from_slice(json).map_err(|wrong| bad(&format!("its manifest cannot be read: {wrong}")))?;
    if let Some(other) = anatomy.contract.iter().find(|version| *version != served) {
        return Err(wrong_version(other, served));
    }
    words::check(&manifest.name, json).map_err(|wrong| bad(&wrong))?;
    count(&manifest).map_err(|wrong| bad(&wrong))?;
    let mut names = HashSet::new();
    if let Some(twice) = manifest.routes.iter().find(|route| !names.insert(&route.name)) {
        return Err(bad(&format!("its manifest has two routes named `{}`", twice.name)));
    }
    hosts(&manifest).map_err(|wrong| bad(&wrong))?;
    if let Some(unknown) =
        manifest.auth.query.keys().find(|name| !manifest.routes.iter().any(|route| route.name == **name))
    {
        return Err(bad(&format!("its manifest injects into the route `{unknown}`, which it does not have")));
    }
    manifest.trace.check().map_err(|wrong| bad(&format!("its manifest cannot be used: {wrong}")))?;
    check_limits(&manifest.quotas, &manifest.usage).map_err(|wrong| bad(&format!("in its manifest, {wrong}")))?;
    manifest.check_bounds().map_err(|wrong| bad(&format!("in its manifest, {wrong}")))?;
    Ok(manifest)
}

/// Nothing of a manifest is so long that comparing its parts with each other takes long.
fn count(manifest: &Manifest) -> Result<(), String> {
    let oauth = manifest.auth.oauth.as_ref();
    for (what, many) in [
        ("hosts", manifest.hosts.len()),
        ("routes", manifest.routes.len()),
        ("keys", manifest.keys.len()),
        ("groups", manifest.groups.len()),
        ("flags", manifest.flags.len()),
        ("actions", manifest.actions.len()),
        ("settings", manifest.settings.len()),
        ("quotas", manifest.quotas.len()),
        ("rules of usage", manifest.usage.len()),
        ("secrets", manifest.auth.secrets.len()),
        ("scopes", oauth.map_or(0, |oauth| oauth.scopes.len())),
    ] {
        if many > MOST {
            return Err(format!("its manifest has {many} {what}, and may have {MOST}"));
        }
    }
    Ok(())
}

/// Every host is a name of the public DNS: an address in a manifest would be dialled without being looked up.
fn hosts(manifest: &Manifest) -> Result<(), String> {
    let routes = manifest.routes.iter().map(|route| &route.host);
    let places = place::places(manifest);
    let all = manifest.hosts.iter().chain(routes).map(String::as_str).chain(places.iter().map(|place| place.host));
    for host in all {
        // A setting is checked when a connection gives it.
        let domain = match host.strip_prefix("{settings.").and_then(|rest| rest.split_once("}.")) {
            Some((_, domain)) => domain,
            None => host,
        };
        if !is_host_name(domain) {
            return Err(format!(
                "its manifest has the host `{host}`: a host is a public name in lower case, without port, and no address"
            ));
        }
    }
    place::check(manifest)
}

fn wrong_version(built_for: &str, served: &str) -> Problem {
    Problem::new(
        Code::WrongWorld,
        format!("it was built for caravan:connector@{built_for}, this host serves caravan:connector@{served}"),
    )
    .cure(format!("rebuild the connector with the SDK for {served}, or use a host that serves {built_for}"))
}

/// A problem with the manifest.
pub(crate) fn bad(what: &str) -> Problem {
    Problem::new(Code::BadManifest, format!("this component cannot be used: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section: its id, its length, its bytes (all short).
    fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![id, bytes.len() as u8];
        out.extend_from_slice(bytes);
        out
    }

    fn custom(data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![SECTION.len() as u8];
        bytes.extend_from_slice(SECTION.as_bytes());
        bytes.extend_from_slice(data);
        section(0, &bytes)
    }

    fn component(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    }

    #[test]
    fn a_manifest_is_found_at_the_top_and_in_a_nested_module() {
        for bytes in [component(&[custom(b"{}")]), component(&[section(1, &module(&[custom(b"{}")]))])] {
            assert_eq!(dissect(&bytes).unwrap().manifest.as_deref(), Some(&b"{}"[..]));
        }
        let nothing = dissect(&component(&[])).unwrap();
        assert_eq!(manifest(&nothing, "0.1.0").unwrap_err().code, Code::BadManifest);
    }

    #[test]
    fn two_different_manifests_are_refused_and_equal_ones_are_one() {
        let inner = |data: &[u8]| section(1, &module(&[custom(data)]));
        assert!(dissect(&component(&[inner(b"{}"), custom(b"{}")])).is_ok());
        assert_eq!(dissect(&component(&[inner(b"{}"), custom(b"[]")])).unwrap_err().code, Code::BadManifest);
    }

    #[test]
    fn a_core_module_is_no_component() {
        assert_eq!(dissect(&module(&[custom(b"{}")])).unwrap_err().code, Code::NotAComponent);
        assert_eq!(dissect(b"\0asm").unwrap_err().code, Code::NotAComponent);
    }

    #[test]
    fn a_newer_contract_is_named_even_where_the_manifest_has_new_fields() {
        let anatomy =
            Anatomy { manifest: Some(br#"{"manifest":1,"wit":"0.4.0","news":true}"#.to_vec()), ..Anatomy::default() };
        let problem = manifest(&anatomy, "0.1.0").unwrap_err();
        assert_eq!(problem.code, Code::WrongWorld);
        assert!(problem.message.contains("caravan:connector@0.4.0"), "{problem}");
    }

    #[test]
    fn a_quota_that_cannot_be_kept_is_refused_when_the_component_is_loaded() {
        let template = include_str!("../../../guest-steps/template/manifest.json");
        let load = |json: String| {
            let json = Some(json.into_bytes());
            manifest(&Anatomy { manifest: json, ..Anatomy::default() }, "0.1.0")
        };
        let usage = load(template.to_owned()).map(|manifest| manifest.usage.len());
        assert_eq!(usage, Ok(2));
        for (right, wrong, words) in [
            (r#""amount": 60"#, r#""amount": 0"#, "the amount 0"),
            (r#""x-ratelimit-reset", "scope""#, r#""x reset", "scope""#, "names no header"),
        ] {
            assert!(template.contains(right));
            let problem = load(template.replace(right, wrong)).unwrap_err();
            assert_eq!(problem.code, Code::BadManifest);
            assert!(problem.message.contains(words), "{problem}");
        }
    }
}
