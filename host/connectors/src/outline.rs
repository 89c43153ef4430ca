//! What a component is and may do, told without compiling or running it, and how two versions differ.
mod rights;

pub use rights::Capability;

use crate::{
    component::wrong_world,
    section,
    world::{WIT_VERSION, exports},
};
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
        let mut all = rights::of(&self.manifest);
        all.extend(self.beyond_the_world().map(rights::beyond));
        all
    }

    /// How a newer version's rights differ from this one's. Rights are compared as they are written in the manifest, whole; one
    /// that changed in any way counts as a new one.
    pub fn difference(&self, newer: &Outline) -> Difference {
        let (old, new) = (self.capabilities(), newer.capabilities());
        let words = |of: &BTreeSet<Capability>, without: &BTreeSet<Capability>| {
            let known: BTreeSet<&str> = without.iter().map(|capability| capability.right.as_str()).collect();
            let other = of.iter().filter(|capability| !known.contains(capability.right.as_str()));
            other.map(|capability| capability.words.clone()).collect()
        };
        Difference { widens: words(&new, &old), narrows: words(&old, &new) }
    }
}

#[cfg(test)]
mod tests;
