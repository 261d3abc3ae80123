//! tidegauge
fn main() {}
