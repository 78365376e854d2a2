//! What is mounted: `/proc/self/mountinfo` (proc_pid_mountinfo(5)), read and watched.

use super::sys;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const TABLE: &str = "/proc/self/mountinfo";

/// One mount. Its number together with its device tells it from any other, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The kernel's number for the mount, unique while it lives.
    pub id: u64,
    /// Major and minor number of its filesystem.
    pub device: String,
    /// Where it is mounted.
    pub path: PathBuf,
    /// Its type, such as `ext4` or `fuse.walletfs`.
    pub kind: String,
}

impl Entry {
    /// Whether this is one of ours.
    pub fn is_ours(&self) -> bool {
        self.kind == "fuse.walletfs"
    }
}

/// Everything that is mounted, in the order of mounting: of two mounts on one path, the later one
/// is what programs see.
pub fn read() -> io::Result<Vec<Entry>> {
    Ok(parse(&fs::read(TABLE)?))
}

/// The mount that programs see on `path` (absolute, without links), if one is there.
pub fn at(path: &Path) -> io::Result<Option<Entry>> {
    Ok(read()?.into_iter().rfind(|entry| entry.path == path))
}

/// Lines that are not understood are left out: they are no mount of ours.
fn parse(table: &[u8]) -> Vec<Entry> {
    table
        .split(|b| *b == b'\n')
        .filter_map(parse_line)
        .collect()
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
fn parse_line(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|b| *b == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = String::from_utf8(fields.nth(1)?.to_vec()).ok()?;
    let path = PathBuf::from(OsString::from_vec(unescape(fields.nth(1)?)));
    // Any number of optional fields, then a single hyphen.
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Entry {
        id,
        device,
        path,
        kind: String::from_utf8(kind.to_vec()).ok()?,
    })
}

/// Space, tab, newline and backslash stand as three octal digits after a backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match (*first, octal(after)) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            (byte, _) => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

/// Tells when a mount has gone, however that came.
pub struct Watch {
    table: AsyncFd<fs::File>,
    id: u64,
    device: String,
}

impl Watch {
    /// Watches this mount. Needs a tokio runtime.
    pub fn new(mount: &Entry) -> io::Result<Watch> {
        Ok(Watch {
            table: sys::watch(fs::File::open(TABLE)?, Interest::PRIORITY | Interest::ERROR)?,
            id: mount.id,
            device: mount.device.clone(),
        })
    }

    /// The mount as it is now: it may have been moved.
    pub fn entry(&self) -> io::Result<Option<Entry>> {
        let found = read()?.into_iter();
        Ok({ found }.find(|entry| entry.id == self.id && entry.device == self.device))
    }

    /// Waits until the mount is in the table no more. May be dropped and called again.
    pub async fn gone(&self) -> io::Result<()> {
        loop {
            // The kernel marks the open table when anything is mounted or unmounted
            // (proc_pid_mounts(5)). Forgetting the mark comes before the look, so that a change
            // in between wakes again.
            let looked = self.entry()?;
            if looked.is_none() {
                return Ok(());
            }
            self.table
                .ready(Interest::PRIORITY | Interest::ERROR)
                .await?
                .clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n\
36 35 98:0 /mnt1 /mnt/two\\040words\\134\\011x rw,noatime master:1 shared:2 - ext3 /dev/root rw\n\
90 28 0:51 / /home/a/wallet rw,nosuid,nodev - fuse.walletfs walletfs rw,user_id=0\n\
92 28 0:53 / /mnt/a rw,nosuid,nodev - fuse.sshfs walletfs rw,user_id=0\n\
a line that is none\n";

    #[test]
    fn entries_are_read_with_their_escapes() {
        let entries = parse(TABLE);
        assert_eq!(entries.len(), 4);
        assert_eq!(entries[0].path, Path::new("/sys"));
        assert_eq!(entries[0].kind, "sysfs");
        assert_eq!(entries[1].path, Path::new("/mnt/two words\\\tx"));
        assert_eq!(
            entries[2],
            Entry {
                id: 90,
                device: "0:51".into(),
                path: "/home/a/wallet".into(),
                kind: "fuse.walletfs".into(),
            }
        );
        let ours: Vec<bool> = entries.iter().map(Entry::is_ours).collect();
        assert_eq!(ours, [false, false, true, false]);
    }

    #[test]
    fn unescaping_leaves_other_backslashes_alone() {
        assert_eq!(unescape(br"a\040b"), b"a b");
        assert_eq!(unescape(br"\134040"), br"\040");
        assert_eq!(unescape(br"\9\04"), br"\9\04");
        assert_eq!(unescape(br"\777"), br"\777");
    }

    #[test]
    fn the_root_is_mounted_here() {
        assert!(at(Path::new("/")).unwrap().is_some());
        assert!(at(Path::new("/no/such/mount")).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_mount_that_is_not_in_the_table_is_gone() {
        let mut entry = at(Path::new("/")).unwrap().unwrap();
        assert!(Watch::new(&entry).unwrap().entry().unwrap().is_some());
        entry.id = u64::MAX;
        let watch = Watch::new(&entry).unwrap();
        watch.gone().await.unwrap();
    }
}
