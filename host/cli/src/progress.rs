//! How far files are, on a terminal; nothing is shown elsewhere.
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over so many bytes of files.
pub fn of_bytes(quiet: bool, bytes: u64) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {bytes} of {total_bytes} · {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(bytes.max(1)), target).with_style(style)
}
