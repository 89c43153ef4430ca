//! Being asked to stop: Ctrl-C, or the system's request.
use std::io;

/// Ends when the process is asked to stop (SIGINT, or SIGTERM where there is such a thing).
pub async fn asked() {
    // Where signals cannot be heard, the process ends by them as usual.
    if heard().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn heard() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn heard() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
