//! `--audit FILE`, and `audit` in the configuration.

use crate::program::{Machine, mode};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Operation and path of each line.
fn opens(lines: &[Value]) -> Vec<(&str, &str)> {
    let opens = lines.iter();
    opens
        .map(|l| {
            (
                l["operation"].as_str().unwrap(),
                l["path"].as_str().unwrap(),
            )
        })
        .collect()
}

fn program(name: &str) -> String {
    let path = fs::canonicalize(Path::new("/bin").join(name));
    path.unwrap().to_str().unwrap().to_owned()
}

#[test]
fn each_open_of_a_secret_is_a_line() {
    let machine = Machine::with_quick_wallet();
    let audit = machine.path("audit");
    let dir = machine.mount(&["--audit", audit.to_str().unwrap()]);
    fs::create_dir_all(dir.join("d%2Fx/a b")).unwrap();
    let file = dir.join("d%2Fx/a b/pwd");
    fs::write(&file, "xy67Gh!8").unwrap();
    // A program that ends at once is known all the same.
    let cat = Command::new("cat").arg(&file).output().unwrap();
    assert_eq!(cat.stdout, b"xy67Gh!8");
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&file)
        .unwrap();
    fs::OpenOptions::new().append(true).open(&file).unwrap();
    // Neither a listing, nor a look, nor what is not there, nor the mount's own file.
    fs::read_dir(dir.join("d%2Fx/a b")).unwrap().count();
    fs::metadata(&file).unwrap();
    fs::read(dir.join("d%2Fx/a b/none")).unwrap_err();
    fs::read(dir.join(".walletfs/status")).unwrap();
    // But a secret by another way.
    fs::read(dir.join(".walletfs/json/d%2Fx/a b.json")).unwrap();
    machine.walletfs(["lock"]).assert().success();

    let lines = lines(&audit);
    let path = "d%2Fx/a b/pwd";
    assert_eq!(
        opens(&lines),
        [
            ("create", path),
            ("read", path),
            ("read-write", path),
            ("write", path),
            ("read", ".walletfs/json/d%2Fx/a b.json")
        ]
    );
    let me = fs::read_link("/proc/self/exe").unwrap();
    let programs = [me.to_str().unwrap(), &program("cat")];
    assert_eq!(lines[0]["executable"], programs[0]);
    assert_eq!(lines[1]["executable"], programs[1]);
    for line in &lines {
        let keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        let expected = ["time", "operation", "path", "uid", "pid", "executable"];
        assert_eq!(keys, expected);
        assert_eq!(line["uid"], Value::from(own_uid()));
    }
    // The test runs in a thread of its own: its number is not the process's.
    assert_eq!(lines[0]["pid"], std::process::id());
    assert_ne!(lines[1]["pid"], std::process::id());
    assert_eq!(mode(&audit), 0o600);
    assert!(
        !fs::read_to_string(&audit).unwrap().contains("xy67"),
        "never a value"
    );
}

fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn the_configuration_may_name_the_file_and_rotation_is_followed() {
    let machine = Machine::with_quick_wallet();
    let audit = machine.path("audit");
    let file = machine.path("c/default.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    config["audit"] = audit.to_str().unwrap().into();
    fs::write(&file, config.to_string()).unwrap();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/one"), "1").unwrap();
    let old = machine.path("audit.1");
    let mut rotate = Command::new("sh");
    rotate.args(["-c", "mv \"$0\" \"$0.1\""]).arg(&audit);
    assert!(rotate.status().unwrap().success());
    fs::write(dir.join("d/a/two"), "2").unwrap();
    machine.walletfs(["lock"]).assert().success();
    assert_eq!(opens(&lines(&old)), [("create", "d/a/one")]);
    assert_eq!(opens(&lines(&audit)), [("create", "d/a/two")]);
    assert_eq!(mode(&audit), 0o600);
    // The option goes first, and the next mount appends.
    let other = machine.path("other");
    machine.mount(&["--audit", other.to_str().unwrap()]);
    fs::read(dir.join("d/a/one")).unwrap();
    machine.walletfs(["lock"]).assert().success();
    machine.mount(&[]);
    fs::read(dir.join("d/a/one")).unwrap();
    machine.walletfs(["lock"]).assert().success();
    assert_eq!(opens(&lines(&other)), [("read", "d/a/one")]);
    let all = lines(&audit);
    assert_eq!(opens(&all), [("create", "d/a/two"), ("read", "d/a/one")]);
}

#[test]
fn a_full_disk_does_not_stop_reading_and_is_told() {
    let machine = Machine::with_quick_wallet();
    let dir = machine.mount(&["--audit", "/dev/full"]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/f"), "1").unwrap();
    for _ in 0..100 {
        assert_eq!(fs::read(dir.join("d/a/f")).unwrap(), b"1");
    }
    let status = machine.status(&dir)["not_enforced"].to_string();
    let told = "the audit file lacks some opens (No space left on device";
    assert_eq!(status.matches(told).count(), 1, "{status}");
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn a_program_that_closes_a_file_while_it_executes_another_does_not_hang() {
    let machine = Machine::with_quick_wallet();
    let audit = machine.path("audit");
    let dir = machine.mount(&["--audit", audit.to_str().unwrap()]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/f"), "1").unwrap();
    // Descriptors that are closed by the exec, with content that its close stores, while threads of
    // the same process open files.
    let script = r#"
import os, sys, threading
path = sys.argv[1]
def opens():
    while True:
        os.close(os.open(path, os.O_RDONLY))
for n in range(20):
    pid = os.fork()
    if pid == 0:
        for _ in range(3):
            threading.Thread(target=opens, daemon=True).start()
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, b"%d" % n)
        os.execv("/bin/true", ["true"])
    assert os.waitpid(pid, 0)[1] == 0
"#;
    let mut python = Command::new("timeout");
    python
        .args(["30", "python3", "-c", script])
        .arg(dir.join("d/a/f"));
    assert!(python.status().unwrap().success());
    let mut content = String::new();
    let mut file = fs::File::open(dir.join("d/a/f")).unwrap();
    file.read_to_string(&mut content).unwrap();
    drop(file);
    assert!(content.parse::<u32>().is_ok(), "{content:?}");
    machine.walletfs(["lock"]).assert().success();
    let lines = lines(&audit);
    assert!(lines.len() > 40, "{} lines", lines.len());
}

#[test]
fn a_file_that_cannot_be_used_is_told_before_the_password_is_asked_for() {
    let machine = Machine::with_quick_wallet();
    let mut command = machine.walletfs(["mount", "--audit", "/no/such/dir/audit"]);
    let assert = command.arg(machine.path("w")).assert().code(1);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("/no/such/dir/audit: "), "{said}");
}
