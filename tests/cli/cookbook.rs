//! The recipes of walletfs-cookbook(7). Every line that is typed at a prompt there is run, in the
//! page's order, by bash, on one real mount, with real programs; what it prints is what the page
//! says. What needs a daemon that a test cannot have is parsed, and the test says which lines.

use crate::program::{DEVICE, MEMORABLE, Machine, say};
use crate::python::python;
use crate::support::dynamodb::Engine;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../man/walletfs-cookbook.7.md");

/// The fenced blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

/// Runs it, and gives what it prints; a failure shows what it says.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// What other managers left in `~/export`, and a key of before in `~/.ssh`.
const BEFORE: &str = r#"
mkdir -p ~/.config ~/backup ~/export/files/bank/savings
mkdir -m 700 ~/.ssh
ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
(umask 077; printf '%s\n' "$PASSWORD" > ~/.config/password)
cp "$vectors"/keepass/key.keyx "$vectors"/keepass/key-file.kdbx ~/export
cp "$vectors"/secret-wallet/secretwallet.sqlite "$vectors"/secret-wallet/secretwallet.json ~/export
cd ~/export
printf '%s' '{"encrypted":false,"folders":[{"id":"f","name":"shops"}],"items":[{"type":1,"name":"book","folderId":"f","login":{"username":"joe","password":"b1"}}]}' > bitwarden.json
printf 'Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\nnine,https://nine.example,joe,n1,,false,false,,\n' > 1password.csv
printf 'name,url,username,password,note\nten,https://ten.example,joe,t1,\n' > chrome.csv
printf '"url","username","password","httpRealm","formActionOrigin","guid","timeCreated","timeLastUsed","timePasswordChanged"\n"https://two.example","joe","w1","","","{1}","1","1","1"\n' > firefox.csv
printf 'folder,title,username,password\nclub,tennis,joe,c1\n' > table.csv
printf joe > files/bank/savings/uid
"#;

/// The lines of the page, each with what it prints in a file of its number.
fn script() -> (String, Vec<(String, String)>) {
    let (mut script, mut lines) = (format!("set -eu\n{BEFORE}\ncd\n"), Vec::new());
    for block in blocks("console") {
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(typed) => lines.push((typed.to_owned(), String::new())),
                None => {
                    let (_, prints) = lines.last_mut().expect("a line before");
                    writeln!(prints, "{line}").expect("it is memory");
                }
            }
        }
    }
    for (number, (typed, _)) in lines.iter().enumerate() {
        // The other wallet's password, where a person would be asked for it.
        let source = match typed.contains("keepass") {
            true => "Kee Pass#1",
            false => "Memorable#1",
        };
        writeln!(script, "printf '%s' '{source}' > ~/.config/source").expect("it is memory");
        writeln!(script, "echo '{number}' > ~/at").expect("it is memory");
        writeln!(script, "{{ {typed}\n}} > ~/printed-{number}").expect("it is memory");
    }
    (script, lines)
}

#[test]
fn every_line_does_what_the_page_says() {
    let machine = Machine::with_quick_wallet();
    let engine = Engine::start();
    let home = machine.path("home");
    fs::create_dir(&home).unwrap();
    let program = machine.walletfs([""; 0]).get_program().to_owned();
    let path = Path::new(&program).parent().unwrap().display().to_string();
    let path = format!("{path}:{}", std::env::var("PATH").unwrap());
    let environment = |command: &mut Command| {
        command
            .env_clear()
            .env("PATH", &path)
            .env("HOME", &home)
            .env("LC_ALL", "C.UTF-8")
            .env("WALLETFS_CONFIG_DIR", machine.path("c"))
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
            .env("WALLETFS_SOURCE_PASSWORD_COMMAND", "cat ~/.config/source")
            .env("PASSWORD", MEMORABLE)
            .env(
                "vectors",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"),
            )
            .env("AWS_ENDPOINT_URL_DYNAMODB", engine.url())
            .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
            .env("AWS_SECRET_ACCESS_KEY", "none");
    };
    let wallet = home.join("wallet");
    let mut mount = machine.with_passwords(["mount", "--timeout", "0", "--lifetime", "0"]);
    mount.arg(&wallet).assert().success();

    let (script, lines) = script();
    assert!(lines.len() >= 50, "{}", lines.len());
    let mut shell = Command::new("ssh-agent");
    environment(shell.args(["bash", "-c", &script]));
    let output = shell.output().unwrap();
    let at = fs::read_to_string(home.join("at")).unwrap_or_default();
    let at = at
        .trim()
        .parse()
        .map_or("the preparation", |at: usize| &*lines[at].0);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "failed at: {at}\n{said}");
    for (number, (typed, prints)) in lines.iter().enumerate() {
        if !prints.is_empty() {
            let printed = fs::read_to_string(home.join(format!("printed-{number}"))).unwrap();
            assert_eq!(&printed, prints, "{typed}");
        }
    }

    // The second device of the recipe on several: another configuration.
    let mut second = Command::new("walletfs");
    environment(&mut second);
    second
        .env("WALLETFS_CONFIG_DIR", home.join("second"))
        .env("PATH", &path);
    let printed = run(second.args([
        "--wallet",
        "home",
        "init",
        "--store",
        "dynamodb",
        "--region",
        "eu-central-1",
    ]));
    assert!(printed.contains("generation"), "{printed}");

    // A line of fstab has six fields, and mount(8)'s helper takes its options.
    let [fstab] = &blocks("fstab")[..] else {
        panic!("one line of fstab");
    };
    let fields: Vec<_> = fstab.split_whitespace().collect();
    let [spec, _dir, "fuse.walletfs", options, "0", "0"] = fields[..] else {
        panic!("{fstab}");
    };
    let helper = machine.path("mount.fuse.walletfs");
    std::os::unix::fs::symlink(&program, &helper).unwrap();
    let mut command = Command::new(&helper);
    environment(
        command
            .arg(spec)
            .arg(home.join("by-fstab"))
            .args(["-o", options]),
    );
    run(&mut command);

    // Each line of the crontab has five fields of time, no % to escape, and a command that works.
    let crontab = blocks("crontab").concat();
    fs::create_dir_all(home.join(".config/walletfs")).unwrap();
    fs::copy(
        home.join(".config/password"),
        home.join(".config/walletfs/cron"),
    )
    .unwrap();
    for line in crontab.lines() {
        assert!(!line.contains('%'), "{line}");
        let mut rest = line;
        for _ in 0..5 {
            let (field, more) = rest.split_once(' ').expect("five fields and a command");
            let valid = |c: char| c.is_ascii_digit() || "*,-/".contains(c);
            assert!(field.chars().all(valid), "{line}");
            rest = more;
        }
        let mut cron = Command::new("sh");
        environment(cron.args(["-c", rest]));
        cron.env_remove("WALLETFS_MEMORABLE_PASSWORD_COMMAND");
        run(&mut cron);
    }
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn what_is_not_run_is_parsed() {
    for block in blocks("sh") {
        for line in block.lines() {
            eprintln!("only parsed: {line}");
            run(Command::new("bash").args(["-n", "-c", line]));
        }
    }
    let [compose] = &blocks("yaml")[..] else {
        panic!("one compose file");
    };
    let check = "import sys, yaml\n\
                 file = yaml.safe_load(sys.argv[1])\n\
                 used = {s for service in file['services'].values() for s in service['secrets']}\n\
                 assert used == set(file['secrets']), used\n\
                 assert all(list(s) == ['environment'] for s in file['secrets'].values())";
    run(Command::new(python()).args(["-c", check, compose]));

    let machine = Machine::new();
    let program = machine.walletfs([""; 0]).get_program().to_owned();
    let program = program.to_str().expect("it is text");
    let units = blocks("ini");
    let names = ["walletfs-backup.service", "walletfs-backup.timer"];
    assert_eq!(units.len(), names.len());
    let files: Vec<_> = names.iter().map(|name| machine.path(name)).collect();
    for (file, unit) in files.iter().zip(units) {
        let unit = unit.replace("%h/.cargo/bin/walletfs", program);
        fs::write(file, unit + "\n").unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&files);
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let about = said.lines().filter(|line| line.contains("walletfs-backup"));
    assert_eq!(about.collect::<Vec<_>>(), [""; 0], "{said}");
}
