//! The trait that a connector implements which reads, and what joins it to the component's exports.
use crate::source_bindings::Guest;
use crate::{AudiencePage, Fault, Finding, FolderPage, MemberPage, Settings, SourceTarget};
use std::marker::PhantomData;

/// A connector that reads the members of external audiences: the world `source` of the contract.
///
/// Every call runs in a fresh instance: what is to be known at the next one stands in the cursor.
pub trait Source {
    /// The folders that the credentials see. Default: one without a name.
    ///
    /// # Errors
    /// Why the partner did not answer.
    fn folders(settings: &Settings, cursor: Option<&str>) -> Result<FolderPage, Fault> {
        let _ = (settings, cursor);
        Ok(FolderPage { folders: Vec::new(), next: None })
    }

    /// The audiences of a folder whose name contains `query` (empty = all).
    ///
    /// # Errors
    /// Why the partner did not answer.
    fn audiences(settings: &Settings, folder: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault>;

    /// A checklist: credentials, organisation, the audience's state. Default: empty.
    ///
    /// # Errors
    /// Why nothing can be said.
    fn check(settings: &Settings, target: &SourceTarget) -> Result<Vec<Finding>, Fault> {
        let _ = (settings, target);
        Ok(Vec::new())
    }

    /// The next members. Without a cursor an initial export begins; with one, its next page or what changed since.
    ///
    /// # Errors
    /// Why the partner did not answer.
    fn members(settings: &Settings, target: &SourceTarget, cursor: Option<&str>) -> Result<MemberPage, Fault>;
}

/// Implements the generated export trait for any [`Source`].
#[doc(hidden)]
pub struct SourceAdapter<S>(PhantomData<S>);

impl<S: Source> Guest for SourceAdapter<S> {
    fn folders(settings: String, cursor: Option<String>) -> Result<FolderPage, Fault> {
        S::folders(&Settings::parse(&settings)?, cursor.as_deref())
    }

    fn audiences(
        settings: String,
        folder: String,
        query: String,
        cursor: Option<String>,
    ) -> Result<AudiencePage, Fault> {
        S::audiences(&Settings::parse(&settings)?, &folder, &query, cursor.as_deref())
    }

    fn check(target: SourceTarget) -> Result<Vec<Finding>, Fault> {
        S::check(&Settings::parse(&target.settings)?, &target)
    }

    fn members(target: SourceTarget, cursor: Option<String>) -> Result<MemberPage, Fault> {
        S::members(&Settings::parse(&target.settings)?, &target, cursor.as_deref())
    }
}

/// Exports a [`Source`] as the component's world and embeds its manifest, as [`destination!`](crate::destination) does.
#[macro_export]
macro_rules! source {
    ($connector:ty, manifest = $manifest:literal) => {
        $crate::component!($manifest, {
            type Component = $crate::SourceAdapter<$connector>;
            $crate::source_bindings::export_source!(Component with_types_in $crate::source_bindings);
        });
    };
}
