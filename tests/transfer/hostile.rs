//! Files that are not what they are said to be: a clear error, nothing written, memory within
//! bounds.

use crate::program::{MEMORABLE, Machine, say};
use std::fs;
use std::io::Write;
use std::process::Command;

const FORMATS: [&str; 11] = [
    "secret-wallet",
    "secret-wallet-decrypted",
    "bitwarden",
    "keepass",
    "keepass-xml",
    "1password",
    "1password-csv",
    "chrome",
    "firefox",
    "csv",
    "json",
];

/// Address space that an import may take, in KiB: the program's own, the derivation's 64 MiB, the
/// largest source, and what is made of it.
const MEMORY_KIB: u32 = 1_500_000;

fn import(machine: &Machine, format: &str, file: &str) -> (i32, String, String) {
    let like = machine.with_passwords(["import", "--source-password-command", "echo x"]);
    let mut line = format!(
        "ulimit -v {MEMORY_KIB}; exec '{}'",
        like.get_program().to_str().unwrap()
    );
    for arg in like.get_args() {
        line += &format!(" '{}'", arg.to_str().unwrap());
    }
    line += &format!(" --from {format} '{file}'");
    let mut command = Command::new("sh");
    command.args(["-c", &line]).env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("it ends by itself");
    (code, text(output.stdout), text(output.stderr))
}

/// A 1PUX archive of this document.
fn onepux(document: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("export.data", zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(document).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn each_is_refused_with_a_clear_error_and_nothing_is_written() {
    let machine = Machine::with_wallet();
    let before = machine.sqlite();
    // As large as anything that is read, and one byte more: a hole in a file.
    let giant = machine.file("giant", "");
    let file = fs::File::options().write(true).open(&giant).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    let nested = machine.file("nested", "[".repeat(1 << 20));
    // As dense as memory is filled with least bytes.
    let dense = machine.file(
        "dense",
        format!("{{\"items\":[{}{{}}]}}", "{},".repeat(20 << 20)),
    );
    let laughs = machine.file(
        "laughs",
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"Secret\">]><KeePassFile>&a;</KeePassFile>",
    );
    let bomb = machine.file("bomb", onepux(&vec![b' '; 100 << 20]));
    let items = format!("{{\"items\":[{}{{}}]}}", "{},".repeat(99_999));
    let vaults = format!("{}{items}", format!("{items},").repeat(200));
    let dense_archive = machine.file(
        "dense.1pux",
        onepux(format!("{{\"accounts\":[{{\"vaults\":[{vaults}]}}]}}").as_bytes()),
    );
    // A name that stands there once, and that every secret below it has.
    let long = "x".repeat(8 << 20);
    let column = machine.file(
        "column",
        format!("title,password,{long}\n{}", "t,p,v\n".repeat(90_000)),
    );
    let group = machine.file(
        "group",
        format!(
            "<KeePassFile><Root><Group><Name>{long}</Name>{}</Group></Root></KeePassFile>",
            "<Entry></Entry>".repeat(90_000)
        ),
    );
    let text = machine.file("text", "Secret text of no kind\n");
    let empty = machine.file("empty", "");
    let sqlite = machine.file("sqlite", "SQLite format 3\0Secret");
    // Each format with what it is not at all, and those of a kind with what is worst for them.
    let mut cases: Vec<(&str, &str)> = FORMATS.map(|format| (format, text.as_str())).into();
    cases.extend([
        ("secret-wallet", giant.as_str()),
        ("secret-wallet", &nested),
        ("secret-wallet", &sqlite),
        ("secret-wallet", &empty),
        ("bitwarden", &dense),
        ("bitwarden", &nested),
        ("keepass", &giant),
        ("keepass-xml", &laughs),
        ("keepass-xml", &giant),
        ("keepass-xml", &group),
        ("1password", &bomb),
        ("1password", &dense_archive),
        ("1password", &giant),
        ("csv", &giant),
        ("csv", &column),
        ("csv", &empty),
        ("json", &dense),
    ]);
    for (format, file) in cases {
        let (code, out, err) = import(&machine, format, file);
        assert_eq!((code, out.as_str()), (1, ""), "{format} {file}: {err}");
        assert!(
            err.starts_with("walletfs: ") && err.lines().count() == 1,
            "{err}"
        );
        assert!(!err.contains("Secret"), "{err}");
    }
    assert!(machine.sqlite() == before);
}

#[test]
fn a_format_that_needs_a_file_says_so() {
    let machine = Machine::with_wallet();
    for format in &FORMATS[1..] {
        let (code, out, err) = machine.said(&["import", "--from", format]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("name the file"), "{err}");
        let (code, _, err) = machine.said(&["import", "--from", format, "/no/such/file"]);
        assert_eq!(code, 1);
        assert!(err.contains("no such file"), "{err}");
    }
    machine.walletfs(["import", "x"]).assert().code(2);
    machine
        .walletfs(["import", "--from", "lastpass", "x"])
        .assert()
        .code(2);
    // The wallet's own password is asked of its own source only.
    let mut wrong = machine.with_passwords(["import", "--from", "csv", "/dev/null"]);
    wrong.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say("Memorable 2!"));
    wrong.assert().code(10).stdout("");
    assert_ne!(MEMORABLE, "Memorable 2!");
}
