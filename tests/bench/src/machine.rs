//! The machine, and where raw results are kept.
use crate::{Effort, table::Figure};
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// Writes the raw results beside a description of the machine.
pub fn keep(figures: &[Figure], effort: Effort) -> Result<PathBuf> {
    let folder = xtask::stage::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let file = folder.join(format!("{now}.json"));
    let all = json!({"at": now, "quick": effort.quick, "machine": machine(), "figures": figures});
    std::fs::write(&file, serde_json::to_vec_pretty(&all)?)?;
    Ok(file)
}

/// What this machine is.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = read("/proc/cpuinfo");
    let flags = field(&processor, "flags");
    json!({
        "processor": field(&processor, "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "sha_extensions": flags.split(' ').any(|flag| flag == "sha_ni"),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": read("/proc/loadavg").trim(),
    })
}
