//! How many heaps the C library keeps.

/// Holds the C library to one heap per core, eight at most, unless its own variable (`MALLOC_ARENA_MAX`) says otherwise. By default glibc
/// gives threads up to eight per core, and none takes back what another has freed: batches that wander from thread to
/// thread leave their chunks in all of them. Measured on two cores, `run` with 100,000 people: 210 MB at most instead of
/// 380, with a million 240 instead of 490, in the same time (`cargo xtask bench path`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn few_heaps() {
    if std::env::var_os("MALLOC_ARENA_MAX").is_some() {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let heaps = i32::try_from(cores.clamp(2, 8)).unwrap_or(2);
    // SAFETY: `mallopt` reads its two numbers and nothing else, and no other thread has been started.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, heaps);
    }
}

/// Other allocators have no such heaps.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn few_heaps() {}
