//! What the collectors of one reading share: read once, by whoever asks first.

use std::sync::{Arc, OnceLock};

use super::ReadError;
use super::blocks::Blocks;
use super::storage::{Filesystems, MountLayout, Storage};

/// One reading of the host.
pub struct Pass {
    storage: Arc<Storage>,
    layout: OnceLock<Result<Arc<MountLayout>, ReadError>>,
    filesystems: OnceLock<Result<Arc<Filesystems>, ReadError>>,
}

impl Pass {
    /// A new reading.
    pub fn new(storage: Arc<Storage>) -> Self {
        Self {
            storage,
            layout: OnceLock::new(),
            filesystems: OnceLock::new(),
        }
    }

    /// The mounts and their tiers.
    pub fn layout(&self) -> Result<Arc<MountLayout>, ReadError> {
        self.layout.get_or_init(|| self.storage.layout()).clone()
    }

    /// Block devices and the tiers that they serve, some seconds old at most.
    pub fn blocks(&self) -> Result<Arc<Blocks>, ReadError> {
        Ok(self.storage.blocks(&self.layout()?))
    }

    /// How full the filesystems are.
    pub fn filesystems(&self) -> Result<Arc<Filesystems>, ReadError> {
        let read = || self.storage.filesystems(self.layout()?).map(Arc::new);
        self.filesystems.get_or_init(read).clone()
    }
}
