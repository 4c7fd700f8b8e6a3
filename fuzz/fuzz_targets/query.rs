#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidetail_fuzz::query(data));
