//! Lets the linker leave Node's own symbols open, and fold functions that came out alike where the addon is built for size.

use std::env;

#[allow(clippy::disallowed_methods, reason = "this is how Cargo tells a build what it builds for")]
fn main() {
    napi_build::setup();
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // The profile `addon`, with Rust's own linker: that of this target unless another one was named. Others do not know the word.
    let own_linker = is("TARGET", "x86_64-unknown-linux-gnu") && env::var_os("RUSTC_LINKER").is_none();
    if own_linker && is("OPT_LEVEL", "s") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--icf=all");
    }
}
