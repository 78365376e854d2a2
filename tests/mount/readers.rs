//! Programs that use what is in a wallet: keys, settings, databases; and desktops and shells that
//! look at everything.

use super::table::Stage;
use std::fs;

/// Keys are read from the mount as from any private directory, and so are they made there.
#[test]
fn keys() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    stage.sh(
        "ssh-keygen",
        &mount,
        "ssh-keygen -q -t ed25519 -N '' -C c -f id; rm id.pub",
    );
    let said = stage.sh("ssh-keygen-y", &mount, "ssh-keygen -y -f id");
    assert!(said.starts_with("ssh-ed25519 "), "{said}");
    let agent = "ssh-agent bash -c 'ssh-add -q id; ssh-add -L'";
    let said = stage.sh("ssh-add", &mount, agent);
    assert!(said.starts_with("ssh-ed25519 "), "{said}");
    stage.sh(
        "openssl",
        &mount,
        "openssl genpkey -algorithm ed25519 -out pem",
    );
    let said = stage.sh("openssl-read", &mount, "openssl pkey -in pem -pubout");
    assert!(said.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{said}");
    let home = stage.outside().join("gnupg");
    fs::create_dir(&home).unwrap();
    let gpg = format!(
        "export GNUPGHOME={}; chmod 700 $GNUPGHOME; gpg() {{ command gpg --batch -q \"$@\"; }}",
        home.display()
    );
    let make = "gpg --passphrase '' --quick-gen-key joe ed25519 2> /dev/null; gpg --armor --export joe > asc
        gpgconf --kill gpg-agent; rm -r $GNUPGHOME/*";
    stage.sh("gpg", &mount, &format!("{gpg}\n{make}"));
    let import =
        "gpg --import asc 2> /dev/null; gpg --list-keys --with-colons 2> /dev/null | grep -c ^pub";
    assert_eq!(
        stage.sh("gpg-import", &mount, &format!("{gpg}\n{import}")),
        "1\n"
    );
    let files = ["asc", "id", "pem", "x"]
        .map(|name| (format!("d/a/{name}"), mount.read(&format!("d/a/{name}"))));
    let files: Vec<_> = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_str()))
        .collect();
    stage.leaves(mount, &files, &[]);
}

/// Settings that programs read.
#[test]
fn settings() {
    let files = [
        ("d/a/env", "# a comment\nUSER_NAME=joe\nTOKEN=a=b c\n"),
        ("d/a/json", "{\"token\": [1, 2]}"),
    ];
    let stage = Stage::with(&files);
    let mount = stage.mount();
    // As `docker run --env-file` takes it: a line each, up to the first `=`, nothing unquoted.
    let script = "
import subprocess
lines = open('env').read().splitlines()
env = dict(line.split('=', 1) for line in lines if line and not line.startswith('#'))
subprocess.run(['sh', '-c', 'echo $USER_NAME, $TOKEN'], env=env, check=True)";
    let said = stage.play("env-file", &mount, || mount.python(script));
    assert_eq!(said, "joe, a=b c\n");
    let said = stage.sh(
        "source",
        &mount,
        "set -a; . <(head -n 2 env); sh -c 'echo $USER_NAME'",
    );
    assert_eq!(said, "joe\n");
    assert_eq!(
        stage.sh("jq", &mount, "jq -c .token json; jq .token[1] < json"),
        "[1,2]\n2\n"
    );
    let change = "jq -c '.token += [3]' json | sponge json";
    stage.sh("jq-sponge", &mount, change);
    stage.leaves(
        mount,
        &[files[0], ("d/a/json", "{\"token\":[1,2,3]}\n")],
        &[],
    );
}

/// A database works, in each way of keeping its journal, and loses nothing.
#[test]
fn sqlite() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    let insert = |row: &str, mode: &str, number: u32| {
        let script = format!(
            "sqlite3 db 'pragma journal_mode={mode}; create table if not exists t (n); \
             insert into t values ({number});'"
        );
        assert_eq!(stage.sh(row, &mount, &script), format!("{mode}\n"));
    };
    insert("sqlite", "delete", 1);
    insert("sqlite-again", "delete", 2);
    insert("sqlite-wal", "wal", 3);
    let back = "sqlite3 db 'pragma journal_mode=delete; select group_concat(n) from t; pragma integrity_check'";
    assert_eq!(mount.sh(back), "delete\n1,2,3\nok\n");
    mount.settled();
    let content = fs::read(mount.path("d/a/db")).unwrap();
    let mount = mount.again();
    assert!(fs::read(mount.path("d/a/db")).unwrap() == content);
    assert_eq!(mount.names("d/a"), ["db", "x"], "no journal is left over");
    assert_eq!(
        mount.sh("sqlite3 -readonly db 'select sum(n) from t'"),
        "6\n"
    );
}

/// A desktop finds no bin, so that it asks to delete; it probes for types and thumbnails, and none of
/// that costs a request.
#[test]
fn file_managers() {
    let files = [("d/a/f", "text\n"), ("d/a/png", "\u{89}PNG\r\n\u{1a}\n")];
    let stage = Stage::with(&files);
    let mount = stage.mount();
    let trash = "! gio trash f 2>&1; test -e f";
    let said = stage.sh("gio-trash", &mount, trash);
    assert!(said.contains("trash"), "{said}");
    let probe = "
        for file in f png . .. ../..; do gio info -a '*' $file > /dev/null; done
        gio info -a standard::content-type f | grep content-type:; gio list ../..
        cat .hidden .directory Thumbs.db ../.Trash-0/x 2> /dev/null || gio list -a standard::size";
    let said = stage.sh("gio-info", &mount, probe);
    assert_eq!(
        said.lines().collect::<Vec<_>>()[..2],
        ["  standard::content-type: text/plain", "d"],
        "{said}"
    );
    stage.sh("gio-copy", &mount, "gio copy f g");
    stage.sh("gio-move", &mount, "gio move g h");
    stage.sh("gio-remove", &mount, "gio remove h");
    stage.leaves(mount, &files, &[]);
}

/// Completion and globs see what there is, and ask nothing of the store.
#[test]
fn shells() {
    let files = [
        ("d/a/pwd", "x"),
        ("d/a/uid", "joe"),
        ("d/two words/a key", "x"),
        ("e/c/pwd", "x"),
    ];
    let stage = Stage::with(&files);
    let mount = stage.mount();
    let complete = "compgen -f -- p; compgen -d -- ../ | sort; compgen -f -- ../tw";
    let said = stage.sh("completion", &mount, complete);
    assert_eq!(said, "pwd\n../a\n../two words\n../two words\n");
    let globs = "shopt -s globstar nullglob; cd ../..; printf '%s|' */*/pwd **/a* d/[!a]* .t* x*";
    assert_eq!(
        stage.sh("globs", &mount, globs),
        "d/a/pwd|e/c/pwd|d/a|d/two words/a key|d/two words|"
    );
    let find = "cd ../..; find . -type f | wc -l; grep -rl joe .; du -a . | wc -l; ls -laR > /dev/null; tree=$(ls -R); test -n \"$tree\"";
    assert_eq!(stage.sh("find", &mount, find), "4\n./d/a/uid\n10\n");
    stage.leaves(mount, &files, &[]);
}
