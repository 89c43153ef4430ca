//! The trait that a connector implements, and what joins it to the component's exports.
use crate::bindings::Guest;
use crate::{
    AccountPage, AudiencePage, Created, Fault, Finding, Judgement, Later, Part, Report, Settings, Target, fault, report,
};
use std::marker::PhantomData;

/// A connector that writes people into a partner's audiences: the world `destination` of the contract.
///
/// Every call runs in a fresh instance, so there is no `self`: nothing is kept from one call to the next. Only
/// [`sync`](Destination::sync) must be written; the others have defaults for partners that offer less.
pub trait Destination {
    /// The ad accounts that the credentials see; `cursor` is the `next` of the page before. Called when a person
    /// connects or picks accounts. Default: none, so that people type the partner's id by hand.
    ///
    /// # Errors
    /// Why the partner did not answer.
    fn accounts(settings: &Settings, cursor: Option<&str>) -> Result<AccountPage, Fault> {
        let _ = (settings, cursor);
        Ok(AccountPage { accounts: Vec::new(), next: None })
    }

    /// The audiences of an account whose name contains `query` (empty = all), writable or why not. Called when a
    /// person picks an audience. Default: none.
    ///
    /// # Errors
    /// Why the partner did not answer.
    fn audiences(settings: &Settings, account: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
        let _ = (settings, account, query, cursor);
        Ok(AudiencePage { audiences: Vec::new(), next: None })
    }

    /// Make an audience once. It may be called again with the same marker after a crash: look for the marker before
    /// creating. Default: refused; such a manifest says `"create": false`.
    ///
    /// # Errors
    /// Why it could not be made.
    fn create_audience(
        settings: &Settings,
        account: &str,
        name: &str,
        marker: &str,
        group: &str,
        seed: Option<&Part>,
    ) -> Result<Created, Fault> {
        let _ = (settings, account, name, marker, group, seed);
        Err(fault::misconfigured("cannot-create", "This connector makes no audiences: make it at the partner."))
    }

    /// A checklist of the connection: token, permissions, account, terms, the audience's state. `target.audience` may
    /// be empty. What the partner refuses is a failed finding; a fault is for when nothing can be said. Default: empty.
    ///
    /// # Errors
    /// Why nothing can be said.
    fn check(settings: &Settings, target: &Target) -> Result<Vec<Finding>, Fault> {
        let _ = (settings, target);
        Ok(Vec::new())
    }

    /// Add or remove the people of one part: at most one request that changes membership. The same part, settings
    /// and component must give the same method, URL, headers and body, byte for byte.
    fn sync(settings: &Settings, target: &Target, part: &Part) -> Report;

    /// Ask what became of a part whose report carried `pending`. Default: judged, nothing refused.
    ///
    /// # Errors
    /// Why the partner did not answer.
    fn follow_up(settings: &Settings, target: &Target, reference: &str) -> Result<Later, Fault> {
        let _ = (settings, target, reference);
        Ok(Later::Done(Judgement { refused: Vec::new(), counts: Vec::new() }))
    }
}

/// Implements the generated export trait for any [`Destination`].
#[doc(hidden)]
pub struct Adapter<D>(PhantomData<D>);

impl<D: Destination> Guest for Adapter<D> {
    fn accounts(settings: String, cursor: Option<String>) -> Result<AccountPage, Fault> {
        D::accounts(&Settings::parse(&settings)?, cursor.as_deref())
    }

    fn audiences(
        settings: String,
        account: String,
        query: String,
        cursor: Option<String>,
    ) -> Result<AudiencePage, Fault> {
        D::audiences(&Settings::parse(&settings)?, &account, &query, cursor.as_deref())
    }

    fn create_audience(
        settings: String,
        account: String,
        name: String,
        marker: String,
        group: String,
        seed: Option<Part>,
    ) -> Result<Created, Fault> {
        D::create_audience(&Settings::parse(&settings)?, &account, &name, &marker, &group, seed.as_ref())
    }

    fn check(target: Target) -> Result<Vec<Finding>, Fault> {
        D::check(&Settings::parse(&target.settings)?, &target)
    }

    fn sync(target: Target, part: Part) -> Report {
        match Settings::parse(&target.settings) {
            Ok(settings) => D::sync(&settings, &target, &part),
            Err(fault) => report::fault(fault),
        }
    }

    fn follow_up(target: Target, reference: String) -> Result<Later, Fault> {
        D::follow_up(&Settings::parse(&target.settings)?, &target, &reference)
    }
}

/// Exports a [`Destination`] as the component's world and embeds its manifest.
///
/// `manifest` is a path relative to the crate's folder. Its bytes become the custom section `caravan:manifest` of the
/// core module inside the component, where the host reads them without running anything; `MANIFEST` holds the same
/// text for tests. Use it once, in the crate's `lib.rs`.
#[macro_export]
macro_rules! destination {
    ($connector:ty, manifest = $manifest:literal) => {
        $crate::component!($manifest, {
            type Component = $crate::Adapter<$connector>;
            $crate::bindings::export_destination!(Component with_types_in $crate::bindings);
        });
    };
}

/// What the components of both worlds have: the manifest as text and as a section, and the exports, which only
/// WebAssembly has.
#[doc(hidden)]
#[macro_export]
macro_rules! component {
    ($manifest:literal, { $($exports:tt)* }) => {
        /// The manifest, as it is embedded in the component's custom section `caravan:manifest`.
        pub const MANIFEST: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, missing_docs)]
        mod component {
            use super::*;

            #[used]
            #[unsafe(link_section = "caravan:manifest")]
            pub static SECTION: [u8; super::MANIFEST.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));

            $($exports)*
        }
    };
}
