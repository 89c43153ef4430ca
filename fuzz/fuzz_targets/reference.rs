//! `tests/corpora/reference`: see `caravan_properties::reference`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::reference::holds(bytes));
