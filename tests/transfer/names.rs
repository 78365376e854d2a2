//! Names that cannot be are told with a proposal, and no secret is dropped for its name.

use crate::program::{MEMORABLE, Machine, say};
use crate::terminal::Terminal;
use serde_json::json;

fn table(machine: &Machine) -> String {
    let long = "x".repeat(300);
    let table = format!(
        "domain,access,uid,pwd,{long}\n\
         d,good,,1,\n\
         d,,joe,2,\n\
         d,,,3,\n\
         ,nowhere,,4,\n\
         d,{long},,5,\n\
         d,good,,6,\n\
         d,good,,1,\n\
         d,keyed,,7,value\n"
    );
    machine.file("table.csv", table)
}

#[test]
fn they_are_told_and_left_until_the_person_agrees() {
    let machine = Machine::with_wallet();
    let file = table(&machine);
    let args = ["import", "--from", "csv", &file];
    let (code, out, err) = machine.said(&args);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.starts_with("Found 7 secrets: 7 new.\n1 secret more stand there a second time"),
        "{out}"
    );
    // A table's access falls back to its user.
    assert!(!out.contains("\"joe\""), "{out}");
    for told in [
        "the secret \"\" (line 4): it is empty; proposed: \"unnamed\"",
        "the domain \"\" (line 5): it is empty; proposed: \"csv\"",
        "the secret \"xxx",
        "it is over 255 bytes as shown; proposed: \"xxx",
        "the secret \"good\" (line 7): another secret of the source has it; proposed: \"good (2)\"",
        "the info key \"xxx",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }
    assert!(
        err.contains("5 secrets under names that cannot be") && err.contains("--rename"),
        "{err}"
    );
    assert_eq!(machine.holds().as_array().unwrap().len(), 2);

    // Agreed: all are there, and none twice.
    let args = ["import", "--rename", "--from", "csv", &file];
    machine.ok(&args);
    let holds = machine.holds();
    let cut = "x".repeat(255);
    let pwd = |access: &str| {
        let secrets = holds.as_array().unwrap().iter();
        let mut found = secrets.filter(|secret| secret["access"] == access);
        let secret = found.next().expect("it is there");
        assert!(found.next().is_none(), "{access} is there twice");
        secret["pwd"].clone()
    };
    for (access, expected) in [
        ("good", "1"),
        ("joe", "2"),
        ("unnamed", "3"),
        ("nowhere", "4"),
        (&cut, "5"),
        ("good (2)", "6"),
        ("keyed", "7"),
    ] {
        assert_eq!(pwd(access), expected);
    }
    let keyed = holds
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["access"] == "keyed");
    assert_eq!(keyed.unwrap()["info"], json!({ cut: "value" }));
    assert!(machine.ok(&args).ends_with("Nothing to import.\n"));
}

#[test]
fn on_a_terminal_it_asks() {
    let machine = Machine::with_wallet();
    let file = table(&machine);
    let mut like = machine.walletfs::<&str>([]);
    like.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE));
    for (answer, code, count) in [("n", 1, 2), ("y", 0, 7)] {
        let mut terminal = Terminal::run(&like, &["import", "--from", "csv", &file]);
        terminal
            .expect("Import them under the proposed names? [y/N]: ")
            .line(answer);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, code, "{screen}");
        assert_eq!(machine.holds().as_array().unwrap().len(), count);
    }
}

#[test]
fn a_secret_that_is_too_large_is_told_and_the_others_are_imported() {
    let machine = Machine::with_wallet();
    let large = "x".repeat(500_000);
    let table = format!("domain,access,pwd\nd,large,{large}\nd,small,p\n");
    let file = machine.file("table.csv", table);
    let (code, out, err) = machine.said(&["import", "--from", "csv", &file]);
    assert_eq!(code, 1);
    assert!(
        out.contains("too large: \"d\" / \"large\" (line 2)"),
        "{out}"
    );
    assert!(err.contains("1 secret, too large"), "{err}");
    assert_eq!(
        machine.holds(),
        json!([{"domain": "d", "access": "small", "pwd": "p", "info": {}}])
    );
}
