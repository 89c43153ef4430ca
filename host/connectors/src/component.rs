//! A loaded component: compiled, linked against deny-all WASI and our egress, ready to be instantiated.
use crate::{
    outline::Outline,
    sandbox::Sandbox,
    state::CallState,
    world::{DestinationPre, WIT_VERSION},
};
use caravan_model::{Code, Digest, Manifest, Problem};
use std::sync::Arc;
use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, Linker},
};

/// A component that passed all checks and can be called.
pub struct LoadedComponent {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) pre: DestinationPre<CallState>,
    pub(crate) sync: ComponentExportIndex,
    manifest: Manifest,
    digest: Digest,
}

impl std::fmt::Debug for LoadedComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedComponent").field("name", &self.manifest.name).field("digest", &self.digest).finish()
    }
}

impl LoadedComponent {
    pub(crate) fn load(sandbox: &Arc<Sandbox>, bytes: &[u8]) -> Result<LoadedComponent, Problem> {
        let Outline { manifest, digest, .. } = Outline::read(bytes)?;
        let engine = sandbox.engine(bytes.len())?;
        // A small component may still need more than a pool holds ready for one.
        let (pre, sync) = match prepare(sandbox, engine, &digest, bytes) {
            Ok(prepared) => prepared,
            Err(problem) if problem.code == Code::NotAComponent && sandbox.is_pooled(engine) => {
                prepare(sandbox, sandbox.on_demand()?, &digest, bytes)?
            }
            Err(problem) => return Err(problem),
        };
        Ok(LoadedComponent { sandbox: sandbox.clone(), pre, sync, manifest, digest })
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The sandbox that it lives in.
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }
}

fn prepare(
    sandbox: &Sandbox,
    engine: &Engine,
    digest: &Digest,
    bytes: &[u8],
) -> Result<(DestinationPre<CallState>, ComponentExportIndex), Problem> {
    let component = sandbox.compiled(engine, digest, bytes).map_err(|wrong| {
        Problem::new(Code::NotAComponent, format!("this component cannot be compiled: {wrong:#}"))
            .cure("build it anew for wasm32-wasip2; this host takes components with WASI 0.2")
    })?;
    let pre = link(engine, &component).map_err(|wrong| wrong_world(&format!("{wrong:#}")))?;
    let sync = component.get_export_index(None, "sync").ok_or_else(|| wrong_world("it does not export `sync`"))?;
    Ok((pre, sync))
}

fn link(engine: &Engine, component: &Component) -> wasmtime::Result<DestinationPre<CallState>> {
    let mut linker = Linker::<CallState>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    crate::world::logging::add_to_linker::<_, wasmtime::component::HasSelf<CallState>>(&mut linker, |state| state)?;
    DestinationPre::new(linker.instantiate_pre(component)?)
}

/// The problem of a component that does not fit the world.
pub(crate) fn wrong_world(what: &str) -> Problem {
    Problem::new(
        Code::WrongWorld,
        format!("this component is not of the world caravan:connector/destination@{WIT_VERSION} that this host serves: {what}"),
    )
    .cure(format!("build it with the SDK for caravan:connector@{WIT_VERSION}"))
}
