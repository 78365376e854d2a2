//! The same calls on an ordinary directory and on a mount: random ones, each of which must have the
//! same outcome in both.
//!
//! What differs on purpose is not among them, or left out of the comparison. This is all of it; each
//! is tried in both by `what_differs_on_purpose`, and is a statement of walletfs-semantics(7):
//!
//! | call                                             | ordinary     | a mount              |
//! |--------------------------------------------------|--------------|----------------------|
//! | symlink, link, mkfifo, a socket                  | made         | EPERM                |
//! | a file in a domain, a directory in a secret      | made         | EPERM                |
//! | a rename to another level                        | done         | EPERM                |
//! | modes of group and other, set-user-ID            | kept         | dropped              |
//! | the access time that utimensat sets              | kept         | the modification's   |
//! | a change time after chmod and rename             | now          | the modification's   |
//! | the time of a directory that a file came to      | now          | the file's           |
//! | a name that is not UTF-8; another spelling       | made         | EILSEQ; EINVAL       |
//! | a file of a megabyte                             | made         | EFBIG                |
//! | a file `4913` with O_EXCL                        | made         | EPERM                |
//! | O_TMPFILE; fallocate                             | done         | ENOTSUP              |
//! | extended attributes                              | kept         | ENOTSUP              |
//! | RENAME_EXCHANGE                                  | done         | EINVAL               |
//!
//! An empty domain and a scratch file do not outlive the mount, either.
//!
//! Every failure names its round; `WALLETFS_TEST_CASES=25` plays the first hundred.

use super::harness::*;
use super::model::times;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const DOMAINS: [&str; 3] = ["d", "e", "x"];
const SECRETS: [&str; 5] = ["d/a", "d/b", "e/a", "e/c", "x/a"];
/// Ordinary names and scratch ones.
const FILES: [&str; 6] = ["f", "g", "uid", "pwd", "f~", ".f.swp"];
const STEPS: usize = 250;

#[test]
fn a_mount_is_like_an_ordinary_directory() {
    for round in 1..=u64::from(times(4)) {
        let wallet = Wallet::new();
        let mut mount = wallet.mount("w", &[]);
        let ordinary = wallet.path().join("ordinary");
        fs::create_dir(&ordinary).unwrap();
        let mut random = Random(round);
        // The second half begins with what the first has stored.
        for half in 0..2 {
            let mut play = Play {
                roots: [ordinary.clone(), mount.dir().to_owned()],
                open: Vec::new(),
                log: vec![format!("round {round}, half {half}")],
            };
            for step in 0..STEPS {
                play.step(&mut random);
                if step % 25 == 0 {
                    play.compare();
                }
            }
            play.end();
            mount = mount.again();
            // Empty domains and scratch files were of the old mount.
            for domain in DOMAINS {
                let _ = fs::remove_dir(ordinary.join(domain));
            }
            play.compare();
        }
    }
}

/// Each line of the table above, in both.
/// Proves semantics 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 10.7, 10.12, 10.13.
#[test]
fn what_differs_on_purpose() {
    let script = "
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
def exchange(a, b):
    if libc.renameat2(-100, a, -100, b, 2): raise OSError(ctypes.get_errno(), '')
def op(path, flags): os.close(os.open(path, flags, 0o600))
def fallocate():
    f = os.open('f', os.O_RDWR); failed = libc.fallocate(f, 0, ctypes.c_long(0), ctypes.c_long(9))
    number = ctypes.get_errno(); os.close(f)
    if failed: raise OSError(number, '')
create = os.O_CREAT | os.O_WRONLY
put('f', b'content'); put('g', b'')
for what, *calls in [
    ('links', lambda: os.symlink('f', 'l'), lambda: os.link('f', 'h'), lambda: os.mkfifo('p'),
        lambda: os.mknod('s', 0o600 | stat.S_IFSOCK)),
    ('levels', lambda: op('../x', create), lambda: os.mkdir('x'), lambda: os.rename('f', '../f'),
        lambda: os.rename('../f', 'f')),
    ('names', lambda: op(b'\\xff', create), lambda: op('%25', create)),
    ('size', lambda: os.truncate('g', 1 << 20)), ('probe', lambda: op('4913', create | os.O_EXCL)),
    ('tmpfile', lambda: op('.', os.O_TMPFILE | os.O_RDWR)), ('fallocate', fallocate),
    ('exchange', lambda: exchange(b'f', b'g'), lambda: exchange(b'f', b'g'))]:
    print(what, *map(name, calls))
os.chmod('f', 0o4755); print('mode', oct(os.stat('f').st_mode))
os.utime('f', (5, 7)); there = os.stat('f'); print('times', int(there.st_atime), int(there.st_mtime), there.st_ctime > 7)
for left in ['l', 'h', 'p', 's', b'\\xff', '%25', '4913']:
    if os.path.lexists(left): os.remove(left)
os.utime('f', (7, 7)); os.utime('g', (7, 7)); time.sleep(1.5)
print('directory', os.stat('.').st_mtime > 7)";
    let wallet = Wallet::new();
    let mount = wallet.mount_secret_with(&["--cache-ttl", "0.1"]);
    let ordinary = wallet.path().join("ordinary/d/a");
    fs::create_dir_all(&ordinary).unwrap();
    let there = run(python(script).current_dir(&ordinary)).success();
    let expected = "\
links ok ok ok ok
levels ok ok ok ok
names ok ok
size ok
probe ok
tmpfile ok
fallocate ok
exchange ok ok
mode 0o104755
times 5 7 True
directory True\n";
    assert_eq!(there, expected);
    let expected = "\
links EPERM EPERM EPERM EPERM
levels EPERM EPERM EPERM ENOENT
names EILSEQ EINVAL
size EFBIG
probe EPERM
tmpfile ENOTSUP
fallocate ENOTSUP
exchange EINVAL EINVAL
mode 0o100700
times 7 7 False
directory False\n";
    let here = mount.python(script).replace("EOPNOTSUPP", "ENOTSUP");
    assert_eq!(here, expected);
}

/// Numbers that are the same in each run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (drawn % end as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn file(&mut self) -> String {
        format!("{}/{}", self.of(&SECRETS), self.of(&FILES))
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.below(3000);
        let first = self.below(256);
        (0..len).map(|i| (first + i * 7) as u8).collect()
    }
}

struct Play {
    /// The ordinary directory and the mount.
    roots: [PathBuf; 2],
    /// The same file, open in both.
    open: Vec<[File; 2]>,
    log: Vec<String>,
}

/// What a call gives that must be the same in both.
fn outcome<T>(result: io::Result<T>) -> Result<T, Option<i32>> {
    result.map_err(|e| e.raw_os_error())
}

impl Play {
    fn same<T: PartialEq + Debug>(&mut self, what: String, [ordinary, mount]: [io::Result<T>; 2]) {
        let (ordinary, mount) = (outcome(ordinary), outcome(mount));
        self.log.push(format!("{what}: {mount:?}"));
        let log = &self.log;
        assert!(
            ordinary == mount,
            "{}\nAn ordinary directory gives {ordinary:?}",
            log.join("\n")
        );
    }

    /// The same call by path in both.
    fn path<T: PartialEq + Debug>(&mut self, what: &str, call: impl Fn(&Path) -> io::Result<T>) {
        let results = [call(&self.roots[0]), call(&self.roots[1])];
        self.same(what.to_owned(), results);
    }

    /// The same call on one of the open files.
    fn handle<T: PartialEq + Debug>(
        &mut self,
        number: usize,
        what: &str,
        call: impl Fn(&mut File) -> io::Result<T>,
    ) {
        let [ordinary, mount] = &mut self.open[number];
        let results = [call(ordinary), call(mount)];
        self.same(format!("{what} of handle {number}"), results);
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0 => {
                let dir = random.of(&DOMAINS);
                self.path(&format!("mkdir {dir}"), |root| {
                    fs::create_dir(root.join(dir))
                });
            }
            1 | 2 => {
                let dir = random.of(&SECRETS);
                self.path(&format!("mkdir {dir}"), |root| {
                    fs::create_dir(root.join(dir))
                });
            }
            3 => {
                let dirs = [&DOMAINS[..], &SECRETS].concat();
                let dir = random.of(&dirs);
                self.path(&format!("rmdir {dir}"), |root| {
                    fs::remove_dir(root.join(dir))
                });
            }
            4 => {
                let dirs = random.of(&[&DOMAINS[..], &SECRETS]);
                self.rename(random.of(dirs), random.of(dirs));
            }
            5 | 6 => self.rename(&random.file(), &random.file()),
            7 => {
                let file = random.file();
                self.path(&format!("unlink {file}"), |root| {
                    fs::remove_file(root.join(&file))
                });
            }
            8 => {
                let (from, to) = (random.file(), random.file());
                if from != to {
                    let copy = |root: &Path| fs::copy(root.join(&from), root.join(&to));
                    self.path(&format!("cp {from} {to}"), copy);
                }
            }
            9 => {
                let (file, content) = (random.file(), random.bytes());
                let what = format!("put {file}, {} bytes", content.len());
                self.path(&what, |root| fs::write(root.join(&file), &content));
            }
            10 => {
                let (file, mode) = (random.file(), random.of(&[0o600, 0o700, 0o644]));
                let what = format!("chmod {mode:o} {file}");
                let mode = Permissions::from_mode(mode);
                self.path(&what, |root| {
                    fs::set_permissions(root.join(&file), mode.clone())
                });
            }
            11 => {
                let file = random.file();
                self.path(&format!("stat {file}"), |root| {
                    stat(&fs::metadata(root.join(&file))?)
                });
            }
            12..=14 => self.open(random),
            _ if self.open.is_empty() => self.open(random),
            number => {
                let handle = random.below(self.open.len());
                self.step_of_handle(number, handle, random);
            }
        }
    }

    fn step_of_handle(&mut self, step: usize, handle: usize, random: &mut Random) {
        let offset = random.below(8000) as u64;
        let bytes = random.bytes();
        match step {
            15 => {
                let what = format!("pwrite at {offset}, {} bytes", bytes.len());
                self.handle(handle, &what, |file| file.write_at(&bytes, offset));
            }
            16 => {
                // Some of them append, so no more than a little.
                let some = &bytes[..bytes.len() / 10];
                let what = format!("write of {} bytes", some.len());
                self.handle(handle, &what, |file| file.write(some));
            }
            17 => {
                let what = format!("ftruncate to {offset}");
                self.handle(handle, &what, |file| file.set_len(offset));
            }
            18 => {
                let what = format!("pread at {offset}");
                self.handle(handle, &what, |file| {
                    let mut content = vec![0; 2000];
                    let read = file.read_at(&mut content, offset)?;
                    Ok((read, hash(&content[..read])))
                });
            }
            19 => self.handle(handle, "the whole", |file| {
                let mut content = Vec::new();
                file.seek(SeekFrom::Start(0))?;
                let read = file.read_to_end(&mut content)?;
                Ok((read, hash(&content)))
            }),
            20 => self.handle(handle, "fstat", |file| {
                Ok((
                    stat(&file.metadata()?)?,
                    file.metadata()?.nlink(),
                    file.seek(SeekFrom::End(0))?,
                ))
            }),
            21 => {
                let time = SystemTime::UNIX_EPOCH + Duration::new(offset, 5);
                self.handle(handle, "futimens", |file| {
                    file.set_modified(time)?;
                    Ok(file.metadata()?.modified()? == time)
                });
            }
            22 => self.handle(handle, "fsync", |file| file.sync_all()),
            _ => {
                self.open.swap_remove(handle);
                self.log.push(format!("close of handle {handle}"));
            }
        }
    }

    fn open(&mut self, random: &mut Random) {
        if self.open.len() == 6 {
            self.open.swap_remove(random.below(6));
        }
        let file = random.file();
        let mut options = OpenOptions::new();
        let how = random.below(7);
        match how {
            0 => options.read(true),
            1 => options.read(true).write(true),
            2 => options.write(true).create(true).truncate(true),
            3 => options.read(true).write(true).create(true).truncate(false),
            4 => options.read(true).append(true),
            5 => options.append(true).create(true),
            _ => options.read(true).write(true).create_new(true),
        };
        let [ordinary, mount] = self
            .roots
            .clone()
            .map(|root| options.open(root.join(&file)));
        let both = [&ordinary, &mount].map(|opened| match opened {
            Ok(_) => Ok(()),
            Err(e) => Err(io::Error::from_raw_os_error(e.raw_os_error().unwrap())),
        });
        self.same(
            format!("open {file} (handle {}) as {how}", self.open.len()),
            both,
        );
        if let (Ok(ordinary), Ok(mount)) = (ordinary, mount) {
            self.open.push([ordinary, mount]);
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        let rename = |root: &Path| fs::rename(root.join(from), root.join(to));
        self.path(&format!("mv {from} {to}"), rename);
    }

    /// Every directory with its names, and every file with its content.
    fn compare(&mut self) {
        self.path("everything", |root| {
            let mut all = BTreeSet::new();
            let mut dirs = vec![root.to_owned()];
            while let Some(dir) = dirs.pop() {
                for entry in fs::read_dir(dir)? {
                    let path = entry?.path();
                    let name = path.strip_prefix(root).unwrap().display();
                    if path.is_dir() {
                        all.insert(format!("{name}/"));
                        dirs.push(path);
                    } else {
                        let (len, mode) = stat(&fs::metadata(&path)?)?;
                        let content = hash(&fs::read(&path)?);
                        all.insert(format!("{name} {len} {mode:o} {content}"));
                    }
                }
            }
            Ok(all)
        });
    }

    /// Closes everything, and leaves no scratch file.
    fn end(&mut self) {
        self.open.clear();
        self.compare();
        // A renamed domain may hold secrets that are in no list above.
        for dir in DOMAINS {
            for access in ["a", "b", "c"] {
                for scratch in ["f~", ".f.swp"] {
                    let file = format!("{dir}/{access}/{scratch}");
                    for root in &self.roots {
                        let _ = fs::remove_file(root.join(&file));
                    }
                }
            }
        }
    }
}

/// What `stat` gives, but what differs on purpose.
fn stat(there: &fs::Metadata) -> io::Result<(u64, u32)> {
    Ok((there.len(), there.mode() & 0o170_700))
}

/// Stands for content in what is compared, short enough to be shown.
fn hash(content: &[u8]) -> String {
    let hash = walletfs::crypto::sha256(content);
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
