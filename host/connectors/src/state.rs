//! What belongs to one call: deny-all WASI with a stopped wall clock and seeded random numbers, bounds on memory,
//! the log and the egress.
use crate::{
    egress::Egress,
    grant::Limits,
    log::{Log, Printed},
    world::{logging, wit},
};
use caravan_model::{Millis, port::CallContext};
use sha2::{Digest as _, Sha256};
use std::{convert::Infallible, time::Duration};
use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Most resources (streams, headers, requests) that a guest may hold at the same time.
const RESOURCES: usize = 512;

/// The data of a store.
pub(crate) struct CallState {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    pub(crate) egress: Egress,
    pub(crate) log: Log,
    pub(crate) bounds: Bounds,
}

impl CallState {
    pub(crate) fn new(context: &CallContext, limits: &Limits, egress: Egress) -> CallState {
        let log = Log::new(limits.log_lines as usize, limits.log_bytes as usize);
        let seed: [u8; 32] = Sha256::digest(context.seed.as_bytes()).into();
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .allow_blocking_current_thread(false)
            .max_random_size(1 << 20)
            .wall_clock(StoppedClock(context.at))
            .secure_random(Seeded::new(seed, 0))
            .insecure_random(Seeded::new(seed, 1))
            .insecure_random_seed(u128::from_le_bytes(std::array::from_fn(|i| seed[i])))
            .stdout(Printed::new(log.clone(), "stdout"))
            .stderr(Printed::new(log.clone(), "stderr"));
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(4 * limits.header_bytes as usize);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        CallState { wasi: wasi.build(), http, table, egress, log, bounds: Bounds::new(limits) }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.egress }
    }
}

impl logging::Host for CallState {
    fn log(&mut self, level: logging::Level, message: String) {
        let level = match level {
            logging::Level::Debug => "debug",
            logging::Level::Info => "info",
            logging::Level::Warn => "warn",
            logging::Level::Error => "error",
        };
        self.log.write(level, &message);
    }
}

impl wit::Host for CallState {}

/// A wall clock that stands at the sealing time.
struct StoppedClock(Millis);

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.0).unwrap_or(0))
    }
}

/// Random numbers that the same seed repeats: SHA-256 in counter mode.
struct Seeded {
    key: [u8; 33],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Seeded {
    fn new(seed: [u8; 32], stream: u8) -> Seeded {
        let mut key = [stream; 33];
        key[..32].copy_from_slice(&seed);
        Seeded { key, counter: 0, block: [0; 32], used: 32 }
    }
}

impl rand_core::TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            if self.used == 32 {
                let mut hash = Sha256::new();
                hash.update(self.key);
                hash.update(self.counter.to_le_bytes());
                self.block = hash.finalize().into();
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
        Ok(())
    }
}

/// Which bound of the store a guest ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    Memory,
    Table,
    Instances,
    Cpu,
}

/// Memory, tables and computing time of a store.
#[derive(Debug)]
pub(crate) struct Bounds {
    memory_left: u64,
    table_left: u64,
    pub(crate) ticks_left: u32,
    instances: usize,
    pub(crate) breach: Option<Breach>,
}

impl Bounds {
    fn new(limits: &Limits) -> Bounds {
        Bounds {
            memory_left: limits.memory_bytes,
            table_left: limits.table_elements.into(),
            ticks_left: limits.cpu_ticks,
            instances: limits.instances as usize,
            breach: None,
        }
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        match self.memory_left.checked_sub(more) {
            Some(left) => self.memory_left = left,
            None => self.breach = Some(Breach::Memory),
        }
        Ok(self.breach != Some(Breach::Memory))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        match self.table_left.checked_sub(more) {
            Some(left) => self.table_left = left,
            None => self.breach = Some(Breach::Table),
        }
        Ok(self.breach != Some(Breach::Table))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances.saturating_mul(2)
    }

    fn memories(&self) -> usize {
        self.instances
    }
}
