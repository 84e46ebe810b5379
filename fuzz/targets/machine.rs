#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    stargazer_chaos::fuzz::machine(bytes);
});
