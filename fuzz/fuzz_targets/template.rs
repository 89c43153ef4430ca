//! `tests/corpora/template`: see `caravan_properties::template`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::template::holds(bytes));
