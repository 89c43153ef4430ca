//! `tests/corpora/canvas`: see `caravan_properties::canvas`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::canvas::holds(bytes));
