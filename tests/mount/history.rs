//! What files held before, through a mount.

use crate::harness::*;

/// A value that was overwritten, one that an editor's save replaced and one that was removed are had
/// back by `cp`, also in another mount; each change is one commit as without history.
/// Proves semantics 1.9.
#[test]
fn earlier_values_are_had_back_by_cp() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let ((), commits) = mount.commits(|| {
        mount.sh("printf one > pwd");
        mount.sh("printf two > pwd");
        mount.sh("printf three > new; mv new pwd");
        mount.sh("rm pwd");
    });
    assert_eq!(commits, 5);
    let mount = mount.again();
    let past = "../../.walletfs/history/d/a";
    assert_eq!(mount.sh(&format!("ls {past}")), "pwd\n");
    let script = format!("for f in {past}/pwd/*; do cat $f; echo; done | sort");
    assert_eq!(mount.sh(&script), "one\nthree\ntwo\n");
    let script = format!("grep -l two {past}/pwd/* | xargs -I F cp F pwd; cat pwd");
    assert_eq!(mount.sh(&script), "two");
    assert_eq!(mount.sh(&format!("find {past} -type f | wc -l")), "3\n");
    let names = mount.names(".walletfs/history/d/a/pwd");
    for name in names {
        let time = name.split('-').take(3).collect::<Vec<_>>().join("-");
        assert!(
            time.len() == 18 && time.starts_with("20") && time.ends_with('Z'),
            "{name}"
        );
    }
    let refused = mount.sh(&format!(
        "rm -r {past} 2>&1 | grep -c 'Read-only file system'"
    ));
    assert_eq!(refused, "3\n");
}

/// As many values are kept as the configuration says, from the next write of the secret on; `0` is
/// none.
#[test]
fn as_many_are_kept_as_the_configuration_says() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.sh("for n in 1 2 3 4 5; do printf $n > pwd; done");
    let past = ".walletfs/history/d/a/pwd";
    assert_eq!(mount.names(past).len(), 4);
    mount.unmount();
    run(wallet.walletfs("conf").args(["history", "2"])).success();
    let mount = wallet.mount("w", &[]);
    assert_eq!(mount.names(past).len(), 4);
    mount.sh("printf 6 > pwd");
    assert_eq!(mount.names(past).len(), 2);
    mount.unmount();
    run(wallet.walletfs("conf").args(["history", "0"])).success();
    let mount = wallet.mount("w", &[]);
    mount.sh("printf 7 > pwd");
    assert_eq!(mount.names(".walletfs/history/d/a"), [""; 0]);
    assert_eq!(mount.read("d/a/pwd"), "7");
}
