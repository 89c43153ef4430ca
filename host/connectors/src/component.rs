//! A loaded component: compiled, linked against deny-all WASI and our egress, ready to be instantiated.
use crate::{
    outline::Outline,
    sandbox::Sandbox,
    state::CallState,
    world::{self, DestinationPre, SourcePre, WIT_VERSION},
};
use caravan_model::manifest::World;
use caravan_model::{Code, Digest, Manifest, Problem};
use std::sync::Arc;
use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, InstancePre, Linker},
};

/// A component that passed all checks and can be called.
pub struct LoadedComponent {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) linked: Linked,
    manifest: Manifest,
    digest: Digest,
}

/// A component, ready to be instantiated in the world that it is of.
pub(crate) enum Linked {
    /// It writes into audiences; its `sync` is called without the generated function.
    Destination(DestinationPre<CallState>, ComponentExportIndex),
    /// It reads members.
    Source(SourcePre<CallState>),
}

impl Linked {
    /// The engine that it was compiled for.
    pub(crate) fn engine(&self) -> &Engine {
        match self {
            Linked::Destination(pre, _) => pre.engine(),
            Linked::Source(pre) => pre.engine(),
        }
    }
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
        let world = manifest.world;
        let linked = match prepare(sandbox, engine, world, &digest, bytes) {
            Ok(prepared) => prepared,
            Err(problem) if problem.code == Code::NotAComponent && sandbox.is_pooled(engine) => {
                prepare(sandbox, sandbox.on_demand()?, world, &digest, bytes)?
            }
            Err(problem) => return Err(problem),
        };
        Ok(LoadedComponent { sandbox: sandbox.clone(), linked, manifest, digest })
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

fn prepare(sandbox: &Sandbox, engine: &Engine, world: World, digest: &Digest, bytes: &[u8]) -> Result<Linked, Problem> {
    let component = sandbox.compiled(engine, digest, bytes).map_err(|wrong| {
        Problem::new(Code::NotAComponent, format!("this component cannot be compiled: {wrong:#}"))
            .cure("build it anew for wasm32-wasip2; this host takes components with WASI 0.2")
    })?;
    let wrong = |wrong: wasmtime::Error| wrong_world(world, &format!("{wrong:#}"));
    let pre = link(engine, &component).map_err(wrong)?;
    match world {
        World::Destination => {
            let sync = component.get_export_index(None, "sync");
            let sync = sync.ok_or_else(|| wrong_world(world, "it does not export `sync`"))?;
            Ok(Linked::Destination(DestinationPre::new(pre).map_err(wrong)?, sync))
        }
        World::Source => Ok(Linked::Source(SourcePre::new(pre).map_err(wrong)?)),
    }
}

fn link(engine: &Engine, component: &Component) -> wasmtime::Result<InstancePre<CallState>> {
    let mut linker = Linker::<CallState>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    crate::world::logging::add_to_linker::<_, wasmtime::component::HasSelf<CallState>>(&mut linker, |state| state)?;
    linker.instantiate_pre(component)
}

/// The problem of a component that does not fit the world.
pub(crate) fn wrong_world(world: World, what: &str) -> Problem {
    Problem::new(
        Code::WrongWorld,
        format!(
            "this component is not of the world caravan:connector/{}@{WIT_VERSION} that its manifest names: {what}",
            world::name(world)
        ),
    )
    .cure(format!("build it with the SDK for caravan:connector@{WIT_VERSION}"))
}
