//! `docs/benchmarks.md`: a section for each benchmark, written by it.

use std::fs;
use std::path::Path;

use anyhow::Result;

const TITLE: &str = "# Benchmarks\n\nWritten by the benchmarks themselves; each section says by which. Only the ratios count: absolute\ntimes vary with the machine.\n";

/// Replaces the section of this name, or adds it at the end.
pub fn replace(root: &Path, name: &str, text: &str) -> Result<()> {
    let file = root.join("docs/benchmarks.md");
    let old = fs::read_to_string(&file).unwrap_or_default();
    fs::write(&file, with_section(&old, name, text))?;
    println!("written: docs/benchmarks.md, section {name}");
    Ok(())
}

fn with_section(old: &str, name: &str, text: &str) -> String {
    let mut out = TITLE.to_owned();
    let mut is_new = true;
    let mut add = |name: &str, text: &str| {
        out.push_str(&format!("\n## {name}\n\n{}\n", text.trim()));
    };
    for section in old.split("\n## ").skip(1) {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        is_new &= title != name;
        add(title, if title == name { text } else { body });
    }
    if is_new {
        add(name, text);
    }
    out
}

/// What it was measured on.
pub fn machine() -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "Machine: {cores} cores, shared and noisy, Linux {}",
        kernel.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let one = with_section("", "One", "1");
        let two = with_section(&one, "Two", "2\n");
        assert_eq!(two, format!("{TITLE}\n## One\n\n1\n\n## Two\n\n2\n"));
        assert_eq!(
            with_section(&two, "One", "3"),
            format!("{TITLE}\n## One\n\n3\n\n## Two\n\n2\n")
        );
    }
}
