//! `tests/corpora/csv`: see `caravan_properties::csv`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::csv::holds(bytes));
