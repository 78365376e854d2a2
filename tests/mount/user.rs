//! Root and others: the whole suite as an unprivileged user, who looks into whose mount, and what
//! the directory below a mount is when it is gone.

use super::harness::*;
use super::support::dynamodb::Engine;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// The unprivileged user (`nobody`), and one more (`daemon`): fusermount3 wants users that have a
/// name.
const USER: u32 = 65534;
const OTHER: u32 = 1;

/// Runs a command in a mount namespace of its own, in which everybody may open `/dev/fuse`, so that
/// nothing of the machine is changed: its first argument is an empty directory.
const NAMESPACE: &str = r#"
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
mknod -m 666 "$1/fuse" c 10 229
mount --bind "$1/fuse" /dev/fuse
shift
exec "$@""#;

/// A command in that namespace.
fn in_namespace(dir: &Path) -> Command {
    assert!(
        root(),
        "only root can become an unprivileged user: run these tests as root (scripts/test does)"
    );
    let device = dir.join("dev");
    fs::create_dir_all(&device).unwrap();
    let mut command = Command::new("timeout");
    command
        .args([
            "--kill-after=5",
            "900",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--",
        ])
        .args(["sh", "-c", NAMESPACE, "sh"])
        .arg(device);
    command
}

/// What has the next arguments run as a user without any privilege.
fn become_user(uid: u32) -> [String; 6] {
    let id = uid.to_string();
    ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"].map(str::to_owned)
}

/// A directory that everybody can pass, of which `tmp` is the unprivileged user's.
fn common_directory() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("walletfs-").tempdir();
    let dir = dir.unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let own = dir.path().join("tmp");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(USER), Some(USER)).unwrap();
    dir
}

/// Every other test once more, as an unprivileged user, through fusermount3.
#[test]
fn as_root_the_suite_passes_as_an_unprivileged_user() {
    let dir = common_directory();
    // Where the originals are, that user may not look.
    let (tests, walletfs) = (dir.path().join("tests"), dir.path().join("walletfs"));
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    fs::copy(program(), &walletfs).unwrap();
    let engine = Engine::start();
    let mut command = in_namespace(dir.path());
    command
        .args(become_user(USER))
        .arg(tests)
        // Who kills a command that changes keys makes no difference.
        .args(["--skip", "as_root_", "--skip", "killed::"])
        .env("WALLETFS_TEST_PROGRAM", walletfs)
        .env("WALLETFS_TEST_DYNAMODB_URL", engine.url())
        .env("TMPDIR", dir.path().join("tmp"))
        .env("HOME", dir.path().join("tmp"))
        .current_dir(dir.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{errors}",
        output.status
    );
    // It was that suite, and not less.
    let passed = |test: &str| said.contains(&format!("test {test} ... ok"));
    assert!(
        passed("user::nothing_is_written_below_a_mount_that_is_gone"),
        "{said}"
    );
    assert!(passed("requests::mounting_and_reading"), "{said}");
    assert!(said.contains("0 ignored"), "{said}");
}

/// A mount shows nothing to anybody else, root included.
/// Proves semantics 10.14.
#[test]
fn as_root_nobody_looks_into_another_users_mount() {
    let dir = common_directory();
    let walletfs = dir.path().join("walletfs");
    fs::copy(program(), &walletfs).unwrap();
    let script = r#"
        set -eu
        cd "$1"; owner=$2; other=$3
        as() { id=$1; shift; setpriv --reuid "$id" --regid "$id" --clear-groups -- "$@"; }
        walletfs() { as "$owner" env HOME="$1" "$1/../walletfs" --config-dir "$1/c" "${@:2}"; }
        walletfs "$1" init --store local > init.log
        walletfs "$1" mount --timeout 0 --lifetime 600 "$1/w"
        as "$owner" sh -c 'mkdir -p w/d/a && echo secret > w/d/a/f && cat w/d/a/f'
        for look in 'ls w' 'cat w/d/a/f' 'cat w/.walletfs/status' 'stat w' 'touch w/x'; do
            for id in 0 "$other"; do
                as "$id" sh -c "$look" 2>&1 && echo "seen by $id: $look"
            done
        done
        walletfs "$1" unmount "$1/w"
        as "$owner" sh -c 'echo x > w/x' 2>&1 || stat -c %a w"#;
    let own = dir.path().join("tmp");
    let mut command = in_namespace(dir.path());
    command
        .args(["bash", "-c", script, "bash"])
        .arg(&own)
        .args([USER.to_string(), OTHER.to_string()])
        .env("WALLETFS_DEVICE_PASSWORD_COMMAND", "echo 'Device 22!'")
        .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", "echo 'Memorable 1!'")
        .env_remove("XDG_RUNTIME_DIR");
    let said = run(&mut command).success();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("secret"), "{said}");
    let denied = |line: &str| line.ends_with(": Permission denied");
    let refused = lines.clone().take_while(|line| denied(line)).count();
    // Ten looks, and the write into the directory that is left.
    assert_eq!(refused, 11, "{said}");
    assert_eq!(lines.nth(11), Some("500"), "{said}");
}

/// Nor does root's mount to others.
#[test]
fn as_root_others_do_not_look_into_roots_mount() {
    assert!(root(), "run these tests as root (scripts/test does)");
    let wallet = Wallet::new();
    fs::set_permissions(wallet.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "secret");
    for look in ["ls w", "cat w/d/a/f", "cat w/.walletfs/status"] {
        let mut command = tool("setpriv");
        command
            .args(&become_user(USER)[1..])
            .args(["sh", "-c", look])
            .current_dir(wallet.path());
        let (_, errors) = run(&mut command).failure();
        assert!(
            errors.trim_end().ends_with(": Permission denied"),
            "{errors}"
        );
    }
}

/// A script that runs on after the lock must not write secrets in clear to the disk: the directory
/// that is left refuses it. Root is not refused, which the status says.
#[test]
fn nothing_is_written_below_a_mount_that_is_gone() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let not_enforced = mount.status()["not_enforced"].to_string();
    assert_eq!(
        not_enforced.contains("root is not kept"),
        root(),
        "{not_enforced}"
    );
    let dir = mount.dir().to_owned();
    mount.unmount();
    let mode = fs::metadata(&dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o500);
    assert_eq!(names(&dir), [""; 0]);
    let mut script = tool("sh");
    script
        .args(["-c", "mkdir -p d/a && echo secret > d/a/f"])
        .current_dir(&dir);
    if !root() {
        let (_, errors) = run(&mut script).failure();
        assert!(errors.trim_end().ends_with("Permission denied"), "{errors}");
        assert_eq!(errno(fs::write(dir.join("f"), "secret")), libc::EACCES);
        assert_eq!(names(&dir), [""; 0]);
    }
    // And the wallet mounts there again.
    assert_eq!(wallet.mount_secret().names("d"), ["a"]);
}
