//! A disk that can be filled up. Needs root.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of its own on a folder. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of this size on a folder, which is made if need be.
    ///
    /// # Panics
    /// It cannot be mounted: the tests want root.
    #[must_use]
    pub fn mount(folder: &Path, megabytes: u32) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let size = format!("size={megabytes}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tomo-test"]).arg(folder).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a tmpfs can be mounted (as root)");
        Self { folder: folder.to_owned() }
    }

    /// Takes every free byte.
    ///
    /// # Panics
    /// The ballast cannot be made.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("the ballast can be made");
        for length in [1 << 16, 1 << 12] {
            let block = vec![0x55; length];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    /// Gives the space back.
    ///
    /// # Panics
    /// The ballast cannot be removed.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast can be removed");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open keeps it; the folder itself is free at once.
        drop(Command::new("umount").arg("--lazy").arg(&self.folder).status());
    }
}
