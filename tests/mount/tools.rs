//! Copying, moving, removing and listing with the usual programs.

use super::harness::*;
use std::fs;

/// The example of the README.
#[test]
fn the_example() {
    let wallet = Wallet::new();
    let mount = wallet.mount("w", &[]);
    let gas = wallet.path().join("gas account");
    fs::write(&gas, "G15003798\n").unwrap();
    let script = format!(
        "cd '{w}'
        mkdir -p 'energy/smart energy'
        echo joe@email.com > 'energy/smart energy/uid'
        echo 'xy67Gh!8' > 'energy/smart energy/pwd'
        cp '{gas}' 'energy/smart energy'
        ls 'energy/smart energy'; cat energy/*/uid",
        w = mount.dir().display(),
        gas = gas.display(),
    );
    let said = run(tool("bash").args(["-ec", &script])).success();
    assert_eq!(said, "gas account\npwd\nuid\njoe@email.com\n");
    let mount = mount.again();
    assert_eq!(mount.read("energy/smart energy/pwd"), "xy67Gh!8\n");
    assert_eq!(mount.read("energy/smart energy/gas account"), "G15003798\n");
}

/// A field, a secret, a domain: one commit each, and everything below comes along.
/// Proves semantics 5.1.
#[test]
fn mv_is_one_commit() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    mount.write("d/a/uid", "joe");
    mount.write("d/b/other", "here");
    for (script, from, to) in [
        ("mv f g", "d/a/f", "d/a/g"),
        ("mv g ../b/pwd", "d/a/g", "d/b/pwd"),
        ("mv ../b/pwd f", "d/b/pwd", "d/a/f"),
        ("mv f uid", "d/a/f", "d/a/uid"),
        ("mv ../b ../c", "d/b/other", "d/c/other"),
        ("mkdir ../../e; mv ../c ../../e", "d/c/other", "e/c/other"),
        ("mv ../../e ../../f", "e/c/other", "f/c/other"),
    ] {
        let content = mount.read(from);
        let ((), commits) = mount.commits(|| drop(mount.sh(script)));
        assert_eq!(commits, 1, "{script}");
        assert_eq!(mount.read(to), content, "{script}");
        assert!(!mount.path(from).exists(), "{script}");
    }
    let mount = mount.again();
    assert_eq!(mount.names(""), ["d", "f"]);
    assert_eq!(mount.names("d/a"), ["uid"]);
    assert_eq!(mount.read("d/a/uid"), "content");
    assert_eq!(mount.read("f/c/other"), "here");
}

/// `mv` into the wallet and out of it copies; times and the owner's mode come along.
#[test]
fn mv_from_and_to_another_filesystem() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let outside = wallet.path().join("outside");
    fs::write(&outside, "secret").unwrap();
    let outside = outside.display();
    mount.sh(&format!(
        "chmod 700 {outside}; touch -d @1000000000.5 {outside}"
    ));
    let ((), commits) = mount.commits(|| drop(mount.sh(&format!("mv {outside} f"))));
    assert_eq!(commits, 1);
    assert_eq!(mount.sh("stat -c '%a %.1Y %s' f"), "700 1000000000.5 6\n");
    mount.sh(&format!("mv f {outside}"));
    assert_eq!(mount.names("d/a"), [""; 0]);
    let stat = format!("stat -c '%a %.1Y %s' {outside}");
    assert_eq!(mount.sh(&stat), "700 1000000000.5 6\n");
}

/// Whole trees, with every attribute that there is.
#[test]
fn cp_r_in_and_out() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let tree = wallet.path().join("tree");
    for (path, content) in [
        ("bank/giro/uid", "joe"),
        ("bank/giro/pwd", "no newline"),
        ("bank/card/pin", "1234\n"),
    ] {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let every_byte: Vec<u8> = (0..200_000u32).map(|i| ((i * 7919) >> 5) as u8).collect();
    fs::write(tree.join("bank/card/scan.pdf"), every_byte).unwrap();
    let (tree, back) = (tree.display(), wallet.path().join("back"));
    let copy = format!("cp -r {tree}/bank ../..");
    let ((), commits) = mount.commits(|| drop(mount.sh(&copy)));
    // Two secrets and their four files.
    assert_eq!(commits, 6);
    let mount = mount.again();
    let back = back.display();
    mount.sh(&format!(
        "mkdir {back}; cp -r ../../bank {back}; diff -r {tree} {back}"
    ));
    // Modes and times too: what a secret's directory shows is its own.
    mount.sh(&format!("rm -r ../../bank; cp -a {tree}/bank ../.."));
    let list = "find . -type f -printf '%P %s %T@\\n' | sort";
    let there = mount.sh(&format!("cd ../../bank; {list}"));
    let here = mount.sh(&format!("cd {tree}/bank; {list}"));
    assert_eq!(there, here);
}

/// Within the wallet the kernel copies by itself (copy_file_range), also much at once.
#[test]
fn cp_within_the_wallet() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let large: Vec<u8> = (0..300_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    mount.write("d/a/f", &large);
    mount.write("d/b/g", "");
    let ((), commits) = mount.commits(|| drop(mount.sh("cp f ../b/f; cmp f ../b/f; cp ../b/g g")));
    assert_eq!(commits, 2);
    let mount = mount.again();
    assert!(fs::read(mount.path("d/b/f")).unwrap() == large);
    assert_eq!(mount.read("d/a/g"), "");
}

/// `rm -r` of a domain: a commit for each file and each secret.
#[test]
fn rm_r_removes_what_there_is() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for path in ["d/a/f", "d/a/uid", "d/b/g", "e/c/h"] {
        mount.write(path, "x");
    }
    mount.write("d/b/.g.swp", "in memory only");
    let script = "cd ../..; rm -r d; ls -A";
    let (said, commits) = mount.commits(|| mount.sh(script));
    assert_eq!((said.as_str(), commits), ("e\n", 5));
    let mount = mount.again();
    assert_eq!(mount.names(""), ["e"]);
    assert_eq!(mount.read("e/c/h"), "x");
}

/// Globs and `find` see every name but the hidden ones, of which `/.walletfs` is never listed.
#[test]
fn globs_and_find() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for name in [
        "uid",
        "pwd",
        "one",
        "two words",
        ".hidden",
        "-dash",
        "ünïcode",
    ] {
        mount.write(&format!("d/a/{name}"), name);
    }
    assert_eq!(
        mount.sh("printf '%s|' *"),
        "-dash|one|pwd|two words|uid|ünïcode|"
    );
    assert_eq!(
        mount.sh("cd ../..; printf '%s|' */a/[up]?d"),
        "d/a/pwd|d/a/uid|"
    );
    assert_eq!(mount.sh("cd ../..; printf '%s|' .*"), ".*|");
    assert_eq!(mount.names(""), ["d"]);
    assert_eq!(mount.sh("cd ../..; find . | wc -l"), "10\n");
    // Every name with its content, by one open each.
    assert_eq!(mount.sh("grep -rl . . | wc -l"), "7\n");
}

/// Inode numbers of a listing are `stat`'s, and stay through renames.
/// Proves semantics 5.8.
#[test]
fn inode_numbers_agree() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for name in ["f", "g", ".f.swp"] {
        mount.write(&format!("d/a/{name}"), name);
    }
    let script = "
numbers = {}
for top, dirs, files in os.walk('../..'):
    for entry in os.scandir(top):
        there = os.stat(entry.path).st_ino
        assert entry.inode() == there, entry.path
        assert numbers.setdefault(there, entry.path) == entry.path
print(len(numbers))
f = os.stat('f').st_ino
os.rename('f', 'h')
assert os.stat('h').st_ino == f
put('f', b'')
assert os.stat('f').st_ino not in numbers";
    assert_eq!(mount.python(script), "5\n");
}

/// Many secrets: a listing goes over several pages, and none is shown twice or left out.
/// Proves semantics 5.9.
#[test]
fn long_listings_are_whole() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    // Names long enough that a page of the kernel's holds few of them.
    let name = |i: usize| format!("{i:03}{}", "x".repeat(200));
    let expected: Vec<String> = (0..150).map(name).collect();
    for name in &expected {
        fs::write(mount.path("d/a").join(name), "").unwrap();
    }
    mount.settled();
    for mount in [mount, wallet.mount("other", &[])] {
        assert_eq!(mount.names("d/a"), expected);
        assert_eq!(mount.sh("ls -lA | tail -n +2 | wc -l"), "150\n");
        // Removing what is being listed.
        if mount.dir().ends_with("other") {
            mount.sh("rm -r ../a");
            assert_eq!(mount.names("d"), [""; 0]);
        }
    }
}

/// Modes: the owner's bits are kept, group's and other's dropped without an error.
/// Proves semantics 4.8, 7.1, 7.3, 10.3.
#[test]
fn modes() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
        umask 0; echo x > f; stat -c %a f
        chmod 444 f; stat -c %a f; chmod u+x f; stat -c %a f; chmod 7777 f; stat -c %a f
        chmod 755 . ..; stat -c %a . .. ../..";
    let modes = "600\n400\n500\n700\n700\n700\n700\n";
    assert_eq!(mount.sh(script), modes);
    let mount = mount.again();
    assert_eq!(mount.sh("stat -c %a f"), "700\n");
    let (_, commits) = mount.commits(|| mount.sh("chmod 755 f; chmod 777 f; chmod u+x f"));
    assert_eq!(commits, 0, "nothing changes");
    // A program that is kept in a wallet runs.
    mount.sh("printf '#!/bin/sh\\necho it runs\\n' > f");
    assert_eq!(mount.sh("./f"), "it runs\n");
}

/// Times are kept to the nanosecond, also those before 1970.
/// Proves semantics 7.2, 7.3.
#[test]
fn times() {
    let times = [
        0,
        1,
        -1,
        -999_999_999,
        -1_000_000_000,
        -1_250_000_000,
        1_700_000_000_123_456_789,
        4_102_444_800_000_000_001,
        i64::MAX,
        i64::MIN,
    ];
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = format!(
        "
for number, ns in enumerate({times:?}):
    name = str(number)
    put(name, b'')
    os.utime(name, ns=(0, ns))
    assert os.stat(name).st_mtime_ns == ns, (ns, os.stat(name).st_mtime_ns)"
    );
    mount.python(&script);
    let mount = mount.again();
    let script = "print([os.stat(str(number)).st_mtime_ns for number in range(10)])";
    assert_eq!(mount.python(script), format!("{times:?}\n"));
    // A directory's time is the latest of what it holds.
    let script = "print({os.stat(dir).st_mtime_ns for dir in ['.', '..', '../..']})";
    assert_eq!(mount.python(script), format!("{{{}}}\n", i64::MAX));
}

/// `chown` to oneself succeeds, to anybody else it is refused.
/// Proves semantics 7.4.
#[test]
fn owners() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "x");
    let script = "
me = (os.geteuid(), os.getegid())
for path in ['f', '.', '../..']:
    there = os.stat(path)
    assert (there.st_uid, there.st_gid) == me
    os.chown(path, *me); os.chown(path, -1, -1); os.chown(path, -1, me[1])
    print(name(lambda: os.chown(path, me[0] + 1, -1)))
with open('f') as f: os.fchown(f.fileno(), *me)";
    let (said, commits) = mount.commits(|| mount.python(script));
    assert_eq!((said.as_str(), commits), ("EPERM\nEPERM\nEPERM\n", 0));
}

/// rsync, which sets modes and times, renames its temporary files, and looks twice.
#[test]
fn rsync_in_and_out() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let outside = wallet.path().join("tree");
    fs::create_dir_all(outside.join("bank/giro")).unwrap();
    fs::write(outside.join("bank/giro/uid"), "joe").unwrap();
    fs::write(outside.join("bank/giro/key"), vec![7; 100_000]).unwrap();
    let outside = outside.display();
    mount.sh(&format!(
        "chmod -R go= {outside}; rsync -a {outside}/bank ../.."
    ));
    let mount = mount.again();
    let (_, commits) = mount.commits(|| {
        let again = format!("rsync -a --itemize-changes {outside}/bank/giro/ ../../bank/giro/");
        let said = mount.sh(&again);
        let changed: Vec<_> = said.lines().filter(|line| line.starts_with('>')).collect();
        assert_eq!(changed, [""; 0], "files that differ");
    });
    assert_eq!(commits, 0);
    mount.sh(&format!("mkdir {outside}2; rsync -a ../../bank {outside}2"));
    mount.sh(&format!("diff -r {outside} {outside}2"));
}

/// vi's ways to save: in place, and by renaming; with its swap and backup files.
#[test]
fn vi_saves() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "old\n");
    for (copy, content) in [("yes", "one\n"), ("no", "two\n"), ("auto", "three\n")] {
        let line = content.trim();
        mount.sh(&format!(
            "vi -u NONE -es -c 'set backup backupcopy={copy} directory=. backupdir=.' \
             -c '%s/.*/{line}/' -c wq f"
        ));
        assert_eq!(mount.read("d/a/f"), content);
    }
    assert_eq!(mount.again().read("d/a/f"), "three\n");
}
