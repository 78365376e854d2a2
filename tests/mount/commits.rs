//! When content is stored, by the shells and programs that people use: what each of them does to a
//! file is one commit, and another mount then finds exactly that content.

use super::harness::*;
use std::fs;

/// `script`, run by `shell`, takes `commits` commits and leaves `content` in `f`, also for the next
/// mount.
#[track_caller]
fn plays(mount: Mount<'_>, shell: &str, script: &str, commits: u64, content: &str) {
    let (said, made) = mount.commits(|| mount.run(shell, script));
    assert_eq!(said, "");
    assert_eq!(mount.read("d/a/f"), content, "in this mount");
    assert_eq!(made, commits, "commits of {shell}: {script}");
    assert_eq!(mount.again().read("d/a/f"), content, "in the next mount");
}

/// Proves semantics 4.1, 4.5.
#[test]
fn echo_is_one_commit() {
    for shell in ["bash", "dash"] {
        let wallet = Wallet::new();
        let mount = wallet.mount_secret();
        plays(mount, shell, "echo x > f", 1, "x\n");
        // Over what is there: the store never holds the empty state between.
        let mount = wallet.mount_secret();
        plays(
            mount,
            shell,
            "echo longer than before > f",
            1,
            "longer than before\n",
        );
    }
}

/// The child that inherits the descriptor, `/bin/true`, closes it and stores nothing.
/// Proves semantics 4.4.
#[test]
fn a_group_with_a_child_is_one_commit() {
    for shell in ["bash", "dash"] {
        let wallet = Wallet::new();
        for group in [
            "(echo a; /bin/true; echo b)",
            "{ echo a; /bin/true; echo b; }",
        ] {
            let script = format!("{group} > f");
            plays(wallet.mount_secret(), shell, &script, 1, "a\nb\n");
        }
    }
}

/// Writers that are children of their own: `cat` and `printf` after another.
#[test]
fn a_group_of_programs_is_one_commit() {
    for shell in ["bash", "dash"] {
        let wallet = Wallet::new();
        let script = "(echo a | cat; /bin/echo b; /bin/sh -c 'echo c') > f";
        plays(wallet.mount_secret(), shell, script, 1, "a\nb\nc\n");
    }
}

/// Proves semantics 4.5.
#[test]
fn a_bare_truncation_is_one_commit_at_the_release() {
    for shell in ["bash", "dash"] {
        let wallet = Wallet::new();
        plays(wallet.mount_secret(), shell, ": > f", 1, "");
        let mount = wallet.mount_secret();
        mount.write("d/a/f", "content");
        plays(mount, shell, ": > f", 1, "");
    }
}

#[test]
fn touch_is_one_commit() {
    let wallet = Wallet::new();
    plays(wallet.mount_secret(), "bash", "touch f", 1, "");
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    plays(mount, "bash", "touch f", 1, "content");
    let mount = wallet.mount_secret();
    plays(
        mount,
        "bash",
        "touch -d '2001-02-03 04:05:06.789 UTC' f",
        1,
        "content",
    );
    let mount = wallet.mount_secret();
    assert_eq!(mount.sh("stat -c %.9Y f"), "981173106.789000000\n");
    let touch = "touch -a f; touch -c missing; touch -d @981173106.789 f";
    plays(mount, "bash", touch, 0, "content");
}

#[test]
fn cp_p_is_one_commit() {
    let wallet = Wallet::new();
    let original = wallet.path().join("original");
    fs::write(&original, "copied").unwrap();
    let original = original.to_str().unwrap();
    let mount = wallet.mount_secret();
    mount.sh(&format!(
        "touch -d @1234567890.123456789 {original}; chmod 644 {original}"
    ));
    plays(mount, "bash", &format!("cp -p {original} f"), 1, "copied");
    let mount = wallet.mount_secret();
    assert_eq!(
        mount.sh("stat -c '%a %.9Y' f"),
        "600 1234567890.123456789\n"
    );
    // A second time nothing is another in the end.
    plays(mount, "bash", &format!("cp -p {original} f"), 0, "copied");
}

/// The shell that opened the file has ended when its child writes: the child's close stores it.
/// Proves semantics 4.4.
#[test]
fn a_child_that_goes_on_after_its_shell_is_one_commit() {
    for shell in ["bash", "dash"] {
        let wallet = Wallet::new();
        let mount = wallet.mount_secret();
        let fifo = wallet.path().join("fifo");
        mount.sh(&format!("mkfifo {}", fifo.display()));
        let script = format!(
            "{shell} -c 'exec 3> f; (read go < {fifo}; echo late >&3) &'; echo > {fifo}; wait",
            fifo = fifo.display(),
        );
        let (_, commits) = mount.commits(|| {
            mount.sh(&script);
            wait_for("the child has written", || mount.read("d/a/f") == "late\n");
        });
        assert_eq!(commits, 1);
        assert_eq!(mount.again().read("d/a/f"), "late\n");
    }
}

/// A descriptor that stays open for several commands: each of the shell's own writes is stored when
/// the shell puts its standard output back.
#[test]
fn each_command_on_a_descriptor_is_stored() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    plays(
        mount,
        "bash",
        "exec 3> f; echo a >&3; echo b >&3; exec 3>&-",
        2,
        "a\nb\n",
    );
}

#[test]
fn appending_is_one_commit_each() {
    for shell in ["bash", "dash"] {
        let wallet = Wallet::new();
        let script = "echo a >> f; echo b >> f; /bin/echo c >> f";
        plays(wallet.mount_secret(), shell, script, 3, "a\nb\nc\n");
    }
}

/// Two shells that append at the same time lose no line, and none stores more often than it closes.
#[test]
fn two_shells_appending_lose_no_line() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
        writer() { for i in {1..40}; do echo $1-$i >> f; done; }
        writer one & writer two & wait";
    let ((), commits) = mount.commits(|| drop(mount.sh(script)));
    assert!((1..=80).contains(&commits), "{commits}");
    let mount = mount.again();
    let content = mount.read("d/a/f");
    for writer in ["one-", "two-"] {
        let lines = content.lines().filter(|line| line.starts_with(writer));
        let expected: Vec<_> = (1..=40).map(|i| format!("{writer}{i}")).collect();
        assert!(lines.eq(&expected), "{content}");
    }
    assert_eq!(content.lines().count(), 80);
    assert_eq!(mount.names("d/a"), ["f"], "no conflict with oneself");
}

/// A temporary file beside it, then a rename over it.
#[test]
fn sed_in_place_is_two_commits() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "abc\n");
    plays(mount, "bash", "sed -i s/b/B/ f", 2, "aBc\n");
    assert_eq!(wallet.mount_secret().names("d/a"), ["f"]);
}

#[test]
fn dd_changes_a_part_in_one_commit() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "0123456789");
    let dd = "printf XY | dd of=f bs=1 seek=4 conv=notrunc status=none";
    plays(mount, "bash", dd, 1, "0123XY6789");
    let dd = "printf Z | dd of=f bs=1 seek=12 conv=notrunc status=none";
    plays(wallet.mount_secret(), "bash", dd, 1, "0123XY6789\0\0Z");
}

#[test]
fn truncate_is_one_commit() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "0123456789");
    plays(mount, "bash", "truncate -s 4 f", 1, "0123");
    plays(
        wallet.mount_secret(),
        "bash",
        "truncate -s +2 f",
        1,
        "0123\0\0",
    );
    plays(wallet.mount_secret(), "bash", "truncate -s 0 f", 1, "");
}

/// By its path, without a descriptor.
/// Proves semantics 4.6.
#[test]
fn truncate_by_path_is_one_commit() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "0123456789");
    let ((), commits) = mount.commits(|| drop(mount.python("os.truncate('f', 4)")));
    assert_eq!(commits, 1);
    assert_eq!(mount.again().read("d/a/f"), "0123");
}

/// chmod and touch of a file that is being written join what is written.
/// Proves semantics 4.6.
#[test]
fn attributes_join_unsaved_content() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "exec 3> f; printf x >&3; chmod 400 f; touch -d @5 f; exec 3>&-";
    // The shell's own write is stored when it puts its standard output back; the rest by touch.
    plays(mount, "bash", script, 2, "x");
    let mount = wallet.mount_secret();
    mount.sh("rm -f f");
    let script = "
f = open('f', 'w'); f.write('x'); f.flush()
os.chmod('f', 0o400); os.utime('f', (5, 5)); f.close()";
    let ((), commits) = mount.commits(|| drop(mount.python(script)));
    assert_eq!(commits, 1);
    let mount = mount.again();
    assert_eq!(mount.sh("stat -c '%a %Y %s' f"), "400 5 1\n");
}

/// os.replace: the temporary file's content is stored, then takes the other one's place.
#[test]
fn python_replaces_a_file_in_two_commits() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "old");
    let script = "put('tmp', b'new'); os.replace('tmp', 'f')";
    let ((), commits) = mount.commits(|| drop(mount.python(script)));
    assert_eq!(commits, 2);
    let mount = mount.again();
    assert_eq!(mount.read("d/a/f"), "new");
    assert_eq!(mount.names("d/a"), ["f"]);
}

/// fsync stores at once, while the file stays open and its writer goes on.
/// Proves semantics 4.1, 4.2.
#[test]
fn fsync_stores_at_once() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let before = mount.generation();
    let script = "
f = open('f', 'wb', 0); f.write(b'one'); os.fsync(f)
print('stored'); input(); f.write(b' two'); f.close()";
    let mut writer = Companion::python(script, mount.path("d/a"));
    writer.says();
    assert_eq!(mount.generation(), before + 1);
    assert_eq!(wallet.mount("other", &[]).read("d/a/f"), "one");
    writer.go_on();
    writer.end();
    assert_eq!(mount.settled(), before + 2);
    assert_eq!(mount.again().read("d/a/f"), "one two");
}

/// A writer that is killed: what it wrote is stored by the release.
/// Proves semantics 4.5.
#[test]
fn what_a_killed_writer_wrote_is_stored() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
f = open('f', 'wb', 0); f.write(b'written'); print('ready'); input()
os.kill(os.getpid(), signal.SIGKILL)";
    let ((), commits) = mount.commits(|| {
        let mut writer = Companion::python(script, mount.path("d/a"));
        writer.says();
        assert_eq!(
            mount.read("d/a/f"),
            "written",
            "every handle sees it at once"
        );
        writer.go_on();
        assert_eq!(writer.killed_by(), 9);
    });
    assert_eq!(commits, 1);
    assert_eq!(mount.again().read("d/a/f"), "written");
}

/// Threads of one process: the thread that closes is not the one that opened.
/// Proves semantics 4.3.
#[test]
fn a_close_by_another_thread_stores() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let before = mount.generation();
    let script = "
import threading
f = os.open('f', os.O_WRONLY | os.O_CREAT)
copy = os.dup(f)
os.write(f, b'content')
thread = threading.Thread(target=os.close, args=[f]); thread.start(); thread.join()
print('closed'); input()";
    let mut writer = Companion::python(script, mount.path("d/a"));
    writer.says();
    // The copy is still open, so this is no release.
    assert_eq!(mount.generation(), before + 1);
    writer.go_on();
    writer.end();
    assert_eq!(mount.settled(), before + 1);
}

/// Scratch files of editors live in the mount's memory only; renamed, they are stored.
/// Proves semantics 6.1, 6.2.
#[test]
fn scratch_files_are_stored_only_under_another_name() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "echo swap > .f.swp; echo kept > f~; cat f~ .f.swp";
    let (said, commits) = mount.commits(|| mount.sh(script));
    assert_eq!((said.as_str(), commits), ("kept\nswap\n", 0));
    assert_eq!(mount.status()["scratch"], 2);
    let ((), commits) = mount.commits(|| drop(mount.sh("mv f~ f")));
    assert_eq!(commits, 1);
    let mount = mount.again();
    assert_eq!(mount.names("d/a"), ["f"]);
    assert_eq!(mount.read("d/a/f"), "kept\n");
}
