//! Being asked to stop: Ctrl-C, or the system's request.
use crate::fail::End;
use std::io;
use tokio::sync::watch;

/// Turns true once the process is asked to stop. Asked a second time, it ends at once: all that counts is committed.
pub fn listen(quiet: bool) -> watch::Receiver<bool> {
    let (tell, cancel) = watch::channel(false);
    tokio::spawn(async move {
        asked().await;
        if !quiet {
            eprintln!("Stopping: calls under way may end, everything is kept. Once more ends at once.");
        }
        tell.send_replace(true);
        asked().await;
        std::process::exit(End::Interrupted.code().into());
    });
    cancel
}

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
