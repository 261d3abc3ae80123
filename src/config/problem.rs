//! Why there is no configuration.

use std::fmt;
use std::path::PathBuf;

pub use tidegauge_web::problem::Problem;

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is wrong.
    Wrong {
        /// Which.
        path: PathBuf,
        /// Every mistake found.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => write!(
                f,
                "cannot read {}: {source} (name another file with --config, or leave --config out to have the tiers discovered)",
                path.display()
            ),
            Self::Wrong { path, problems } => {
                for (index, problem) in problems.iter().enumerate() {
                    if index > 0 {
                        f.write_str("\n")?;
                    }
                    f.write_str(&problem.show(path))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
