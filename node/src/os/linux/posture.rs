//! What this device can see of how it is kept, with no more rights than the node has.
//!
//! Two things are looked at: whether the disk below a folder is one that the kernel encrypts, by
//! the name that dm-crypt bears in `/sys`, and what the firmware says of Secure Boot. What cannot
//! be seen counts as not so. Refused here: guessing. A screen lock, an up-to-date system and a
//! scanner that runs are nothing that a process without rights can see for sure, so they are not
//! told; and root on a device can show it any `/sys` that he likes.

use belay_mesh::input::Posture;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Layers of block devices that are looked through: a volume on a volume group on a mapping.
const LAYERS_MAX: usize = 8;

/// The firmware's variable: four bytes of attributes, then 1 where Secure Boot is on.
const SECURE_BOOT: &str =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Looks; `state` is the folder whose disk is meant.
pub(crate) fn posture(state: &Path) -> Posture {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = devices_below(state, &mounts);
    Posture {
        disk_encrypted: all_encrypted(&below, LAYERS_MAX),
        secure_boot: fs::read(SECURE_BOOT).is_ok_and(|value| value.get(4) == Some(&1)),
    }
}

/// Where `/sys` shows the block devices that hold a folder; nothing where that cannot be said.
fn devices_below(folder: &Path, mounts: &str) -> Vec<PathBuf> {
    let Ok(folder) = fs::metadata(folder) else { return Vec::new() };
    let number = in_words(folder.dev());
    let shown = Path::new("/sys/dev/block").join(&number);
    if shown.exists() {
        return vec![shown];
    }
    // A file system that may lie over several disks numbers itself; its mount names one of them.
    let named = source_of(mounts, &number).and_then(|source| fs::canonicalize(source).ok());
    let pools = fs::read_dir("/sys/fs/btrfs").into_iter().flatten().flatten();
    let pools = pools.map(|pool| entries(&pool.path().join("devices")));
    let named = named.as_deref().and_then(Path::file_name);
    let holds = |pool: &Vec<PathBuf>| pool.iter().any(|disk| disk.file_name() == named);
    pools.filter(|_| named.is_some()).find(holds).unwrap_or_default()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The device file of the mount with this number.
fn source_of<'m>(mounts: &'m str, number: &str) -> Option<&'m str> {
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(number))?;
    let (_, after) = line.split_once(" - ")?;
    after.split(' ').nth(1).filter(|source| source.starts_with("/dev/"))
}

/// A device's number as `/sys` writes it: major, colon, minor.
fn in_words(number: u64) -> String {
    let major = ((number >> 32) & 0xffff_f000) | ((number >> 8) & 0xfff);
    let minor = ((number >> 12) & 0xffff_ff00) | (number & 0xff);
    format!("{major}:{minor}")
}

/// True where the device is a mapping of dm-crypt, or every device that it lies on is.
fn is_encrypted(device: &Path, layers: usize) -> bool {
    let name = fs::read_to_string(device.join("dm/uuid")).unwrap_or_default();
    if name.starts_with("CRYPT-") {
        return true;
    }
    // A partition stands in the folder of its disk, and only that lies on others.
    let whole = if device.join("partition").exists() { device.join("..") } else { device.into() };
    layers > 0 && all_encrypted(&entries(&whole.join("slaves")), layers - 1)
}

fn all_encrypted(devices: &[PathBuf], layers: usize) -> bool {
    !devices.is_empty() && devices.iter().all(|device| is_encrypted(device, layers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a disk counts as encrypted only where everything below it is. Method: block devices as
    /// `/sys` shows them, in a folder: a mapping of dm-crypt, a volume on it, one on a plain disk
    /// too, a plain disk, a mapping of another kind, and one that lies on itself.
    #[test]
    fn a_disk_is_encrypted_where_all_below_it_is() {
        let sys = tempfile::tempdir().expect("a folder");
        let device = |name: &str, mapping: Option<&str>, below: &[&str]| {
            let at = sys.path().join(name);
            fs::create_dir_all(at.join("slaves")).expect("a folder");
            if let Some(mapping) = mapping {
                fs::create_dir_all(at.join("dm")).expect("a folder");
                fs::write(at.join("dm/uuid"), mapping).expect("a file");
            }
            for one in below {
                let to = sys.path().join(one);
                std::os::unix::fs::symlink(to, at.join("slaves").join(one)).expect("a link");
            }
            at
        };
        let plain = device("vda", None, &[]);
        let crypt = device("dm-0", Some("CRYPT-LUKS2-00ff-root\n"), &["vda"]);
        let volume = device("dm-1", Some("LVM-abc\n"), &["dm-0"]);
        let both = device("dm-2", Some("LVM-def\n"), &["dm-0", "vda"]);
        let round = device("dm-3", Some("LVM-ghi\n"), &["dm-3"]);
        let encrypted =
            [&plain, &crypt, &volume, &both, &round].map(|device| is_encrypted(device, LAYERS_MAX));
        assert_eq!(encrypted, [false, true, true, false, false]);
        let partition = sys.path().join("dm-0/dm-0p1");
        fs::create_dir_all(&partition).expect("a folder");
        fs::write(partition.join("partition"), "1\n").expect("a file");
        assert!(!is_encrypted(&partition, LAYERS_MAX), "its disk is no mapping to it");
    }

    /// Goal: a folder's disk is found by its number, or by what its mount names. Method: the words
    /// of the kernel for a plain disk, and for a file system over several.
    #[test]
    fn the_disk_of_a_folder_is_found() {
        let mounts = "22 1 0:29 / / rw - btrfs /dev/mapper/root rw\n\
                      23 22 0:30 / /tmp rw shared:2 - tmpfs tmpfs rw\n";
        assert_eq!(source_of(mounts, "0:29"), Some("/dev/mapper/root"));
        assert_eq!((source_of(mounts, "0:30"), source_of(mounts, "8:1")), (None, None));
        assert_eq!((in_words(0x801), in_words(0xfd00)), ("8:1".into(), "253:0".into()));
        assert!(!posture(Path::new("/no/such/folder")).disk_encrypted);
    }
}
