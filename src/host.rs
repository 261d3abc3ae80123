//! From flags and configuration to what the commands work with: the host's tiers and how to read them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ArgMatches;
use tidegauge_exporter::collector::{
    Access, COLLECTORS, CollectorSpec, Context, Memory, filesystem,
};
use tidegauge_exporter::device::block::BlockSource;
use tidegauge_exporter::device::mountinfo::MountInfo;
use tidegauge_exporter::device::probe::{Timing, ask_kernel};
use tidegauge_exporter::discover::{Discovery, discover};
use tidegauge_exporter::host::storage::Storage;
use tidegauge_exporter::rights::Right;
use tidegauge_exporter::settings::Settings;
use tidegauge_model::placement::Down;

use crate::cli::setting_flag;
use crate::config::{Config, ConfigError, Problem};
use crate::failure::Failure;

/// Where a configuration is looked for when none is named.
const DEFAULT_CONFIG: &str = "/etc/tidegauge/tidegauge.yml";

/// Everything that flags and configuration say.
pub struct Host {
    /// Where the kernel's files are, and the tiers.
    pub context: Context,
    /// The file that was read.
    pub config_file: Option<PathBuf>,
    /// Where the sidecar would keep its state.
    pub state_dir: PathBuf,
    config: Config,
}

impl Host {
    /// Reads the configuration that the flags name, or discovers the tiers.
    pub fn load(matches: &ArgMatches) -> Result<Self, Failure> {
        Self::new(matches, config_file(matches))
    }

    /// Reads this configuration.
    pub fn load_file(matches: &ArgMatches, file: &Path) -> Result<Self, Failure> {
        Self::new(matches, Some(file.to_owned()))
    }

    fn new(matches: &ArgMatches, config_file: Option<PathBuf>) -> Result<Self, Failure> {
        let path = |name| {
            matches
                .get_one::<PathBuf>(name)
                .cloned()
                .unwrap_or_default()
        };
        let config = match &config_file {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        tell_warnings(config_file.as_deref(), &config);
        let mut host = Self {
            context: Context {
                procfs: path("path.procfs"),
                sysfs: path("path.sysfs"),
                udev: path("path.udev.data"),
                rootfs: path("path.rootfs"),
                tiers: config.tiers.clone().unwrap_or_default().into(),
                memory: Memory::new(&path("path.procfs")),
                access: Access::default(),
            },
            state_dir: state_dir(matches, &config),
            config_file,
            config,
        };
        if host.config.tiers.is_none() {
            host.context.tiers = host.discover(matches)?.tiers.into();
        }
        Ok(host)
    }

    /// What the configuration says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What another host that is configured anew keeps of this one's former self: state is not moved while it is used.
    pub fn keep_state_dir(&mut self, former: &Self) {
        tell_state_dir(&former.state_dir, &self.state_dir);
        self.state_dir.clone_from(&former.state_dir);
    }

    /// Logs the tiers.
    pub fn tell_tiers(&self) {
        for tier in self.context.tiers.iter() {
            let paths: Vec<_> = tier.paths.iter().map(|p| p.to_string_lossy()).collect();
            tracing::info!(
                tier = tier.name,
                paths = paths.join(","),
                discovered = self.is_discovered(),
                "tier"
            );
        }
        if self.context.tiers.is_empty() {
            tracing::warn!(
                "no tiers: no mounted filesystem stores data as far as can be seen; `tidegauge discover` says why each was left out"
            );
        }
    }

    /// Whether the tiers were found rather than declared.
    pub fn is_discovered(&self) -> bool {
        self.config.tiers.is_none()
    }

    /// Looks at the host's mounts and sorts them.
    pub fn discover(&self, matches: &ArgMatches) -> Result<Discovery, Failure> {
        let table = MountInfo::new(&self.context.procfs)
            .read()
            .map_err(|error| Failure::failed(error.to_string()))?;
        let selection = self.settings(&filesystem::SPEC, matches)?;
        Ok(discover(&table, &self.blocks(), &selection))
    }

    /// The collectors that are to run, with their settings: flags before configuration before defaults.
    pub fn collectors(
        &self,
        matches: &ArgMatches,
    ) -> Result<Vec<(&'static CollectorSpec, Settings)>, Failure> {
        let no_defaults = flag(matches, "collector.disable-defaults");
        let mut chosen = Vec::new();
        for spec in COLLECTORS {
            let configured = self
                .config
                .collectors
                .get(spec.name)
                .and_then(|c| c.enabled);
            let by_default = spec.default_enabled && !no_defaults;
            let enabled = if flag(matches, &format!("collector.{}", spec.name)) {
                true
            } else if flag(matches, &format!("no-collector.{}", spec.name)) {
                false
            } else {
                configured.unwrap_or(by_default)
            };
            let settings = self.settings(spec, matches)?;
            if enabled {
                chosen.push((*spec, settings));
            }
        }
        Ok(chosen)
    }

    /// What these collectors can use beyond the rights of an ordinary user.
    pub fn rights(&self, chosen: &[(&'static CollectorSpec, Settings)]) -> Vec<Right> {
        let of_collectors = chosen
            .iter()
            .flat_map(|(spec, settings)| spec.rights_with(settings, &self.context.tiers));
        tidegauge_exporter::host::RIGHTS
            .iter()
            .map(|need| need.right)
            .chain(of_collectors)
            .collect()
    }

    /// What reads the host's filesystems.
    pub fn storage(&self, matches: &ArgMatches) -> Result<Storage, Failure> {
        let selection = self.settings(&filesystem::SPEC, matches)?;
        let tiers = Arc::clone(&self.context.tiers);
        let roots = [self.context.procfs.as_path(), &self.context.rootfs];
        Ok(Storage::new(
            tiers,
            selection,
            self.blocks(),
            roots,
            Timing::default(),
            Box::new(ask_kernel),
        ))
    }

    /// What of the declared tiers cannot be on this host as it is mounted now. Conflicts are mistakes
    /// of the configuration; what is only not there now may come.
    pub fn conflicts(&self, storage: &Storage) -> Result<(), Failure> {
        let Some(file) = &self.config_file else {
            return Ok(());
        };
        let layout = storage
            .layout()
            .map_err(|error| Failure::failed(error.to_string()))?;
        let mut problems = Vec::new();
        for (index, placed) in layout.placement.tiers.iter().enumerate() {
            for down in &placed.down {
                let tier = &self.context.tiers[index].name;
                match down {
                    Down::Conflict { .. } => problems.push(Problem {
                        line: self.config.tier_lines.get(index).copied().unwrap_or(0),
                        column: 1,
                        message: format!("tier `{tier}`: {down}"),
                        hint: String::new(),
                    }),
                    other => tracing::warn!(tier, reason = %other, "tier is down"),
                }
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Wrong {
                path: file.clone(),
                problems,
            }
            .into())
        }
    }

    fn blocks(&self) -> BlockSource {
        BlockSource {
            sysfs: self.context.sysfs.clone(),
            udev: self.context.udev.clone(),
        }
    }

    fn settings(
        &self,
        spec: &'static CollectorSpec,
        matches: &ArgMatches,
    ) -> Result<Settings, Failure> {
        let configured = self.config.collectors.get(spec.name);
        let mut settings =
            configured.map_or_else(|| Settings::defaults(spec.settings), |c| c.settings.clone());
        for setting in spec.settings {
            let name = setting_flag(spec.name, setting.key);
            // Only the commands that run collectors have these flags.
            if let Ok(Some(value)) = matches.try_get_one::<String>(&name) {
                settings
                    .set(setting, value)
                    .map_err(|error| Failure::usage(format!("--{name}: {error}")))?;
            }
        }
        Ok(settings)
    }
}

fn config_file(matches: &ArgMatches) -> Option<PathBuf> {
    let named = matches.get_one::<PathBuf>("config").cloned();
    named.or_else(|| Some(PathBuf::from(DEFAULT_CONFIG)).filter(|path| path.exists()))
}

/// The configuration that the flags name, and its file; without one that of no file.
pub fn config(matches: &ArgMatches) -> Result<(Option<PathBuf>, Config), Failure> {
    let file = config_file(matches);
    let config = match &file {
        Some(file) => Config::load(file)?,
        None => Config::default(),
    };
    Ok((file, config))
}

/// Logs what is no mistake, and better done in another way.
pub fn tell_warnings(file: Option<&Path>, config: &Config) {
    for warning in &config.warnings {
        tracing::warn!(
            "{}",
            warning.show(file.unwrap_or(Path::new("configuration")))
        );
    }
}

/// Logs that another state folder is for the next start.
pub fn tell_state_dir(in_use: &Path, wanted: &Path) {
    if in_use != wanted {
        tracing::warn!(
            in_use = %in_use.display(), wanted = %wanted.display(),
            "state_dir changes at the next start only; until then the old one is used"
        );
    }
}

/// Where the sidecar keeps its state.
pub fn state_dir(matches: &ArgMatches, config: &Config) -> PathBuf {
    matches
        .get_one::<PathBuf>("state-dir")
        .or(config.state_dir.as_ref())
        .cloned()
        .unwrap_or_else(default_state_dir)
}

fn flag(matches: &ArgMatches, name: &str) -> bool {
    matches
        .try_get_one::<bool>(name)
        .ok()
        .flatten()
        .copied()
        .unwrap_or(false)
}

/// `/var/lib/tidegauge` for root; else by the XDG base directory specification.
fn default_state_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/tidegauge");
    }
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| Path::new("/var/tmp").to_owned())
        .join("tidegauge")
}
