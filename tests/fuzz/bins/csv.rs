#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| walletfs_fuzz::csv(bytes));
