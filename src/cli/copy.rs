//! A copy of a store to work on, gone when it is dropped.

use crate::daemon::{chain, clock};
use crate::store::sqlite::{Options, Reader};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// See the module.
pub(super) struct Copy {
    /// The folder of the copy.
    pub(super) folder: PathBuf,
}

impl Copy {
    /// Copies a store, in use or not.
    ///
    /// # Errors
    /// Why it cannot be copied.
    pub(super) fn of(reader: &Reader) -> Result<Copy, String> {
        let (now, id) = (clock::wall().0, std::process::id());
        let folder = std::env::temp_dir().join(format!("correlated-copy-{id}-{now}"));
        // Ours alone: a folder that somebody else made there is refused, and nobody else reads the copy.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|e| format!("{}: {e}", folder.display()))?;
        let copy = Copy { folder };
        let file = Options::new(&copy.folder).file();
        reader.backup(&file).map_err(|e| chain(&e))?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok(); // what is left is in the folder for such things
    }
}
