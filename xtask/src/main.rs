//! `cargo xtask`: generates documents and runs benchmarks.
fn main() -> anyhow::Result<()> {
    anyhow::bail!("usage: cargo xtask COMMAND")
}
