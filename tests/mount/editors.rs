//! Editors save a file in a mount as they do elsewhere, and leave nothing in the store but it.

use super::harness::*;
use super::table::Stage;

/// Types keys into a program on a terminal of its own, once it has shown itself, until it ends.
fn on_a_terminal(mount: &Mount<'_>, program: &[&str], keys: &str) {
    let keys = keys.as_bytes();
    let script = format!(
        "
import pty, select
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM='xterm', HOME='/nonexistent')
    os.execvp({:?}, {program:?})
shown = b''
# It shows something, and then waits for keys.
while not shown or select.select([terminal], [], [], 0.5)[0]: shown += os.read(terminal, 4096)
os.write(terminal, bytes({keys:?}))
try:
    while more := os.read(terminal, 4096): shown += more
except OSError: pass
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert status == 0, (status, shown)",
        program[0]
    );
    mount.python(&script);
}

/// vim on a terminal, as Debian sets it up: a swap file, a backup while it writes. (Its own default
/// leaves the backup out below `/tmp`, where these mounts are.)
#[test]
fn vim() {
    let stage = Stage::with(&[("d/a/f", "old\n")]);
    let mount = stage.mount();
    let set = "set backupskip= | set directory=. backupdir=.";
    let vim = ["vim", "-i", "NONE", "--cmd", set, "f"];
    stage.play("vim", &mount, || {
        on_a_terminal(&mount, &vim, "cwnew\u{1b}:wq\r")
    });
    stage.leaves(mount, &[("d/a/f", "new\n")], &[]);
}

/// Every way in which vim can be told to make its backup, with its swap and undo files in place.
#[test]
fn vim_by_each_way_of_backup() {
    let stage = Stage::with(&[("d/a/f", "old\n")]);
    let mount = stage.mount();
    for (row, options, left) in [
        (
            "vim-auto",
            "nobackup writebackup backupcopy=auto",
            ".f.un~ f",
        ),
        (
            "vim-copy",
            "nobackup writebackup backupcopy=yes",
            ".f.un~ f",
        ),
        (
            "vim-rename",
            "nobackup writebackup backupcopy=no",
            ".f.un~ f",
        ),
        ("vim-plain", "nobackup nowritebackup", ".f.un~ f"),
        (
            "vim-backup",
            "backup writebackup backupcopy=auto",
            ".f.un~ f f~",
        ),
    ] {
        let said = stage.sh(
            row,
            &mount,
            &format!(
                "vim -u NONE -i NONE -es -c 'set nocompatible backupskip= swapfile directory=.' \
                 -c 'set undofile undodir=. backupdir=. {options}' -c '%s/.*/{row}/' -c wq f\n\
                 cat f; echo $(ls -A)"
            ),
        );
        assert_eq!(said, format!("{row}\n{left}\n"), "{row}");
    }
    let left = ["d/a/.f.un~", "d/a/f~"];
    stage.leaves(mount, &[("d/a/f", "vim-backup\n")], &left);
}

/// nano on a terminal, with its lock file, and with a backup.
#[test]
fn nano() {
    let stage = Stage::with(&[("d/a/f", "old\n")]);
    let mount = stage.mount();
    let nano = ["nano", "--ignorercfiles", "--locking", "f"];
    // Ctrl-S saves, Ctrl-X ends.
    stage.play("nano", &mount, || {
        on_a_terminal(&mount, &nano, "new \u{13}\u{18}")
    });
    assert_eq!(mount.read("d/a/f"), "new old\n");
    let nano = ["nano", "--ignorercfiles", "--locking", "--backup", "f"];
    stage.play("nano-backup", &mount, || {
        on_a_terminal(&mount, &nano, "very \u{13}\u{18}")
    });
    assert_eq!(mount.read("d/a/f~"), "new old\n");
    stage.leaves(mount, &[("d/a/f", "very new old\n")], &["d/a/f~"]);
}

/// emacs: its lock and auto-save files; a backup by renaming (its default, which keeps the old file
/// stored under another name) and by copying; a temporary file and a rename.
#[test]
fn emacs() {
    let stage = Stage::with(&[("d/a/f", "old\n"), ("d/a/g", "old\n")]);
    let mount = stage.mount();
    let save = |row: &str, file: &str, how: &str| {
        let script = format!(
            "(progn (setq backup-enable-predicate (lambda (_) t) {how}) (find-file \"{file}\") \
             (erase-buffer) (insert \"{row}\\n\") (auto-save-mode 1) (do-auto-save) \
             (princ (directory-files \".\" nil \"[#~]\")) (save-buffer))"
        );
        let home = stage.outside();
        let home = home.display();
        let emacs = format!("HOME={home} emacs -Q --batch --eval '{script}' 2> /dev/null");
        stage.sh(row, &mount, &emacs)
    };
    assert_eq!(save("emacs", "f", ""), "(#f# .#f)");
    assert_eq!(
        save("emacs-copy", "g", "backup-by-copying t"),
        "(#g# .#g f~)"
    );
    let precious = "make-backup-files nil file-precious-flag t";
    assert_eq!(save("emacs-precious", "g", precious), "(#g# .#g f~ g~)");
    let left = [
        ("d/a/f", "emacs\n"),
        ("d/a/f~", "old\n"),
        ("d/a/g", "emacs-precious\n"),
    ];
    stage.leaves(mount, &left, &["d/a/g~"]);
}

/// VS Code writes a file in place and has it synchronised; files of its own it saves atomically, by
/// `NAME.vsctmp`.
#[test]
fn vs_code() {
    let stage = Stage::with(&[("d/a/f", "old, and longer\n"), ("d/a/g", "old\n")]);
    let mount = stage.mount();
    let script = "
f = os.open('f', os.O_RDWR); os.ftruncate(f, 0); os.pwrite(f, b'new\\n', 0); os.fdatasync(f); os.close(f)";
    stage.play("vscode", &mount, || mount.python(script));
    let script = "
f = os.open('g.vsctmp', os.O_WRONLY | os.O_CREAT | os.O_TRUNC); os.write(f, b'new\\n'); os.fdatasync(f)
os.close(f); os.rename('g.vsctmp', 'g')";
    stage.play("vscode-atomic", &mount, || mount.python(script));
    stage.leaves(mount, &[("d/a/f", "new\n"), ("d/a/g", "new\n")], &[]);
}

#[test]
fn ed() {
    let stage = Stage::with(&[("d/a/f", "old\n")]);
    let mount = stage.mount();
    stage.sh("ed", &mount, "printf '1s/old/new/\\nw\\nq\\n' | ed -s f");
    stage.leaves(mount, &[("d/a/f", "new\n")], &[]);
}
