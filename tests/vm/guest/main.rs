//! Tests that run in the virtual machine of `tests/vm/boot.sh`, whose kernel has what others lack.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod quota;
