#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| opsbox_log_fuzz::mask::run(data));
