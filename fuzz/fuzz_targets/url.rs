//! `tests/corpora/url`: see `caravan_properties::url`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::url::holds(bytes));
