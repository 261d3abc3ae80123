//! `tidegauge discover`: prints a complete, commented configuration for this host.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use tidegauge_exporter::collector::COLLECTORS;
use tidegauge_exporter::discover::Discovery;
use tidegauge_model::mount::displayable;
use tidegauge_model::tier::Tier;
use tidegauge_model::units::format_duration;

use crate::config::sidecar::{Global, Window};
use crate::failure::{Failure, print};
use crate::host::Host;

/// Prints the configuration to standard output.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let host = Host::load(matches)?;
    let discovery = host.discover(matches)?;
    let text = render(&discovery, &host.state_dir);
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration as text. It loads again unchanged: the same tiers, every other key at its default.
fn render(discovery: &Discovery, state_dir: &Path) -> String {
    let mut out = String::from(
        "# tidegauge.yml, as found on this host. Every key is shown; those at their default may go.\n\
         # Sizes: GB is 10^9 bytes, GiB 2^30. Durations: 30s, 5m, 7d. Ratios: 80% or 0.8.\n\n\
         # Where the sidecar keeps what it must not forget. The exporter writes nothing.\n",
    );
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = out.write_fmt(text);
        out.push('\n');
    };
    line(format_args!(
        "state_dir: {}\n",
        quoted(&state_dir.to_string_lossy())
    ));
    line(format_args!(
        "# The tiers, hottest first. A path stands for the filesystem that holds it and for the real"
    ));
    line(format_args!(
        "# ones mounted below it; the longest path wins."
    ));
    if discovery.tiers.is_empty() {
        line(format_args!(
            "# None found: no mounted filesystem stores data as far as can be seen.\n# tiers:"
        ));
        line(format_args!("#   - name: hot\n#     paths: [/data/hot]"));
    } else {
        line(format_args!("tiers:"));
    }
    for tier in &discovery.tiers {
        write_tier(tier, discovery, &mut line);
    }
    let left_out: Vec<_> = discovery
        .choices
        .iter()
        .filter(|c| c.tier.is_none())
        .collect();
    if !left_out.is_empty() {
        line(format_args!("\n# Left out:"));
        for choice in left_out {
            line(format_args!(
                "#   {} ({}): {}",
                comment(&displayable(choice.mountpoint.as_os_str())),
                comment(&choice.fstype),
                choice.reason
            ));
        }
    }
    line(format_args!(
        "\n# What is read. Every setting has a flag: --collector.NAME.SETTING, --no-collector.NAME."
    ));
    line(format_args!("collectors:"));
    for collector in COLLECTORS {
        line(format_args!("  {}:  # {}", collector.name, collector.help));
        line(format_args!("    enabled: {}", collector.default_enabled));
        for setting in collector.settings {
            line(format_args!(
                "    {}: {}  # {}",
                setting.key,
                quoted(setting.default),
                setting.help
            ));
        }
    }
    write_sidecar(&mut line);
    out
}

fn write_sidecar(line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let (global, window) = (Global::default(), Window::default());
    line(format_args!(
        "\n# The sidecar. How often exporters are scraped and rules evaluated, and what is added to each alert."
    ));
    line(format_args!("global:"));
    for (key, time) in [
        ("scrape_interval", global.scrape_interval),
        ("scrape_timeout", global.scrape_timeout),
        ("evaluation_interval", global.evaluation_interval),
    ] {
        line(format_args!("  {key}: {}", format_duration(time)));
    }
    line(format_args!("  external_labels: {{}}"));
    line(format_args!(
        "# How much of the past is kept: for queries, and at most for a rule; bytes of samples, and series."
    ));
    line(format_args!("window:"));
    line(format_args!(
        "  retention: {}",
        format_duration(window.retention)
    ));
    line(format_args!(
        "  max_range: {}",
        format_duration(window.max_range)
    ));
    line(format_args!("  max_bytes: {}MiB", window.max_bytes >> 20));
    line(format_args!("  max_series: {}", window.max_series));
    line(format_args!(
        "# Exporters beside this one, with the keys of Prometheus's scrape_configs:\n\
         #   - {{job_name: node, static_configs: [{{targets: [\"127.0.0.1:9100\"]}}]}}\n\
         feeds: []\n\
         # Files of rules; left out: those that ship.\n\
         # rules: [/etc/tidegauge/rules/*.yml]"
    ));
}

fn write_tier(tier: &Tier, discovery: &Discovery, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    line(format_args!("  - name: {}", quoted(&tier.name)));
    line(format_args!("    paths:"));
    for path in &tier.paths {
        let reason = discovery
            .choices
            .iter()
            .find(|c| c.mountpoint == *path)
            .map(|c| format!("{}, {}", c.fstype, c.reason))
            .unwrap_or_default();
        line(format_args!(
            "      - {}  # {}",
            quoted(&path.to_string_lossy()),
            comment(&reason)
        ));
    }
    line(format_args!(
        "    devices: []  # globs instead of paths, such as \"/dev/mapper/vg_data-*\""
    ));
    let [clear, warning, critical] = tier.thresholds.each().map(|(_, ratio)| ratio);
    line(format_args!(
        "    thresholds: {{clear: {clear}, warning: {warning}, critical: {critical}}}"
    ));
    line(format_args!(
        "    require_mount: {}  # not mounted: the tier is down, never \"empty\"",
        tier.require_mount
    ));
    line(format_args!(
        "    directories: []  # watched as volumes: {{path: {}, budget: 800GB, ages: [7d, 30d]}}",
        comment(
            &tier
                .paths
                .first()
                .map(|p| p.join("name").to_string_lossy().into_owned())
                .unwrap_or_default()
        )
    ));
    line(format_args!(
        "    # expect: {}  # an example: drift from it is told",
        expect(&tier.name)
    ));
}

/// What a tier can be expected to be tuned to: a cold one, which is found on other hosts only, and others.
fn expect(tier: &str) -> String {
    if tier == "cold" {
        return "{read_ahead: 128KiB, mount_options: [hard, proto=tcp, rsize=1048576, wsize=1048576]}"
            .to_owned();
    }
    let scheduler = if tier == "warm" {
        "mq-deadline"
    } else {
        "none"
    };
    format!(
        "{{scheduler: {scheduler}, read_ahead: 128KiB, write_cache: write_back, \
         mount_options: [noatime, \"!discard\"], trim_within: 8d}}"
    )
}

/// A double-quoted YAML scalar (YAML 1.2, 5.7 and 7.3.1).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text that stays on its comment line.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') {
                '?'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tidegauge_exporter::discover::Choice;
    use tidegauge_model::expect::Expect;
    use tidegauge_model::tier::Thresholds;

    use super::*;
    use crate::config::Config;

    fn discovery(paths: &[&str]) -> Discovery {
        let tier = Tier {
            name: "hot".into(),
            paths: paths.iter().map(PathBuf::from).collect(),
            devices: vec![],
            thresholds: Thresholds::default(),
            require_mount: true,
            directories: vec![],
            expect: Expect::default(),
        };
        let choice = |path: &str, tier| Choice {
            mountpoint: path.into(),
            device: "/dev/x".into(),
            fstype: "ext4".into(),
            tier,
            reason: "on a local disk (x)".into(),
        };
        let mut choices: Vec<_> = paths.iter().map(|p| choice(p, Some("hot"))).collect();
        choices.push(choice("/tm\np", None));
        Discovery {
            tiers: vec![tier],
            choices,
        }
    }

    #[test]
    fn what_is_printed_loads_again_unchanged() {
        let found = discovery(&[
            "/",
            "/a \"b\" #c: \\d",
            "/nl\nx\u{85}\u{2028}\u{7f}",
            "/*&!|>%@`ü",
        ]);
        let text = render(&found, Path::new("/var/lib/tidegauge"));
        let config = Config::parse(&text).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
        assert_eq!(config.tiers, Some(found.tiers));
        assert_eq!(
            config.state_dir.as_deref(),
            Some(Path::new("/var/lib/tidegauge"))
        );
        assert_eq!(config.collectors.len(), COLLECTORS.len());
        assert_eq!(config.global, Global::default());
        assert_eq!(config.window, Window::default());
        assert!(config.feeds.jobs.is_empty() && config.rules.is_none());
    }

    #[test]
    fn the_examples_of_what_is_expected_load_too() {
        for name in ["hot", "warm", "cold"] {
            let mut found = discovery(&["/"]);
            found.tiers[0].name = name.into();
            let text = render(&found, Path::new("/s"));
            assert!(text.contains("    # expect: {"), "{text}");
            let text = text.replace("    # expect: ", "    expect: ");
            let config = Config::parse(&text).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
            let expect = &config.tiers.unwrap()[0].expect;
            assert!(expect.of_filesystems() && expect.of_disks() == (name != "cold"));
        }
    }

    #[test]
    fn without_tiers_it_still_loads() {
        let text = render(
            &Discovery {
                tiers: vec![],
                choices: vec![],
            },
            Path::new("/s"),
        );
        assert!(Config::parse(&text).unwrap().tiers.is_none());
    }
}
