//! What a component is and may do, told without compiling or running it, and how two versions differ.
use crate::{
    component::wrong_world,
    section,
    world::{WIT_VERSION, exports},
};
use caravan_model::manifest::{Hash, MatchKey, Route};
use caravan_model::{Digest, Manifest, Problem};
use std::collections::BTreeSet;

/// Interfaces that every guest's standard library brings, and that give nothing here: no environment, no files.
const BASELINE: [&str; 5] = ["caravan:connector/", "wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:http/"];

/// What can be read of a component without running it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Its manifest, held to what every manifest must be.
    pub manifest: Manifest,
    /// The SHA-256 digest of its bytes.
    pub digest: Digest,
    /// The names of what it really imports.
    pub imports: Vec<String>,
}

/// A thing that a component asks to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    /// In plain words, the same for the same right.
    pub words: String,
    /// Whether it must stand out: something leaves unhashed, or an import is beyond the world.
    pub stands_out: bool,
}

/// What another version asks for beside this one, and what it no longer asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rights that only the newer one asks for: each needs approval.
    pub widens: Vec<String>,
    /// Rights that it gives up.
    pub narrows: Vec<String>,
}

impl Outline {
    /// Reads a component's outline from its bytes.
    ///
    /// # Errors
    /// CV050 no component, CV051 another world or version, CV052 no usable manifest.
    pub fn read(bytes: &[u8]) -> Result<Outline, Problem> {
        let anatomy = section::dissect(bytes)?;
        let manifest = section::manifest(&anatomy, WIT_VERSION)?;
        let mut names = exports(manifest.world).iter();
        if let Some(missing) = names.find(|name| !anatomy.exports.iter().any(|export| export == *name)) {
            return Err(wrong_world(manifest.world, &format!("it does not export `{missing}`")));
        }
        // Under its default settings every route and credential must be readable.
        let defaults = manifest.settings_with(&serde_json::Map::new()).map_err(|wrong| section::bad(&wrong))?;
        crate::bound::compile_routes(&manifest, &defaults)?;
        crate::egress::credentials::Placement::new(&manifest).map_err(|wrong| section::bad(&wrong))?;
        Ok(Outline { manifest, digest: Digest::of(bytes), imports: anatomy.imports })
    }

    /// Imports that are neither the world's nor every guest's.
    pub fn beyond_the_world(&self) -> impl Iterator<Item = &str> {
        let known = |name: &str| BASELINE.iter().any(|prefix| name.starts_with(prefix));
        self.imports.iter().map(String::as_str).filter(move |name| !known(name))
    }

    /// Everything that it asks to be allowed.
    pub fn capabilities(&self) -> BTreeSet<Capability> {
        let manifest = &self.manifest;
        let plain = |words: String| Capability { words, stands_out: false };
        let mut all: BTreeSet<Capability> = manifest.keys.iter().map(key).collect();
        all.extend(manifest.flags.iter().map(|flag| plain(format!("say what people said about `{}`", flag.purpose))));
        all.extend(manifest.routes.iter().map(|route| plain(reach(route))));
        let headers = manifest.auth.headers.iter();
        all.extend(
            headers.map(|(name, template)| plain(format!("have the host put `{template}` into the header {name}"))),
        );
        for (route, parameters) in &manifest.auth.query {
            let parameters = parameters.iter();
            all.extend(parameters.map(|(name, template)| {
                plain(format!("have the host put `{template}` into the query of `{route}` as {name}"))
            }));
        }
        let secrets = manifest.auth.secrets.iter();
        all.extend(secrets.map(|secret| plain(format!("have a secret `{}` used for it", secret.name))));
        all.extend(manifest.actions.iter().map(|action| plain(format!("{} members", action.word()))));
        all.extend(self.beyond_the_world().map(|name| Capability {
            words: format!("import {name}, which is beyond the world (an empty one is given)"),
            stands_out: true,
        }));
        all
    }

    /// How a newer version's rights differ from this one's. A right that changed in any way counts as a new one.
    pub fn difference(&self, newer: &Outline) -> Difference {
        let (old, new) = (self.capabilities(), newer.capabilities());
        let words = |of: &BTreeSet<Capability>, without: &BTreeSet<Capability>| {
            of.difference(without).map(|capability| capability.words.clone()).collect()
        };
        Difference { widens: words(&new, &old), narrows: words(&old, &new) }
    }
}

fn key(key: &MatchKey) -> Capability {
    let form = match key.hash {
        Hash::None => "UNHASHED",
        Hash::Sha256Hex => "hashed by SHA-256",
        Hash::Sha256Base64 => "hashed by SHA-256 (base64)",
        Hash::Md5Hex => "hashed by MD5",
        Hash::Sha256OfMd5 => "hashed by SHA-256 of MD5",
    };
    let fields: BTreeSet<&str> = key.sources.iter().map(|source| source.name.as_str()).collect();
    let fields: Vec<&str> = fields.into_iter().collect();
    let words = format!("send {} as `{}`, {form}, from {}", key.title, key.key, fields.join(", "));
    Capability { words, stands_out: key.hash == Hash::None }
}

fn reach(route: &Route) -> String {
    let mut words = format!("{} https://{}{}", route.method, route.host, route.path);
    if !route.query.is_empty() {
        let query: Vec<String> = route.query.iter().map(|(name, template)| format!("{name}={template}")).collect();
        words.push_str(&format!(" with the query {}", query.join("&")));
    }
    if let Some(body) = &route.body {
        words.push_str(&format!(" with a body of {body}"));
    }
    for (pointer, template) in &route.locks {
        words.push_str(&format!(", where {pointer} must be {template}"));
    }
    if route.writes {
        words.push_str(", which changes members");
    }
    if !route.auth {
        words.push_str(", without credentials");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(change: impl Fn(&str) -> String, imports: &[&str]) -> Outline {
        let json = change(include_str!("../../../guest-steps/template/manifest.json"));
        Outline {
            manifest: serde_json::from_str(&json).unwrap(),
            digest: Digest::of(json.as_bytes()),
            imports: imports.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn template() -> Outline {
        outline(str::to_owned, &["wasi:cli/environment@0.2.6", "caravan:connector/types@0.1.0"])
    }

    #[test]
    fn the_same_rights_under_another_version_make_no_difference() {
        let newer =
            outline(|json| json.replace("\"version\": \"0.1.0\"", "\"version\": \"0.2.0\""), &["wasi:io/error@0.2.6"]);
        assert_eq!(template().difference(&newer), Difference::default());
        assert!(template().capabilities().iter().all(|capability| !capability.stands_out));
    }

    #[test]
    fn what_leaves_unhashed_and_imports_beyond_the_world_stand_out_and_widen() {
        let raw = outline(
            |json| json.replacen("\"hash\": \"sha256-hex\"", "\"hash\": \"none\"", 1),
            &["wasi:filesystem/types@0.2.6", "wasi:sockets/tcp@0.2.6"],
        );
        let loud: Vec<String> =
            raw.capabilities().into_iter().filter(|one| one.stands_out).map(|one| one.words).collect();
        assert_eq!(loud.len(), 3, "{loud:?}");
        assert!(loud.iter().any(|words| words.contains("UNHASHED")), "{loud:?}");
        let difference = template().difference(&raw);
        assert_eq!(difference.widens.len(), 3, "{difference:?}");
        assert_eq!(difference.narrows.len(), 1, "the hashed form is given up: {difference:?}");
    }

    #[test]
    fn another_path_or_a_lock_that_went_under_the_same_route_name_widens() {
        for (from, to) in [
            ("/v1/audiences/{audience}/members", "/v1/audiences/{any}/members"),
            ("\"/account\": \"{account}\"", "\"/other\": \"{account}\""),
            ("\"query\": { \"after\": \"*\" }", "\"query\": { \"after\": \"*\", \"email\": \"*\" }"),
        ] {
            let difference = template().difference(&outline(|json| json.replace(from, to), &[]));
            assert_eq!((difference.widens.len(), difference.narrows.len()), (1, 1), "{from}: {difference:?}");
        }
    }
}
