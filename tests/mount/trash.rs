//! Secrets that were removed, through a mount.

use crate::harness::*;

impl Mount<'_> {
    /// Runs bash in the mount's directory, and gives what it says.
    #[track_caller]
    fn bash(&self, script: &str) -> String {
        let mut command = tool("bash");
        run(command.arg("-c").arg(script).current_dir(self.dir())).success()
    }

    fn trash(&self, path: &str) -> Vec<String> {
        self.names(&format!(".walletfs/trash/{path}"))
    }
}

/// `rm -r` of a secret and of a domain, and back by `mv`, by `cp -r` and by what a later mount sees:
/// the kernel goes on with the directory that it has.
/// Proves semantics 1.11, 1.12.
#[test]
fn what_rm_removes_comes_back_by_mv_and_cp() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.sh("printf joe > uid; printf old > pwd; printf new > pwd; printf note > 'a note'");
    mount.bash("mkdir d/b; printf b > d/b/pwd; rm -r d/a");
    assert_eq!(mount.names("d"), ["b"]);
    let mount = mount.again();
    assert_eq!(mount.trash("d/a"), ["a note", "pwd", "uid"]);
    assert_eq!(mount.read(".walletfs/trash/d/a/pwd"), "new");
    // From under a shell that stands in it.
    let (shown, commits) = mount.commits(|| {
        mount.bash("root=$PWD; cd .walletfs/trash/d/a; mv $PWD $root/d/a; cat pwd 'a note'")
    });
    assert_eq!((shown.as_str(), commits), ("newnote", 1));
    assert_eq!(mount.names("d/a"), ["a note", "pwd", "uid"]);
    assert_eq!(mount.trash(""), [""; 0]);
    assert_eq!(mount.bash("cat .walletfs/history/d/a/pwd/*"), "old");

    mount.bash("rm -r d; mkdir -p d e; cp -rp .walletfs/trash/d/b e/");
    assert_eq!(mount.read("e/b/pwd"), "b");
    assert_eq!(mount.trash("d"), ["a", "b"]);
    // A name that is taken, and one that leads nowhere: nothing is copied, nothing is lost.
    for refused in [
        "mkdir d/a; printf x > d/a/pwd; mv -T .walletfs/trash/d/a d/a",
        "mv .walletfs/trash/d/a none/a",
        "mv .walletfs/trash/d/a .",
        "mv .walletfs/trash/d .",
        "mv .walletfs/trash/d/a/pwd e/b/uid",
    ] {
        let said = mount.bash(&format!("({refused}) 2>&1 || echo refused"));
        assert!(said.ends_with("refused\n"), "{refused}: {said}");
    }
    assert_eq!(mount.names("e/b"), ["pwd"]);
    assert_eq!(mount.trash("d/a"), ["a note", "pwd", "uid"]);

    // Several of one name, removed as a shell's glob names them.
    mount.bash("rm -r d/a; mkdir d/a; printf y > d/a/pwd; rm -r d/a");
    assert_eq!(mount.trash("d").len(), 4);
    mount.bash("rm -r .walletfs/trash/d/a*; rm -r .walletfs/trash/d");
    assert_eq!(mount.trash(""), [""; 0]);
    let mount = mount.again();
    assert_eq!(mount.trash(""), [""; 0]);
    assert_eq!(mount.read("e/b/pwd"), "b");
}

/// Nothing is kept from the next mount on, and what was kept goes with it; a mount that may change
/// nothing leaves it.
/// Proves semantics 1.13.
#[test]
fn what_is_past_its_time_goes_with_the_next_mount() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.bash("printf x > d/a/pwd; rm -r d/a");
    assert_eq!(mount.trash("d"), ["a"]);
    mount.unmount();
    run(wallet.walletfs("conf").args(["trash", "0"])).success();
    let mount = wallet.mount("w", &["--read-only"]);
    assert_eq!(mount.read(".walletfs/trash/d/a/pwd"), "x");
    mount.unmount();
    let mount = wallet.mount("w", &[]);
    wait_for("the trash to be empty", || mount.trash("").is_empty());
    mount.bash("mkdir -p d/b; printf x > d/b/pwd; rm -r d/b");
    assert_eq!(mount.trash(""), [""; 0]);
}
