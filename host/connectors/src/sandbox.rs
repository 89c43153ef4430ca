//! The sandbox: engines, their clock of epochs, and the pooled HTTP client. One per process.
use crate::{
    cache::{self, CompileCache},
    compiler::Compiler,
    component::LoadedComponent,
    egress::{Clients, trust::Trust},
};
use caravan_model::{Code, Digest, Problem};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::Semaphore;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The length of an epoch: the unit in which computing time is counted, and the longest that a guest computes before
/// it lets other tasks run.
pub const TICK: Duration = Duration::from_millis(10);

/// Components above this size get memory on demand: those of JavaScript and Python need more instances than a pool
/// holds ready.
const LARGEST_POOLED: usize = 4 << 20;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled components are kept; none = compiled anew by each process.
    pub cache_dir: Option<PathBuf>,
    /// The key of the tags that compiled components carry; without one, none is kept. It lies outside `cache_dir`.
    pub cache_key: Option<[u8; 32]>,
    /// Compiles in a process of its own; none = in this one, which is for components of our own alone.
    pub compiler: Option<Compiler>,
    /// How many calls may run at the same time; more wait within their deadlines.
    pub calls: u32,
    /// How long dialling a partner may take.
    pub connect_timeout: Duration,
    /// Whom to trust as a partner, and where to find them.
    pub trust: Trust,
    /// Where guests' memory comes from: none = the engine's own. For tests that look at all of it.
    pub memory: Option<GuestMemory>,
}

/// Memory for guests from outside of the engine: every access is checked against its size.
#[derive(Clone)]
pub struct GuestMemory(pub Arc<dyn wasmtime::MemoryCreator>);

impl std::fmt::Debug for GuestMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GuestMemory")
    }
}

impl Default for SandboxOptions {
    fn default() -> Self {
        SandboxOptions {
            cache_dir: None,
            cache_key: None,
            compiler: None,
            calls: 64,
            connect_timeout: Duration::from_secs(10),
            trust: Trust::default(),
            memory: None,
        }
    }
}

/// Engines, compile cache and HTTP clients, shared by all connectors of a process.
pub struct Sandbox {
    pooled: Engine,
    memory: Option<GuestMemory>,
    on_demand: OnceLock<Engine>,
    cache: Option<CompileCache>,
    compiler: Option<Compiler>,
    pub(crate) clients: Clients,
    pub(crate) permits: Arc<Semaphore>,
    /// How many permits there are.
    calls: usize,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Builds the engines and starts their clock.
    ///
    /// # Errors
    /// The cache folder cannot be made, an authority to trust is no certificate, or this machine cannot run WebAssembly.
    pub fn new(options: SandboxOptions) -> Result<Arc<Sandbox>, Problem> {
        let calls = options.calls.clamp(1, 1_000);
        keep_freed_memory();
        let pool = options.memory.is_none().then_some(calls);
        let memory = options.memory.as_ref();
        let pooled = Engine::new(&config(pool, memory)).or_else(|_| Engine::new(&config(None, memory)));
        let pooled = pooled.map_err(no_engine)?;
        start_clock(&pooled)?;
        let cache = match options.cache_dir.as_ref().zip(options.cache_key) {
            None => None,
            Some((folder, key)) => {
                let cache = CompileCache::open(folder, key).map_err(|wrong| {
                    Problem::new(
                        Code::UnreadableFile,
                        format!("the folder of compiled connectors cannot be used: {wrong}"),
                    )
                    .in_file(folder.display().to_string())
                    .cure("give a folder that this user can write to")
                })?;
                if cache.is_none() {
                    tracing::warn!(folder = %folder.display(), "others may write to the folder of compiled connectors; it is not used");
                }
                cache
            }
        };
        Ok(Arc::new(Sandbox {
            pooled,
            memory: options.memory,
            on_demand: OnceLock::new(),
            cache,
            compiler: options.compiler,
            clients: Clients::new(options.connect_timeout, options.trust)?,
            permits: Arc::new(Semaphore::new(calls as usize)),
            calls: calls as usize,
        }))
    }

    /// Loads a component: reads its manifest, compiles it or finds it compiled, and checks its world. Nothing of it
    /// runs. Compiling takes a core for a second or so; call this where that hurts nobody.
    ///
    /// # Errors
    /// CV050 no component, CV051 another world or version, CV052 no usable manifest.
    pub fn load(self: &Arc<Self>, bytes: &[u8]) -> Result<Arc<LoadedComponent>, Problem> {
        LoadedComponent::load(self, bytes).map(Arc::new)
    }

    /// Whether the call that asks is the only one under way.
    pub(crate) fn has_one_call(&self) -> bool {
        self.calls.saturating_sub(self.permits.available_permits()) <= 1
    }

    /// The engine for a component of this size.
    pub(crate) fn engine(&self, size: usize) -> Result<&Engine, Problem> {
        if size <= LARGEST_POOLED { Ok(&self.pooled) } else { self.on_demand() }
    }

    pub(crate) fn is_pooled(&self, engine: &Engine) -> bool {
        Engine::same(engine, &self.pooled)
    }

    /// The engine that takes memory on demand.
    pub(crate) fn on_demand(&self) -> Result<&Engine, Problem> {
        if let Some(engine) = self.on_demand.get() {
            return Ok(engine);
        }
        let engine = Engine::new(&config(None, self.memory.as_ref())).map_err(no_engine)?;
        start_clock(&engine)?;
        Ok(self.on_demand.get_or_init(|| engine))
    }

    /// A component compiled for this engine: from the cache where it is there, else in the child process where there is
    /// a compiler.
    pub(crate) fn compiled(
        &self,
        engine: &Engine,
        digest: &Digest,
        bytes: &[u8],
    ) -> wasmtime::Result<wasmtime::component::Component> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(engine, digest)) {
            return Ok(component);
        }
        let Some(compiler) = &self.compiler else {
            let component = wasmtime::component::Component::from_binary(engine, bytes)?;
            if let Some(cache) = &self.cache {
                cache.store(engine, digest, &component.serialize()?);
            }
            return Ok(component);
        };
        let code = compiler.run(bytes).map_err(|words| wasmtime::format_err!("{words}"))?;
        let component = cache::trusted(engine, &code)?;
        if let Some(cache) = &self.cache {
            cache.store(engine, digest, &code);
        }
        Ok(component)
    }
}

/// An engine that compiles for all others, and holds no pool of memory ready.
pub(crate) fn compiling_engine() -> Result<Engine, Problem> {
    Engine::new(&config(None, None)).map_err(no_engine)
}

/// Makes the C library keep the chunks of bodies that are freed. By default glibc hands the end of its heap back to the
/// system whenever 128 KiB of it are free: with chunks of 64 KiB that come and go that is a call, and a page fault for
/// every page, at every other chunk (measured: 80 faults and a tenth of the time of 10,000 rows). Freeing one large
/// block moves its threshold to twice the block's size; other allocators are not impressed.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(KEPT)));
}

/// Half of how much freed memory stays with the process.
const KEPT: usize = 2 << 20;

fn config(pool: Option<u32>, memory: Option<&GuestMemory>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_backtrace_max_frames(None)
        .max_wasm_stack(1 << 20)
        .async_stack_size(2 << 20);
    if let Some(GuestMemory(memory)) = memory {
        config.with_host_memory(memory.clone()).memory_reservation(0).memory_guard_size(0).memory_may_move(true);
        // What a module begins with is copied: only the engine's own memory can be mapped from it.
        config.memory_init_cow(false);
    }
    if let Some(calls) = pool {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(calls)
            .max_core_instances_per_component(16)
            .total_core_instances(calls * 16)
            .max_memories_per_component(2)
            .total_memories(calls * 2)
            .max_tables_per_component(8)
            .total_tables(calls * 8)
            .total_stacks(calls)
            .table_elements(100_000)
            .max_core_instance_size(1 << 20)
            .max_component_instance_size(1 << 20)
            .linear_memory_keep_resident(16 << 20)
            .table_keep_resident(64 << 10)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// A thread that moves an engine's epoch on, until the engine is gone.
fn start_clock(engine: &Engine) -> Result<(), Problem> {
    let engine = engine.weak();
    let beat = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("caravan-epochs".into()).spawn(beat).map(drop).map_err(|wrong| {
        Problem::new(Code::Internal, format!("the thread of the sandbox's clock cannot start: {wrong}"))
    })
}

fn no_engine(wrong: wasmtime::Error) -> Problem {
    Problem::new(Code::Internal, format!("this machine cannot run WebAssembly: {wrong:#}"))
}
