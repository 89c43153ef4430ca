//! Random numbers that a seed replays (SplitMix64).
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of numbers.
pub struct Dice(u64);

/// `CARAVAN_SEED`, or one of this moment; it is printed.
pub fn seed() -> u64 {
    let given = std::env::var("CARAVAN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64));
    println!("CARAVAN_SEED={seed} replays these choices");
    seed
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of a range.
    pub fn of(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start).max(1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.of(0..100) < percent
    }

    /// One of a list.
    pub fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.of(0..list.len() as u64) as usize]
    }
}
