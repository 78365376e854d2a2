//! Programs that change a file: in place, or by a temporary file that takes its name.

use super::table::Stage;

/// Plays rows by shell scripts, each of which leaves `f` so.
#[track_caller]
fn play(rows: &[(&str, &str, &str)]) {
    let stage = Stage::with(&[("d/a/f", "old\n")]);
    let mount = stage.mount();
    let mut last = "";
    for (row, script, content) in rows {
        assert_eq!(stage.sh(row, &mount, script), "", "{row}");
        assert_eq!(mount.read("d/a/f"), *content, "{row}");
        assert_eq!(mount.names("d/a"), ["f"], "{row} leaves nothing else");
        last = content;
    }
    stage.leaves(mount, &[("d/a/f", last)], &[]);
}

#[test]
fn sed_and_perl() {
    play(&[
        ("sed", "sed -i s/old/sed/ f", "sed\n"),
        ("sed-backup", "sed -i.bak s/sed/new/ f; rm f.bak", "new\n"),
        ("perl", "perl -i -pe s/new/perl/ f", "perl\n"),
        ("perl-backup", "perl -i~ -pe s/perl/new/ f; rm f~", "new\n"),
    ]);
}

#[test]
fn pipes() {
    play(&[
        ("append", "echo more >> f", "old\nmore\n"),
        ("tee", "echo tee | tee f > /dev/null", "tee\n"),
        (
            "tee-append",
            "echo more | tee -a f > /dev/null",
            "tee\nmore\n",
        ),
        ("sponge", "sort f | sponge f", "more\ntee\n"),
        ("redirect", "echo new > f", "new\n"),
        (
            "clobber",
            "set -C; echo newer >| f; ! (echo x > f) 2> /dev/null",
            "newer\n",
        ),
    ]);
}

#[test]
fn parts() {
    play(&[
        (
            "dd",
            "printf LD | dd of=f bs=1 seek=1 conv=notrunc status=none",
            "oLD\n",
        ),
        ("dd-whole", "printf whole | dd of=f status=none", "whole"),
        ("truncate", "truncate -s 2 f", "wh"),
        ("truncate-more", "truncate -s 4 f", "wh\0\0"),
        ("fallocate", "fallocate --posix --length 5 f", "wh\0\0\0"),
        ("shred", "shred -n 1 -z -s 3 f; truncate -s 3 f", "\0\0\0"),
    ]);
}

#[test]
fn python() {
    let by = |script: &str| format!("python3 -c \"{script}\"");
    play(&[
        (
            "python",
            &by("from pathlib import Path; Path('f').write_text('python')"),
            "python",
        ),
        (
            "python-replace",
            &by(
                "import os; from pathlib import Path; Path('t').write_text('new'); os.replace('t', 'f')",
            ),
            "new",
        ),
        (
            "python-tempfile",
            &by(
                "import os, tempfile\nwith tempfile.NamedTemporaryFile('w', dir='.', delete=False) as t:\n    \
                 t.write('temporary'); t.flush(); os.fsync(t.fileno())\nos.replace(t.name, 'f')",
            ),
            "temporary",
        ),
        (
            "python-in-place",
            &by("with open('f', 'r+') as f: f.write('TEMP'); f.seek(0, 2); f.write('!')"),
            "TEMPorary!",
        ),
        (
            "python-fileinput",
            &by(
                "import fileinput\nfor line in fileinput.input('f', inplace=True): print(line.lower(), end='')",
            ),
            "temporary!",
        ),
    ]);
}

/// A lock file that is created exclusively, written, and renamed over the file.
#[test]
fn git_config() {
    play(&[
        (
            "git-config",
            "printf '[user]\\n' > f; git config -f f user.name joe; test $(git config -f f user.name) = joe",
            "[user]\n\tname = joe\n",
        ),
        ("git-config-unset", "git config -f f --unset user.name", ""),
    ]);
}
