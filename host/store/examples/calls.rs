//! `cargo run -p caravan-store --example calls [PEOPLE]`: the bare store's calls, CPU µs per person.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let people = std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse())?;
    let folder = tempfile::tempdir()?;
    let timings = caravan_store::bench::bench_calls(&folder.path().join("bench.db"), people).await?;
    for (call, micros) in timings.cpu_per_person() {
        println!("{call:8} {micros:6.2} µs");
    }
    println!("wall     {:6.2} µs", timings.total().wall.as_secs_f64() * 1e6 / people as f64);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    Ok(())
}
