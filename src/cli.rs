//! The command line, made from one table of flags and the list of collectors.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use std::time::Duration;

use tidegauge_exporter::collector::COLLECTORS;
use tidegauge_model::units::parse_duration;

/// Where the sidecar listens.
const SIDECAR_ADDRESS: &str = "127.0.0.1:10734";

/// The whole command line.
pub fn command() -> Command {
    let top = Command::new("tidegauge")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Watches tiered storage: a Prometheus exporter for hot, warm and cold tiers")
        .after_help(
            "Without a command: run. Without a configuration: the host's tiers are discovered.",
        )
        .args(global_args())
        .args(exporter_args())
        .args(sidecar_args());
    top.subcommand(
        Command::new("run")
            .about("Exporter and sidecar in one process")
            .args(exporter_args())
            .args(sidecar_args()),
    )
    .subcommand(
        Command::new("alerts")
            .about("The sidecar alone: scrapes exporters, evaluates rules, answers queries")
            .args(alerts_args()),
    )
    .subcommand(Command::new("exporter").about("The exporter alone").args(exporter_args()))
    .subcommand(
        Command::new("discover")
            .about("Prints a complete, commented configuration for this host, with the reason for each choice"),
    )
    .subcommand(
        Command::new("status")
            .about("The tiers at a glance; exit code 0 ok, 1 warning, 2 critical, 3 unknown")
            .args(status_args()),
    )
    .subcommand(
        Command::new("query")
            .about("Asks a running sidecar, or a Prometheus, in PromQL")
            .after_help("With --start, --end or --step: over that range, the last 5 minutes by default. Times are seconds since 1970 or RFC 3339.\nExits 0, or 1 when the query fails or nobody answers.")
            .args(query_args()),
    )
    .subcommand(
        Command::new("check")
            .about("Says what is wrong with a file, with line and hint")
            .subcommand_required(true)
            .subcommand(
                Command::new("config")
                    .about("Configuration files")
                    .arg(
                        Arg::new("syntax-only")
                            .long("syntax-only")
                            .action(ArgAction::SetTrue)
                            .help("Do not look at this host: for a file that is meant for another one"),
                    )
                    .arg(files(true)),
            )
            .subcommand(check_rules_command())
            .subcommand(
                Command::new("web-config")
                    .about("Files for --web.config.file, and the certificates and keys that they name")
                    .arg(files(true)),
            )
            .subcommand(
                Command::new("metrics")
                    .about("Metrics in the text format 0.0.4 or OpenMetrics 1.0; standard input without a file")
                    .after_help("Exits 0 when nothing is found, 1 when something is, 2 when a file cannot be read.")
                    .arg(
                        option("format", "FORMAT", "Format; auto: OpenMetrics if the last line is `# EOF`")
                            .default_value("auto")
                            .value_parser(PossibleValuesParser::new(["auto", "text", "openmetrics"])),
                    )
                    .arg(files(false)),
            ),
    )
    .subcommand(
        Command::new("test")
            .about("Runs tests that are kept in files")
            .subcommand_required(true)
            .subcommand(test_rules_command()),
    )
}

fn check_rules_command() -> Command {
    Command::new("rules")
        .about("Files of alerting and recording rules, in Prometheus's format")
        .after_help(
            "Exits 0 when all rules are right, 2 when one is wrong; with --strict 1 for a warning.",
        )
        .arg(
            Arg::new("strict")
                .long("strict")
                .action(ArgAction::SetTrue)
                .help("End with 1 when there is a warning"),
        )
        .arg(
            option(
                "kept",
                "TIME",
                "How far back rules can look: warn of expressions that look further (default: window.max_range of the configuration)",
            )
            .value_parser(ValueParser::new(duration)),
        )
        .arg(files(true))
}

fn test_rules_command() -> Command {
    Command::new("rules")
        .about("Unit tests of rules, in promtool's format")
        .after_help("Exits 0 when all tests pass, else 1.")
        .arg(
            option(
                "run",
                "REGEX",
                "Run only tests whose name matches; may be repeated",
            )
            .action(ArgAction::Append),
        )
        .arg(files(true))
}

/// The matches of the subcommand in use, or those of the top.
pub fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, sub)| innermost(sub))
}

fn files(required: bool) -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .num_args(1..)
        .required(required)
        .value_parser(value_parser!(PathBuf))
}

fn option(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .help(help.into())
}

fn path(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    option(name, "DIR", help)
        .default_value(default)
        .value_parser(value_parser!(PathBuf))
        .global(true)
}

fn global_args() -> Vec<Arg> {
    vec![
        option(
            "config",
            "FILE",
            "Configuration; else /etc/tidegauge/tidegauge.yml where it exists, else discovery",
        )
        .value_parser(value_parser!(PathBuf))
        .global(true),
        option(
            "state-dir",
            "DIR",
            "State folder, instead of the configuration's",
        )
        .value_parser(value_parser!(PathBuf))
        .global(true),
        path("path.procfs", "/proc", "Where procfs is mounted"),
        path("path.sysfs", "/sys", "Where sysfs is mounted"),
        path("path.rootfs", "/", "Where the host's root is mounted"),
        path(
            "path.udev.data",
            "/run/udev/data",
            "Where udev keeps its database",
        ),
        option(
            "log.level",
            "LEVEL",
            "Least level of messages that are logged",
        )
        .default_value("info")
        .value_parser(PossibleValuesParser::new([
            "debug", "info", "warn", "error",
        ]))
        .global(true),
        option(
            "log.format",
            "FORMAT",
            "Format of the log on standard error",
        )
        .default_value("logfmt")
        .value_parser(PossibleValuesParser::new(["logfmt", "json"]))
        .global(true),
    ]
}

fn exporter_args() -> Vec<Arg> {
    let mut args = vec![
        option(
            "web.listen-address",
            "ADDRESS",
            "Where to listen; may be repeated",
        )
        .default_value(":10733")
        .action(ArgAction::Append),
        option("web.telemetry-path", "PATH", "Where the metrics are")
            .default_value("/metrics")
            .value_parser(ValueParser::new(telemetry_path)),
        option(
            "web.config.file",
            "FILE",
            "TLS, passwords and limits, as other Prometheus exporters have them",
        )
        .value_parser(value_parser!(PathBuf)),
        option(
            "web.max-requests",
            "N",
            "Most scrapes at once; 0 for no limit",
        )
        .default_value("40")
        .value_parser(value_parser!(u32)),
        Arg::new("collector.disable-defaults")
            .long("collector.disable-defaults")
            .action(ArgAction::SetTrue)
            .help("Run only the collectors that are switched on by flag or configuration"),
    ];
    for collector in COLLECTORS {
        let (on, off) = (
            format!("collector.{}", collector.name),
            format!("no-collector.{}", collector.name),
        );
        let default = if collector.default_enabled {
            "on"
        } else {
            "off"
        };
        args.push(
            Arg::new(on.clone())
                .long(on.clone())
                .action(ArgAction::SetTrue)
                .overrides_with(off.clone())
                .help(format!(
                    "Switch on: {} (default: {default})",
                    collector.help
                )),
        );
        args.push(
            Arg::new(off.clone())
                .long(off)
                .action(ArgAction::SetTrue)
                .overrides_with(on)
                .hide_short_help(true)
                .help(format!("Switch off the {} collector", collector.name)),
        );
        for setting in collector.settings {
            let name = setting_flag(collector.name, setting.key);
            let default = if setting.default.is_empty() {
                "none"
            } else {
                setting.default
            };
            args.push(
                Arg::new(name.clone())
                    .long(name)
                    .value_name("VALUE")
                    .hide_short_help(true)
                    .help(format!(
                        "{}: {} (default: {default})",
                        collector.name, setting.help
                    )),
            );
        }
    }
    args
}

/// Of the sidecar beside the exporter.
fn sidecar_args() -> Vec<Arg> {
    let mut args = vec![
        option(
            "alerts.listen-address",
            "ADDRESS",
            "Where the sidecar listens; may be repeated",
        )
        .default_value(SIDECAR_ADDRESS)
        .action(ArgAction::Append),
        option(
            "alerts.config.file",
            "FILE",
            "TLS, passwords and limits of the sidecar, as --web.config.file for the exporter",
        )
        .value_parser(value_parser!(PathBuf)),
    ];
    args.extend(query_limits());
    args
}

/// Of the sidecar alone.
fn alerts_args() -> Vec<Arg> {
    let mut args = vec![
        option(
            "web.listen-address",
            "ADDRESS",
            "Where to listen; may be repeated",
        )
        .default_value(SIDECAR_ADDRESS)
        .action(ArgAction::Append),
        option(
            "web.config.file",
            "FILE",
            "TLS, passwords and limits, as other Prometheus exporters have them",
        )
        .value_parser(value_parser!(PathBuf)),
    ];
    args.extend(query_limits());
    args
}

/// Named as Prometheus's.
fn query_limits() -> Vec<Arg> {
    vec![
        option(
            "web.external-url",
            "URL",
            "Where users find the sidecar; links begin with it",
        ),
        option("query.timeout", "TIME", "How long a query may take")
            .default_value("2m")
            .value_parser(ValueParser::new(duration)),
        option(
            "query.max-concurrency",
            "N",
            "How many queries run at once; others wait",
        )
        .default_value("4")
        .value_parser(value_parser!(u16).range(1..)),
        option(
            "query.max-samples",
            "N",
            "How many samples a query may hold at one time",
        )
        .default_value("5000000")
        .value_parser(value_parser!(u64).range(1..)),
        option(
            "query.lookback-delta",
            "TIME",
            "How far back a query looks for a sample",
        )
        .default_value("5m")
        .value_parser(ValueParser::new(duration)),
    ]
}

fn status_args() -> Vec<Arg> {
    vec![
        option("output", "FORMAT", "What to print")
            .default_value("table")
            .value_parser(PossibleValuesParser::new(["table", "json"])),
        option(
            "color",
            "WHEN",
            "Colours; auto: on a terminal, unless NO_COLOR is set",
        )
        .default_value("auto")
        .value_parser(PossibleValuesParser::new(["auto", "always", "never"])),
        Arg::new("directories")
            .long("directories")
            .action(ArgAction::SetTrue)
            .help("Show the biggest and the coldest directories below the budgeted ones, or below a tier's filesystems where none has a budget"),
        option("top", "N", "Length of the lists of --directories")
            .default_value("10")
            .value_parser(value_parser!(u32).range(1..)),
        option(
            "directories-deadline",
            "TIME",
            "How long directories may take to be measured (default: 10s, with --directories 5m)",
        )
        .value_parser(ValueParser::new(duration)),
    ]
}

fn query_args() -> Vec<Arg> {
    vec![
        Arg::new("expr")
            .value_name("EXPR")
            .required(true)
            .allow_hyphen_values(true),
        option("url", "URL", "Whom to ask").default_value("http://127.0.0.1:10734"),
        option("time", "TIME", "When; now by default")
            .allow_hyphen_values(true)
            .conflicts_with_all(["start", "end", "step"]),
        option("start", "TIME", "Beginning of a range").allow_hyphen_values(true),
        option("end", "TIME", "End of a range; now by default").allow_hyphen_values(true),
        option(
            "step",
            "TIME",
            "Between the points of a range, as 15s; by default for 250 points",
        ),
        option("output", "FORMAT", "What to print; text: as promtool")
            .default_value("text")
            .value_parser(PossibleValuesParser::new(["text", "json"])),
        option("user", "NAME", "User, where one is asked for").requires("password-file"),
        option("password-file", "FILE", "File with the user's password")
            .value_parser(value_parser!(PathBuf))
            .requires("user"),
        option(
            "ca-file",
            "FILE",
            "Certificate of the CA to trust, instead of the host's",
        )
        .value_parser(value_parser!(PathBuf)),
    ]
}

/// The flag of a collector's setting.
pub fn setting_flag(collector: &str, key: &str) -> String {
    format!("collector.{collector}.{}", key.replace('_', "-"))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn telemetry_path(text: &str) -> Result<String, String> {
    let taken = ["/", "/-/healthy", "/-/ready", "/-/reload"].contains(&text);
    if text.starts_with('/')
        && !taken
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
    {
        Ok(text.to_owned())
    } else {
        Err("a path such as /metrics: it begins with /, has no query, and is not one of the exporter's others".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn the_last_of_two_opposites_counts() {
        let matches = command()
            .try_get_matches_from(["tidegauge", "--collector.disk", "--no-collector.disk"])
            .unwrap();
        assert!(!matches.get_flag("collector.disk") && matches.get_flag("no-collector.disk"));
    }

    #[test]
    fn flags_before_and_after_the_command() {
        let matches = command()
            .try_get_matches_from([
                "tidegauge",
                "--config",
                "a.yml",
                "exporter",
                "--web.telemetry-path",
                "/m",
                "--log.level=debug",
            ])
            .unwrap();
        let sub = innermost(&matches);
        assert_eq!(
            sub.get_one::<PathBuf>("config"),
            Some(&PathBuf::from("a.yml"))
        );
        assert_eq!(sub.get_one::<String>("log.level").unwrap(), "debug");
        assert!(
            command()
                .try_get_matches_from(["tidegauge", "--web.telemetry-path", "/-/ready"])
                .is_err()
        );
        assert!(
            command()
                .try_get_matches_from(["tidegauge", "--web.max-requests", "-1"])
                .is_err()
        );
    }
}
