//! `quota`: many queues under one quota of a partner's app, in steady state.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::Result;
use caravan_tests::steady;

/// Measures.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let steady = steady::tiktok(if effort.quick { 100 } else { 300 })?;
    Ok(vec![
        Figure::of(
            "quota",
            "share of TikTok's quota used in steady state",
            "",
            Goal::AtLeast(0.9),
            vec![steady.share()],
        ),
        Figure::of("quota", "calls refused as too many", "", Goal::AtMost(0.0), vec![steady.throttled as f64]),
    ])
}
