//! `cargo xtask`: generates documents and runs benchmarks.

#![allow(
    clippy::print_stdout,
    reason = "a program for developers that talks on its terminal"
)]

mod bench;
mod fuzz;
mod generate;
mod promqltest;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask COMMAND

  generate             docs/metrics.md, man pages and completions, from the program itself
  fuzz [TARGET…] [--seconds N]   every parser of outside bytes on inputs that libFuzzer makes up
  golden               the goldens anew, after a change that was meant
  promqltest FILE… [--verbose]   Prometheus's PromQL test scripts; 1: something failed, 2: a file cannot be read
  bench devices        collectors of devices in the virtual machine; writes docs/benchmarks.md
  bench promql [--quick]   PromQL beside Prometheus; writes docs/benchmarks.md
  bench rules [--quick]    the rule engine beside Prometheus; writes docs/benchmarks.md
  bench scrape [--quick]   the exporter beside node_exporter; writes docs/benchmarks.md
  bench smart              SMART of many disks beside smartctl_exporter; writes docs/benchmarks.md
  bench walk [--quick]     walks beside diskus, dust, pdu, gdu and du; writes docs/benchmarks.md";

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["promqltest", rest @ ..] if !rest.is_empty() => return promqltest::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest)?,
        ["generate"] => generate::all()?,
        ["golden"] => generate::goldens()?,
        ["bench", "devices"] => bench::devices::run()?,
        ["bench", "promql"] => bench::promql::run(false)?,
        ["bench", "promql", "--quick"] => bench::promql::run(true)?,
        ["bench", "rules"] => bench::rules::run(false)?,
        ["bench", "rules", "--quick"] => bench::rules::run(true)?,
        ["bench", "scrape"] => bench::scrape::run(false)?,
        ["bench", "scrape", "--quick"] => bench::scrape::run(true)?,
        ["bench", "smart"] => bench::smart::run()?,
        ["bench", "walk"] => bench::walk::run(false)?,
        ["bench", "walk", "--quick"] => bench::walk::run(true)?,
        _ => bail!("{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}
