//! `identity`: ns per e-mail, phone and name, against plain SHA-256 of the same bytes.
use crate::{
    Effort,
    table::{Figure, Goal},
};
use anyhow::Result;
use caravan_identity::{Place, identifier_into};
use caravan_model::manifest::{Hash, Rule};
use sha2::{Digest as _, Sha256};
use std::{hint::black_box, time::Instant};

/// Values per round.
const VALUES: usize = 20_000;

/// Measures all three.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let rounds = if effort.quick { 5 } else { 21 };
    let emails: Vec<String> = (0..VALUES).map(|n| format!("First.Last{n:05}@Example.com")).collect();
    let phones: Vec<String> = (0..VALUES).map(|n| format!("+33 6 {:02} {:02} 56 78", n % 100, n / 100 % 100)).collect();
    let names: Vec<String> = (0..VALUES).map(|n| format!("Anne-Marie O'Neil {n}")).collect();
    let mut figures = Vec::new();
    let cases = [
        ("e-mail", Rule::Email, &emails, Goal::AtMost(2.0)),
        ("phone", Rule::PhoneDigits, &phones, Goal::None),
        ("name", Rule::Name, &names, Goal::None),
    ];
    for (what, rule, values, goal) in cases {
        let (mut ours, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let plain = time(values, |value, _, out| {
                out.clear();
                out.extend_from_slice(&Sha256::digest(value.as_bytes()));
            });
            let full = time(values, |value, scratch, out| {
                out.clear();
                scratch.clear();
                // An unusable value would be counted as cheap: there is none among these.
                let usable = identifier_into(rule, Hash::Sha256Hex, value, Place::default(), scratch, out);
                assert!(usable.is_ok(), "a value of the benchmark is unusable");
            });
            ours.push(full);
            ratios.push(full / plain);
        }
        figures.push(Figure::of("identity", format!("{what}: normalise and hash, per value"), "ns", Goal::None, ours));
        let ratio = Figure::of("identity", format!("{what}: against plain SHA-256"), "", goal, ratios);
        figures.push(ratio.because("checks, lower case and hexadecimal beside the hash"));
    }
    Ok(figures)
}

/// ns per value.
fn time(values: &[String], mut work: impl FnMut(&str, &mut Vec<u8>, &mut Vec<u8>)) -> f64 {
    let (mut out, mut scratch) = (Vec::with_capacity(128), Vec::with_capacity(128));
    let began = Instant::now();
    for value in values {
        work(black_box(value), &mut scratch, &mut out);
        black_box(&out);
    }
    began.elapsed().as_nanos() as f64 / values.len() as f64
}
